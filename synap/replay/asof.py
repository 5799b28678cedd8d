"""The data as of a point: from the newest whole snapshot at or before it, or the beginning, and the log from there.

A snapshot that is damaged is passed over with a remark, as long as an older one, or the beginning, is there. Where a
server takes away meanwhile what was about to be read, all is done again from what there is now (``steadily``).
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import TypeVar

import msgspec

from synap.errors import DamagedError, ReplayError, TrimmedAwayError
from synap.events import Event
from synap.keyspace import Keyspace
from synap.radix import new_tree
from synap.recovery import events_of, load_snapshot
from synap.replay.extent import available
from synap.replay.follow import LogFollower, Predecessor
from synap.replay.points import Point, SeqPoint, TimePoint
from synap.replay.render import Meter, Output
from synap.replay.source import Source
from synap.snapshot.format import Row
from synap.snapshot.reader import SnapshotReader
from synap.wal.interface import Frame

T = TypeVar("T")

_ATTEMPTS = 10
"""How often a server may be in the way: it trims once in a snapshot's time, minutes at the least."""


class Base(msgspec.Struct, frozen=True):
    """Where to begin: the state after the event ``seq``, logged at ``time_ms``; 0 is the beginning.

    ``predecessor`` is what the log behind it must continue.
    """

    seq: int
    time_ms: int
    predecessor: Predecessor | None = None


class Moment(msgspec.Struct, frozen=True):
    """What a point came to: after the event ``seq``, logged at ``time_ms``, looked at at ``now_ms``."""

    seq: int
    time_ms: int
    now_ms: int


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Events that were logged together at ``time_ms``; the first one is ``first_seq``."""

    first_seq: int
    time_ms: int
    events: list[Event]


class Stretch:
    """The log behind a base, up to a point or the end."""

    def __init__(self, source: Source, base: Base, point: Point, meter: Meter) -> None:
        self._source = source
        self._base = base
        self._point = point
        self._seq, self._time_ms = base.seq, base.time_ms
        self._follower = LogFollower(source, base.seq + 1, predecessor=base.predecessor, on_bytes=meter.add)

    @property
    def moment(self) -> Moment:
        """What was reached so far; when ``batches`` is used up, what the point came to."""
        now_ms = self._point.time_ms if isinstance(self._point, TimePoint) else self._time_ms
        return Moment(self._seq, self._time_ms, now_ms)

    def batches(self, wanted: Callable[[bytes], bool] = lambda _: True) -> Iterator[Batch]:
        """What happened, in order; of batches whose payload is not ``wanted``, nothing.

        Raises ``DamagedError`` or ``NewerFormatError``, ``ReplayError`` where the log ends before the point.
        """
        try:
            with closing(self._follower):
                yield from self._batches(wanted)
        except DamagedError as damage:
            reason = f"{damage.reason}; what is before can be shown, up to seq {self._seq}"
            raise DamagedError(damage.path, reason, seq=damage.seq, offset=damage.offset) from damage
        if isinstance(self._point, SeqPoint) and self._seq < self._point.seq:
            raise ReplayError(f"{self._point} is behind the end of the log; there is {available(self._source)}")

    def _batches(self, wanted: Callable[[bytes], bool]) -> Iterator[Batch]:
        for frame in self._frames() if not self._point.is_reached(self._seq) else ():
            count = self._point.count_in(frame)
            known = max(0, self._base.seq + 1 - frame.first_seq)
            if count > known:
                if wanted(frame.payload):
                    events = events_of(frame, self._follower.path)[known:count]
                    yield Batch(frame.first_seq + known, frame.wall_ms, events)
                self._seq, self._time_ms = frame.first_seq + count - 1, frame.wall_ms
            if count < frame.count or self._point.is_reached(self._seq):
                return

    def _frames(self) -> Iterator[Frame]:
        try:
            yield from self._follower.frames()
        except TrimmedAwayError as gone:
            reason = f"the log is missing its start: it begins at seq {gone.first_seq}"
            raise DamagedError(self._source.directory.wal_directory, reason, seq=gone.seq) from None


def base_of(snapshot: SnapshotReader) -> Base:
    """A snapshot as where to begin."""
    header = snapshot.header
    return Base(header.last_seq, header.wall_ms, Predecessor(snapshot.path.name, header.chain, 0))


def load_base(
    source: Source, point: Point, load: Callable[[SnapshotReader | None], T], remark: Callable[[str], None]
) -> tuple[Base, T]:
    """The newest whole snapshot at or before the point, or the beginning, and what ``load`` makes of it.

    Raises ``ReplayError`` where the point is before all that there is.
    """
    for seq in reversed(source.snapshot_seqs()):
        if not point.includes(seq, 0):
            # Its name says that it is behind the point; then it does not matter whether it is whole.
            continue
        try:
            with closing(source.open_snapshot(seq)) as snapshot:
                if point.includes(seq, snapshot.header.wall_ms):
                    return base_of(snapshot), load(snapshot)
        except DamagedError as damage:
            remark(f"{damage}; looking for an older snapshot")
    if min(source.segment_seqs(), default=1) > 1:
        raise ReplayError(f"{point} is before all that is still there; there is {available(source)}")
    return Base(0, source.created_ms), load(None)


def state_at(source: Source, point: Point, output: Output) -> tuple[Keyspace, Moment]:
    """All entries as of a point. Raises as ``load_base`` and ``Stretch.batches``."""

    def look() -> tuple[Keyspace, Moment]:
        with output.progress("reading", source.log_bytes()) as meter:
            base, keyspace = load_base(source, point, partial(_load, meter), output.remark)
            stretch = Stretch(source, base, point, meter)
            for batch in stretch.batches():
                for seq, event in enumerate(batch.events, batch.first_seq):
                    keyspace.apply(seq, event)
        return keyspace, stretch.moment

    return steadily(source, look)


def _load(meter: Meter, snapshot: SnapshotReader | None) -> Keyspace:
    return Keyspace(new_tree()) if snapshot is None else load_snapshot(snapshot, _metered(meter, snapshot))


def _metered(meter: Meter, snapshot: SnapshotReader) -> Iterator[list[Row]]:
    read_bytes = 0
    for block in snapshot.blocks():
        yield block
        meter.add(snapshot.bytes_read - read_bytes)
        read_bytes = snapshot.bytes_read


def steadily(source: Source, look: Callable[[], T]) -> T:
    """What ``look`` finds, who is asked again where a server took something away meanwhile."""
    for _ in range(_ATTEMPTS):
        before = source.trimmable()
        try:
            return look()
        except (DamagedError, FileNotFoundError):
            if source.trimmable() == before:
                raise
    return look()
