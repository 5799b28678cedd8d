"""All keys at once: the tree that as many insertions make, built from the top down over leaves in key order.

What many insertions find out bit by bit, sorted keys show at a glance. Here are the keys of ``keys.py``, and again a
twig may have two of them::

     0           1          2           3           4     5       6
    'ann:cards' 'ann:cart' 'ann:login' 'ann:theme' 'bob' 'bobby' 'bobcat'
    └─────────────────── a ──────────────────────┘ └──────── b ─────────┘
    └──────── c ─────────┘ └─── l ───┘ └─── t ───┘ └end┘ └─ b ─┘ └─ c ──┘

Every node stands for a range of neighbours that begin alike; the root stands for all.

1. A range of no more keys than a twig may have is a twig. Any other is an inner node.
2. All keys of a range lie between its first and its last one, and agree on every byte that these agree on. So two keys
   tell the prefix of an inner node: '' of 0 to 6, 'ann:' of 0 to 3, 'bob' of 4 to 6.
3. In a range, the byte after the prefix never decreases (an end comes before every byte), so a binary search for it
   finds where a child ends and the next one begins: 0 to 3 lead on by a, 4 to 6 by b.
4. A child is a range, too. The first one is next, its later siblings wait. Twigs are thus met in key order, and each
   takes as many leaves as it has keys from one pass over all of them.

The work is that of steps 2 and 3, once for each inner node, and one look at each key. Step 2 reads two keys to the end
of the shorter one. Even so, all nodes together read no more than twice the bytes of all keys: their ranges are nested
or apart, and no two have both ends in common. Step 3 compares single bytes, however long the prefix is. So a chain of
keys a, aa, aaa, … costs what its bytes cost, and as nothing recurses, it may be as deep as it likes.

Two other ways were tried. To gather the keys of a node by the byte after its prefix, as a twig that bursts does, looks
at each key once on every level and takes five times as long. To compare each key with its neighbour, as one would to
build from the bottom up, takes longer by itself than all of the above.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import islice
from operator import itemgetter

from synap.radix.interface import Item
from synap.radix.nodes import LEAF_BYTES, Inner, Leaf, Node, mismatch


def read(items: Iterable[Item]) -> tuple[list[Leaf], int]:
    """Leaves, in no chain yet, for entries in strict key order, and what they occupy (see ``entry_bytes``).

    Raises ``ValueError`` where a key is not greater than the one before.
    """
    leaves: list[Leaf] = []
    text_bytes = 0
    before = b""
    for key, kind, value, deadline_ms, version in items:
        # The first key has none before it, and may be the empty one.
        if key <= before and leaves:
            raise ValueError(f"the key of entry {len(leaves)}, counted from 0, is not greater than the one before")
        leaves.append(Leaf(key, kind, value, version, deadline_ms))
        # Here key and value are at hand; to weigh the leaves afterwards takes twice as long.
        text_bytes += len(key) + len(value)
        before = key
    return leaves, len(leaves) * LEAF_BYTES + text_bytes


def build(leaves: list[Leaf], twig_keys: int) -> Node:
    """The node above leaves in strict key order, with at most ``twig_keys`` of them in a twig."""
    keys = [leaf.key for leaf in leaves]
    in_order = zip(keys, leaves, strict=True)
    top: dict[bytes, Node] = {}
    # Each waiting range with the place for its node, the last one next.
    waiting = [(top, b"", 0, len(keys))]
    while waiting:
        siblings, label, start, end = waiting.pop()
        if end - start <= twig_keys:
            siblings[label] = dict(islice(in_order, end - start))
            continue
        depth = mismatch(keys[start], keys[end - 1])
        inner = siblings[label] = Inner(keys[start][:depth], end - start, {})
        ranges = _ranges(keys, start, end, depth)
        waiting += [(inner.children, *each) for each in reversed(ranges)]
    return top[b""]


def _ranges(keys: list[bytes], start: int, end: int, depth: int) -> list[tuple[bytes, int, int]]:
    """The parts of a range that agree on the byte at ``depth``, each after that byte, which is its label."""
    label_of = itemgetter(slice(depth, depth + 1))
    ranges = []
    while start < end:
        label = label_of(keys[start])
        following = bisect_right(keys, label, start, end, key=label_of)
        ranges.append((label, start, following))
        start = following
    return ranges
