"""The reference radix tree: path-compressed, ordered, in plain Python. Read this one to understand the other.

A path-compressed radix tree has a node only where keys part. An inner node says at which byte they do and how
many keys are below; ``synap.radix.show`` draws it like this, after put of 'ann:cart' and 'ann:cards'::

    byte 7, 2 keys
    ├ d ─ 'ann:cards'
    └ t ─ 'ann:cart'

The seven bytes that both keys share are stored in no node, only in the leaves, which hold their whole keys. So the
way down is **optimistic**: it looks at byte 7 and nowhere else, and 'bob:cart', which is absent, also arrives at the
leaf 'ann:cart'. One comparison there, of whole keys, settles it. Whoever stops at an inner node must ask any leaf
below for the bytes that were skipped: they all agree on them.

**Insert.** Go down to a leaf, at a missing byte through any child. The first byte where the new key differs from
that leaf's key is where the two must part, and the inner nodes on the way that part keys later lie below that place.
The new key 'bob' differs at byte 0, above all there is, so a new node goes on top::

    byte 0, 3 keys
    ├ a ─ byte 7, 2 keys
    │     ├ d ─ 'ann:cards'
    │     └ t ─ 'ann:cart'
    └ b ─ 'bob'

'ann:login' goes down as far as 'ann:cards', say, and differs at byte 4: between two nodes, so it splits the edge::

    byte 0, 4 keys
    ├ a ─ byte 4, 3 keys
    │     ├ c ─ byte 7, 2 keys
    │     │     ├ d ─ 'ann:cards'
    │     │     └ t ─ 'ann:cart'
    │     └ l ─ 'ann:login'
    └ b ─ 'bob'

'ann:theme' differs at byte 4, too. There is a node for that byte already, and it only gets one child more::

    byte 0, 5 keys
    ├ a ─ byte 4, 4 keys
    │     ├ c ─ byte 7, 2 keys
    │     │     ├ d ─ 'ann:cards'
    │     │     └ t ─ 'ann:cart'
    │     ├ l ─ 'ann:login'
    │     └ t ─ 'ann:theme'
    └ b ─ 'bob'

'bobby' begins with the key 'bob'. The shorter one ends where they part, and an end sorts before every byte::

    byte 0, 6 keys
    ├ a ─ byte 4, 4 keys
    │     ├ c ─ byte 7, 2 keys
    │     │     ├ d ─ 'ann:cards'
    │     │     └ t ─ 'ann:cart'
    │     ├ l ─ 'ann:login'
    │     └ t ─ 'ann:theme'
    └ b ─ byte 3, 2 keys
          ├ end ─ 'bob'
          └ b ─ 'bobby'

**Delete.** An inner node with one child would part nothing. So deleting 'ann:cards' leaves 'ann:cart' in the place
of the node for byte 7::

    byte 0, 5 keys
    ├ a ─ byte 4, 3 keys
    │     ├ c ─ 'ann:cart'
    │     ├ l ─ 'ann:login'
    │     └ t ─ 'ann:theme'
    └ b ─ byte 3, 2 keys
          ├ end ─ 'bob'
          └ b ─ 'bobby'

and deleting the prefix 'ann' cuts one edge; the node for byte 0 has one child left and goes as well::

    byte 3, 2 keys
    ├ end ─ 'bob'
    └ b ─ 'bobby'

The shape depends on the keys alone, not on the order in which they came. The second order, by deadline, is
``deadlines.py``; ``check.py`` says what must hold of both at any time.
"""

from collections.abc import Iterator

from synap.radix.deadlines import DeadlineIndex
from synap.radix.interface import Entry, Item
from synap.radix.nodes import INNER_BYTES, LEAF_BYTES, Inner, Leaf, Node, any_leaf, mismatch, walk, weight
from synap.radix.order import children_from, seek


class PurePythonTree:
    """See ``interface.Tree``.

    ``root`` and ``deadlines`` are open to ``show`` and ``check``; nobody else may touch them.
    """

    __slots__ = ("_changes", "_node_bytes", "deadlines", "root")

    def __init__(self) -> None:
        self.root: Node | None = None
        self.deadlines = DeadlineIndex()
        self._node_bytes = 0
        self._changes = 0

    # --- one entry ---------------------------------------------------------------------------------------

    def get(self, key: bytes) -> Entry | None:
        """See ``Tree``."""
        leaf = self._find(key)
        return None if leaf is None else leaf.entry()

    def put(self, key: bytes, kind: int, value: bytes, deadline_ms: int | None, version: int) -> Entry | None:
        """See ``Tree``."""
        self._changes += 1
        path, near = self._approach(key)
        if near is not None and near.key == key:
            replaced = near.entry()
            self._node_bytes += len(value) - len(near.value)
            near.kind, near.value, near.version = kind, value, version
            self.deadlines.move(near, deadline_ms)
            return replaced
        leaf = Leaf(key, kind, value, version)
        self.deadlines.move(leaf, deadline_ms)
        self._node_bytes += LEAF_BYTES + len(key) + len(value)
        if near is None:
            self.root = leaf
        else:
            self._insert(path, near, leaf)
        return None

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
        path, leaf = self._approach(key)
        if leaf is None or leaf.key != key:
            return None
        self._changes += 1
        entry = leaf.entry()
        self._forget(leaf)
        self._cut(path, key, 1)
        return entry

    # --- all under a prefix ------------------------------------------------------------------------------

    def __len__(self) -> int:
        """See ``Tree``."""
        return 0 if self.root is None else self.root.count

    def count(self, prefix: bytes = b"") -> int:
        """See ``Tree``."""
        _, top = self._cover(prefix)
        return 0 if top is None else top.count

    def delete_prefix(self, prefix: bytes) -> int:
        """See ``Tree``."""
        path, top = self._cover(prefix)
        if top is None:
            return 0
        self._changes += 1
        for node in walk(top):
            self._forget(node)
        self._cut(path, prefix, top.count)
        return top.count

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

    def next_deadline(self) -> int | None:
        """See ``Tree``."""
        return self.deadlines.earliest()

    @property
    def memory_bytes(self) -> int:
        """See ``Tree``. What CPython allocates, by the estimates of ``nodes.weight`` and ``deadlines.py``."""
        return self._node_bytes + self.deadlines.memory_bytes

    # --- ways down ---------------------------------------------------------------------------------------

    def _find(self, key: bytes) -> Leaf | None:
        """The leaf of ``key``."""
        node = self.root
        while isinstance(node, Inner):
            depth = node.depth
            node = node.children.get(key[depth : depth + 1])
        return node if node is not None and node.key == key else None

    def _approach(self, key: bytes) -> tuple[list[Inner], Leaf | None]:
        """A leaf that shares as many first bytes with ``key`` as any other does, and the inner nodes above it.

        Where a child is missing all children share the same bytes with ``key``, and one is as near as the other.
        None in an empty tree.
        """
        path: list[Inner] = []
        node = self.root
        while isinstance(node, Inner):
            path.append(node)
            depth, children = node.depth, node.children
            node = children.get(key[depth : depth + 1]) or next(iter(children.values()))
        return path, node

    def _cover(self, prefix: bytes) -> tuple[list[Inner], Node | None]:
        """The node above all keys that start with ``prefix`` and no others, and the inner nodes above it."""
        path: list[Inner] = []
        node, size = self.root, len(prefix)
        while isinstance(node, Inner) and node.depth < size:
            path.append(node)
            node = node.children.get(prefix[node.depth : node.depth + 1])
        if node is None or not any_leaf(node).key.startswith(prefix):
            return path, None
        return path, node

    # --- changes of shape --------------------------------------------------------------------------------

    def _insert(self, path: list[Inner], near: Leaf, leaf: Leaf) -> None:
        """Hang up a new leaf where its key parts from that of the nearest leaf; both are results of ``_approach``."""
        key = leaf.key
        parting = mismatch(key, near.key)
        below: Node = near
        while path and path[-1].depth > parting:
            below = path.pop()
        for inner in path:
            inner.count += 1
        label = key[parting : parting + 1]
        if path and path[-1].depth == parting:
            children = path[-1].children
            children[label] = leaf
            self._node_bytes += INNER_BYTES[len(children)] - INNER_BYTES[len(children) - 1]
        else:
            split = Inner(parting, below.count + 1, {near.key[parting : parting + 1]: below, label: leaf})
            self._node_bytes += INNER_BYTES[2]
            self._hang(path, key, split)

    def _cut(self, path: list[Inner], key: bytes, leaf_count: int) -> None:
        """Take off what hangs at the end of ``path`` on the way to ``key``, and the node that parts nothing then."""
        if not path:
            self.root = None
            return
        for inner in path:
            inner.count -= leaf_count
        parent = path.pop()
        children = parent.children
        self._node_bytes -= INNER_BYTES[len(children)]
        del children[key[parent.depth : parent.depth + 1]]
        if len(children) > 1:
            self._node_bytes += INNER_BYTES[len(children)]
        else:
            (last,) = children.values()
            self._hang(path, key, last)

    def _hang(self, path: list[Inner], key: bytes, node: Node) -> None:
        """Put ``node`` at the end of ``path`` on the way to ``key``, in the place of what was there."""
        if path:
            parent = path[-1]
            parent.children[key[parent.depth : parent.depth + 1]] = node
        else:
            self.root = node

    def _forget(self, node: Node) -> None:
        """Take a node that goes out of the accounts: its weight and, of a leaf, the deadline."""
        self._node_bytes -= weight(node)
        if isinstance(node, Leaf):
            self.deadlines.move(node, None)

    # --- iteration ---------------------------------------------------------------------------------------

    def _leaves(self, prefix: bytes, start: bytes) -> Iterator[Leaf]:
        """The leaves under ``prefix`` from ``start`` on, in key order."""
        _, top = self._cover(prefix)
        waiting = [] if top is None else seek(top, start)
        return self._in_order(waiting, self._changes)

    def _in_order(self, waiting: list[Node], changes: int) -> Iterator[Leaf]:
        """The leaves below the waiting nodes, the last of which comes first."""
        while self._changes == changes:
            if not waiting:
                return
            node = waiting.pop()
            if isinstance(node, Leaf):
                yield node
            else:
                waiting += children_from(node, b"")
        raise RuntimeError("the tree was changed during an iteration")
