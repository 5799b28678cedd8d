"""Recovery: what the server does before it serves.

It loads the newest whole snapshot, repeats what the log says happened since, and only then tidies up: cuts off what is
torn, sets aside what is damaged. What is found decides:

=====================================================  =====================================================
the newest snapshot is whole                           the log is read from there on
it is damaged; an older one or the whole log is there  that is used, and the damaged one is set aside, loudly
it is damaged, and nothing else reaches back so far    the damage is the error, and nothing is changed
the log does not go on where a snapshot ends           the log has lost events: an error, and nothing is changed
=====================================================  =====================================================

Recovery can be interrupted anywhere and begun again with the same outcome: reading changes nothing, and what is tidied
up is kept in ``quarantine`` first.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from time import perf_counter

import msgspec

from synap.codec import decode_events
from synap.datadir import DataDirectory, StoreDirectory
from synap.errors import CodecError, DamagedError, NewerFormatError, UnknownEventError
from synap.events import Event
from synap.keyspace import Keyspace, state_bytes
from synap.quarantine import cut_tail, set_aside
from synap.radix import new_tree
from synap.snapshot.format import Row, snapshot_name
from synap.snapshot.reader import SnapshotReader, snapshot_seqs
from synap.wal.format import STATE_UNKNOWN, segment_name
from synap.wal.interface import Frame
from synap.wal.reader import LogEnd, LogReader, read_header
from synap.wal.segment import SegmentReader


class RecoveryReport(msgspec.Struct, frozen=True):
    """What recovery found: ``entries`` in the snapshot of ``snapshot_seq`` (None: there is none), then ``events``.

    ``log_bytes`` in ``segments`` files is all that the log holds; reading took ``duration_s`` seconds. ``clean`` tells
    whether the log had been closed. ``torn_bytes`` were being written when its writer was interrupted; a copy of them
    is in the file ``torn_copy``. ``set_aside`` are snapshots that were damaged, and where they are now.
    ``strange_seqs`` are numbers at which the log's writer was at another state than the log makes (see ``is_strange``).
    """

    snapshot_seq: int | None
    entries: int
    events: int
    segments: int
    log_bytes: int
    duration_s: float
    clean: bool
    torn_bytes: int
    torn_copy: Path | None
    set_aside: tuple[tuple[DamagedError, Path], ...]
    strange_seqs: tuple[int, ...]


def recover(directory: DataDirectory, on_progress: Callable[[float], None]) -> tuple[Keyspace, LogEnd, RecoveryReport]:
    """The state at the end of the directory's log, that end, and a report.

    ``on_progress`` is called with the share that is done, 0 to 1. Blocks. Raises ``DamagedError`` or
    ``NewerFormatError``, with the directory unchanged, or ``OSError``.
    """
    started_s = perf_counter()
    with _without_garbage_collection():
        loading = _Loading(directory, on_progress)
        keyspace = loading.load()
        snapshot_seq, entries = loading.snapshot_seq, len(keyspace.tree)
        events = loading.replay_log(keyspace)
    end = loading.reader.end
    loading.check_reach(end)
    fs, quarantine = directory.fs, directory.quarantine
    torn_copy = None
    if end.torn is not None:
        torn_copy = cut_tail(fs, end.torn.path, end.torn.offset, quarantine)
    report = RecoveryReport(
        snapshot_seq=snapshot_seq,
        entries=entries,
        events=events,
        segments=len(end.first_seqs),
        log_bytes=loading.reader.bytes_on_disk,
        duration_s=perf_counter() - started_s,
        clean=end.sealed,
        torn_bytes=0 if end.torn is None else end.torn.size,
        torn_copy=torn_copy,
        set_aside=tuple((damage, set_aside(fs, damage.path, quarantine)) for damage in loading.rejected),
        strange_seqs=tuple(loading.strange_seqs),
    )
    return keyspace, end, report


class _Loading:
    """The half of recovery that only reads. ``rejected`` tells of snapshots that were damaged."""

    def __init__(self, directory: DataDirectory, on_progress: Callable[[float], None]) -> None:
        self.reader = LogReader(directory.fs, directory.wal_directory, directory.store_id)
        self.snapshot_seq: int | None = None
        self.rejected: list[DamagedError] = []
        self.strange_seqs: list[int] = []
        self._directory = directory
        self._seqs = snapshot_seqs(directory.fs, directory.snapshot_directory)
        self._progress = _Progress(on_progress, self.reader)

    def load(self) -> Keyspace:
        """The state of the newest whole snapshot; the empty one where there is none and none is needed."""
        directory = self._directory
        for seq in reversed(self._seqs):
            path = directory.snapshot_directory / snapshot_name(seq)
            try:
                with closing(SnapshotReader(directory.fs, path, directory.store_id)) as snapshot:
                    keyspace = load_snapshot(snapshot, self._progress.of_blocks(snapshot))
            except DamagedError as damage:
                self.rejected.append(damage)
            else:
                check_continues(directory, snapshot)
                self.snapshot_seq = seq
                return keyspace
        first_seq = min(self.reader.first_seqs, default=1)
        if self.rejected and first_seq > 1:
            newest = self.rejected[0]
            reason = f"{newest.reason}; no older snapshot is whole, and the log begins only at seq {first_seq}"
            raise DamagedError(newest.path, reason, seq=newest.seq, offset=newest.offset)
        return Keyspace(new_tree())

    def replay_log(self, keyspace: Keyspace) -> int:
        """Apply what the log holds behind the keyspace's number; return how many events that were."""
        applied = 0
        for segment in self.reader.segments(keyspace.seq + 1, distrust_cache=True):
            if is_strange(segment, keyspace):
                self.strange_seqs.append(keyspace.seq)
            applied += replay(self._progress.of_frames(segment), keyspace, segment.path)
        return applied

    def check_reach(self, end: LogEnd) -> None:
        """Refuse a log that ends before a snapshot does, be it a damaged one: it has lost its last segments."""
        if self._seqs and end.last_seq < self._seqs[-1]:
            reason = f"the log ends here, but {snapshot_name(self._seqs[-1])} shows that it went on"
            raise DamagedError(self._directory.wal_directory, reason, seq=end.last_seq + 1)


class _Progress:
    """Tells, after each hundredth, how much of snapshot and log was read."""

    def __init__(self, on_progress: Callable[[float], None], log: LogReader) -> None:
        self._on_progress = on_progress
        self._log = log
        self._total_bytes = log.bytes_on_disk
        self._snapshot_bytes = 0
        self._reported = 0.0

    def of_blocks(self, snapshot: SnapshotReader) -> Iterator[list[Row]]:
        """The blocks of a snapshot."""
        self._total_bytes += snapshot.size_bytes
        for block in snapshot.blocks():
            yield block
            self._report(self._snapshot_bytes + snapshot.bytes_read)
        self._snapshot_bytes += snapshot.size_bytes

    def of_frames(self, segment: SegmentReader) -> Iterator[Frame]:
        """The frames of a segment."""
        for frame in segment.frames():
            yield frame
            self._report(self._snapshot_bytes + self._log.bytes_read)

    def _report(self, bytes_read: int) -> None:
        done = min(bytes_read / self._total_bytes, 1.0)
        if done - self._reported >= 0.01:
            self._on_progress(done)
            self._reported = done


# --- parts, also for those who look at a directory from outside -------------------------------------------


def load_snapshot(snapshot: SnapshotReader, blocks: Iterable[list[Row]] | None = None) -> Keyspace:
    """The state in a snapshot; ``blocks`` are its own, where the caller wants to see them pass.

    Raises ``DamagedError`` unless all of the file is whole.
    """
    keyspace = Keyspace(new_tree())
    keyspace.load(snapshot.header.last_seq, chain.from_iterable(snapshot.blocks() if blocks is None else blocks))
    snapshot.check_digest(keyspace.digest)
    return keyspace


def check_continues(directory: StoreDirectory, snapshot: SnapshotReader) -> None:
    """Refuse a log that does not go on where the snapshot ends. Raises ``DamagedError`` or ``NewerFormatError``."""
    seq = snapshot.header.last_seq
    successor = read_header(directory.fs, directory.wal_directory, seq + 1, directory.store_id)
    if successor.chain != snapshot.header.chain:
        path = directory.wal_directory / segment_name(seq + 1)
        raise DamagedError(path, f"it does not continue what {snapshot.path.name} includes", seq=seq + 1, offset=0)


def is_strange(segment: SegmentReader, keyspace: Keyspace) -> bool:
    """Whether the state that the log makes, up to the segment, is another than its writer was at.

    Then the memory of that process was damaged, or it had a mistake; what the log says is what was acknowledged.
    """
    written = segment.header.state
    at_start = segment.header.first_seq == keyspace.seq + 1
    return at_start and written != STATE_UNKNOWN and written != state_bytes(keyspace.digest)


def replay(frames: Iterable[Frame], keyspace: Keyspace, place: Path) -> int:
    """Apply every event of the frames that the keyspace has not seen; return their number.

    ``place`` is named where the content of a frame makes no sense, as ``events_of`` does it.
    """
    before = keyspace.seq
    for frame in frames:
        events = events_of(frame, place)
        known = max(0, keyspace.seq + 1 - frame.first_seq)
        keyspace.apply_all(frame.first_seq + known, events[known:])
    return keyspace.seq - before


def events_of(frame: Frame, place: Path) -> list[Event]:
    """The events of a frame.

    Raises ``DamagedError``, which names ``place``, where they are none or too few, and ``NewerFormatError`` where one
    of them is of a type that this version does not know.
    """
    try:
        events = decode_events(frame.payload)
    except UnknownEventError as cause:
        raise NewerFormatError(place, f"{place}, seq {frame.first_seq + cause.index}: {cause}") from cause
    except CodecError as cause:
        raise DamagedError(place, str(cause), seq=frame.first_seq) from cause
    if len(events) != frame.count:
        reason = f"a batch of {frame.count:,} events holds {len(events):,}"
        raise DamagedError(place, reason, seq=frame.first_seq)
    return events


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Loading makes millions of objects and no garbage; looking for it would take most of the time.

    Afterwards the collector is told to leave alone what was loaded.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
