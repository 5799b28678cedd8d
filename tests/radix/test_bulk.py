import random
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import synap.radix.bulk
from synap.radix.bulk import build, read
from synap.radix.check import check
from synap.radix.interface import Item
from synap.radix.nodes import Inner, Leaf, entry_bytes, mismatch
from synap.radix.show import show
from synap.radix.tree import PurePythonTree
from synap.radix.twigs import TWIG_KEYS
from tests.radix.conformance import KEYS_THAT_PART_EVERYWHERE, items_of
from tests.radix.model import DEADLINES, KEYS, VALUES

ENTRIES = st.tuples(st.integers(0, 2), VALUES, DEADLINES, st.integers(1, 2**64 - 1))


def leaves_of(*keys: bytes) -> list[Leaf]:
    return [Leaf(key, 0, b"", 1) for key in keys]


# --- reading ---------------------------------------------------------------------------------------------


def test_what_was_read_has_all_fields_and_is_in_no_chain_yet() -> None:
    items = items_of(KEYS_THAT_PART_EVERYWHERE)
    leaves, leaves_bytes = read(iter(items))
    assert [(leaf.key, *leaf.entry()) for leaf in leaves] == items
    assert all(leaf.before is leaf.after is None for leaf in leaves)
    assert leaves_bytes == sum(map(entry_bytes, leaves))
    assert read([]) == ([], 0)


def test_an_entry_out_of_order_is_named_by_its_place_and_not_by_its_key() -> None:
    with pytest.raises(ValueError, match="entry 2, counted from 0") as refused:
        read(items_of([b"a", b"secret:2", b"secret:1"]))
    assert "secret" not in str(refused.value)


# --- building --------------------------------------------------------------------------------------------


def test_no_keys_are_the_empty_twig_and_one_key_too_many_is_an_inner_node() -> None:
    leaves = leaves_of(*(b"session:%03d" % number for number in range(TWIG_KEYS + 1)))
    assert build([], TWIG_KEYS) == {}
    assert build(leaves[1:], TWIG_KEYS) == {leaf.key: leaf for leaf in leaves[1:]}
    inner = build(leaves, TWIG_KEYS)
    assert isinstance(inner, Inner)
    assert (inner.prefix, inner.depth, inner.count) == (b"session:", 8, TWIG_KEYS + 1)
    assert inner.children == {
        b"0": {leaf.key: leaf for leaf in leaves[:100]},
        b"1": {leaf.key: leaf for leaf in leaves[100:]},
    }


def test_the_key_that_ends_where_others_part_is_the_first_child() -> None:
    leaves = leaves_of(b"a", b"a\x00", b"a\xff")
    inner = build(leaves, 1)
    assert isinstance(inner, Inner)
    assert list(inner.children.items()) == [
        (b"", {b"a": leaves[0]}),
        (b"\x00", {b"a\x00": leaves[1]}),
        (b"\xff", {b"a\xff": leaves[2]}),
    ]


def both_ways(items: list[Item], twig_keys: int, source: random.Random) -> tuple[PurePythonTree, PurePythonTree]:
    """A tree that was loaded, and one with the same entries put in any order."""
    loaded, grown = PurePythonTree(twig_keys), PurePythonTree(twig_keys)
    loaded.load(iter(items))
    for item in source.sample(items, len(items)):
        grown.put(*item)
    return loaded, grown


def assert_alike(loaded: PurePythonTree, grown: PurePythonTree) -> None:
    check(loaded)
    assert show(loaded) == show(grown)
    assert list(loaded.items()) == list(grown.items())
    assert loaded.by_key.memory_bytes == grown.by_key.memory_bytes
    assert loaded.memory_bytes == grown.memory_bytes
    assert list(loaded.by_deadline.spans) == list(grown.by_deadline.spans)
    assert loaded.due(2**63) == grown.due(2**63)


@given(
    model=st.dictionaries(KEYS, ENTRIES, max_size=40),
    twig_keys=st.integers(1, 6),
    source=st.randoms(use_true_random=False),
)
def test_load_makes_the_shape_that_puts_make(
    model: dict[bytes, tuple[int, bytes, int | None, int]], twig_keys: int, source: random.Random
) -> None:
    items = [(key, *model[key]) for key in sorted(model)]
    assert_alike(*both_ways(items, twig_keys, source))


@pytest.mark.parametrize("twig_keys", [1, 10, TWIG_KEYS])
def test_the_same_with_thousands_of_keys(twig_keys: int) -> None:
    source = random.Random(twig_keys)
    keys = sorted({b"user:%d:%x" % (source.randrange(5), source.getrandbits(14)) for _ in range(8000)})
    assert_alike(*both_ways(items_of(keys), twig_keys, source))


# --- long keys -------------------------------------------------------------------------------------------

# As in test_keys.py: deep enough for any recursion to end in an error or a crash.
DEPTH = 20_000


def test_a_chain_of_keys_needs_no_stack_to_be_loaded() -> None:
    tree = PurePythonTree()
    tree.load((b"a" * size, 0, b"", size, 1) for size in range(DEPTH + 1))
    assert 10 * sys.getrecursionlimit() < DEPTH
    check(tree)
    assert len(tree) == DEPTH + 1
    assert tree.get(b"a" * DEPTH) == (0, b"", DEPTH, 1)


@pytest.mark.parametrize("end", [b"", b"b", b"B" * 2000])
def test_all_nodes_together_read_no_more_than_twice_the_bytes_of_all_keys(
    monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    bytes_read = 0

    def counting(one: bytes, other: bytes) -> int:
        nonlocal bytes_read
        bytes_read += 2 * min(len(one), len(other))
        return mismatch(one, other)

    monkeypatch.setattr(synap.radix.bulk, "mismatch", counting)
    # The longest key comes last, or with an end that is greater than an a, first.
    leaves = leaves_of(*sorted(b"a" * size + end for size in range(2000)))
    build(leaves, 1)
    assert 0 < bytes_read <= 2 * sum(len(leaf.key) for leaf in leaves)


# --- failing ---------------------------------------------------------------------------------------------


def test_what_a_failed_load_has_read_is_freed_although_no_collector_knows_its_leaves() -> None:
    value = bytes(1000)
    others = sys.getrefcount(value)

    def damaged() -> Iterator[Item]:
        for number in range(1000):
            yield b"%04d" % number, 0, value, number % 7, 1
        raise EOFError

    tree = PurePythonTree()
    with pytest.raises(EOFError):
        tree.load(damaged())
    assert sys.getrefcount(value) == others
    tree.load((b"%04d" % number, 0, value, number % 7, 1) for number in range(1000))
    assert sys.getrefcount(value) == others + 1000
    del tree
    assert sys.getrefcount(value) == others


def test_items_that_change_the_tree_they_are_for_are_noticed() -> None:
    tree = PurePythonTree()

    def meddling() -> Iterator[Item]:
        yield b"a", 0, b"", 5, 1
        tree.put(b"b", 0, b"", None, 2)

    with pytest.raises(AssertionError, match="must not change the tree"):
        tree.load(meddling())
    assert list(tree.keys()) == [b"b"]
    check(tree)
