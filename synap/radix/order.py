"""Key order below a node, made when it is asked for: children and leaves are kept in dicts, and sorted one at a time.

An iteration is a list of what waits, the next one last. Its length is bounded by the height of the tree times the 257
children a node can have, and the leaves of one twig, whatever the number of keys.
"""

from typing import TypeAlias

from synap.radix.nodes import Inner, Leaf, Node, size
from synap.radix.twigs import leaves_from

Waiting: TypeAlias = list[Node | Leaf]


def seek(top: Node, start: bytes) -> Waiting:
    """What together holds the leaves below ``top`` with keys not less than ``start``, the last one first."""
    waiting: Waiting = []
    node: Node | None = top
    seen = 0
    # As long as start goes the same way as keys do, only what lies after that way is needed of each node ...
    while isinstance(node, Inner) and start.startswith(node.prefix[seen:], seen):
        label = node.label(start)
        # The least label that is greater; also where this one is the end of a key.
        waiting += children_from(node, label + b"\0")
        seen = node.depth
        node = node.children.get(label)
    # ... and what the way has led to is needed in part, if it is a twig, or as a whole, or not at all.
    if isinstance(node, Inner):
        waiting += [node] if node.prefix > start else []
    elif node is not None:
        waiting += leaves_from(node, start)
    return waiting


def children_from(inner: Inner, label: bytes) -> list[Node]:
    """The children whose labels are not less than ``label``, the last one first."""
    children = inner.children
    return [children[each] for each in sorted(children, reverse=True) if each >= label]


def key_at(node: Node, position: int) -> bytes:
    """The key at a position, counted from 0, among those below ``node``; there are so many."""
    while isinstance(node, Inner):
        for child in reversed(children_from(node, b"")):
            node = child
            if position < size(child):
                break
            position -= size(child)
    return sorted(node)[position]
