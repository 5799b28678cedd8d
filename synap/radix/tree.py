"""The reference radix tree: path-compressed, ordered, in plain Python. Read this one to understand the other.

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
the keys alone, not on the order in which they came. The second order, by deadline, is ``deadlines.py``; ``check.py``
says what must hold of both at any time.
"""

from collections.abc import Iterator

from synap.radix.deadlines import DeadlineIndex
from synap.radix.interface import Entry, Item
from synap.radix.nodes import (
    DICT_BYTES,
    DICT_MAX_KEYS,
    GROWTH_BYTES,
    LEAF_BYTES,
    Inner,
    Leaf,
    Node,
    Twig,
    entry_bytes,
    leaves,
    mismatch,
    node_bytes,
    size,
    walk,
)
from synap.radix.order import Waiting, children_from, seek
from synap.radix.twigs import TWIG_KEYS, burst, fold, leaves_from, starting_with


class PurePythonTree:
    """See ``interface.Tree``.

    ``root`` and ``deadlines`` are open to ``show`` and ``check``; nobody else may touch them. ``twig_keys``, the most
    keys in a twig, is for tests, which want large trees of few keys.
    """

    __slots__ = ("_bytes", "_changes", "deadlines", "root", "twig_keys")

    def __init__(self, twig_keys: int = TWIG_KEYS) -> None:
        assert 0 < twig_keys < DICT_MAX_KEYS, "a twig holds one key more for a moment, before it bursts"
        self.root: Node = {}
        self.deadlines = DeadlineIndex()
        self.twig_keys = twig_keys
        self._bytes = 0
        self._changes = 0

    def __del__(self) -> None:
        self.deadlines.clear()

    # --- one entry ---------------------------------------------------------------------------------------

    def get(self, key: bytes) -> Entry | None:
        """See ``Tree``."""
        leaf = self._find(key)
        return None if leaf is None else leaf.entry()

    def put(self, key: bytes, kind: int, value: bytes, deadline_ms: int | None, version: int) -> Entry | None:
        """See ``Tree``."""
        self._changes += 1
        path, twig = self._approach(key)
        leaf = None if twig is None else twig.get(key)
        if leaf is None:
            leaf = Leaf(key, kind, value, version)
            self.deadlines.move(leaf, deadline_ms)
            self._bytes += LEAF_BYTES + len(key) + len(value)
            self._insert(path, twig, leaf)
            return None
        replaced = leaf.entry()
        self._bytes += len(value) - len(leaf.value)
        leaf.kind, leaf.value, leaf.version = kind, value, version
        self.deadlines.move(leaf, deadline_ms)
        return replaced

    def set_deadline(self, key: bytes, deadline_ms: int | None) -> Entry | None:
        """See ``Tree``."""
        leaf = self._find(key)
        if leaf is None:
            return None
        self._changes += 1
        entry = leaf.entry()
        self.deadlines.move(leaf, deadline_ms)
        return entry

    def delete(self, key: bytes) -> Entry | None:
        """See ``Tree``."""
        path, twig = self._approach(key)
        if twig is None or key not in twig:
            return None
        self._changes += 1
        self._bytes -= GROWTH_BYTES[len(twig)]
        leaf = twig.pop(key)
        entry = leaf.entry()
        self._forget(leaf)
        self._shrink(path, key, 1)
        return entry

    # --- all under a prefix ------------------------------------------------------------------------------

    def __len__(self) -> int:
        """See ``Tree``."""
        return size(self.root)

    def count(self, prefix: bytes = b"") -> int:
        """See ``Tree``."""
        _, top = self._cover(prefix)
        return size(top)

    def delete_prefix(self, prefix: bytes) -> int:
        """See ``Tree``."""
        path, top = self._cover(prefix)
        key_count = size(top)
        if isinstance(top, Inner):
            self._changes += 1
            for leaf in leaves(top):
                self._forget(leaf)
            self._replace(path, prefix, top, {})
            self._shrink(path, prefix, key_count)
        else:
            for key in top:
                self.delete(key)
        return key_count

    def keys(self, prefix: bytes = b"", start: bytes = b"") -> Iterator[bytes]:
        """See ``Tree``."""
        return (leaf.key for leaf in self._leaves(prefix, start))

    def items(self, prefix: bytes = b"", start: bytes = b"") -> Iterator[Item]:
        """See ``Tree``."""
        return (
            (leaf.key, leaf.kind, leaf.value, leaf.deadline_ms, leaf.version) for leaf in self._leaves(prefix, start)
        )

    # --- the other order, and the size -------------------------------------------------------------------

    def due(self, now_ms: int, limit: int | None = None) -> list[bytes]:
        """See ``Tree``."""
        return self.deadlines.due(now_ms, limit)

    @property
    def memory_bytes(self) -> int:
        """See ``Tree``. What CPython allocates, by the estimates of ``nodes.py`` and ``deadlines.py``."""
        return self._bytes + self.deadlines.memory_bytes

    # --- ways down ---------------------------------------------------------------------------------------

    def _find(self, key: bytes) -> Leaf | None:
        """The leaf of ``key``."""
        node: Node | None = self.root
        while isinstance(node, Inner):
            depth = node.depth
            node = node.children.get(key[depth : depth + 1])
        return None if node is None else node.get(key)

    def _approach(self, key: bytes) -> tuple[list[Inner], Twig | None]:
        """The twig that holds ``key`` if any does, and the inner nodes above it. None where a child is missing."""
        path: list[Inner] = []
        node: Node | None = self.root
        while isinstance(node, Inner):
            path.append(node)
            depth = node.depth
            node = node.children.get(key[depth : depth + 1])
        return path, node

    def _cover(self, prefix: bytes) -> tuple[list[Inner], Node]:
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

    # --- changes of shape --------------------------------------------------------------------------------

    def _insert(self, path: list[Inner], twig: Twig | None, leaf: Leaf) -> None:
        """Hang up a new leaf; ``path`` and ``twig`` are results of ``_approach``."""
        key = leaf.key
        if path and not key.startswith(path[-1].prefix):
            self._split(path, leaf)
            return
        for inner in path:
            inner.count += 1
        if twig is None:
            twig = path[-1].children[path[-1].label(key)] = {}
            self._bytes += GROWTH_BYTES[len(path[-1].children)]
        twig[key] = leaf
        self._bytes += GROWTH_BYTES[len(twig)]
        if len(twig) > self.twig_keys:
            self._replace(path, key, twig, burst(twig))

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
        self._bytes += node_bytes(split) + DICT_BYTES[1]
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
        self._bytes -= node_bytes(parent)
        del parent.children[parent.label(key)]
        if len(parent.children) > 1:
            self._bytes += node_bytes(parent)
        else:
            (last,) = parent.children.values()
            self._hang(path, key, last)

    def _replace(self, path: list[Inner], key: bytes, old: Node, new: Node) -> None:
        """Put ``new`` where ``old`` was, at the end of ``path`` on the way to ``key``."""
        self._bytes += sum(map(node_bytes, walk(new))) - sum(map(node_bytes, walk(old)))
        self._hang(path, key, new)

    def _hang(self, path: list[Inner], key: bytes, node: Node) -> None:
        """Put ``node`` at the end of ``path`` on the way to ``key``, and leave the accounts to the caller."""
        if path:
            path[-1].children[path[-1].label(key)] = node
        else:
            self.root = node

    def _forget(self, leaf: Leaf) -> None:
        """Take a leaf that goes out of the accounts and out of the other order."""
        self._bytes -= entry_bytes(leaf)
        self.deadlines.move(leaf, None)

    # --- iteration ---------------------------------------------------------------------------------------

    def _leaves(self, prefix: bytes, start: bytes) -> Iterator[Leaf]:
        """The leaves under ``prefix`` from ``start`` on, in key order."""
        _, top = self._cover(prefix)
        return self._in_order(seek(top, start), self._changes)

    def _in_order(self, waiting: Waiting, changes: int) -> Iterator[Leaf]:
        """The waiting leaves and those below the waiting nodes, the last of which comes first."""
        while self._changes == changes:
            if not waiting:
                return
            next_one = waiting.pop()
            if isinstance(next_one, Leaf):
                yield next_one
            elif isinstance(next_one, Inner):
                waiting += children_from(next_one, b"")
            else:
                waiting += leaves_from(next_one, b"")
        raise RuntimeError("the tree was changed during an iteration")
