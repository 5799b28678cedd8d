"""What must hold of a tree between any two calls. Tests ask after every step; it visits every node.

Walks instead of recursing, and compares each inner node with one leaf per child: because a child's keys agree on
more bytes than its parent's do, what holds of one leaf holds of all below that child.
"""

from synap.radix.deadlines import BUCKET_BITS, SPAN_BITS, DeadlineIndex, chain
from synap.radix.nodes import Inner, Leaf, Node, walk, weight
from synap.radix.tree import PurePythonTree


def check(tree: PurePythonTree) -> None:
    """Raise ``AssertionError``, naming the invariant, where one does not hold."""
    nodes = list(walk(tree.root))
    leaves = [node for node in nodes if isinstance(node, Leaf)]
    _check_shape(nodes)
    _check_deadlines(tree.deadlines, leaves)
    node_bytes = sum(map(weight, nodes))
    _require(tree.memory_bytes == node_bytes + tree.deadlines.memory_bytes, "memory is what the nodes weigh")


def _require(holds: bool, invariant: str) -> None:
    if not holds:
        raise AssertionError(invariant)


def _check_shape(nodes: list[Node]) -> None:
    """Take children before their parents, keeping of each node one key and the number of leaves found below."""
    found: dict[Node, tuple[bytes, int]] = {}
    for node in reversed(nodes):
        if isinstance(node, Leaf):
            found[node] = node.key, 1
            continue
        _require(len(node.children) > 1, "an inner node has two children or more")
        below = [found[child] for child in node.children.values()]
        _check_inner(node, [key for key, _ in below])
        found[node] = below[0][0], sum(count for _, count in below)
        _require(node.count == found[node][1], "a count is the number of leaves below")


def _check_inner(inner: Inner, keys: list[bytes]) -> None:
    """``keys`` are of one leaf below each child, in the order of the children."""
    depth = inner.depth
    for (label, child), key in zip(inner.children.items(), keys, strict=True):
        _require(key[depth : depth + 1] == label, "a label is the next byte of the keys below it")
        _require(key[:depth] == keys[0][:depth], "keys agree up to the byte where they part")
        _require(isinstance(child, Leaf) or child.depth > depth, "children part keys later than their parents")


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
