"""Repair: giving up what lies behind damage, on purpose, with everything given up kept aside.

The server never starts on a damaged log by itself, because whatever it left out would vanish without a word. The
operator may decide that the events before the damage are worth more than waiting for a better copy.

What is kept is what recovery will find afterwards: the newest whole snapshot before the cut, and the log from there on.
Snapshots behind the cut include what is given up, so they go, too. Where a snapshot ends right at the cut, the log must
go on behind it all the same: in what is left of its next segment, or in a new, empty one.

::

    snapshots            8 ●                16 ●
    segments   1 ──────── 9 ──────── 17 ──────── 23 ──── 26

    cut at 20    kept: snapshot 16, segment 17 up to 19       set aside: the end of 17, 23
    cut at 17    kept: snapshot 16, an empty segment 17       set aside: all or the rest of 17, 23
    cut at 12    kept: snapshot 8, segment 9 up to 11         set aside: snapshot 16, the end of 9, 17, 23
    cut at 1     kept: an empty store                         set aside: everything
"""

import secrets
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import msgspec

from synap.datadir import DataDirectory, StoreDirectory, make_empty_segment, random_salt, read_store_file
from synap.errors import DamagedError, NewerFormatError, RepairError
from synap.fs import FileSystem, read_all
from synap.keyspace import state_bytes
from synap.quarantine import cut_tail, set_aside
from synap.snapshot.format import snapshot_name
from synap.snapshot.reader import SnapshotReader, snapshot_seqs
from synap.wal.format import CHAIN_START, SEGMENT_HEADER_BYTES, STATE_UNKNOWN, SegmentHeader, segment_name
from synap.wal.reader import LogReader, read_header
from synap.wal.segment import SegmentReader
from synap.wholeness import check_whole


class RepairPlan(msgspec.Struct, frozen=True):
    """What it means to give up every event after ``last_seq``. A frame is kept or given up whole.

    ``segment`` loses ``cut_bytes`` behind its first ``offset`` (None: none is cut); the segments ``removed`` and the
    ``snapshots`` go altogether. ``successor`` is the header of the empty segment with which the log goes on, where it
    needs a new one. ``lost_bytes`` is the length of all that goes, ``known_seq`` the last event that surely was in it;
    where ``more_unknown`` is True, there may have been more.
    """

    last_seq: int
    segment: Path | None
    offset: int
    cut_bytes: int
    removed: tuple[Path, ...]
    snapshots: tuple[Path, ...]
    successor: SegmentHeader | None
    lost_bytes: int
    known_seq: int
    more_unknown: bool


class _Base(msgspec.Struct, frozen=True):
    """Where reading begins: the end of a whole snapshot, or the beginning of everything; its time in ms."""

    seq: int
    wall_ms: int
    chain: bytes = CHAIN_START
    state: bytes = STATE_UNKNOWN


class _Cut(msgspec.Struct, frozen=True):
    """Where the log is to end. Segments that begin at ``removed_from`` or later go; the rest as in ``RepairPlan``."""

    last_seq: int
    removed_from: int
    segment: Path | None = None
    offset: int = 0
    successor: SegmentHeader | None = None


def plan_repair(
    directory: StoreDirectory, truncate_at: int, random_bytes: Callable[[int], bytes] = secrets.token_bytes
) -> RepairPlan:
    """What it takes to end the log before the event ``truncate_at``; reads only. Before event 1, nothing is kept.

    Raises ``RepairError`` where the log is damaged before that, or does not reach it.
    """
    fs = directory.fs
    reader = LogReader(fs, directory.wal_directory, directory.store_id)
    ends = snapshot_seqs(fs, directory.snapshot_directory)
    base = _base(directory, ends, truncate_at)
    cut = _cut_in_log(directory, reader, base, truncate_at) or _cut_behind(directory, reader, base, random_bytes)
    removed = tuple(directory.wal_directory / segment_name(seq) for seq in reader.first_seqs if seq >= cut.removed_from)
    snapshots = tuple(directory.snapshot_directory / snapshot_name(seq) for seq in ends if seq > cut.last_seq)
    log_seq, whole = _end_of_log(directory, reader)
    known_seq = max((cut.last_seq, log_seq, *ends))
    if known_seq < truncate_at - 1:
        raise RepairError(f"the log ends at seq {known_seq} already")
    cut_bytes = 0 if cut.segment is None else _size(fs, [cut.segment]) - cut.offset
    return RepairPlan(
        last_seq=cut.last_seq,
        segment=cut.segment,
        offset=cut.offset,
        cut_bytes=cut_bytes,
        removed=removed,
        snapshots=snapshots,
        successor=cut.successor,
        lost_bytes=cut_bytes + _size(fs, (*removed, *snapshots)),
        known_seq=known_seq,
        more_unknown=not whole or known_seq > log_seq,
    )


def repair(directory: DataDirectory, plan: RepairPlan) -> list[Path]:
    """Cut the log as planned; return the files that hold what was given up.

    The last file goes first, so that an interrupted repair leaves a log that still ends in the same damage, or before.
    """
    fs, quarantine = directory.fs, directory.quarantine
    saved = [set_aside(fs, path, quarantine) for path in (*reversed(plan.snapshots), *reversed(plan.removed))]
    if plan.segment is not None and plan.cut_bytes:
        saved.append(cut_tail(fs, plan.segment, plan.offset, quarantine))
    elif plan.segment is not None:
        # An earlier repair may have been killed between the cut and its sync.
        with closing(fs.open(plan.segment, writable=True)) as file:
            file.datasync()
    if plan.successor is not None:
        fs.make_directory(directory.wal_directory)
        make_empty_segment(fs, directory.wal_directory, plan.successor)
    # An earlier repair may have been killed between a removal and its sync. What was moved is first where it came to.
    for place in (quarantine, directory.snapshot_directory, directory.wal_directory):
        if fs.exists(place):
            fs.sync_directory(place)
    return saved


# --- planning --------------------------------------------------------------------------------------------


def _base(directory: StoreDirectory, ends: Iterable[int], truncate_at: int) -> _Base:
    """The newest whole snapshot that ends before ``truncate_at``; the beginning where there is none."""
    for seq in reversed([end for end in ends if end < truncate_at]):
        path = directory.snapshot_directory / snapshot_name(seq)
        try:
            with closing(SnapshotReader(directory.fs, path, directory.store_id)) as snapshot:
                check_whole(snapshot)
        except DamagedError:
            continue
        header = snapshot.header
        return _Base(seq, header.wall_ms, header.chain, state_bytes(snapshot.footer.digest))
    store = read_store_file(directory.fs, directory.path / "STORE")
    assert store is not None, "a store directory without STORE"
    return _Base(0, store.created_ms)


def _cut_in_log(directory: StoreDirectory, reader: LogReader, base: _Base, truncate_at: int) -> _Cut | None:
    """The cut behind the last batch that ends before ``truncate_at``; None where the base alone is kept."""
    cut, next_seq = None, base.seq + 1
    if next_seq == truncate_at:
        return None
    try:
        _check_continues(directory, base)
        for frame in reader.frames(next_seq, upto_seq=truncate_at - 1):
            next_seq = frame.first_seq + frame.count
            if next_seq <= truncate_at:
                path, offset = reader.position
                cut = _Cut(next_seq - 1, int(path.stem) + 1, path, offset)
    except DamagedError as damage:
        raise RepairError(f"the log is damaged before seq {truncate_at} already: {damage}") from damage
    if cut is None and base.seq == 0:
        raise RepairError(f"no batch ends before seq {truncate_at}; to keep nothing at all, truncate at 1")
    return cut


def _check_continues(directory: StoreDirectory, base: _Base) -> None:
    """Refuse a log that does not go on where the base ends, as recovery does."""
    if base.seq > 0:
        header = read_header(directory.fs, directory.wal_directory, base.seq + 1, directory.store_id)
        if header.chain != base.chain:
            path = directory.wal_directory / segment_name(base.seq + 1)
            raise DamagedError(path, "it does not continue the snapshot before it", seq=base.seq + 1, offset=0)


def _cut_behind(
    directory: StoreDirectory, reader: LogReader, base: _Base, random_bytes: Callable[[int], bytes]
) -> _Cut:
    """The cut right behind the base: in its next segment, as long as the header of that is whole, or in a new one."""
    next_seq = base.seq + 1
    path = directory.wal_directory / segment_name(next_seq)
    try:
        if next_seq in reader.first_seqs:
            data = read_all(directory.fs, path)
            segment = SegmentReader(path, data, directory.store_id, is_last=True)
            if segment.header.chain == base.chain:
                offset = len(data) if _is_empty(segment) else SEGMENT_HEADER_BYTES
                return _Cut(base.seq, next_seq + 1, path, offset)
    except DamagedError:
        pass
    header = SegmentHeader(
        salt=random_salt(random_bytes),
        store_id=directory.store_id,
        epoch=_last_epoch(directory, reader),
        first_seq=next_seq,
        created_ms=base.wall_ms,
        chain=base.chain,
        state=base.state,
    )
    return _Cut(base.seq, next_seq, successor=header)


def _is_empty(segment: SegmentReader) -> bool:
    try:
        return next(segment.frames(), None) is None
    except DamagedError:
        return False


def _last_epoch(directory: StoreDirectory, reader: LogReader) -> int:
    """The highest epoch that any segment tells of: the next one must not go back behind it."""
    epochs = [0]
    for seq in reader.first_seqs:
        try:
            epochs.append(read_header(directory.fs, directory.wal_directory, seq, directory.store_id).epoch)
        except (DamagedError, NewerFormatError):
            continue
    return max(epochs)


def _end_of_log(directory: StoreDirectory, reader: LogReader) -> tuple[int, bool]:
    """The last event that the last segment tells of, and whether that is surely the last one there was."""
    if not reader.first_seqs:
        return 0, False
    path = directory.wal_directory / segment_name(reader.first_seqs[-1])
    segment: SegmentReader | None = None
    try:
        segment = SegmentReader(path, read_all(directory.fs, path), directory.store_id, is_last=True)
        for _ in segment.frames():
            pass
    except (DamagedError, NewerFormatError):
        return (reader.first_seqs[-1] if segment is None else segment.next_seq) - 1, False
    return segment.next_seq - 1, True


def _size(fs: FileSystem, paths: Iterable[Path]) -> int:
    """The length of some files together."""
    total = 0
    for path in paths:
        with closing(fs.open(path)) as file:
            total += file.size()
    return total
