"""The reference implementation, in plain Python: leaves, which are the entries, in two orders that share them.

``keys.py`` is the order by key, a radix tree, explained there with drawings; ``deadlines.py`` is the order by deadline.
``bulk.py`` begins a tree with all its entries at once. What is left for here is the entries themselves: their fields,
their weight, and the walk over them.
"""

from collections.abc import Iterable, Iterator, Sequence

from synap.radix.bulk import read
from synap.radix.deadlines import DeadlineIndex
from synap.radix.interface import Entry, Item
from synap.radix.keys import KeyIndex
from synap.radix.nodes import LEAF_BYTES, Inner, Leaf, entry_bytes, leaves, size
from synap.radix.order import Waiting, children_from, key_at, seek
from synap.radix.twigs import TWIG_KEYS, leaves_from


class PurePythonTree:
    """See ``interface.Tree``.

    ``by_key`` and ``by_deadline`` are open to ``show`` and ``check``; nobody else may touch them. For ``twig_keys``
    see ``KeyIndex``.
    """

    __slots__ = ("_changes", "_entry_bytes", "by_deadline", "by_key")

    def __init__(self, twig_keys: int = TWIG_KEYS) -> None:
        self.by_deadline = DeadlineIndex()
        self.by_key = KeyIndex(twig_keys)
        self._entry_bytes = 0
        self._changes = 0

    def __del__(self) -> None:
        # The collector does not see the leaves (see ``nodes.py``), so nobody else would break up their chains.
        self.by_deadline.clear()

    # --- one entry ---------------------------------------------------------------------------------------

    def get(self, key: bytes) -> Entry | None:
        """See ``Tree``."""
        leaf = self.by_key.find(key)
        return None if leaf is None else leaf.entry()

    def foresee(self, keys: Sequence[bytes]) -> None:
        """See ``Tree``. Here, nothing is gained by looking twice."""

    def get_many(self, keys: Sequence[bytes]) -> list[Entry | None]:
        """See ``Tree``."""
        return [self.get(key) for key in keys]

    def entry_bytes(self, key: bytes) -> int:
        """See ``Tree``."""
        leaf = self.by_key.find(key)
        return 0 if leaf is None else entry_bytes(leaf)

    def put(self, key: bytes, kind: int, value: bytes, deadline_ms: int | None, version: int) -> Entry | None:
        """See ``Tree``."""
        self._changes += 1
        path, twig = self.by_key.approach(key)
        leaf = None if twig is None else twig.get(key)
        if leaf is None:
            leaf = Leaf(key, kind, value, version)
            self.by_deadline.move(leaf, deadline_ms)
            self._entry_bytes += LEAF_BYTES + len(key) + len(value)
            self.by_key.insert(path, twig, leaf)
            return None
        replaced = leaf.entry()
        self._entry_bytes += len(value) - len(leaf.value)
        leaf.kind, leaf.value, leaf.version = kind, value, version
        self.by_deadline.move(leaf, deadline_ms)
        return replaced

    def set_deadline(self, key: bytes, deadline_ms: int | None) -> Entry | None:
        """See ``Tree``."""
        leaf = self.by_key.find(key)
        if leaf is None:
            return None
        self._changes += 1
        entry = leaf.entry()
        self.by_deadline.move(leaf, deadline_ms)
        return entry

    def delete(self, key: bytes) -> Entry | None:
        """See ``Tree``."""
        path, twig = self.by_key.approach(key)
        if twig is None or key not in twig:
            return None
        self._changes += 1
        leaf = self.by_key.remove(path, twig, key)
        entry = leaf.entry()
        self._forget(leaf)
        return entry

    # --- all at once -------------------------------------------------------------------------------------

    def load(self, items: Iterable[Item]) -> None:
        """See ``Tree``."""
        if len(self):
            raise ValueError("only an empty tree can be loaded")
        # Nothing is linked before all is read, so there is nothing to undo where reading fails.
        leaves, entries_bytes = read(items)
        assert not len(self), "items must not change the tree that is made of them"
        if not leaves:
            return
        self._changes += 1
        self.by_deadline.fill(leaves)
        self.by_key.fill(leaves)
        self._entry_bytes = entries_bytes

    # --- all under a prefix ------------------------------------------------------------------------------

    def __len__(self) -> int:
        """See ``Tree``."""
        return size(self.by_key.root)

    def count(self, prefix: bytes = b"") -> int:
        """See ``Tree``."""
        _, top = self.by_key.cover(prefix)
        return size(top)

    def delete_prefix(self, prefix: bytes) -> int:
        """See ``Tree``."""
        path, top = self.by_key.cover(prefix)
        key_count = size(top)
        if isinstance(top, Inner):
            self._changes += 1
            for leaf in leaves(top):
                self._forget(leaf)
            self.by_key.cut(path, top, prefix)
        else:
            for key in top:
                self.delete(key)
        return key_count

    def key_at(self, position: int) -> bytes:
        """See ``Tree``."""
        if not 0 <= position < len(self):
            raise IndexError(f"there is no key {position} among {len(self)}")
        return key_at(self.by_key.root, position)

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
        return self.by_deadline.due(now_ms, limit)

    @property
    def memory_bytes(self) -> int:
        """See ``Tree``. What CPython allocates, by the estimates of ``nodes.py`` and ``deadlines.py``."""
        return self._entry_bytes + self.by_key.memory_bytes + self.by_deadline.memory_bytes

    def _forget(self, leaf: Leaf) -> None:
        """Take a leaf that goes out of the accounts and out of the other order."""
        self._entry_bytes -= entry_bytes(leaf)
        self.by_deadline.move(leaf, None)

    # --- iteration ---------------------------------------------------------------------------------------

    def _leaves(self, prefix: bytes, start: bytes) -> Iterator[Leaf]:
        """The leaves under ``prefix`` from ``start`` on, in key order."""
        _, top = self.by_key.cover(prefix)
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
