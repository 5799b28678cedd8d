import gc
import random
import sys

import pytest

from synap.radix.check import check
from synap.radix.interface import Tree
from synap.radix.nodes import Inner, allocated, leaves, walk
from synap.radix.tree import PurePythonTree
from tests.radix.conformance import TreeConformance


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
    assert not any(gc.is_tracked(leaf) for leaf in leaves(tree.by_key.root))
    assert sys.getrefcount(value) == others + 1000
    del tree
    assert sys.getrefcount(value) == others


def test_memory_is_near_what_the_interpreter_counts_part_by_part() -> None:
    tree = PurePythonTree()
    source = random.Random(5)
    for number in range(10**12, 10**12 + 5000):
        deadline_ms = 1_700_000_000_000 + source.randrange(86_400_000)
        tree.put(b"session:%032x" % source.getrandbits(128), 0, b"v" * 300, deadline_ms, number)
    parts: list[object] = [tree.by_deadline.spans]
    for node in walk(tree.by_key.root):
        parts += [node, node.prefix, node.children] if isinstance(node, Inner) else [node]
    for leaf in leaves(tree.by_key.root):
        parts += [leaf, leaf.key, leaf.value, leaf.version, leaf.deadline_ms]
    for buckets in tree.by_deadline.spans.values():
        parts += [buckets, *buckets]
    assert tree.memory_bytes == pytest.approx(sum(map(allocated, parts)), rel=0.02)
