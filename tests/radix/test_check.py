"""Each invariant is broken once, from outside, and must be named."""

from collections.abc import Callable

import pytest

from synap.radix.check import check
from synap.radix.nodes import Inner, Leaf, Node
from synap.radix.tree import PurePythonTree


def sound_tree() -> PurePythonTree:
    """Node for byte 0 over (node for byte 1 over aa, ab), b; a and b share a bucket, c has its own, d has none."""
    tree = PurePythonTree()
    for key, deadline_ms in [(b"aa", 1), (b"ab", 2), (b"b", 5000), (b"c", None)]:
        tree.put(key, 0, b"v", deadline_ms, 1)
    return tree


def top(tree: PurePythonTree) -> Inner:
    assert isinstance(tree.root, Inner)
    return tree.root


def inner(tree: PurePythonTree) -> Inner:
    node = top(tree).children[b"a"]
    assert isinstance(node, Inner)
    return node


def leaf(tree: PurePythonTree, key: bytes) -> Leaf:
    node: Node = top(tree)
    while isinstance(node, Inner):
        node = node.children[key[node.depth : node.depth + 1]]
    return node


def lose_a_child(tree: PurePythonTree) -> None:
    del inner(tree).children[b"b"]


def miscount(tree: PurePythonTree) -> None:
    top(tree).count = 3


def miscount_below(tree: PurePythonTree) -> None:
    inner(tree).count = 3


def swap_labels(tree: PurePythonTree) -> None:
    children = inner(tree).children
    children[b"a"], children[b"b"] = children[b"b"], children[b"a"]


def change_a_skipped_byte(tree: PurePythonTree) -> None:
    leaf(tree, b"ab").key = b"xb"


def turn_depths_around(tree: PurePythonTree) -> None:
    inner(tree).depth = top(tree).depth = 0
    inner(tree).children = {b"a": leaf(tree, b"aa"), b"b": leaf(tree, b"b")}


def leave_an_empty_span(tree: PurePythonTree) -> None:
    tree.deadlines.spans[9] = {}


def put_a_bucket_into_another_span(tree: PurePythonTree) -> None:
    tree.deadlines.spans[1] = {4: tree.deadlines.spans[0].pop(4)}


def miscount_buckets(tree: PurePythonTree) -> None:
    tree.deadlines.bucket_count += 1


def forget_a_bucket(tree: PurePythonTree) -> None:
    del tree.deadlines.spans[0][4]
    tree.deadlines.bucket_count -= 1


def forget_a_link(tree: PurePythonTree) -> None:
    leaf(tree, b"ab").after = None


def break_a_link_back(tree: PurePythonTree) -> None:
    leaf(tree, b"aa").before = None


def change_a_deadline_behind_the_index(tree: PurePythonTree) -> None:
    leaf(tree, b"b").deadline_ms = 9000


def take_a_deadline_behind_the_index(tree: PurePythonTree) -> None:
    leaf(tree, b"b").deadline_ms = None


def link_a_leaf_without_a_deadline(tree: PurePythonTree) -> None:
    leaf(tree, b"c").after = leaf(tree, b"b")


def grow_a_value(tree: PurePythonTree) -> None:
    leaf(tree, b"c").value = b"longer"


def test_a_sound_tree_passes() -> None:
    check(sound_tree())
    check(PurePythonTree())


@pytest.mark.parametrize(
    ("damage", "invariant"),
    [
        (lose_a_child, "two children or more"),
        (miscount, "number of leaves below"),
        (miscount_below, "number of leaves below"),
        (swap_labels, "next byte of the keys below"),
        (change_a_skipped_byte, "agree up to the byte"),
        (turn_depths_around, "part keys later than their parents"),
        (leave_an_empty_span, "no span is empty"),
        (put_a_bucket_into_another_span, "bucket is in its span"),
        (miscount_buckets, "all buckets are counted"),
        (forget_a_bucket, "holds the leaves that have a deadline"),
        (forget_a_link, "holds the leaves that have a deadline"),
        (break_a_link_back, "links agree in both directions"),
        (change_a_deadline_behind_the_index, "a leaf is in its bucket"),
        (take_a_deadline_behind_the_index, "a leaf is in its bucket"),
        (link_a_leaf_without_a_deadline, "in no chain"),
        (grow_a_value, "memory is what the nodes weigh"),
    ],
)
def test_damage_is_named(damage: Callable[[PurePythonTree], None], invariant: str) -> None:
    tree = sound_tree()
    damage(tree)
    with pytest.raises(AssertionError, match=invariant):
        check(tree)
