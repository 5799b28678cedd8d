"""Each invariant is broken once, from outside, and must be named."""

from collections.abc import Callable

import pytest

from synap.radix.check import check
from synap.radix.nodes import Inner, Leaf, Twig, leaves
from synap.radix.tree import PurePythonTree


def sound_tree() -> PurePythonTree:
    """Twigs of two keys at most: node '' over (node 'a' over aa, ab, ac), (b, bb).

    aa and ab share a bucket, b has its own, the others have none.
    """
    tree = PurePythonTree(twig_keys=2)
    for key, deadline_ms in [(b"aa", 1), (b"ab", 2), (b"ac", None), (b"b", 5000), (b"bb", None)]:
        tree.put(key, 0, b"v", deadline_ms, 1)
    return tree


def top(tree: PurePythonTree) -> Inner:
    assert isinstance(tree.by_key.root, Inner)
    return tree.by_key.root


def inner(tree: PurePythonTree) -> Inner:
    node = top(tree).children[b"a"]
    assert isinstance(node, Inner)
    return node


def twig(tree: PurePythonTree) -> Twig:
    node = top(tree).children[b"b"]
    assert isinstance(node, dict)
    return node


def leaf(tree: PurePythonTree, key: bytes) -> Leaf:
    (found,) = (leaf for leaf in leaves(tree.by_key.root) if leaf.key == key)
    return found


def lose_a_child(tree: PurePythonTree) -> None:
    inner(tree).children = {b"a": inner(tree).children[b"a"]}


def leave_an_empty_twig(tree: PurePythonTree) -> None:
    inner(tree).children[b"d"] = {}


def overfill_a_twig(tree: PurePythonTree) -> None:
    twig(tree)[b"bc"] = Leaf(b"bc", 0, b"v", 1)
    top(tree).count += 1


def allow_larger_twigs(tree: PurePythonTree) -> None:
    tree.by_key.twig_keys = 3


def exchange_keys(tree: PurePythonTree) -> None:
    leaf(tree, b"bb").key = b"bx"


def miscount(tree: PurePythonTree) -> None:
    top(tree).count = 4


def miscount_below(tree: PurePythonTree) -> None:
    inner(tree).count = 4


def miscount_the_depth(tree: PurePythonTree) -> None:
    inner(tree).depth = 2


def swap_labels(tree: PurePythonTree) -> None:
    children = inner(tree).children
    children[b"a"], children[b"b"] = children[b"b"], children[b"a"]


def change_a_skipped_byte(tree: PurePythonTree) -> None:
    inner(tree).children[b"b"] = {b"xb": Leaf(b"xb", 0, b"v", 1)}


def change_a_prefix_above_another(tree: PurePythonTree) -> None:
    top(tree).prefix, top(tree).depth = b"x", 1


def forget_a_prefix(tree: PurePythonTree) -> None:
    inner(tree).prefix, inner(tree).depth = b"", 0


def part_keys_twice_at_one_place(tree: PurePythonTree) -> None:
    forget_a_prefix(tree)
    top(tree).children[b""] = top(tree).children.pop(b"a")


def leave_an_empty_span(tree: PurePythonTree) -> None:
    tree.by_deadline.spans[9] = {}


def put_a_bucket_into_another_span(tree: PurePythonTree) -> None:
    tree.by_deadline.spans[1] = {4: tree.by_deadline.spans[0].pop(4)}


def miscount_buckets(tree: PurePythonTree) -> None:
    tree.by_deadline.bucket_count += 1


def forget_a_bucket(tree: PurePythonTree) -> None:
    del tree.by_deadline.spans[0][4]
    tree.by_deadline.bucket_count -= 1


def forget_a_link(tree: PurePythonTree) -> None:
    leaf(tree, b"ab").after = None


def break_a_link_back(tree: PurePythonTree) -> None:
    leaf(tree, b"aa").before = None


def change_a_deadline_behind_the_index(tree: PurePythonTree) -> None:
    leaf(tree, b"b").deadline_ms = 9000


def take_a_deadline_behind_the_index(tree: PurePythonTree) -> None:
    leaf(tree, b"b").deadline_ms = None


def link_a_leaf_without_a_deadline(tree: PurePythonTree) -> None:
    leaf(tree, b"ac").after = leaf(tree, b"b")


def grow_a_value(tree: PurePythonTree) -> None:
    leaf(tree, b"ac").value = b"longer"


def test_a_sound_tree_passes() -> None:
    check(sound_tree())
    check(PurePythonTree())


@pytest.mark.parametrize(
    ("damage", "invariant"),
    [
        (lose_a_child, "two children or more"),
        (leave_an_empty_twig, "no twig is empty"),
        (overfill_a_twig, "a twig has few keys"),
        (allow_larger_twigs, "more keys than a twig may have"),
        (exchange_keys, "knows its leaves by their keys"),
        (miscount, "number of keys below"),
        (miscount_below, "number of keys below"),
        (miscount_the_depth, "length of the prefix"),
        (swap_labels, "next byte of all below"),
        (change_a_skipped_byte, "begins with the prefix"),
        (change_a_prefix_above_another, "begins with the prefix"),
        (forget_a_prefix, "next byte of all below"),
        (part_keys_twice_at_one_place, "part keys later than their parents"),
        (leave_an_empty_span, "no span is empty"),
        (put_a_bucket_into_another_span, "bucket is in its span"),
        (miscount_buckets, "all buckets are counted"),
        (forget_a_bucket, "holds the leaves that have a deadline"),
        (forget_a_link, "holds the leaves that have a deadline"),
        (break_a_link_back, "links agree in both directions"),
        (change_a_deadline_behind_the_index, "a leaf is in its bucket"),
        (take_a_deadline_behind_the_index, "a leaf is in its bucket"),
        (link_a_leaf_without_a_deadline, "in no chain"),
        (grow_a_value, "memory is what entries, nodes and deadlines occupy"),
    ],
)
def test_damage_is_named(damage: Callable[[PurePythonTree], None], invariant: str) -> None:
    tree = sound_tree()
    damage(tree)
    with pytest.raises(AssertionError, match=invariant):
        check(tree)
