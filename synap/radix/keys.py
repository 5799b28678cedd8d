"""The first order over the leaves: by key, in a radix tree. Read this one to understand the compiled one.

Leaves hold the entries, each with its whole key. A **twig** holds some leaves in a dict, in no order. Where there are
more keys than a twig may have, an **inner node** parts them: it knows the prefix that all keys below share, and leads
on by the byte after it. This is a *burst trie*: a radix tree whose lowest levels are dicts, because down there nodes
would be many, small, and a cache miss each; ``twigs.py`` says how large a twig may be, and why.

Here a twig may have two keys, so that little is needed to see everything. ``synap.radix.show`` draws the tree after
put of 'ann:cart' and 'ann:cards' as one twig::

    'ann:cards' 'ann:cart'

**Insert.** A third key, 'ann:login', is one too many, and the twig bursts into an inner node with a twig for each
byte after the prefix::

    3 keys 'ann:…'
    ├ c ─ 'ann:cards' 'ann:cart'
    └ l ─ 'ann:login'

The way down is **optimistic**: it looks at byte 4 and nowhere else, so 'bob:cart', which is absent, would arrive at
the first of these twigs, too. The whole keys in there settle it: a key is found or not. 'ann:theme' ends at a missing
child. It begins as the inner node does, and so belongs here, in a twig of its own::

    4 keys 'ann:…'
    ├ c ─ 'ann:cards' 'ann:cart'
    ├ l ─ 'ann:login'
    └ t ─ 'ann:theme'

'bob' begins otherwise, which is asked only at the end of the way and only of a new key. It parts from all the others
at the first byte where it differs from their prefix, and the inner nodes with longer prefixes lie below that place::

    5 keys '…'
    ├ a ─ 4 keys 'ann:…'
    │     ├ c ─ 'ann:cards' 'ann:cart'
    │     ├ l ─ 'ann:login'
    │     └ t ─ 'ann:theme'
    └ b ─ 'bob'

'bobby' still fits the twig of 'bob', 'bobcat' does not. The shortest of the three ends where they part, and an end
sorts before every byte::

    7 keys '…'
    ├ a ─ 4 keys 'ann:…'
    │     ├ c ─ 'ann:cards' 'ann:cart'
    │     ├ l ─ 'ann:login'
    │     └ t ─ 'ann:theme'
    └ b ─ 3 keys 'bob…'
          ├ end ─ 'bob'
          ├ b ─ 'bobby'
          └ c ─ 'bobcat'

**Delete.** A twig that lost its last key goes, and an inner node with one child would part nothing. So deleting the
prefix 'ann' cuts one edge and leaves the other child in the place of the topmost node::

    3 keys 'bob…'
    ├ end ─ 'bob'
    ├ b ─ 'bobby'
    └ c ─ 'bobcat'

And deleting 'bobcat' leaves no more keys than a twig may have, so they fold into one::

    'bob' 'bobby'

There is an inner node wherever more keys than a twig may have begin alike, and nowhere else. The shape thus depends on
the keys alone, not on the order in which they came; ``check.py`` says what must hold of it at any time, and ``bulk.py``
how to arrive at it without a single insertion, where all keys are there at once, in order.
"""

from synap.radix.bulk import build
from synap.radix.nodes import (
    DICT_BYTES,
    DICT_MAX_KEYS,
    GROWTH_BYTES,
    Inner,
    Leaf,
    Node,
    Twig,
    mismatch,
    node_bytes,
    walk,
)
from synap.radix.twigs import TWIG_KEYS, burst, fold, starting_with


class KeyIndex:
    """All leaves, by key.

    ``twig_keys``, the most keys in a twig, is for tests, which want large trees of few keys.
    """

    __slots__ = ("memory_bytes", "root", "twig_keys")

    def __init__(self, twig_keys: int = TWIG_KEYS) -> None:
        assert 0 < twig_keys < DICT_MAX_KEYS, "a twig holds one key more for a moment, before it bursts"
        self.root: Node = {}
        self.twig_keys = twig_keys
        self.memory_bytes = 0
        """What the nodes occupy, without the leaves."""

    # --- ways down ---------------------------------------------------------------------------------------

    def find(self, key: bytes) -> Leaf | None:
        """The leaf of ``key``."""
        node: Node | None = self.root
        while isinstance(node, Inner):
            depth = node.depth
            node = node.children.get(key[depth : depth + 1])
        return None if node is None else node.get(key)

    def approach(self, key: bytes) -> tuple[list[Inner], Twig | None]:
        """The twig that holds ``key`` if any does, and the inner nodes above it. None where a child is missing."""
        path: list[Inner] = []
        node: Node | None = self.root
        while isinstance(node, Inner):
            path.append(node)
            depth = node.depth
            node = node.children.get(key[depth : depth + 1])
        return path, node

    def cover(self, prefix: bytes) -> tuple[list[Inner], Node]:
        """The node above all keys that start with ``prefix`` and no others, and the inner nodes above it.

        A twig may hold others, too; in its place comes a new one, of those leaves that are meant, or of none.
        """
        path: list[Inner] = []
        node: Node | None = self.root
        while isinstance(node, Inner) and node.depth < len(prefix):
            path.append(node)
            node = node.children.get(prefix[node.depth : node.depth + 1])
        if isinstance(node, Inner):
            return path, node if node.prefix.startswith(prefix) else {}
        return path, {} if node is None else starting_with(node, prefix)

    # --- changes -----------------------------------------------------------------------------------------

    def insert(self, path: list[Inner], twig: Twig | None, leaf: Leaf) -> None:
        """Hang up a new leaf; ``path`` and ``twig`` are results of ``approach``."""
        key = leaf.key
        if path and not key.startswith(path[-1].prefix):
            self._split(path, leaf)
            return
        for inner in path:
            inner.count += 1
        if twig is None:
            twig = path[-1].children[path[-1].label(key)] = {}
            self.memory_bytes += GROWTH_BYTES[len(path[-1].children)]
        twig[key] = leaf
        self.memory_bytes += GROWTH_BYTES[len(twig)]
        if len(twig) > self.twig_keys:
            self._replace(path, key, twig, burst(twig))

    def fill(self, leaves: list[Leaf]) -> None:
        """Hang up the first leaves, all at once; they come in strict key order."""
        assert not self.root, "only an empty index can be filled"
        self._replace([], b"", self.root, build(leaves, self.twig_keys))

    def remove(self, path: list[Inner], twig: Twig, key: bytes) -> Leaf:
        """Take off a leaf that is there; ``path`` and ``twig`` are results of ``approach``."""
        self.memory_bytes -= GROWTH_BYTES[len(twig)]
        leaf = twig.pop(key)
        self._shrink(path, key, 1)
        return leaf

    def cut(self, path: list[Inner], top: Inner, prefix: bytes) -> None:
        """Take off all below an inner node; ``path`` and ``top`` are results of ``cover``."""
        self._replace(path, prefix, top, {})
        self._shrink(path, prefix, top.count)

    # --- changes of shape --------------------------------------------------------------------------------

    def _split(self, path: list[Inner], leaf: Leaf) -> None:
        """Hang up a new leaf that does not begin as all below the end of ``path`` do: where it parts from them."""
        key = leaf.key
        parting = mismatch(key, path[-1].prefix)
        below = path[-1]
        while path and path[-1].depth > parting:
            below = path.pop()
        for inner in path:
            inner.count += 1
        split = Inner(key[:parting], below.count + 1, {})
        split.children = {split.label(below.prefix): below, split.label(key): {key: leaf}}
        self.memory_bytes += node_bytes(split) + DICT_BYTES[1]
        self._hang(path, key, split)

    def _shrink(self, path: list[Inner], key: bytes, key_count: int) -> None:
        """Take lost keys out of the counts on the way to ``key``, and then the nodes that are of no more use."""
        for inner in path:
            inner.count -= key_count
        small = None
        while path and path[-1].count <= self.twig_keys:
            small = path.pop()
        if small is not None:
            self._replace(path, key, small, fold(small))
        elif path and not path[-1].children[path[-1].label(key)]:
            self._prune(path, key)

    def _prune(self, path: list[Inner], key: bytes) -> None:
        """Take off the empty twig at the end of ``path``, and the node above it if it parts nothing then."""
        parent = path.pop()
        self.memory_bytes -= node_bytes(parent)
        del parent.children[parent.label(key)]
        if len(parent.children) > 1:
            self.memory_bytes += node_bytes(parent)
        else:
            (last,) = parent.children.values()
            self._hang(path, key, last)

    def _replace(self, path: list[Inner], key: bytes, old: Node, new: Node) -> None:
        """Put ``new`` where ``old`` was, at the end of ``path`` on the way to ``key``."""
        self.memory_bytes += sum(map(node_bytes, walk(new))) - sum(map(node_bytes, walk(old)))
        self._hang(path, key, new)

    def _hang(self, path: list[Inner], key: bytes, node: Node) -> None:
        """Put ``node`` at the end of ``path`` on the way to ``key``, and leave the accounts to the caller."""
        if path:
            path[-1].children[path[-1].label(key)] = node
        else:
            self.root = node
