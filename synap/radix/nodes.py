"""What the tree is made of: leaves that hold entries, inner nodes that lead to them, and what each weighs.

The two orders share the leaves: inner nodes order them by key, the links ``before`` and ``after`` chain those
whose deadlines fall into one bucket (``deadlines.py``). No function here recurses: a chain of keys a, aa, aaa, …
makes a tree as deep as its longest key, 64 KiB, and Python's stack is not.
"""

import sys
from collections.abc import Iterator
from typing import ClassVar, TypeAlias, final

from synap.radix.interface import Entry

ALLOCATION_BYTES = 16
"""CPython's allocator hands out multiples of this."""


@final
class Leaf:
    """One entry under its whole key, so that no key has to be put together from the way to it."""

    __slots__ = ("after", "before", "deadline_ms", "key", "kind", "value", "version")

    count: ClassVar[int] = 1
    """A node of either class can be asked how many leaves it stands for."""

    def __init__(self, key: bytes, kind: int, value: bytes, version: int) -> None:
        self.key = key
        self.kind = kind
        self.value = value
        self.version = version
        # These three belong to the deadline index, and only it sets them.
        self.deadline_ms: int | None = None
        self.before: Leaf | None = None
        self.after: Leaf | None = None

    def entry(self) -> Entry:
        """The fields that the tree hands out."""
        return self.kind, self.value, self.deadline_ms, self.version


@final
class Inner:
    """A place where keys part: all below agree on their first ``depth`` bytes and differ in the next one.

    ``children`` is keyed by that byte, as a ``bytes`` of length one (CPython keeps one object for each), or by
    b"" for the key that ends here; sorted labels therefore are key order. ``count`` is the number of leaves below.
    """

    __slots__ = ("children", "count", "depth")

    def __init__(self, depth: int, count: int, children: "dict[bytes, Node]") -> None:
        self.depth = depth
        self.count = count
        self.children = children


Node: TypeAlias = Inner | Leaf


def any_leaf(node: Node) -> Leaf:
    """Some leaf below ``node``, or the leaf itself: it knows the bytes that all keys below share."""
    while isinstance(node, Inner):
        node = next(iter(node.children.values()))
    return node


def walk(node: Node | None) -> Iterator[Node]:
    """Every node from ``node`` down, parents before their children, siblings in any order."""
    waiting = [] if node is None else [node]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Inner):
            waiting += node.children.values()


def mismatch(one: bytes, other: bytes) -> int:
    """The first position where two keys differ; the length of the shorter where it begins the longer.

    Read as big-endian numbers, keys of one length differ from the highest bit of their exclusive or on. That is
    two passes in C instead of a loop over up to 64 KiB in Python, and no slower for a short key.
    """
    size = len(one)
    if size != len(other):
        size = min(size, len(other))
        one, other = one[:size], other[:size]
    different_bits = (int.from_bytes(one) ^ int.from_bytes(other)).bit_length()
    return size - (different_bits + 7) // 8


# --- weights ---------------------------------------------------------------------------------------------


def allocated(thing: object) -> int:
    """Bytes that CPython takes for one object, without what it refers to."""
    return -(-sys.getsizeof(thing) // ALLOCATION_BYTES) * ALLOCATION_BYTES


def _inner_bytes() -> tuple[int, ...]:
    """The weight of an inner node and its dict, by the number of children: 256 bytes and the end of a key."""
    inner = Inner(0, 0, {})
    weights = []
    for byte in range(258):
        weights.append(allocated(inner) + allocated(inner.children))
        inner.children[byte.to_bytes(2)] = inner
    inner.children.clear()
    return tuple(weights)


INT_BYTES = allocated(2**40)
"""A deadline, a version or a bucket number."""

INNER_BYTES = _inner_bytes()

# A key and a value have a header each, and half an allocation unit is lost at the end of each.
LEAF_BYTES = allocated(Leaf(b"", 0, b"", 0)) + 2 * INT_BYTES + 2 * (sys.getsizeof(b"") + ALLOCATION_BYTES // 2)
"""The weight of a leaf with its deadline and version, but for the bytes of its key and value."""


def weight(node: Node) -> int:
    """Bytes that CPython takes for a node and what it alone refers to, its children excepted.

    An estimate: a dict that has lost children keeps its size until it is rebuilt, numbers may be shared by
    several entries, and what the allocator cannot reuse is nowhere counted.
    """
    if isinstance(node, Inner):
        return INNER_BYTES[len(node.children)]
    return LEAF_BYTES + len(node.key) + len(node.value)
