"""What the tree is made of: leaves that hold entries, twigs that hold leaves, inner nodes that lead to twigs.

The two orders share the leaves: inner nodes and twigs order them by key, the links ``before`` and ``after`` chain
those whose deadlines fall into one bucket (``deadlines.py``). No function here recurses: a chain of keys a, aa, aaa, …
makes a tree nearly as deep as its longest key, 64 KiB, and Python's stack is not.

Leaves and inner nodes are structs that the garbage collector does not know (``gc=False``). One look of it at a million
leaves takes two to three seconds, during which nothing is served; so it takes 20 ms. What it does not know it cannot
free, either: whoever lets go of a tree with chains in it must unlink them (``DeadlineIndex.clear``).
"""

import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias, final

import msgspec

from synap.radix.interface import Entry

ALLOCATION_BYTES = 16
"""CPython's allocator hands out multiples of this."""


@final
class Leaf(msgspec.Struct, gc=False, eq=False):
    """One entry under its whole key, so that no key has to be put together from the way to it.

    ``deadline_ms``, ``before`` and ``after`` belong to the deadline index, and once a leaf is made only it sets them.
    """

    key: bytes
    kind: int
    value: bytes
    version: int
    deadline_ms: int | None = None
    before: "Leaf | None" = None
    after: "Leaf | None" = None

    def entry(self) -> Entry:
        """The fields that the tree hands out."""
        return self.kind, self.value, self.deadline_ms, self.version


@final
class Inner(msgspec.Struct, gc=False, eq=False):
    """A place where keys part: all below begin with ``prefix`` and differ in the next byte.

    ``children`` is keyed by that byte, as a ``bytes`` of length one (CPython keeps one object for each), or by
    b"" for the key that ends here; sorted labels therefore are key order. ``count`` is the number of keys below,
    ``depth`` the length of the prefix, at hand for those who only pass.
    """

    prefix: bytes
    count: int
    children: "dict[bytes, Node]"
    depth: int = -1

    def __post_init__(self) -> None:
        self.depth = len(self.prefix)

    def label(self, key: bytes) -> bytes:
        """The byte of ``key`` that tells which child it belongs to. Spelt out where it is asked for all day."""
        return key[self.depth : self.depth + 1]


Twig: TypeAlias = dict[bytes, Leaf]
"""A few leaves by their whole keys, in no order. Books on burst tries say *bucket*, which here is one of deadlines."""

Node: TypeAlias = Inner | Twig


def size(node: Node) -> int:
    """The number of keys below ``node``."""
    return node.count if isinstance(node, Inner) else len(node)


def walk(node: Node) -> Iterator[Node]:
    """Every node from ``node`` down, parents before their children, siblings in any order."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Inner):
            waiting += node.children.values()


def leaves(node: Node) -> Iterator[Leaf]:
    """Every leaf below ``node``, in any order."""
    for each in walk(node):
        if not isinstance(each, Inner):
            yield from each.values()


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


def _dict_bytes() -> tuple[int, ...]:
    """The weight of a dict by its number of keys, if these came one by one and are bytes."""
    growing: dict[bytes, None] = {}
    # The empty dict is for nothing: only an empty tree has one.
    weights = [0]
    for number in range(DICT_MAX_KEYS):
        growing[number.to_bytes(2)] = None
        weights.append(allocated(growing))
    return tuple(weights)


DICT_MAX_KEYS = 257
"""The most that any dict of a tree holds: the children of an inner node, for 256 bytes and the end of a key."""

DICT_BYTES = _dict_bytes()

GROWTH_BYTES = (0, *(larger - smaller for smaller, larger in pairwise(DICT_BYTES)))
"""What a dict with so many keys weighs more than with one less."""

INT_BYTES = allocated(2**40)
"""A deadline, a version or a bucket number."""

BYTES_BYTES = sys.getsizeof(b"") + ALLOCATION_BYTES // 2
"""A key, a value or a prefix, but for the bytes themselves: the header, and half an allocation unit lost at the end."""

INNER_BYTES = allocated(Inner(b"", 0, {})) + BYTES_BYTES
"""An inner node, but for the bytes of its prefix and its dict."""

LEAF_BYTES = allocated(Leaf(b"", 0, b"", 0)) + 2 * INT_BYTES + 2 * BYTES_BYTES
"""A leaf with its deadline and version, but for the bytes of its key and value."""


def entry_bytes(leaf: Leaf) -> int:
    """What CPython takes for a leaf and all it refers to.

    An estimate, as is ``node_bytes``: a dict that has lost keys keeps its size until it is rebuilt, numbers may be
    shared by several entries, and what the allocator cannot reuse is nowhere counted.
    """
    return LEAF_BYTES + len(leaf.key) + len(leaf.value)


def node_bytes(node: Node) -> int:
    """What CPython takes for a node by itself, without what is below it."""
    if isinstance(node, Inner):
        return INNER_BYTES + node.depth + DICT_BYTES[len(node.children)]
    return DICT_BYTES[len(node)]
