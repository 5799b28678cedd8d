"""The history of one key, as far as the log has it, and how things stand at its end."""

from collections.abc import Iterator
from contextlib import closing, suppress

import msgspec
from msgspec import UNSET, UnsetType

from synap.errors import DamagedError, TrimmedAwayError
from synap.events import PrefixDeleted
from synap.replay.browse import selected_events
from synap.replay.follow import LogFollower
from synap.replay.life import Alive, Found, Step, Unknown, step
from synap.replay.records import TYPES, EventType
from synap.replay.render import Meter
from synap.replay.selection import Range, Selection
from synap.replay.source import Source
from synap.replay.text import iso


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand with the key, looked at at ``looked_at``.

    ``lives`` is null where nobody knows. ``ended_by`` is an ``EventType``, and ``ended_seq`` the event's number; an
    entry that is due counts as expired, whether or not it was purged (``ended_seq`` null: it was not). The history is
    complete from the event ``complete_from_seq`` on.
    """

    lives: bool | None
    version: int | UnsetType = UNSET
    deadline: str | UnsetType | None = UNSET
    deadline_ms: int | UnsetType | None = UNSET
    ended_by: EventType | UnsetType = UNSET
    ended_seq: int | UnsetType | None = UNSET
    events: int
    complete_from_seq: int
    looked_at: str
    looked_at_ms: int


class History:
    """The steps of one key, as far as the log has them. ``now`` is what there is after those that were given."""

    def __init__(self, source: Source, key: bytes) -> None:
        self.complete_from_seq = min(source.segment_seqs(), default=1)
        self.now: Found = None if self.complete_from_seq == 1 else _at_the_start(source, key, self.complete_from_seq)
        self.end: Step | None = None
        self.count = 0
        self._source = source
        self._key = key

    def steps(self, meter: Meter) -> Iterator[Step]:
        """What happened to the key, in order. Raises ``DamagedError`` or ``NewerFormatError``."""
        selection = Selection(key=self._key)
        with closing(LogFollower(self._source, self.complete_from_seq, on_bytes=meter.add)) as follower:
            for batch in selected_events(follower, selection, Range(), on_gap=self._lose, wait=lambda: False):
                for seq, event in batch.events:
                    # The deletion of a prefix is none of a key that was not there.
                    if self.now is not None or not isinstance(event, PrefixDeleted):
                        yield self._take(step(self.now, seq, batch.time_ms, event))

    def verdict(self, now_ms: int) -> Verdict:
        """How things stand at this time, if nothing was left out."""
        standing: dict[str, object] = {"lives": None if isinstance(self.now, Unknown) else False}
        if isinstance(self.now, Alive):
            deadline_ms = self.now.deadline_ms
            standing["deadline_ms"] = deadline_ms
            standing["deadline"] = None if deadline_ms is None else iso(deadline_ms)
            standing["version"] = UNSET if self.now.version is None else self.now.version
            if deadline_ms is None or deadline_ms > now_ms:
                standing["lives"] = True
            else:
                standing |= {"ended_by": EventType.EXPIRED, "ended_seq": None}
        elif self.now is None and self.end is not None:
            standing |= {"ended_by": TYPES[type(self.end.event)], "ended_seq": self.end.seq}
        return Verdict(
            **standing,  # type: ignore[arg-type]  # by name
            events=self.count,
            complete_from_seq=self.complete_from_seq,
            looked_at=iso(now_ms),
            looked_at_ms=now_ms,
        )

    def _take(self, done: Step) -> Step:
        self.count += 1
        self.now = done.left
        if done.left is None:
            self.end = done
        return done

    def _lose(self, gone: TrimmedAwayError) -> None:
        self.complete_from_seq, self.now = gone.first_seq, Unknown()


def _at_the_start(source: Source, key: bytes, first_seq: int) -> Found:
    """What the log's first event found, if a snapshot of that moment tells."""
    with suppress(DamagedError, FileNotFoundError), closing(source.open_snapshot(first_seq - 1)) as snapshot:
        row = snapshot.find(key)
        return None if row is None else Alive(row[4], row[3], None)
    return Unknown()
