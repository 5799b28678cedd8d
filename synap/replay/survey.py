"""The survey: one look at all of a directory. What can be read is counted; what cannot, is told, and where.

Reading stops at the first damage of the log, and goes on behind it only where a snapshot knows the state there.
"""

import time
from collections import Counter
from contextlib import closing, suppress

import msgspec

from synap.errors import DamagedError, TrimmedAwayError
from synap.events import Event
from synap.recovery import events_of
from synap.replay.asof import Base, base_of
from synap.replay.census import Census
from synap.replay.follow import LogFollower, Predecessor
from synap.replay.render import Meter
from synap.replay.source import Source
from synap.snapshot.format import snapshot_name
from synap.wal.interface import Frame
from synap.wal.segment import SegmentReader, Torn

SETTLING_S = 0.3
"""A torn tail that is the same after this time is nobody's write under way: a write takes milliseconds."""

_SETTLING_LOOKS = 5
_ATTEMPTS = 10


class SegmentLine(msgspec.Struct):
    """A segment of ``size`` bytes; what is read of it ends with ``last_seq`` (None: nothing is)."""

    first_seq: int
    size: int
    last_seq: int | None = None
    created_ms: int | None = None
    epoch: int | None = None
    sealed: bool = False


class SnapshotLine(msgspec.Struct):
    """A snapshot of ``size`` bytes; ``damage`` where it is not whole, and then perhaps no more is known of it."""

    seq: int
    size: int
    time_ms: int | None = None
    entries: int | None = None
    damage: DamagedError | None = None


class Survey:
    """What one look found. Times are in ms since the epoch.

    ``first`` and ``last`` are number and time of the first and the last event that can be read in the log, None where
    there is none; ``census`` is the state at the end of what can be read, None where nothing can be told of it.
    """

    def __init__(self, source: Source, meter: Meter) -> None:
        self.damages: list[DamagedError] = [] if source.damage is None else [source.damage]
        self.torn: Torn | None = None
        self.segments: dict[int, SegmentLine] = {}
        self.snapshots: list[SnapshotLine] = []
        self.first: tuple[int, int] | None = None
        self.last: tuple[int, int] | None = None
        self.counts: Counter[type[Event]] = Counter()
        self.batches = self.raw_bytes = 0
        self.census: Census | None = None
        self._source = source
        self._meter = meter
        self._base: Base | None = None

    def look(self) -> None:
        """Read everything, once. Raises ``NewerFormatError``, or ``TrimmedAwayError`` where a server was in the way."""
        try:
            # Snapshots first: the log, read later, reaches at least as far.
            for seq in self._source.snapshot_seqs():
                self._look_at_snapshot(seq)
            self._load_census()
            self._look_at_log()
        except DamagedError as damage:
            self.damages.append(damage)
        self.damages += [line.damage for line in self.snapshots if line.damage is not None]

    @property
    def state_ms(self) -> int | None:
        """The log time of the census; None where there was no event yet."""
        if self.last is not None and self.census is not None and self.last[0] == self.census.seq:
            return self.last[1]
        return None if self._base is None else self._base.time_ms

    # --- snapshots ---------------------------------------------------------------------------------------

    def _look_at_snapshot(self, seq: int) -> None:
        line = SnapshotLine(seq, self._source.size_bytes(self._source.snapshot_path(seq)))
        self.snapshots.append(line)
        try:
            with closing(self._source.open_snapshot(seq)) as snapshot:
                line.time_ms, line.entries = snapshot.header.wall_ms, snapshot.footer.entry_count
        except DamagedError as damage:
            line.damage = damage

    def _load_census(self) -> None:
        """Begin with the newest whole snapshot."""
        for line in reversed(self.snapshots):
            if line.damage is None:
                try:
                    self._load_snapshot(line.seq)
                except DamagedError as damage:
                    line.damage = damage
                else:
                    return

    def _load_snapshot(self, seq: int) -> None:
        census = Census()
        with closing(self._source.open_snapshot(seq)) as snapshot:
            census.load(seq, snapshot.rows())
            self._meter.add(snapshot.size_bytes)
            self._base = base_of(snapshot)
        self.census = census

    # --- the log -----------------------------------------------------------------------------------------

    def _look_at_log(self) -> None:
        seqs = self._source.segment_seqs()
        self.segments = {seq: SegmentLine(seq, self._source.size_bytes(self._source.segment_path(seq))) for seq in seqs}
        first_seq = min(seqs, default=1)
        if self._base is None and first_seq == 1:
            self.census = Census()
        elif self._base is None or self._base.seq + 1 < first_seq:
            before = "no snapshot is whole" if self._base is None else f"the last snapshot ends with {self._base.seq}"
            reason = f"events are missing: the log begins at seq {first_seq}, and {before}"
            self._give_up_state(DamagedError(self._source.directory.wal_directory, reason, seq=1))
        try:
            self._read(first_seq)
        except DamagedError as damage:
            self.damages.append(damage)
            if self._base is None or self._base.seq < damage.seq:
                return
            # The state behind the damage is known, from where the snapshot ends.
            self._read(self._base.seq + 1, self._base.predecessor)
        self._check_reach()

    def _give_up_state(self, damage: DamagedError) -> None:
        self.census = self._base = None
        self.damages.append(damage)

    def _read(self, from_seq: int, predecessor: Predecessor | None = None) -> None:
        with closing(LogFollower(self._source, from_seq, predecessor=predecessor)) as follower:
            self._read_on(follower)
            for _ in range(_SETTLING_LOOKS):
                if self.torn is None:
                    return
                before = self.torn
                time.sleep(SETTLING_S)
                self._read_on(follower)
                if self.torn == before:
                    return
        # A tail that keeps moving is being written.
        self.torn = None

    def _read_on(self, follower: LogFollower) -> None:
        for segment in follower.segments():
            header = segment.header
            self._check_start(segment)
            line = self.segments.setdefault(header.first_seq, SegmentLine(header.first_seq, 0))
            line.created_ms, line.epoch, line.last_seq = header.created_ms, header.epoch, segment.next_seq - 1
            offset = segment.offset
            for frame in segment.frames():
                self._take(frame, segment)
                line.last_seq = segment.next_seq - 1
                self._meter.add(segment.offset - offset)
                offset = segment.offset
            line.sealed, self.torn = segment.sealed, segment.torn
            line.size = max(line.size, segment.offset)

    def _check_start(self, segment: SegmentReader) -> None:
        """Refuse a log that does not continue the snapshot."""
        base, header = self._base, segment.header
        if base is None or base.predecessor is None or header.first_seq != base.seq + 1:
            return
        if header.chain != base.predecessor.chain:
            reason = f"it does not continue {base.predecessor.name}"
            raise DamagedError(segment.path, reason, seq=header.first_seq, offset=0)

    def _take(self, frame: Frame, segment: SegmentReader) -> None:
        events = events_of(frame, segment.path)
        self.counts.update(map(type, events))
        self.batches += 1
        self.raw_bytes += len(frame.payload)
        self.first = self.first or (frame.first_seq, frame.wall_ms)
        self.last = frame.first_seq + frame.count - 1, frame.wall_ms
        if self.census is not None and self.last[0] > self.census.seq:
            known = max(0, self.census.seq + 1 - frame.first_seq)
            for seq, event in enumerate(events[known:], frame.first_seq + known):
                self.census.apply(seq, event)

    def _check_reach(self) -> None:
        """Refuse a log that does not go on behind the newest snapshot, be it a damaged one: it has lost segments."""
        newest = max((line.seq for line in self.snapshots), default=0)
        if newest and newest + 1 not in self.segments:
            reason = f"the segment is not there that goes on behind {snapshot_name(newest)}"
            raise DamagedError(self._source.segment_path(newest + 1), reason, seq=newest + 1)


def survey(source: Source, meter: Meter) -> Survey:
    """Look at all of a directory; again, where a server took something away meanwhile. Raises ``NewerFormatError``."""
    found = Survey(source, meter)
    for _ in range(_ATTEMPTS):
        before = _trimmable(source)
        with suppress(TrimmedAwayError, FileNotFoundError):
            found.look()
            if not found.damages or _trimmable(source) == before:
                break
        found = Survey(source, meter)
    return found


def _trimmable(source: Source) -> object:
    with suppress(DamagedError):
        return source.trimmable()
    return None
