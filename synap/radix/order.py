"""Key order below a node, made when it is asked for: children are kept in dicts, and sorted one node at a time.

An iteration is a list of waiting nodes, the next one last. Its length is bounded by the height of the tree times
the 257 children a node can have, whatever the number of keys.
"""

from synap.radix.nodes import Inner, Node, mismatch


def seek(node: Node, start: bytes) -> list[Node]:
    """Nodes that together hold the leaves below ``node`` with keys not less than ``start``, the last one first."""
    top = node
    # Any leaf does that shares as many first bytes with start as any other: it tells where start parts from all keys.
    while isinstance(node, Inner):
        depth, children = node.depth, node.children
        node = children.get(start[depth : depth + 1]) or next(iter(children.values()))
    parting = mismatch(start, node.key)
    waiting: list[Node] = []
    below = top
    # Down to where start parts from all keys: of each node only what lies after the way down is needed ...
    while isinstance(below, Inner) and below.depth < parting:
        label = start[below.depth : below.depth + 1]
        way = below.children[label]
        waiting += [later for later in children_from(below, label) if later is not way]
        below = way
    # ... and what start has led to is needed from its own next byte on, or as a whole, or not at all.
    if isinstance(below, Inner) and below.depth == parting:
        waiting += children_from(below, start[parting : parting + 1])
    elif node.key[parting : parting + 1] >= start[parting : parting + 1]:
        waiting.append(below)
    return waiting


def children_from(inner: Inner, label: bytes) -> list[Node]:
    """The children whose labels are not less than ``label``, the last one first."""
    children = inner.children
    return [children[each] for each in sorted(children, reverse=True) if each >= label]
