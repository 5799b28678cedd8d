"""The log and the snapshots of a directory, verified together: each is held against the others.

The segments are gone through in order. Events are decoded and applied, so that the state is known, and with it the
digest that the next segment's header and the snapshot between the two must have. After damage the state is unknown,
until a whole snapshot gives it again::

    segments     1 ─────── 9 ────── x  17 ─────── 23 ────
    snapshots              8           16
    state known  ══════════════════    ══════════════════

A server may be at work meanwhile. What it trims is no damage; what it had not finished when it was read counts as torn.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from math import inf
from pathlib import Path
from uuid import UUID

import msgspec

from synap.datadir import StoreDirectory
from synap.errors import DamagedError
from synap.keyspace import Keyspace
from synap.radix import new_tree
from synap.recovery import is_strange, load_snapshot
from synap.replay.findings import Findings
from synap.replay.verify_file import counter, decoded, own_id
from synap.snapshot.format import Row, snapshot_name
from synap.snapshot.reader import SnapshotReader
from synap.wal.format import SegmentHeader, segment_name
from synap.wal.reader import SEGMENT_MAX_BYTES
from synap.wal.segment import SegmentReader
from synap.wholeness import check_whole

MAX_TRIMMED = 10
"""How often the log may be trimmed under a pass: a server does so once in a snapshot's time."""

_STATE_OFFSET = 80
"""Where a segment's header has the digest, see ``wal/format.py``."""


class _SegmentEnd(msgspec.Struct, frozen=True):
    """What the next segment must continue."""

    name: str
    next_seq: int
    chain: bytes
    epoch: int
    wall_ms: int

    def break_before(self, header: SegmentHeader) -> str | None:
        """Why the segment that begins with the next event does not continue it, None where it does.

        The rules are those of ``LogReader``.
        """
        if header.chain != self.chain:
            return f"it does not continue {self.name}"
        if header.epoch < self.epoch or header.created_ms < self.wall_ms:
            return f"it is older than {self.name}"
        return None


class _SnapshotEnd(msgspec.Struct, frozen=True):
    """What the segment behind a snapshot must continue. ``loaded``: the state was taken from the snapshot."""

    name: str
    seq: int
    chain: bytes
    loaded: bool


class LogCheck:
    """One pass over segments and snapshots. ``store_id`` None: whose they are, nobody knows.

    ``relist`` gives the numbers of snapshots and segments that there are now, ascending.
    """

    def __init__(
        self,
        directory: StoreDirectory,
        store_id: UUID | None,
        findings: Findings,
        *,
        relist: Callable[[], tuple[list[int], list[int]]],
        on_bytes: Callable[[int], None],
    ) -> None:
        self._directory = directory
        self._fs = directory.fs
        self._store_id = store_id
        self._findings = findings
        self._relist = relist
        self._on_bytes = on_bytes
        self._state: Keyspace | None = None
        self._end: _SegmentEnd | None = None
        self._snapshot: _SnapshotEnd | None = None
        self._newest_whole = 0
        self._looked_at: set[int] = set()
        self._trimmed = 0
        self._list()

    def _list(self) -> None:
        self._snapshots, self._segments = self._relist()
        self._listed = tuple(self._segments)

    def run(self) -> None:
        """Verify everything. Raises ``NewerFormatError`` or ``OSError``."""
        if self._listed[:1] == (1,):
            self._state = Keyspace(new_tree())
        while self._segments:
            first_seq = self._segments.pop(0)
            self._take_snapshots(first_seq)
            try:
                self._take_segment(first_seq)
            except FileNotFoundError:
                if not self._pass_over(first_seq):
                    return
        self._take_snapshots(inf)
        self._check_start()
        if self._end is not None:
            self._findings.last_seq = self._end.next_seq - 1
            self._findings.digest = None if self._state is None else self._state.digest

    def _pass_over(self, first_seq: int) -> bool:
        """Go on behind a segment that is gone: where a server trimmed it, all before it are gone as well.

        False where there is no keeping up with the server.
        """
        self._state = None
        self._list()
        self._snapshots = [seq for seq in self._snapshots if seq >= first_seq]
        if self._listed and self._listed[0] <= first_seq:
            what = "its name is there, and no file: it went, and not as the oldest"
            self._findings.damaged(self._segment_path(first_seq), what, first_seq)
            self._segments = [seq for seq in self._segments if seq > first_seq]
            return True
        self._trimmed += 1
        if self._trimmed == MAX_TRIMMED:
            what = f"the log is trimmed faster than it is read; what is behind seq {first_seq} was not verified"
            self._findings.note(self._directory.wal_directory, what)
        return self._trimmed < MAX_TRIMMED

    def _check_start(self) -> None:
        """Whether what the log does not begin with is in a snapshot."""
        place = self._directory.wal_directory
        if not self._listed:
            self._findings.damaged(place, "there is no segment of a log", 1)
        elif self._newest_whole < self._listed[0] - 1 and not self._has_newer_snapshot():
            missing = f"events 1 to {self._listed[0] - 1} are missing, and no whole snapshot includes them"
            self._findings.damaged(place, missing, 1)

    def _has_newer_snapshot(self) -> bool:
        """Whether a server has meanwhile put a whole snapshot in the place of those that were listed."""
        for seq in reversed(self._relist()[0]):
            if seq not in self._looked_at:
                with suppress(FileNotFoundError, DamagedError), closing(self._open_snapshot(seq)) as snapshot:
                    check_whole(snapshot)
                    return True
        return False

    # --- snapshots ---------------------------------------------------------------------------------------

    def _take_snapshots(self, before_seq: float) -> None:
        while self._snapshots and self._snapshots[0] < before_seq:
            self._take_snapshot(self._snapshots.pop(0))

    def _take_snapshot(self, seq: int) -> None:
        path = self._directory.snapshot_directory / snapshot_name(seq)
        self._looked_at.add(seq)
        try:
            with closing(self._open_snapshot(seq)) as snapshot:
                self._check_snapshot(snapshot)
        except FileNotFoundError:
            # A server has newer ones, and took it away.
            return
        except DamagedError as damage:
            self._findings.damage(damage)
        if seq + 1 not in self._listed and self._fs.exists(path):
            self._report_missing(seq + 1, f"it is missing: the log does not go on behind {path.name}")

    def _open_snapshot(self, seq: int) -> SnapshotReader:
        return SnapshotReader(self._fs, self._directory.snapshot_directory / snapshot_name(seq), self._store_id)

    def _check_snapshot(self, snapshot: SnapshotReader) -> None:
        """Read all of a snapshot. Where the state is known, it must be this one; where not, it is from here on."""
        header, footer = snapshot.header, snapshot.footer
        known = self._state is not None and self._state.seq == header.last_seq
        load = not known and header.last_seq + 1 in self._listed
        if load:
            # Two states at once would take twice the memory.
            self._state = None
            self._state = load_snapshot(snapshot, self._counted(snapshot))
        else:
            count = counter(snapshot, self._on_bytes)
            check_whole(snapshot, count)
            count()
        self._findings.snapshots += 1
        self._findings.entries += footer.entry_count
        self._newest_whole = max(self._newest_whole, header.last_seq)
        self._snapshot = _SnapshotEnd(snapshot.path.name, header.last_seq, header.chain, load)
        if self._state is not None and self._state.seq == header.last_seq and self._state.digest != footer.digest:
            what = "its state is not the one that the log makes: their digests differ"
            self._findings.damaged(snapshot.path, what, header.last_seq)

    def _counted(self, snapshot: SnapshotReader) -> Iterator[list[Row]]:
        count = counter(snapshot, self._on_bytes)
        for block in snapshot.blocks():
            yield block
            count()
        count()

    # --- segments ----------------------------------------------------------------------------------------

    def _take_segment(self, first_seq: int) -> None:
        """Verify a segment. Raises ``FileNotFoundError`` where it is gone."""
        path = self._segment_path(first_seq)
        before, self._end = self._end, None
        try:
            data = self._read(path, first_seq)
            is_last = first_seq == self._listed[-1]
            segment = SegmentReader(path, data, self._store_id or own_id(data), is_last=is_last)
            if before is not None and first_seq < before.next_seq:
                self._check_intruder(segment, before)
                return
            self._enter(segment, before)
            for batch_seq, events in decoded(segment, self._findings, self._on_bytes, path):
                if events is None:
                    self._state = None
                elif self._state is not None:
                    for seq, event in enumerate(events, batch_seq):
                        self._state.apply(seq, event)
        except DamagedError as damage:
            self._state = None
            self._findings.damage(damage)
            return
        self._findings.segments += 1
        if segment.torn is not None:
            self._findings.torn(segment.torn, segment.next_seq)
        epoch = segment.header.epoch
        self._end = _SegmentEnd(path.name, segment.next_seq, segment.chain, epoch, segment.wall_ms)

    def _check_intruder(self, segment: SegmentReader, before: _SegmentEnd) -> None:
        """A segment of events that were there already: what comes next may still continue the one before it."""
        first_seq, self._end = segment.header.first_seq, before
        what = f"events {first_seq} to {before.next_seq - 1} are there twice: {before.name} has them, too"
        self._findings.damaged(segment.path, what, first_seq, 0)
        for _ in decoded(segment, self._findings, self._on_bytes, segment.path):
            pass

    def _enter(self, segment: SegmentReader, before: _SegmentEnd | None) -> None:
        """Hold the header of a segment against what is before it, and the state against the header."""
        header = segment.header
        self._check_link(segment, before)
        if self._state is not None and self._state.seq != header.first_seq - 1:
            self._state = None
        if self._state is not None and is_strange(segment, self._state):
            what = "who began it was at another state than the log makes: their digests differ"
            self._findings.damaged(segment.path, what, header.first_seq, _STATE_OFFSET)

    def _check_link(self, segment: SegmentReader, before: _SegmentEnd | None) -> None:
        header, findings = segment.header, self._findings
        snapshot = self._snapshot if self._snapshot is not None and self._snapshot.seq == header.first_seq - 1 else None
        loaded = snapshot is not None and snapshot.loaded
        if before is not None and before.next_seq < header.first_seq:
            what = f"it is missing, with the events {before.next_seq} to {header.first_seq - 1}"
            self._report_missing(before.next_seq, what)
        elif before is not None and (why := before.break_before(header)) is not None:
            findings.damaged(segment.path, why, header.first_seq, 0)
            self._state = self._state if loaded else None
        if snapshot is not None and snapshot.chain != header.chain:
            findings.damaged(segment.path, f"it does not continue what {snapshot.name} includes", header.first_seq, 0)
            self._state = None if loaded else self._state

    def _report_missing(self, first_seq: int, what: str) -> None:
        """Say once that there is no segment which begins with this event."""
        path = self._segment_path(first_seq)
        if all(finding.path != path for finding in self._findings.found):
            self._findings.damaged(path, what, first_seq)

    def _read(self, path: Path, first_seq: int) -> bytes:
        try:
            with closing(self._fs.open(path)) as file:
                if (size := file.size()) > SEGMENT_MAX_BYTES:
                    raise DamagedError(path, f"no segment has {size:,} bytes", seq=first_seq)
                return file.read(0, size)
        except OSError as cause:
            if cause.errno != errno.EIO:
                raise
            raise DamagedError(path, "it cannot be read: the disk gives an error", seq=first_seq) from cause

    def _segment_path(self, first_seq: int) -> Path:
        return self._directory.wal_directory / segment_name(first_seq)
