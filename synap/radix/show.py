"""Draws a live tree, in the notation of the drawings that explain it in ``keys.py``.

::

    4 keys 'ann…'             four keys are below, and all begin with these bytes
    ├ end ─ 'ann'             the one that ends there, in a twig of its own
    ├ : ─ 'ann:cart'          the ones with a colon there: only one
    └ a ─ 'anna' 'annals'     the ones with an a there, in order, though a twig does not keep them so

Only for people: the lines of a tree that is very deep are as long as it is deep.
"""

from synap.radix.nodes import Inner, Node
from synap.radix.tree import PurePythonTree


def show(tree: PurePythonTree) -> str:
    """The tree as lines of text, in key order; an empty tree is an empty text."""
    lines = []
    # Each waiting node with what stands before it on its own line, and on the lines of its children.
    waiting: list[tuple[str, str, Node]] = [("", "", tree.by_key.root)]
    while waiting:
        own, further, node = waiting.pop()
        lines.append(own + _text(node))
        if isinstance(node, Inner):
            waiting += reversed(_branches(node, further))
    return "\n".join(lines)


def _text(node: Node) -> str:
    if isinstance(node, Inner):
        prefix = repr(node.prefix)[1:]
        return f"{node.count} keys {prefix[:-1]}…{prefix[-1]}"
    return " ".join(repr(key)[1:] for key in sorted(node))


def _branches(inner: Inner, indent: str) -> list[tuple[str, str, Node]]:
    """The children as ``show`` lets them wait."""
    labels = sorted(inner.children)
    branches = []
    for label in labels:
        corner, side = "└ " if label == labels[-1] else "├ ", "  " if label == labels[-1] else "│ "
        edge = (repr(label)[2:-1] or "end") + " ─ "
        branches.append((indent + corner + edge, indent + side + " " * len(edge), inner.children[label]))
    return branches
