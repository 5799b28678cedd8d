"""The entries as of a sequence number. ``apply`` is the only way to change them, live, in recovery and offline."""

from collections.abc import Callable, Iterable, Sequence

from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.keyspace.digest import Digest
from synap.radix import Entry, Item, Tree


class Keyspace:
    """The state at ``seq``: a pure function of the events 1 to ``seq``.

    An entry whose deadline is not after ``now_ms`` is absent for every reader, whether or not the event that ends it
    was applied yet; only ``tree`` still shows it.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.seq = 0
        self._digest = Digest()
        self._appliers: dict[type[Event], Callable[..., None]] = {
            EntrySet: self._apply_set,
            EntryDeleted: self._apply_removed,
            PrefixDeleted: self._apply_prefix_deleted,
            DeadlineSet: self._apply_deadline,
            EntryExpired: self._apply_removed,
            EntryEvicted: self._apply_removed,
        }

    @property
    def digest(self) -> int:
        """The number of this state, see ``digest.py``."""
        return self._digest.value

    # --- reading -----------------------------------------------------------------------------------------

    def get(self, key: bytes, now_ms: int) -> Entry | None:
        """The entry under a key; None where it is missing or due."""
        entry = self.tree.get(key)
        return None if entry is None or is_due(entry, now_ms) else entry

    def get_many(self, keys: Sequence[bytes], now_ms: int) -> list[Entry | None]:
        """What ``get`` returns for each of the keys, in their order."""
        entries = self.tree.get_many(keys)
        return [None if entry is None or is_due(entry, now_ms) else entry for entry in entries]

    def count(self, prefix: bytes, now_ms: int) -> int:
        """The number of live entries under a prefix. Visits only the due ones, which are few and soon purged."""
        due = self.tree.due(now_ms)
        return self.tree.count(prefix) - sum(key.startswith(prefix) for key in due)

    # --- changing ----------------------------------------------------------------------------------------

    def load(self, seq: int, items: Iterable[Item]) -> None:
        """Let an empty state be that after event ``seq``, given by its entries in ascending key order.

        Where the iterator raises, the state is empty as before.
        """
        digest = Digest()
        self.tree.load(digest.of(items))
        self._digest, self.seq = digest, seq

    def apply(self, seq: int, event: Event) -> None:
        """Let the state be that after the event with this number. Cannot fail; changes nothing the second time."""
        self.apply_all(seq, (event,))

    def apply_all(self, first_seq: int, events: Iterable[Event]) -> None:
        """As ``apply``, for events one after the other, of which the first has this number."""
        appliers = self._appliers
        for seq, event in enumerate(events, first_seq):
            self.seq = seq
            appliers[type(event)](event)

    def _apply_set(self, event: EntrySet) -> None:
        key, kind, value, deadline_ms, seq = event.key, event.kind, event.value, event.deadline_ms, self.seq
        replaced = self.tree.put(key, kind, value, deadline_ms, seq)
        self._digest.exchange(key, replaced, (kind, value, deadline_ms, seq))

    def _apply_removed(self, event: EntryDeleted | EntryExpired | EntryEvicted) -> None:
        self._digest.exchange(event.key, self.tree.delete(event.key), None)

    def _apply_prefix_deleted(self, event: PrefixDeleted) -> None:
        for key, kind, value, deadline_ms, version in self.tree.items(event.prefix):
            self._digest.exchange(key, (kind, value, deadline_ms, version), None)
        self.tree.delete_prefix(event.prefix)

    def _apply_deadline(self, event: DeadlineSet) -> None:
        before = self.tree.set_deadline(event.key, event.deadline_ms)
        if before is not None:
            kind, value, _, version = before
            self._digest.exchange(event.key, before, (kind, value, event.deadline_ms, version))


def is_due(entry: Entry, now_ms: int) -> bool:
    """Whether the entry's deadline has come."""
    return entry[2] is not None and entry[2] <= now_ms
