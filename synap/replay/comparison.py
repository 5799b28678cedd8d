"""Two points compared: the state at the first, and what became of its entries up to the second."""

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from synap.errors import ReplayError
from synap.events import DeadlineSet, EntrySet, Event, PrefixDeleted
from synap.keyspace import Keyspace
from synap.keyspace.state import is_due
from synap.radix import Entry
from synap.replay.asof import Base, Moment, Stretch, state_at, steadily
from synap.replay.points import Point, SeqPoint, TimePoint
from synap.replay.records import TYPES, EventType
from synap.replay.render import Output
from synap.replay.source import Source


class Change(StrEnum):
    """How a key differs: ``changed`` by its value, ``extended`` or ``shortened`` by its deadline alone."""

    ADDED = "added"
    CHANGED = "changed"
    EXTENDED = "extended"
    SHORTENED = "shortened"
    REMOVED = "removed"


class Difference(msgspec.Struct, frozen=True):
    """A key that differs: its entry at either point (None: none), and what ended it, where something did."""

    key: bytes
    change: Change
    before: Entry | None
    after: Entry | None
    cause: EventType | None


class Comparison:
    """A state that goes on, and remembers what its entries were."""

    def __init__(self, keyspace: Keyspace, start: Moment) -> None:
        self.start = self.end = start
        self._keyspace = keyspace
        self._before: dict[bytes, Entry | None] = {}
        self._causes: dict[bytes, EventType] = {}

    def apply(self, seq: int, event: Event) -> None:
        """Go on by one event."""
        cause = TYPES[type(event)]
        if isinstance(event, PrefixDeleted):
            for key, *_ in self._keyspace.tree.items(event.prefix):
                self._remember(key)
                self._causes[key] = cause
        else:
            self._remember(event.key)
            if not isinstance(event, EntrySet | DeadlineSet):
                self._causes[event.key] = cause
        self._keyspace.apply(seq, event)

    def _remember(self, key: bytes) -> None:
        if key not in self._before:
            self._before[key] = self._keyspace.tree.get(key)

    def differences(self) -> Iterator[Difference]:
        """What differs, in key order."""
        tree = self._keyspace.tree
        # An entry can come to its end without any event: when it is due at the second point.
        for key in sorted(self._before.keys() | set(tree.due(self.end.now_ms))):
            entry = tree.get(key)
            before = _living(self._before.get(key, entry), self.start)
            after = _living(entry, self.end)
            change = _change(before, after)
            if change is not None:
                cause = None if change is not Change.REMOVED else EventType.EXPIRED
                if change is Change.REMOVED and entry is None:
                    cause = self._causes[key]
                yield Difference(key, change, before, after, cause)


def _living(entry: Entry | None, moment: Moment) -> Entry | None:
    return None if entry is None or is_due(entry, moment.now_ms) else entry


def _change(before: Entry | None, after: Entry | None) -> Change | None:
    if before is None or after is None:
        return None if before is after else Change.ADDED if before is None else Change.REMOVED
    if before[3] != after[3]:
        return Change.CHANGED
    old_ms, new_ms = before[2], after[2]
    if old_ms == new_ms:
        return None
    is_later = new_ms is None or (old_ms is not None and new_ms > old_ms)
    return Change.EXTENDED if is_later else Change.SHORTENED


def compare(source: Source, first: Point, second: Point, output: Output) -> Comparison:
    """The states at two points. Raises as ``asof.state_at``, and ``ReplayError`` where they are the wrong way round."""
    if isinstance(first, TimePoint) and isinstance(second, TimePoint) and second.time_ms < first.time_ms:
        raise _wrong_way_round(first, second)
    if isinstance(first, SeqPoint) and isinstance(second, SeqPoint) and second.seq < first.seq:
        raise _wrong_way_round(first, second)

    def look() -> Comparison:
        keyspace, start = state_at(source, first, output)
        if isinstance(second, SeqPoint) and second.seq < start.seq:
            raise _wrong_way_round(first, second)
        comparison = Comparison(keyspace, start)
        with output.progress("reading on", source.log_bytes(start.seq + 1)) as meter:
            stretch = Stretch(source, Base(start.seq, start.time_ms), second, meter)
            for batch in stretch.batches():
                for seq, event in enumerate(batch.events, batch.first_seq):
                    comparison.apply(seq, event)
        comparison.end = stretch.moment
        if comparison.end.now_ms < start.now_ms:
            raise _wrong_way_round(first, second)
        return comparison

    return steadily(source, look)


def _wrong_way_round(first: Point, second: Point) -> ReplayError:
    return ReplayError(f"{second} is before {first}: the earlier point comes first")
