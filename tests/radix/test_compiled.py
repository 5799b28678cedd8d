"""The compiled tree: what every tree does, and what only memory of one's own can get wrong."""

import gc
import random
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from synap.radix.interface import Item, Tree
from tests.radix.conformance import KEYS_THAT_PART_EVERYWHERE, LONGEST, TreeConformance, items_of

compiled = pytest.importorskip("synap.radix._radix_c", reason="the compiled tree was not built")

TEXT_BYTES = 28
"""What an entry has beside its key and value, rounded up to 8 with them."""

LARGEST_BLOCK = 4096
"""An entry larger than this has its key and value elsewhere."""


class TestCompiledTree(TreeConformance):
    def make(self) -> Tree:
        tree: Tree = compiled.CompiledTree()
        return tree

    def verify(self, tree: Tree) -> None:
        assert isinstance(tree, compiled.CompiledTree)
        tree.check()


@pytest.fixture(autouse=True)
def nothing_is_kept() -> Iterator[None]:
    """Whatever a test does, when its trees are gone the system has all memory back."""
    before = compiled.held_bytes()
    yield
    if compiled.held_bytes() > before:
        # Something that failed may still refer to them. Collecting takes a while, so only where there is a reason.
        gc.collect()
    assert compiled.held_bytes() <= before


@pytest.fixture
def no_memory_after() -> Iterator[Callable[[int], None]]:
    yield compiled.allow_allocations
    compiled.allow_allocations(-1)


# --- memory ----------------------------------------------------------------------------------------------


def test_memory_is_counted_to_the_byte() -> None:
    tree = compiled.CompiledTree()
    tree.put(b"k" * 40, 2, bytes(300), None, 1)
    assert tree.memory_bytes == tree.entry_bytes(b"k" * 40) == TEXT_BYTES + 340
    tree.set_deadline(b"k" * 40, 5)
    assert tree.memory_bytes == TEXT_BYTES + 340 + 4, "its place in the order by deadline"
    tree.put(b"k" * 39 + b"l", 2, bytes(301), None, 1)
    assert tree.entry_bytes(b"k" * 39 + b"l") == TEXT_BYTES + 340 + 8, "blocks are multiples of 8 bytes"
    assert tree.memory_bytes == 2 * (TEXT_BYTES + 340) + 8 + 4 + 24, "the smallest inner node"


def test_an_inner_node_weighs_at_most_17_bytes_a_child() -> None:
    tree = compiled.CompiledTree()
    entries = 0
    for children in range(1, 257):
        tree.put(bytes([children - 1]), 0, b"", None, 1)
        entries += 32
        assert tree.memory_bytes - entries <= (17 * children if children > 1 else 0)


def test_the_system_gives_about_what_is_counted() -> None:
    before = compiled.held_bytes()
    tree = compiled.CompiledTree()
    tree.load((b"session:%032x" % number, 2, bytes(300), number, 1) for number in range(50_000))
    assert tree.memory_bytes <= compiled.held_bytes() - before <= 2 * tree.memory_bytes


def test_pages_that_lost_all_their_blocks_serve_other_sizes() -> None:
    before = compiled.held_bytes()
    tree = compiled.CompiledTree()
    for size in (100, 500, 1500, 200, 3000):
        for number in range(3_000_000 // size):
            tree.put(b"%d" % number, 0, bytes(size), None, 1)
        tree.check()
        for number in range(3_000_000 // size):
            tree.delete(b"%d" % number)
        tree.check()
    assert compiled.held_bytes() - before < 10_000_000


def test_dropping_a_tree_gives_everything_back() -> None:
    before = compiled.held_bytes()
    tree = compiled.CompiledTree()
    for number in range(2000):
        tree.put(b"%d" % number, 0, bytes(number * 7), number, 1)
    keys = tree.keys()
    next(keys)
    assert compiled.held_bytes() > before
    del tree
    assert next(keys) == b"1", "an iterator keeps its tree"
    del keys
    assert compiled.held_bytes() == before


def test_results_that_are_kept_for_later_are_let_go_with_the_tree() -> None:
    key, tree = b"a key that nobody else has", compiled.CompiledTree()
    references = sys.getrefcount(key)
    for length in range(300):
        tree.put(key[length % 20 :], 0, bytes(10), None, 1)
        for _ in range(3):
            tree.get(key)
    assert sys.getrefcount(key) > references, "a key that is read again is kept with its entry"
    del tree
    assert sys.getrefcount(key) == references


# --- no memory -------------------------------------------------------------------------------------------


def state_of(tree: Tree) -> tuple[list[Item], list[bytes], int]:
    return list(tree.items()), tree.due(2**63), tree.memory_bytes


CHANGES: list[Callable[[Tree], object]] = [
    lambda tree: tree.put(b"abc!", 1, b"between others", 7, 9),
    lambda tree: tree.put(b"abx", 1, b"a child more", None, 9),
    lambda tree: tree.put(b"ab", 1, bytes(900), 7, 9),
    lambda tree: tree.put(b"ab", 1, bytes(9000), None, 9),
    lambda tree: tree.put(b"new", 1, bytes(9000), -7, 9),
    lambda tree: tree.set_deadline(b"abc", 3),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_a_change_without_memory_changes_nothing(number: int, no_memory_after: Callable[[int], None]) -> None:
    change = CHANGES[number]
    tree = compiled.CompiledTree()
    # So many deadlines that the order has no room for another, as far as that can be known from outside.
    for item in items_of(KEYS_THAT_PART_EVERYWHERE) + [(b"%d" % each, 0, b"", each, 1) for each in range(11)]:
        tree.put(*item)
    before = state_of(tree)
    for allowed in range(10):
        no_memory_after(allowed)
        try:
            change(tree)
        except MemoryError:
            no_memory_after(-1)
            tree.check()
            assert state_of(tree) == before
            continue
        break
    else:
        pytest.fail("it never ended")
    no_memory_after(-1)
    tree.check()
    assert state_of(tree) != before


def test_a_first_deadline_without_memory_changes_nothing(no_memory_after: Callable[[int], None]) -> None:
    tree = compiled.CompiledTree()
    tree.put(b"a", 0, b"", None, 1)
    no_memory_after(0)
    with pytest.raises(MemoryError):
        tree.set_deadline(b"a", 5)
    no_memory_after(-1)
    assert state_of(tree) == ([(b"a", 0, b"", None, 1)], [], 32)
    tree.check()


def test_deleting_needs_no_memory(no_memory_after: Callable[[int], None]) -> None:
    keys = [b"%02x" % number for number in range(256)] + [bytes([number]) * 3 for number in range(256)]
    for prefixes in (keys, [b"%x" % number for number in range(16)] + keys):
        tree = compiled.CompiledTree()
        for number, key in enumerate(keys):
            tree.put(key, 0, bytes(number * 20), number, 1)
        no_memory_after(0)
        for prefix in prefixes:
            tree.delete(prefix)
            tree.delete_prefix(prefix)
        no_memory_after(-1)
        tree.check()
        assert (len(tree), tree.memory_bytes) == (0, 0)


@pytest.mark.parametrize(
    "items", [items_of(KEYS_THAT_PART_EVERYWHERE), [(b"%04d" % n, 0, bytes(50 * n), n, 1) for n in range(99)]]
)
def test_a_load_without_memory_leaves_nothing(items: list[Item], no_memory_after: Callable[[int], None]) -> None:
    tree, allowed = compiled.CompiledTree(), -1
    while not len(tree):
        allowed += 1
        no_memory_after(allowed)
        try:
            tree.load(items)
        except MemoryError:
            no_memory_after(-1)
            tree.check()
            assert state_of(tree) == ([], [], 0)
    no_memory_after(-1)
    assert allowed > len(items)
    assert list(tree.items()) == items
    tree.check()


def test_a_process_that_may_not_have_more_memory_goes_on_with_what_it_has() -> None:
    program = """
import resource
from synap.radix._radix_c import CompiledTree
tree, number, size = CompiledTree(), 0, int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 50_000_000, size + 50_000_000))
try:
    while True:
        tree.put(b"%d" % number, 0, bytes(300), number, 1)
        number += 1
except MemoryError:
    pass
tree.check()
assert len(tree) == number > 50_000, number
assert tree.due(4) == [b"0", b"1", b"2", b"3", b"4"]
for each in range(number):
    tree.delete(b"%d" % each)
tree.check()
print(tree.memory_bytes)
"""
    done = subprocess.run(  # noqa: S603 - the program is the text above
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


# --- what is not an entry --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "deadline_ms", "version"),
    [
        (-1, None, 1),
        (256, None, 1),
        (2**40, None, 1),
        (0, 2**63, 1),
        (0, -(2**63) - 1, 1),
        (0, None, -1),
        (0, None, 2**64),
    ],
)
def test_a_field_that_no_entry_holds_is_refused(kind: int, deadline_ms: int | None, version: int) -> None:
    tree = compiled.CompiledTree()
    tree.put(b"k", 255, b"v", -(2**63), 2**64 - 1)
    with pytest.raises(OverflowError):
        tree.put(b"k", kind, b"v", deadline_ms, version)
    assert state_of(tree)[:2] == ([(b"k", 255, b"v", -(2**63), 2**64 - 1)], [b"k"])
    with pytest.raises(OverflowError):
        compiled.CompiledTree().load([(b"k", kind, b"v", deadline_ms, version)])


def test_a_key_longer_than_any_is_refused_and_found_nowhere() -> None:
    tree = compiled.CompiledTree()
    longest = bytes(4 * 1024 * 1024 - 1)
    tree.put(longest, 0, b"v", None, 1)
    with pytest.raises(OverflowError, match="at most 4194303 bytes"):
        tree.put(longest + b"\0", 0, b"v", None, 1)
    assert tree.get(longest) == (0, b"v", None, 1)
    assert tree.get(longest + b"\0") is tree.delete(longest + b"\0") is None
    assert tree.count(longest) == 1
    assert tree.count(longest + b"\0\0") == 0
    assert list(tree.keys(b"", longest + b"\0\0")) == []
    tree.check()


@pytest.mark.parametrize("wrong", [None, "k", 5, bytearray(b"k"), memoryview(b"k")])
def test_only_bytes_are_keys_and_values(wrong: bytes) -> None:
    tree = compiled.CompiledTree()
    tree.put(b"k", 0, b"v", None, 1)
    calls: list[Callable[[], object]] = [
        lambda: tree.get(wrong),
        lambda: tree.get_many([b"k", wrong]),
        lambda: tree.foresee([b"k", wrong]),
        lambda: tree.entry_bytes(wrong),
        lambda: tree.put(wrong, 0, b"", None, 1),
        lambda: tree.put(b"k", 0, wrong, None, 1),
        lambda: tree.set_deadline(wrong, 1),
        lambda: tree.delete(wrong),
        lambda: tree.delete_prefix(wrong),
        lambda: tree.count(wrong),
        lambda: tree.keys(wrong),
        lambda: tree.items(b"", wrong),
        lambda: compiled.CompiledTree().load([(wrong, 0, b"", None, 1)]),
        lambda: compiled.CompiledTree().load([(b"k", 0, wrong, None, 1)]),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    assert list(tree.items()) == [(b"k", 0, b"v", None, 1)]


# --- who interferes --------------------------------------------------------------------------------------


def test_items_cannot_change_the_tree_that_is_made_of_them() -> None:
    tree = compiled.CompiledTree()

    def meddling(change: Callable[[], object]) -> Iterator[Item]:
        yield b"a", 0, b"", None, 1
        assert len(tree) == 0
        change()

    changes: list[Callable[[], object]] = [
        lambda: tree.put(b"b", 0, b"", None, 1),
        lambda: tree.load([]),
        lambda: tree.delete(b"a"),
        lambda: tree.delete_prefix(b""),
        lambda: tree.set_deadline(b"a", 5),
    ]
    for change in changes:
        with pytest.raises(RuntimeError, match="must not change the tree"):
            tree.load(meddling(change))
        tree.check()
        assert len(tree) == 0
    tree.put(b"b", 0, b"", None, 1)
    assert list(tree.keys()) == [b"b"]


MEDDLED: list[bool] = []
"""One more for each time that a ``Meddler`` did something."""


class Meddler:
    """Garbage that empties a tree when it is collected, which is whenever objects are made."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.itself = self

    def __del__(self) -> None:
        MEDDLED.append(True)
        self.tree.delete_prefix(b"")
        self.tree.put(b"left", 0, b"by a meddler", None, 1)


@pytest.mark.parametrize("threshold", range(1, 12))
def test_the_collector_may_run_what_changes_the_tree_at_any_time(threshold: int) -> None:
    keys = [b"%d" % number for number in range(200)]
    calls: list[Callable[[Tree], object]] = [
        lambda tree: tree.get_many(keys),
        lambda tree: [tree.get(key) for key in keys],
        lambda tree: [tree.put(key, 0, b"", 5, 1) for key in keys],
        lambda tree: [tree.set_deadline(key, 5) for key in keys],
        lambda tree: [tree.delete(key) for key in keys],
        lambda tree: tree.due(2**62),
    ]
    # The free list of tuples would spare the collector its turn.
    hoard = [(number, b"", None, number) for number in range(3000)]
    before = gc.get_threshold()
    MEDDLED.clear()
    try:
        for call in calls:
            tree = compiled.CompiledTree()
            for key in keys:
                tree.put(key, 0, bytes(9000), 7, 1)
            Meddler(tree)
            gc.set_threshold(threshold)
            call(tree)
            gc.set_threshold(*before)
            tree.check()
    finally:
        gc.set_threshold(*before)
    del hoard
    assert len(MEDDLED) > 1


# --- many and deep ---------------------------------------------------------------------------------------


def test_a_tree_as_deep_as_its_longest_key_needs_no_stack() -> None:
    keys = [b"a" * length for length in range(0, LONGEST + 1, 16)]
    tree, loaded = compiled.CompiledTree(), compiled.CompiledTree()
    for key in keys:
        tree.put(key, 0, b"", len(key), 1)
    loaded.load(tree.items())
    assert loaded.memory_bytes == tree.memory_bytes
    assert list(loaded.keys()) == keys
    assert loaded.key_at(len(keys) - 1) == keys[-1]
    assert list(tree.keys(b"a" * 60_000, b"a" * 65_000)) == [key for key in keys if len(key) >= 65_000]
    assert tree.delete_prefix(b"a" * 33) == sum(len(key) >= 33 for key in keys)
    assert list(tree.keys()) == keys[:3]
    tree.check()


def test_deadlines_that_move_about_stay_in_order() -> None:
    source = random.Random(3)
    tree, deadlines = compiled.CompiledTree(), dict[bytes, int]()
    for _ in range(20_000):
        key = b"%d" % source.randrange(3000)
        match source.randrange(4):
            case 0:
                tree.delete(key)
                deadlines.pop(key, None)
            case 1 if key in deadlines:
                deadlines[key] = source.randrange(10_000)
                tree.set_deadline(key, deadlines[key])
            case _:
                deadlines[key] = source.randrange(10_000)
                tree.put(key, 0, b"", deadlines[key], 1)
    tree.check()
    ordered = sorted((deadline_ms, key) for key, deadline_ms in deadlines.items())
    assert tree.due(2**62) == [key for _, key in ordered]
    assert [deadlines[key] for key in tree.due(9000, 100)] == [deadline_ms for deadline_ms, _ in ordered[:100]]
