"""Which events are wanted: by key or prefix, by type, by number or time.

Most batches hold none of them, and that can be seen without decoding them: an event's type and length come first in its
row, and its key stands there as it is (``cbor.py``: every row is in its one shortest form).
"""

import msgspec

from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.replay.points import Point
from synap.wal.interface import Frame

_MARKS: dict[type[Event], bytes] = {
    EntrySet: b"\x85\x01",
    EntryDeleted: b"\x82\x02",
    PrefixDeleted: b"\x82\x03",
    DeadlineSet: b"\x83\x04",
    EntryExpired: b"\x82\x05",
    EntryEvicted: b"\x82\x06",
}
"""How the row of an event begins: an array of so many fields, and its type number."""


class Selection(msgspec.Struct, frozen=True):
    """The events of these ``types`` (none: all) that touch the ``key``, or a key under the ``prefix``.

    The deletion of a prefix touches every key under it, whether or not there was one.
    """

    key: bytes | None = None
    prefix: bytes | None = None
    types: frozenset[type[Event]] = frozenset()

    def may_be_in(self, payload: bytes) -> bool:
        """False where no event in the payload is wanted, for sure."""
        if self.types and not any(_MARKS[each] in payload for each in self.types):
            return False
        return all(
            wanted is None or wanted in payload or _MARKS[PrefixDeleted] in payload
            for wanted in (self.key, self.prefix)
        )

    def of(self, first_seq: int, events: list[Event]) -> list[tuple[int, Event]]:
        """The wanted ones of a batch's events, with their numbers."""
        numbered = enumerate(events, first_seq)
        if self.key is None and self.prefix is None and not self.types:
            return list(numbered)
        return [(seq, event) for seq, event in numbered if self.wants(event)]

    def wants(self, event: Event) -> bool:
        """Whether the event is one of them."""
        if self.types and type(event) not in self.types:
            return False
        if isinstance(event, PrefixDeleted):
            gone = event.prefix
            return (self.key is None or self.key.startswith(gone)) and (
                self.prefix is None or self.prefix.startswith(gone) or gone.startswith(self.prefix)
            )
        return (self.key is None or event.key == self.key) and (
            self.prefix is None or event.key.startswith(self.prefix)
        )


class Range(msgspec.Struct, frozen=True):
    """From one point (None: the beginning) to another (None: the end), both included."""

    start: Point | None = None
    stop: Point | None = None

    def part_of(self, frame: Frame) -> slice:
        """Which of a batch's events."""
        before = 0 if self.start is None else frame.count - self.start.count_from(frame)
        return slice(before, frame.count if self.stop is None else self.stop.count_in(frame))

    def is_over_after(self, frame: Frame) -> bool:
        """Whether nothing behind the batch is in the range, for sure."""
        end = frame.first_seq + frame.count - 1
        return self.stop is not None and (self.stop.count_in(frame) < frame.count or self.stop.is_reached(end))
