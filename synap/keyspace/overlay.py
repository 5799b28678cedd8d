"""The state plus what the batch has decided so far, so that each command of a batch sees those before it.

Nothing here touches the keyspace. When the batch is durable, its events are applied; when the append fails, the overlay
is dropped and nothing has happened.
"""

from enum import Enum

from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.keyspace.state import Keyspace, is_due
from synap.radix import Entry


class Untouched(Enum):
    """Said of a key that the batch has made nothing of."""

    UNTOUCHED = 0


UNTOUCHED = Untouched.UNTOUCHED


class Step:
    """What the batch was before a command: its events and their size, and in ``before`` each key that was touched."""

    __slots__ = ("before", "event_count", "size_bytes")

    def __init__(self, event_count: int, size_bytes: int) -> None:
        self.event_count, self.size_bytes = event_count, size_bytes
        self.before: dict[bytes, Entry | Untouched | None] = {}


class Overlay:
    """What the state will be once ``events`` are applied to ``keyspace``, seen at ``now_ms``.

    ``size_bytes`` is about what the events will occupy in the log, before compression.
    """

    def __init__(self, keyspace: Keyspace, now_ms: int) -> None:
        self.keyspace = keyspace
        self.now_ms = now_ms
        self.events: list[Event] = []
        self.size_bytes = 0
        # What the batch made of single keys (None: removed), and the prefixes it deleted before that. The prefixes
        # cover each other nowhere, so that no key is counted twice.
        self._entries: dict[bytes, Entry | None] = {}
        self._deleted_prefixes: list[bytes] = []
        self._step: Step | None = None
        # What the tree had under the key that it was asked for last: deciding looks at a key several times, and the
        # tree stays as it is until the batch is applied.
        self._seen_key: bytes | None = None
        self._seen: Entry | None = None

    # --- reading -----------------------------------------------------------------------------------------

    def stored(self, key: bytes) -> Entry | None:
        """The entry under a key, due or not."""
        if key in self._entries:
            return self._entries[key]
        if self._deleted_prefixes and self._is_deleted(key):
            return None
        if key is not self._seen_key:
            self._seen_key, self._seen = key, self.keyspace.tree.get(key)
        return self._seen

    def live(self, key: bytes) -> Entry | None:
        """The entry under a key; None where it is missing or due."""
        entry = self.stored(key)
        return None if entry is None or is_due(entry, self.now_ms) else entry

    def is_touched(self, key: bytes) -> bool:
        """Whether the batch has made anything of the key."""
        return key in self._entries or self._is_deleted(key)

    def count(self, prefix: bytes) -> int:
        """The number of live entries under a prefix."""
        if self._is_deleted(prefix):
            untouched = 0
        else:
            gone = [deleted for deleted in self._deleted_prefixes if deleted.startswith(prefix)]
            untouched = self._count_below(prefix) - sum(map(self._count_below, gone))
        touched = [key for key in self._entries if key.startswith(prefix)]
        return untouched + sum((self.live(key) is not None) - self._was_live(key) for key in touched)

    def _count_below(self, prefix: bytes) -> int:
        return self.keyspace.count(prefix, self.now_ms)

    def _was_live(self, key: bytes) -> bool:
        """Whether the key counts among those that no single event of the batch touched."""
        return not self._is_deleted(key) and self.keyspace.get(key, self.now_ms) is not None

    def _is_deleted(self, key: bytes) -> bool:
        # Asked for every key of every batch, and hardly ever is there a prefix.
        return bool(self._deleted_prefixes) and any(map(key.startswith, self._deleted_prefixes))

    # --- deciding ----------------------------------------------------------------------------------------

    def set(self, key: bytes, kind: int, value: bytes, deadline_ms: int | None) -> int:
        """Record that the key now holds the value, and return the version it will have.

        An entry that is due, but not yet purged, is ended first: it expired, it was not overwritten.
        """
        if (stored := self.stored(key)) is not None and is_due(stored, self.now_ms):
            self.expire(key)
        version = self.keyspace.seq + len(self.events) + 1
        entry = (kind, value, deadline_ms, version)
        self._record(EntrySet(key, kind, value, deadline_ms), key, entry, len(key) + len(value))
        return version

    def delete(self, key: bytes) -> None:
        """Record that a client removed the key."""
        self._record(EntryDeleted(key), key, None, len(key))

    def expire(self, key: bytes) -> None:
        """Record that the key's deadline has passed."""
        self._record(EntryExpired(key), key, None, len(key))

    def evict(self, key: bytes) -> None:
        """Record that the key goes because memory is needed."""
        self._record(EntryEvicted(key), key, None, len(key))

    def move_deadline(self, key: bytes, entry: Entry, deadline_ms: int | None) -> Entry:
        """Record the new deadline of the live ``entry`` under the key, if it is one, and return the entry with it."""
        kind, value, old_deadline_ms, version = entry
        if deadline_ms == old_deadline_ms:
            return entry
        moved = (kind, value, deadline_ms, version)
        self._record(DeadlineSet(key, deadline_ms), key, moved, len(key))
        return moved

    def delete_prefix(self, prefix: bytes) -> None:
        """Record that a client removed every key under the prefix."""
        self.events.append(PrefixDeleted(prefix))
        self.size_bytes += len(prefix)
        self._entries = {key: entry for key, entry in self._entries.items() if not key.startswith(prefix)}
        if not self._is_deleted(prefix):
            wider = [kept for kept in self._deleted_prefixes if not kept.startswith(prefix)]
            self._deleted_prefixes = [*wider, prefix]

    # --- taking back -------------------------------------------------------------------------------------

    def begin_step(self) -> Step:
        """From here on, until ``end_step``, it is noted what is touched; no prefix may be deleted meanwhile."""
        self._step = Step(len(self.events), self.size_bytes)
        return self._step

    def end_step(self) -> None:
        """What was recorded since ``begin_step`` stays."""
        self._step = None

    def undo_step(self) -> None:
        """Let the batch be what it was at ``begin_step``."""
        step, self._step = self._step, None
        assert step is not None, "there is a step to undo"
        del self.events[step.event_count :]
        self.size_bytes = step.size_bytes
        for key, entry in step.before.items():
            if isinstance(entry, Untouched):
                del self._entries[key]
            else:
                self._entries[key] = entry

    def _record(self, event: Event, key: bytes, entry: Entry | None, size_bytes: int) -> None:
        """Record an event, and the entry that it leaves under its key."""
        if self._step is not None:
            self._step.before.setdefault(key, self._entries.get(key, UNTOUCHED))
        self._entries[key] = entry
        self.events.append(event)
        self.size_bytes += size_bytes
