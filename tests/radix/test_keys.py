import gc
import sys

import pytest

from synap.radix.check import check
from synap.radix.keys import KeyIndex
from synap.radix.nodes import Inner, Leaf, Node
from synap.radix.tree import PurePythonTree
from synap.radix.twigs import TWIG_KEYS
from tests.radix.conformance import LONGEST


def test_a_key_too_many_makes_an_inner_node_and_its_loss_a_twig() -> None:
    index = KeyIndex()
    keys = [b"session:%03d" % number for number in range(TWIG_KEYS + 1)]
    for key in keys:
        assert not isinstance(index.root, Inner)
        index.insert(*index.approach(key), Leaf(key, 0, b"", 1))
    assert isinstance(index.root, Inner)
    assert index.root.prefix == b"session:"
    path, twig = index.approach(keys[0])
    assert twig is not None
    assert index.remove(path, twig, keys[0]).key == keys[0]
    assert not isinstance(index.root, Inner)
    assert set(index.root) == set(keys[1:])


def test_only_an_empty_index_is_filled() -> None:
    index = KeyIndex()
    leaf = Leaf(b"a", 0, b"", 1)
    index.fill([leaf])
    assert index.find(b"a") is leaf
    with pytest.raises(AssertionError, match="only an empty index"):
        index.fill([Leaf(b"b", 0, b"", 1)])
    assert index.root == {b"a": leaf}


def test_the_way_to_an_absent_key_is_the_way_to_its_place() -> None:
    index = KeyIndex(twig_keys=1)
    for key in (b"ann:cart", b"ann:login"):
        index.insert(*index.approach(key), Leaf(key, 0, b"", 1))
    for absent, keys in [(b"ann:cards", {b"ann:cart"}), (b"bob:login", {b"ann:login"}), (b"ann:theme", set())]:
        path, twig = index.approach(absent)
        assert [inner.prefix for inner in path] == [b"ann:"]
        assert set(twig or ()) == keys
        assert index.find(absent) is None


# Deep enough for any recursion to end in an error or a crash, and still 200 MB of keys less than the deepest.
DEPTH = 20_000


def chain_of_keys(depth: int) -> PurePythonTree:
    """The keys "", a, aa, ...: an inner node for nearly each. Built from the longest, else it takes minutes."""
    tree = PurePythonTree()
    for size in range(depth, -1, -1):
        tree.put(b"a" * size, 0, b"", size, 1)
    return tree


def test_a_chain_of_keys_needs_no_stack() -> None:
    tree = chain_of_keys(DEPTH)
    check(tree)
    longest = b"a" * DEPTH
    assert 10 * sys.getrecursionlimit() < DEPTH
    assert tree.get(longest) == (0, b"", DEPTH, 1)
    assert tree.count(longest[:-5]) == 6
    assert len(list(tree.keys())) == DEPTH + 1
    assert list(tree.keys(b"", longest[:-2])) == [longest[:-2], longest[:-1], longest]
    tree.put(longest + b"b", 0, b"", 1, 1)
    tree.put(longest + b"c", 0, b"", 1, 1)
    assert tree.delete(longest) is not None
    assert tree.due(1) == [b"", b"a", longest + b"b", longest + b"c"]
    assert tree.delete_prefix(b"a") == DEPTH + 1
    assert list(tree.items()) == [(b"", 0, b"", 0, 1)]
    check(tree)


def test_dropping_the_deepest_possible_tree_needs_no_stack() -> None:
    # Only the shape matters here, so all leaves share one key and all inner nodes no prefix, instead of 4 GiB of them.
    key = b"a" * LONGEST
    tree = PurePythonTree(twig_keys=1)
    node: Node = {key: Leaf(key, 0, b"", 1)}
    for depth in range(LONGEST - 1, -1, -1):
        node = Inner(b"", LONGEST - depth + 1, {b"a": node, b"": {key: Leaf(key, 0, b"", 1)}})
        node.depth = depth
    tree.by_key.root = node
    del node
    assert tree.count(key) == 1
    del tree
    gc.collect()
