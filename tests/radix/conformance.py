"""What every implementation of ``synap.radix.Tree`` must do. Subclass ``TreeConformance`` and say how one is made."""

import random
from collections.abc import Iterator
from itertools import chain, pairwise, repeat

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from synap.radix.interface import Item, Tree
from tests.radix.model import TreeMachine

KEYS_THAT_PART_EVERYWHERE = [
    *(b"", b"\x00", b"\x00\x00"),
    *(b"a", b"a\x00", b"a\x00b", b"ab", b"abc", b"abcdef", b"abcdeg", b"abd"),
    *(b"b", b"ba"),
    *(b"\xfe", b"\xff", b"\xff\x00", b"\xff\xff"),
]
"""In key order: the empty key, keys that begin others, NUL and 0xff at ends, a long shared middle."""

LONGEST = 65_536


def items_of(keys: list[bytes]) -> list[Item]:
    """Entries that differ in every field, some without a deadline, some with one and the same."""
    return [
        (key, number % 3, b"value of " + key, number % 5 * 700 - 1400 if number % 4 else None, number)
        for number, key in enumerate(keys, 1)
    ]


class TreeConformance:
    def make(self) -> Tree:
        """An empty tree."""
        raise NotImplementedError

    def verify(self, tree: Tree) -> None:
        """Assert what must hold inside, where there is a way to look."""

    def filled(self, keys: list[bytes]) -> Tree:
        """A tree with these keys, put in an order of its own; values and versions tell them apart."""
        tree = self.make()
        numbered = list(enumerate(keys, 1))
        random.Random(len(keys)).shuffle(numbered)
        for number, key in numbered:
            assert tree.put(key, 2, b"value of " + key, None, number) is None
            self.verify(tree)
        return tree

    # --- one entry ---------------------------------------------------------------------------------------

    def test_an_empty_tree_has_nothing(self) -> None:
        tree = self.make()
        assert len(tree) == tree.count() == tree.count(b"a") == tree.delete_prefix(b"") == tree.memory_bytes == 0
        assert tree.get(b"") is tree.delete(b"a") is tree.set_deadline(b"", 5) is None
        assert list(tree.keys()) == tree.due(2**63) == []
        assert list(tree.items(b"a", b"b")) == []
        self.verify(tree)

    def test_get_returns_the_fields_that_were_put(self) -> None:
        tree = self.make()
        tree.put(b"k", 1, b"{}", 1_700_000_000_000, 2**64 - 1)
        assert tree.get(b"k") == (1, b"{}", 1_700_000_000_000, 2**64 - 1)

    def test_every_key_is_found_and_no_other(self) -> None:
        tree = self.filled(KEYS_THAT_PART_EVERYWHERE)
        for number, key in enumerate(KEYS_THAT_PART_EVERYWHERE, 1):
            assert tree.get(key) == (2, b"value of " + key, None, number)
        for absent in [b"c", b"aa", b"abcde", b"abcdefg", b"abxdef", b"xbcdef", b"\x00\x01", b"\xff\xff\xff"]:
            assert tree.get(absent) is None
            assert tree.delete(absent) is None
            assert tree.set_deadline(absent, 1) is None
        assert len(tree) == len(KEYS_THAT_PART_EVERYWHERE)

    @pytest.mark.parametrize("number", [0, 1, 15, 16, 17, 40])
    def test_many_keys_are_found_at_once_each_in_its_place(self, number: int) -> None:
        tree = self.filled(KEYS_THAT_PART_EVERYWHERE)
        absent = [b"c", b"aa", b"abcde", b"abcdefg", b"abxdef", b"xbcdef", b"\x00\x01", b"a" * LONGEST]
        keys = random.Random(number).choices(KEYS_THAT_PART_EVERYWHERE + absent, k=number)
        assert tree.get_many(keys) == tree.get_many(tuple(keys)) == [tree.get(key) for key in keys]
        assert self.make().get_many(keys) == [None] * number

    @pytest.mark.parametrize("number", [0, 1, 15, 16, 17, 40])
    def test_foreseen_keys_are_what_they_were(self, number: int) -> None:
        tree, empty = self.filled(KEYS_THAT_PART_EVERYWHERE), self.make()
        items, walk = list(tree.items()), tree.items()
        keys = random.Random(number).choices([*KEYS_THAT_PART_EVERYWHERE, b"c", b"abxdef", b"a" * LONGEST], k=number)
        tree.foresee(keys)
        empty.foresee(tuple(keys))
        # It is no change, for iterations either.
        assert list(walk) == list(tree.items()) == items
        assert len(empty) == 0

    def test_what_is_read_again_and_again_is_what_was_put_last(self) -> None:
        tree = self.make()
        for number in range(3):
            tree.put(b"k", number, b"v", number, number + 1)
            for _ in range(3):
                assert tree.get(b"k") == tree.get(bytes(bytearray(b"k"))) == (number, b"v", number, number + 1)
            tree.set_deadline(b"k", None)
            assert [tree.get(b"k") for _ in range(3)] == [(number, b"v", None, number + 1)] * 3
            assert tree.delete(b"k") == (number, b"v", None, number + 1)
            assert tree.get(b"k") is None
        tree.put(b"k", 0, b"v", None, 9)
        assert [tree.get(b"k") for _ in range(3)] == [(0, b"v", None, 9)] * 3
        tree.delete_prefix(b"")
        assert tree.get(b"k") is None
        tree.load([(b"k", 1, b"loaded", None, 10)])
        assert tree.get(b"k") == (1, b"loaded", None, 10)

    def test_values_of_any_size_come_and_go(self) -> None:
        tree = self.make()
        sizes = [0, 1, 300, 4000, 4066, 4067, 4068, 4069, 5000, 100_000, 8 * 1024 * 1024, 4068, 4070, 3]
        for number, size in enumerate(sizes):
            tree.put(b"same", 0, bytes([number]) * size, 5, 1)
            tree.put(b"%d" % number, 0, bytes([number]) * size, None, 1)
            assert tree.get(b"same") == (0, bytes([number]) * size, 5, 1)
            self.verify(tree)
        assert tree.due(5) == [b"same"]
        for number, size in enumerate(sizes):
            assert tree.delete(b"%d" % number) == (0, bytes([number]) * size, None, 1)
            self.verify(tree)

    def test_put_returns_what_it_replaced(self) -> None:
        tree = self.make()
        assert tree.put(b"k", 0, b"old", 5, 1) is None
        assert tree.put(b"k", 1, b"newer", None, 2) == (0, b"old", 5, 1)
        assert tree.get(b"k") == (1, b"newer", None, 2)
        assert len(tree) == 1
        self.verify(tree)

    def test_delete_returns_what_was_there_in_any_order(self) -> None:
        for seed in range(20):
            tree = self.filled(KEYS_THAT_PART_EVERYWHERE)
            left = list(KEYS_THAT_PART_EVERYWHERE)
            for key in random.Random(seed).sample(left, len(left)):
                entry = tree.get(key)
                assert entry is not None
                assert tree.delete(key) == entry
                assert tree.delete(key) is None
                left.remove(key)
                assert list(tree.keys()) == left
                self.verify(tree)

    def test_keys_of_64_kib_part_at_their_last_byte_and_at_their_ends(self) -> None:
        longest = b"k" * LONGEST
        keys = [longest[:-1], longest[:-1] + b"a", longest]
        tree = self.filled(keys)
        assert list(tree.keys()) == keys
        assert tree.count(longest[:-2]) == 3
        assert tree.count(longest) == 1
        assert tree.get(longest[:-1] + b"b") is None
        assert tree.delete(longest) == (2, b"value of " + longest, None, 3)
        self.verify(tree)

    def test_all_bytes_may_follow_one_prefix(self) -> None:
        keys = [b"p", *(b"p" + bytes([byte]) for byte in range(256))]
        tree = self.filled(keys)
        assert list(tree.keys(b"p")) == keys
        assert list(tree.keys(b"", b"p\xfe")) == keys[-2:]

    # --- all at once -------------------------------------------------------------------------------------

    @pytest.mark.parametrize("number_of_keys", range(len(KEYS_THAT_PART_EVERYWHERE) + 1))
    def test_load_makes_the_tree_that_puts_make(self, number_of_keys: int) -> None:
        items = items_of(KEYS_THAT_PART_EVERYWHERE[:number_of_keys])
        tree, other = self.make(), self.make()
        tree.load(iter(items))
        for item in reversed(items):
            other.put(*item)
        self.verify(tree)
        assert list(tree.items()) == items
        assert [tree.get(item[0]) for item in items] == [item[1:] for item in items]
        assert len(tree) == len(items)
        assert tree.memory_bytes == other.memory_bytes
        assert [tree.due(now_ms) for now_ms in range(-2000, 2000, 100)] == [
            other.due(now_ms) for now_ms in range(-2000, 2000, 100)
        ]

    def test_load_takes_keys_of_64_kib_and_all_bytes_after_one_prefix(self) -> None:
        longest = b"k" * LONGEST
        keys = [b"", longest[:-1], *(longest[:-1] + bytes([byte]) for byte in range(256))]
        tree = self.make()
        tree.load(items_of(keys))
        self.verify(tree)
        assert list(tree.keys()) == keys
        assert tree.count(longest[:-1]) == 257
        assert tree.memory_bytes == self.filled_with(items_of(keys)).memory_bytes

    def test_load_refuses_a_tree_that_is_not_empty_and_asks_the_items_for_nothing(self) -> None:
        tree = self.filled([b"a"])
        keys, items = tree.keys(), iter(items_of([b"b", b"c"]))
        before = tree.memory_bytes
        with pytest.raises(ValueError, match="empty"):
            tree.load(items)
        assert list(items) == items_of([b"b", b"c"])
        assert list(keys) == [b"a"]
        assert (len(tree), tree.memory_bytes) == (1, before)
        self.verify(tree)

    def test_load_fills_a_tree_that_has_become_empty(self) -> None:
        tree = self.filled(KEYS_THAT_PART_EVERYWHERE)
        tree.put(b"late", 0, b"", 5, 1)
        tree.delete_prefix(b"")
        tree.load(items_of([b"a", b"b"]))
        assert list(tree.items()) == items_of([b"a", b"b"])
        self.verify(tree)

    @pytest.mark.parametrize(
        "keys",
        [
            [b"", b""],
            [b"a", b""],
            [b"a", b"a"],
            [b"b", b"a"],
            [b"ab", b"a"],
            [b"a\x80", b"a\x7f"],
            [*KEYS_THAT_PART_EVERYWHERE, b"\xff\xfe"],
            [*KEYS_THAT_PART_EVERYWHERE, b"\xff\xff"],
        ],
    )
    def test_load_refuses_keys_that_do_not_ascend_and_leaves_nothing(self, keys: list[bytes]) -> None:
        tree = self.make()
        with pytest.raises(ValueError, match="greater"):
            tree.load(items_of(keys))
        self.is_empty_and_can_be_loaded(tree)

    def test_load_reads_no_further_than_the_first_key_out_of_order(self) -> None:
        tree = self.make()
        ascending, endless = items_of([b"a", b"b", b"c"]), repeat((b"c", 0, b"", 5, 1))
        with pytest.raises(ValueError, match="greater"):
            tree.load(chain(ascending, endless))
        self.is_empty_and_can_be_loaded(tree)

    @pytest.mark.parametrize("good", [0, 1, 7, len(KEYS_THAT_PART_EVERYWHERE)])
    def test_load_lets_an_exception_of_the_items_through_and_leaves_nothing(self, good: int) -> None:
        def damaged() -> Iterator[Item]:
            yield from items_of(KEYS_THAT_PART_EVERYWHERE[:good])
            raise OSError(5, "a block that cannot be read")

        tree = self.make()
        with pytest.raises(OSError, match="a block that cannot be read"):
            tree.load(damaged())
        self.is_empty_and_can_be_loaded(tree)

    def is_empty_and_can_be_loaded(self, tree: Tree) -> None:
        """Assert that a load that failed left nothing, neither to be seen nor in the way of the next."""
        assert len(tree) == tree.count() == tree.memory_bytes == 0
        assert list(tree.keys()) == tree.due(2**63) == []
        self.verify(tree)
        items = items_of(KEYS_THAT_PART_EVERYWHERE)
        tree.load(items)
        self.verify(tree)
        assert list(tree.items()) == items
        assert tree.memory_bytes == self.filled_with(items).memory_bytes

    def test_an_iterator_does_not_survive_a_load_unless_nothing_was_loaded(self) -> None:
        tree = self.make()
        keys = tree.keys()
        tree.load([])
        assert list(keys) == []
        keys, items = tree.keys(), tree.items(b"x")
        tree.load(items_of([b"a"]))
        with pytest.raises(RuntimeError):
            next(keys)
        with pytest.raises(RuntimeError):
            next(items)

    def filled_with(self, items: list[Item]) -> Tree:
        """A tree with these entries, put one by one."""
        tree = self.make()
        for item in items:
            assert tree.put(*item) is None
        return tree

    # --- prefixes ----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("prefix", [*KEYS_THAT_PART_EVERYWHERE, b"abcd", b"abcde", b"c", b"abce", b"abcdefg"])
    def test_count_keys_and_delete_prefix_agree_on_what_is_under_a_prefix(self, prefix: bytes) -> None:
        tree = self.filled(KEYS_THAT_PART_EVERYWHERE)
        under = [key for key in KEYS_THAT_PART_EVERYWHERE if key.startswith(prefix)]
        assert tree.count(prefix) == len(under)
        assert list(tree.keys(prefix)) == under
        assert [item[0] for item in tree.items(prefix)] == under
        assert tree.delete_prefix(prefix) == len(under)
        assert list(tree.keys()) == [key for key in KEYS_THAT_PART_EVERYWHERE if key not in under]
        assert tree.count(prefix) == 0
        self.verify(tree)

    def test_a_prefix_that_differs_in_bytes_the_way_down_does_not_look_at_covers_nothing(self) -> None:
        tree = self.filled([b"user:1:a", b"user:1:b", b"user:2:a"])
        for trap in [b"uxer:", b"xser:1:", b"user;1", b"user:1;a", b"user:1x"]:
            assert tree.count(trap) == tree.delete_prefix(trap) == 0
            assert list(tree.keys(trap)) == []
        assert len(tree) == 3

    def test_delete_prefix_takes_deadlines_and_memory_along(self) -> None:
        tree = self.make()
        tree.put(b"stays", 0, b"v", 7, 1)
        before = tree.memory_bytes
        for number in range(100):
            tree.put(b"user:%d" % number, 0, b"v" * number, number, number)
        assert tree.delete_prefix(b"user:") == 100
        assert tree.due(1000) == [b"stays"]
        assert tree.memory_bytes == before
        self.verify(tree)

    # --- iteration ---------------------------------------------------------------------------------------

    @pytest.mark.parametrize("prefix", [b"", b"a", b"ab", b"abcd", b"\xff", b"c"])
    def test_iteration_starts_at_the_first_key_not_less_than_start(self, prefix: bytes) -> None:
        tree = self.filled(KEYS_THAT_PART_EVERYWHERE)
        neighbours = [key + end for key in KEYS_THAT_PART_EVERYWHERE for end in (b"", b"\x00", b"c", b"\xff")]
        for start in [*neighbours, b"abb", b"abcc", b"abce", b"abcdee", b"abcdeff"]:
            expected = [key for key in KEYS_THAT_PART_EVERYWHERE if key.startswith(prefix) and key >= start]
            assert list(tree.keys(prefix, start)) == expected

    def test_items_have_all_fields(self) -> None:
        tree = self.make()
        tree.put(b"b", 1, b"two", None, 9)
        tree.put(b"a", 0, b"one", 5, 8)
        assert list(tree.items()) == [(b"a", 0, b"one", 5, 8), (b"b", 1, b"two", None, 9)]

    @pytest.mark.parametrize("change", ["put", "replace", "set_deadline", "delete", "delete_prefix"])
    @pytest.mark.parametrize("steps", [0, 1, 3])
    def test_an_iterator_does_not_survive_a_change(self, steps: int, change: str) -> None:
        tree = self.filled([b"a", b"b", b"c"])
        keys, items = tree.keys(), tree.items(b"", b"a")
        for _ in range(steps):
            next(keys)
            next(items)
        match change:
            case "put":
                tree.put(b"d", 0, b"", None, 4)
            case "replace":
                tree.put(b"a", 0, b"", None, 4)
            case "set_deadline":
                tree.set_deadline(b"a", 1)
            case "delete":
                tree.delete(b"c")
            case _:
                tree.delete_prefix(b"")
        with pytest.raises(RuntimeError):
            next(keys)
        with pytest.raises(RuntimeError):
            next(items)

    def test_a_position_is_that_in_key_order(self) -> None:
        tree = self.filled(KEYS_THAT_PART_EVERYWHERE)
        count = len(KEYS_THAT_PART_EVERYWHERE)
        assert [tree.key_at(position) for position in range(count)] == KEYS_THAT_PART_EVERYWHERE
        for position in (-1, count, 2**63):
            with pytest.raises(IndexError):
                tree.key_at(position)
        with pytest.raises(IndexError):
            self.make().key_at(0)

    def test_an_iterator_survives_reads_and_calls_that_found_nothing(self) -> None:
        tree = self.filled([b"a", b"b"])
        keys = tree.keys()
        assert next(keys) == b"a"
        assert tree.get(b"a") is not None
        assert tree.key_at(1) == b"b"
        assert tree.entry_bytes(b"a") > tree.entry_bytes(b"x") == 0
        assert tree.delete(b"x") is tree.set_deadline(b"x", 1) is None
        assert tree.delete_prefix(b"x") == 0
        assert list(tree.keys()) == [b"a", b"b"]
        assert list(keys) == [b"b"]

    # --- deadlines ---------------------------------------------------------------------------------------

    def test_due_is_ordered_by_deadline_then_key(self) -> None:
        tree = self.make()
        for key, deadline_ms in [(b"c", 5), (b"a", 6), (b"b", 5), (b"", 6), (b"late", 7), (b"never", None)]:
            tree.put(key, 0, b"", deadline_ms, 1)
        assert tree.due(4) == []
        assert tree.due(5) == [b"b", b"c"]
        assert tree.due(6) == [b"b", b"c", b"", b"a"]
        assert tree.due(10**15) == [b"b", b"c", b"", b"a", b"late"]
        assert [len(tree.due(6, limit)) for limit in range(6)] == [0, 1, 2, 3, 4, 4]
        found = tree.due(6, 3)
        assert found == [key for key in [b"b", b"c", b"", b"a"] if key in found], "any three, in order"

    def test_absurd_deadlines_are_ordered_like_any_others(self) -> None:
        tree = self.make()
        deadlines = [-(2**62), -1025, -1, 0, 1, 1023, 1024, 2**20, 2**31, 2**53, 2**62, 2**63 - 1]
        for deadline_ms in reversed(deadlines):
            tree.put(b"%d" % deadline_ms, 0, b"", deadline_ms, 1)
            self.verify(tree)
        for position, deadline_ms in enumerate(deadlines):
            assert tree.due(deadline_ms - 1) == [b"%d" % earlier for earlier in deadlines[:position]]
            assert tree.due(deadline_ms)[-1] == b"%d" % deadline_ms

    def test_set_deadline_changes_nothing_else(self) -> None:
        tree = self.make()
        tree.put(b"k", 1, b"v", 5, 3)
        assert tree.set_deadline(b"k", None) == (1, b"v", 5, 3)
        assert (tree.get(b"k"), tree.due(2**62)) == ((1, b"v", None, 3), [])
        assert tree.set_deadline(b"k", 9_000_000) == (1, b"v", None, 3)
        assert (tree.due(8_999_999), tree.due(9_000_000)) == ([], [b"k"])
        assert tree.set_deadline(b"k", 6) == (1, b"v", 9_000_000, 3)
        assert (tree.due(6), tree.due(5)) == ([b"k"], [])
        self.verify(tree)

    def test_put_moves_the_deadline(self) -> None:
        tree = self.make()
        for deadline_ms in [5, 6, 5_000_000, None, 7, 7]:
            tree.put(b"k", 0, b"v", deadline_ms, 1)
            assert tree.due(2**62) == ([] if deadline_ms is None else [b"k"])
            self.verify(tree)

    def test_many_equal_deadlines_come_and_go(self) -> None:
        tree = self.make()
        keys = [b"%03d" % number for number in range(300)]
        for key in random.Random(1).sample(keys, 300):
            tree.put(key, 0, b"", 1_700_000_000_123, 1)
        while keys:
            found = tree.due(1_700_000_000_123, 70)
            assert found == sorted(found)
            assert len(found) == min(70, len(keys))
            for key in found:
                tree.delete(key)
                keys.remove(key)
        assert tree.due(2**53) == []

    # --- memory ------------------------------------------------------------------------------------------

    def test_memory_grows_with_entries_and_values_and_returns_to_nothing(self) -> None:
        tree = self.make()
        sizes = [tree.memory_bytes]
        for key in KEYS_THAT_PART_EVERYWHERE:
            tree.put(key, 0, b"v" * 100, 1_700_000_000_000 + len(key), 1)
            sizes.append(tree.memory_bytes)
        assert all(larger >= smaller + 100 for smaller, larger in pairwise(sizes))
        tree.put(b"ab", 0, b"v" * 100_000, 1_700_000_000_002, 2)
        assert tree.memory_bytes >= sizes[-1] + 99_000
        tree.put(b"ab", 0, b"v" * 100, 1_700_000_000_002, 3)
        assert tree.memory_bytes == sizes[-1]
        for key, size in zip(reversed(KEYS_THAT_PART_EVERYWHERE), reversed(sizes[:-1]), strict=True):
            tree.delete(key)
            assert tree.memory_bytes == size
        assert tree.memory_bytes == 0

    def test_each_entry_has_its_part_of_the_memory(self) -> None:
        tree = self.filled_with(items_of(KEYS_THAT_PART_EVERYWHERE))
        parts = [tree.entry_bytes(key) for key in KEYS_THAT_PART_EVERYWHERE]
        assert all(part >= len(key) for part, key in zip(parts, KEYS_THAT_PART_EVERYWHERE, strict=True))
        assert sum(parts) <= tree.memory_bytes
        before = tree.entry_bytes(b"ab")
        tree.put(b"ab", 0, b"v" * 1000, None, 3)
        after = tree.entry_bytes(b"ab")
        tree.put(b"ab", 0, b"v" * 3000, None, 4)
        assert before < after == tree.entry_bytes(b"ab") - 2000
        assert tree.entry_bytes(b"missing") == 0

    # --- more than a few ----------------------------------------------------------------------------------

    def test_thousands_of_keys_come_and_go(self) -> None:
        source = random.Random(11)
        keys = sorted({b"user:%d:%x" % (source.randrange(5), source.getrandbits(11)) for _ in range(4000)})
        tree = self.filled_unverified(keys)
        self.verify(tree)
        assert list(tree.keys()) == keys
        while keys:
            gone = set(source.sample(keys, min(len(keys), 150)))
            for key in gone:
                assert tree.delete(key) is not None
            keys = [key for key in keys if key not in gone]
            prefix, start = b"user:%d:%x" % (source.randrange(5), source.randrange(256)), source.choice([*keys, b""])
            assert tree.count(prefix) == sum(key.startswith(prefix) for key in keys)
            assert list(tree.keys(prefix)) == [key for key in keys if key.startswith(prefix)]
            assert list(tree.keys(prefix[:7], start)) == [key for key in keys if key[:7] == prefix[:7] and key >= start]
            assert tree.delete_prefix(prefix) == sum(key.startswith(prefix) for key in keys)
            keys = [key for key in keys if not key.startswith(prefix)]
            assert list(tree.keys(b"", start)) == [key for key in keys if key >= start]
            assert tree.memory_bytes == self.filled_unverified(keys).memory_bytes
            self.verify(tree)
        assert tree.memory_bytes == 0

    def filled_unverified(self, keys: list[bytes]) -> Tree:
        """As ``filled``, in the order given."""
        tree = self.make()
        for key in keys:
            assert tree.put(key, 2, b"value of " + key, None, 7) is None
        return tree

    # --- any order of anything ---------------------------------------------------------------------------

    def test_behaves_like_a_sorted_dict(self) -> None:
        suite = self

        class Machine(TreeMachine):
            def make(self) -> Tree:
                return suite.make()

            def verify(self, tree: Tree) -> None:
                suite.verify(tree)

        run_state_machine_as_test(Machine, settings=settings(stateful_step_count=40, deadline=None))
