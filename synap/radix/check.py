"""What must hold of a tree between any two calls. Tests ask after every step; it visits every node.

Walks instead of recursing, and compares only neighbours: where a child's prefix begins as its parent's does, the keys
below the child do so, too.
"""

from synap.radix.deadlines import BUCKET_BITS, SPAN_BITS, DeadlineIndex, chain
from synap.radix.nodes import Inner, Leaf, Node, entry_bytes, leaves, node_bytes, size, walk
from synap.radix.tree import PurePythonTree


def check(tree: PurePythonTree) -> None:
    """Raise ``AssertionError``, naming the invariant, where one does not hold."""
    _check_shape(tree.by_key.root, tree.by_key.twig_keys)
    entries = list(leaves(tree.by_key.root))
    _check_deadlines(tree.by_deadline, entries)
    expected_bytes = (
        sum(map(entry_bytes, entries)) + sum(map(node_bytes, walk(tree.by_key.root))) + tree.by_deadline.memory_bytes
    )
    _require(tree.memory_bytes == expected_bytes, "memory is what entries, nodes and deadlines occupy")


def _require(holds: bool, invariant: str) -> None:
    if not holds:
        raise AssertionError(invariant)


def _check_shape(root: Node, twig_keys: int) -> None:
    for node in walk(root):
        if not isinstance(node, Inner):
            _require(bool(node) or node is root, "no twig is empty, but for the root")
            _require(len(node) <= twig_keys, "a twig has few keys")
            _require(all(key == leaf.key for key, leaf in node.items()), "a twig knows its leaves by their keys")
            continue
        _require(node.count > twig_keys, "an inner node has more keys than a twig may have")
        _require(len(node.children) > 1, "an inner node has two children or more")
        _require(node.depth == len(node.prefix), "the depth is the length of the prefix")
        _require(node.count == sum(map(size, node.children.values())), "a count is the number of keys below")
        _check_children(node)


def _check_children(inner: Inner) -> None:
    for label, child in inner.children.items():
        for below in [child.prefix] if isinstance(child, Inner) else child:
            _require(below.startswith(inner.prefix), "all below begins with the prefix")
            _require(inner.label(below) == label, "a label is the next byte of all below it")
        _require(isinstance(child, dict) or child.depth > inner.depth, "children part keys later than their parents")


def _check_deadlines(index: DeadlineIndex, leaves: list[Leaf]) -> None:
    """The index must hold the leaves with a deadline, each once, each in its bucket, and nothing that is empty."""
    chained: list[Leaf] = []
    for span, buckets in index.spans.items():
        _require(bool(buckets), "no span is empty")
        for bucket, first in buckets.items():
            _require(bucket >> SPAN_BITS == span, "a bucket is in its span")
            _check_chain(first, bucket)
            chained += chain(first)
    _require(index.bucket_count == sum(map(len, index.spans.values())), "all buckets are counted")
    with_deadline = {leaf for leaf in leaves if leaf.deadline_ms is not None}
    _require(set(chained) == with_deadline, "the index holds the leaves that have a deadline")
    unlinked = all(leaf.before is leaf.after is None for leaf in leaves if leaf not in with_deadline)
    _require(unlinked, "a leaf without a deadline is in no chain")


def _check_chain(first: Leaf, bucket: int) -> None:
    before = None
    for leaf in chain(first):
        _require(leaf.before is before, "links agree in both directions")
        deadline_ms = leaf.deadline_ms
        _require(deadline_ms is not None and deadline_ms >> BUCKET_BITS == bucket, "a leaf is in its bucket")
        before = leaf
