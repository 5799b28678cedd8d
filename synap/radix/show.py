"""Draws a live tree, in the notation of the drawings that explain it in ``tree.py``.

::

    byte 3, 2 keys           keys part at byte 3 (counted from 0), two of them are below
    ├ end ─ 'ann'            the key that ends at byte 3
    └ : ─ 'ann:cart'         the keys with a colon there: only one, so the rest of it needs no node

Only for people: the lines of a tree that is very deep are as long as it is deep.
"""

from synap.radix.nodes import Inner, Node
from synap.radix.tree import PurePythonTree


def show(tree: PurePythonTree) -> str:
    """The tree as lines of text, in key order; an empty tree is an empty text."""
    lines = []
    # Each waiting node with what stands before it on its own line, and on the lines of its children.
    waiting: list[tuple[str, str, Node]] = [] if tree.root is None else [("", "", tree.root)]
    while waiting:
        own, further, node = waiting.pop()
        lines.append(own + _text(node))
        if isinstance(node, Inner):
            waiting += reversed(_branches(node, further))
    return "\n".join(lines)


def _text(node: Node) -> str:
    if isinstance(node, Inner):
        return f"byte {node.depth}, {node.count} keys"
    return repr(node.key)[1:]


def _branches(inner: Inner, indent: str) -> list[tuple[str, str, Node]]:
    """The children as ``show`` lets them wait."""
    labels = sorted(inner.children)
    branches = []
    for label in labels:
        corner, side = "└ " if label == labels[-1] else "├ ", "  " if label == labels[-1] else "│ "
        edge = (repr(label)[2:-1] or "end") + " ─ "
        branches.append((indent + corner + edge, indent + side + " " * len(edge), inner.children[label]))
    return branches
