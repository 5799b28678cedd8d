"""What a stretch of the log makes of any state before it: only the keys that changed, and the prefixes that went.

A state can be far larger than what happens to it between two snapshots. ``Changes`` takes events as a ``Keyspace``
does, without the state they happened to, and is laid over that state afterwards, as it comes by in key order::

    state before    a=1      b=2  c=3  d=4
    changes         a=9                     d: deadline moved, e=5     prefix "c" deleted, "b" deleted
    state after     a=9                     d=4 (new deadline)  e=5
"""

from collections.abc import Iterable, Iterator
from typing import assert_never

from sortedcontainers import SortedSet

from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.radix import Item, Tree

_REMOVED = 255
"""The kind of a key that is gone. Kinds of entries are small numbers, see ``commands.Kind``."""

_MOVED = 254
"""The kind of a key of which only the deadline changed."""

_PREFIX_BYTES = 100
"""What a prefix takes beside its own bytes: an object, and a place in a list and in a hash table."""


class Changes:
    """The events up to ``seq``, taken together. ``event_count`` is their number."""

    def __init__(self, tree: Tree, seq: int) -> None:
        self.seq = seq
        self.event_count = 0
        # What became of single keys, after the prefixes were deleted that no other one begins with.
        self._tree = tree
        self._prefixes: SortedSet[bytes] = SortedSet()
        self._prefixes_bytes = 0

    @property
    def memory_bytes(self) -> int:
        """What the changes occupy."""
        return self._tree.memory_bytes + self._prefixes_bytes

    def apply(self, seq: int, event: Event) -> None:
        """Take one more event. As in ``Keyspace``, it cannot fail."""
        self.seq = seq
        self.event_count += 1
        match event:
            case EntrySet(key, kind, value, deadline_ms):
                self._tree.put(key, kind, value, deadline_ms, seq)
            case EntryDeleted(key) | EntryExpired(key) | EntryEvicted(key):
                self._tree.put(key, _REMOVED, b"", None, 0)
            case DeadlineSet(key, deadline_ms):
                self._move(key, deadline_ms)
            case PrefixDeleted(prefix):
                self._delete_prefix(prefix)
            case _:
                assert_never(event)

    def over(self, before: Iterable[Item]) -> Iterator[Item]:
        """The entries after the events, of those before them; both in ascending key order."""
        changed = self._tree.items()
        change = next(changed, None)
        for item in before:
            while change is not None and change[0] < item[0]:
                yield from _entry_of(change, None)
                change = next(changed, None)
            if change is not None and change[0] == item[0]:
                yield from _entry_of(change, item)
                change = next(changed, None)
            elif not self._is_deleted(item[0]):
                yield item
        while change is not None:
            yield from _entry_of(change, None)
            change = next(changed, None)

    def _move(self, key: bytes, deadline_ms: int | None) -> None:
        known = self._tree.get(key)
        if known is None and not self._is_deleted(key):
            self._tree.put(key, _MOVED, b"", deadline_ms, 0)
        elif known is not None and known[0] != _REMOVED:
            self._tree.set_deadline(key, deadline_ms)

    def _delete_prefix(self, prefix: bytes) -> None:
        self._tree.delete_prefix(prefix)
        if not self._is_deleted(prefix):
            longer = []
            for other in self._prefixes.irange(prefix):
                if not other.startswith(prefix):
                    break
                longer.append(other)
            self._prefixes.difference_update(longer)
            self._prefixes.add(prefix)
            self._prefixes_bytes += _weight(prefix) - sum(map(_weight, longer))

    def _is_deleted(self, key: bytes) -> bool:
        """Whether one of the prefixes begins the key: as none begins another, only the last one not after it can."""
        if not self._prefixes:
            # As always, nearly; and it is asked for every entry of the state.
            return False
        at = self._prefixes.bisect_right(key)
        return at > 0 and key.startswith(self._prefixes[at - 1])


def _weight(prefix: bytes) -> int:
    return _PREFIX_BYTES + len(prefix)


def _entry_of(change: Item, before: Item | None) -> Iterator[Item]:
    """The entry that a key has after its change, if it has one."""
    _, kind, _, deadline_ms, _ = change
    if kind == _MOVED:
        if before is not None:
            yield (*before[:3], deadline_ms, before[4])
    elif kind != _REMOVED:
        yield change
