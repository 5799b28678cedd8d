import gc
import random
import sys

import pytest

from synap.radix.check import check
from synap.radix.interface import Tree
from synap.radix.nodes import Inner, Leaf, Node, allocated, leaves, walk
from synap.radix.tree import PurePythonTree
from tests.radix.conformance import LONGEST, TreeConformance


class TestPurePythonTree(TreeConformance):
    def make(self) -> Tree:
        return PurePythonTree()

    def verify(self, tree: Tree) -> None:
        assert isinstance(tree, PurePythonTree)
        check(tree)


class TestTwigsOfThreeKeys(TestPurePythonTree):
    """Few keys make inner nodes and twigs of all sizes."""

    def make(self) -> Tree:
        return PurePythonTree(twig_keys=3)


class TestTwigsOfOneKey(TestPurePythonTree):
    """An inner node wherever two keys part: the deepest tree there can be."""

    def make(self) -> Tree:
        return PurePythonTree(twig_keys=1)


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
    tree.root = node
    del node
    assert tree.count(key) == 1
    del tree
    gc.collect()


def test_dropping_a_tree_with_one_long_chain_of_deadlines_needs_no_stack() -> None:
    tree = PurePythonTree()
    for number in range(100_000):
        tree.put(b"%d" % number, 0, b"", 5, 1)
    del tree
    gc.collect()


def test_a_dropped_tree_is_freed_although_no_collector_knows_its_leaves() -> None:
    value = bytes(1000)
    others = sys.getrefcount(value)
    tree = PurePythonTree()
    for number in range(1000):
        tree.put(b"%d" % number, 0, value, number % 7, 1)
    assert not any(gc.is_tracked(leaf) for leaf in leaves(tree.root))
    assert sys.getrefcount(value) == others + 1000
    del tree
    assert sys.getrefcount(value) == others


def test_iteration_seeks() -> None:
    tree = PurePythonTree()
    for number in range(10_000):
        tree.put(b"%04d" % number, 0, b"", None, 1)
    # A start that had to be searched for from the front would read these leaves.
    for leaf in leaves(tree.root):
        if leaf.key < b"5":
            leaf.key = b"poison"
    assert list(tree.keys(b"", b"9998")) == [b"9998", b"9999"]


def test_memory_is_near_what_the_interpreter_counts_part_by_part() -> None:
    tree = PurePythonTree()
    source = random.Random(5)
    for number in range(10**12, 10**12 + 5000):
        deadline_ms = 1_700_000_000_000 + source.randrange(86_400_000)
        tree.put(b"session:%032x" % source.getrandbits(128), 0, b"v" * 300, deadline_ms, number)
    parts: list[object] = [tree.deadlines.spans]
    for node in walk(tree.root):
        parts += [node, node.prefix, node.children] if isinstance(node, Inner) else [node]
    for leaf in leaves(tree.root):
        parts += [leaf, leaf.key, leaf.value, leaf.version, leaf.deadline_ms]
    for buckets in tree.deadlines.spans.values():
        parts += [buckets, *buckets]
    assert tree.memory_bytes == pytest.approx(sum(map(allocated, parts)), rel=0.02)
