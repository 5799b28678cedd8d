"""Backup: a copy of a data directory that a server may be writing to, without its knowing, and without its lock.

What is copied are the two newest whole snapshots and every segment from the older one on, the active one up to its last
whole frame; so everything that was acknowledged before the backup began is in it. ``STORE`` comes last: what was
interrupted is no store. The copy is the same store, with the same id.

Nothing is believed: the source is checked while it is read, and the copy is read back from its disk and checked again,
by the code with which a server starts. The server may append, rotate, take snapshots and trim meanwhile. As it never
changes what it has written, all that can happen is that a file is gone before it was opened; then it is tried again.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from uuid import UUID

import msgspec

from synap.datadir import StoreDirectory, explained, read_store_file
from synap.errors import DamagedError, DataDirectoryUnusableError
from synap.founding import NewDirectory, new_directory
from synap.fs import File, write_all
from synap.snapshot.format import snapshot_name
from synap.snapshot.reader import SnapshotReader, snapshot_seqs
from synap.wal.format import SEGMENT_HEADER_BYTES, segment_name
from synap.wal.reader import LogEnd, LogReader, read_header, segment_seqs
from synap.wholeness import check_whole

MAX_TRIES = 5
"""How often files may be gone. What a server trims at once, it took long to write, so the next try finds its files."""

SNAPSHOTS = 2
"""As many as a server keeps: where the newer is damaged one day, the older leads to the same state."""

CHUNK_BYTES = 4 * 1024 * 1024

_EXIT_TRY_AGAIN = 75


class BackupReport(msgspec.Struct, frozen=True):
    """What was copied: the store up to ``last_seq``, at log time ``wall_ms`` (since the epoch).

    ``snapshots`` are the last events of those that were copied, ``damaged`` tells of those that were not whole.
    """

    store_id: UUID
    last_seq: int
    wall_ms: int
    snapshots: tuple[int, ...]
    segments: int
    size_bytes: int
    damaged: tuple[DamagedError, ...]


def backup(
    source: StoreDirectory, destination: Path, on_progress: Callable[[float], None] = lambda _: None
) -> BackupReport:
    """Copy a data directory to ``destination``, which is made, or empty; durable on return.

    ``on_progress`` is called with the share that is done, 0 to 1. Raises ``DamagedError`` where the source is damaged,
    or another ``DataDirectoryError``; then the destination is no store, and holds no file.
    """
    with explained(source.path):
        store = read_store_file(source.fs, source.path / "STORE")
    assert store is not None, "a store directory without STORE"
    with new_directory(source.fs, destination, store) as place:
        copying = _Copying(source, place, on_progress)
        for _ in range(MAX_TRIES):
            before = _look(source)
            try:
                return copying.carry_out()
            except (DamagedError, FileNotFoundError):
                # What looks like damage may be files that were listed while a server moved on.
                if _look(source) == before:
                    raise
                place.clear()
        raise DataDirectoryUnusableError(
            source.path,
            f"{source.path} changed {MAX_TRIES} times faster than it could be copied; try again later",
            _EXIT_TRY_AGAIN,
        )


def _look(source: StoreDirectory) -> object:
    """Something that is another when a server has begun or removed a file, or another server has begun to write."""
    fs = source.fs
    try:
        with _reading(source):
            seqs, header = segment_seqs(fs, source.wal_directory), b""
            if seqs:
                with closing(fs.open(source.wal_directory / segment_name(seqs[-1]))) as file:
                    header = file.read(0, SEGMENT_HEADER_BYTES)
            return seqs, snapshot_seqs(fs, source.snapshot_directory), header
    except FileNotFoundError:
        return object()


@contextmanager
def _reading(source: StoreDirectory) -> Iterator[None]:
    """Say of errors of the disk that they are the source's. That a file is gone is none."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError:
        with explained(source.path):
            raise


class _Copying:
    """The tries to make one copy; which snapshots are damaged, is remembered from one to the next."""

    def __init__(self, source: StoreDirectory, place: NewDirectory, on_progress: Callable[[float], None]) -> None:
        self._source = source
        self._place = place
        self._fs = source.fs
        self._on_progress = on_progress
        self._damaged: dict[int, DamagedError] = {}
        # What is to be done and what is done, each byte counted twice: it is copied, and read back.
        self._expected_bytes = self._done_bytes = 0

    def carry_out(self) -> BackupReport:
        """One try. Raises ``FileNotFoundError`` where a file was gone."""
        while True:
            snapshots, first_seq = self._choose()
            self._copy(snapshots, first_seq)
            if all(map(self._is_whole, snapshots)):
                break
            self._place.clear()
        end = self._check_log(snapshots, first_seq)
        self._on_progress(1.0)
        return BackupReport(
            store_id=self._source.store_id,
            last_seq=end.last_seq,
            wall_ms=end.wall_ms,
            snapshots=snapshots,
            segments=len(end.first_seqs),
            size_bytes=self._done_bytes // 2,
            damaged=tuple(self._damaged.values()),
        )

    def _choose(self) -> tuple[tuple[int, ...], int]:
        """The snapshots to copy, and the event from which on the log is needed."""
        source = self._source
        with _reading(source):
            # In this order: what the log has lost since, a newer snapshot includes.
            ends = snapshot_seqs(self._fs, source.snapshot_directory)
            begins = segment_seqs(self._fs, source.wal_directory)
            whole = [end for end in ends if end not in self._damaged]
            if whole:
                # Whatever is older: were there no log behind the newest, the store would have lost events.
                read_header(self._fs, source.wal_directory, whole[-1] + 1, source.store_id)
        snapshots = tuple(end for end in whole if end + 1 in begins)[-SNAPSHOTS:]
        if min(begins, default=0) == 1 and len(snapshots) < SNAPSHOTS:
            first_seq = 1
        elif snapshots:
            first_seq = snapshots[0] + 1
        elif self._damaged:
            raise self._damaged[max(self._damaged)]
        else:
            raise DamagedError(source.wal_directory, "the log is missing its start", seq=1)
        return snapshots, first_seq

    def _copy(self, snapshots: tuple[int, ...], first_seq: int) -> None:
        """Copy the segments first: they are sooner trimmed, and an open snapshot can be read when its name is gone."""
        place, source = self._place, self._source
        with ExitStack() as opened:
            with _reading(source):
                paths = [source.snapshot_directory / snapshot_name(seq) for seq in snapshots]
                files = [opened.enter_context(closing(self._fs.open(path))) for path in paths]
                log = LogReader(self._fs, source.wal_directory, source.store_id)
                self._expected_bytes = 2 * (log.bytes_on_disk + sum(file.size() for file in files))
            self._done_bytes = 0
            for path, size in self._segments(log, first_seq):
                with _reading(source):
                    segment = self._fs.open(path)
                with closing(segment):
                    self._copy_file(segment, place.wal_directory / path.name, size)
            for file in files:
                self._copy_file(file, place.snapshot_directory / file.path.name, file.size())
        self._fs.sync_directory(place.wal_directory)
        self._fs.sync_directory(place.snapshot_directory)

    def _segments(self, log: LogReader, first_seq: int) -> Iterator[tuple[Path, int]]:
        """The segments and their lengths up to the last whole frame, each of them checked."""
        with _reading(self._source):
            for segment in log.segments(first_seq):
                for _ in segment.frames():
                    pass
                yield segment.path, segment.offset

    def _copy_file(self, file: File, path: Path, size: int) -> None:
        """Copy the first ``size`` bytes; what is read of the copy later comes from its disk."""
        with closing(self._fs.create(path)) as copy:
            for offset in range(0, size, CHUNK_BYTES):
                with _reading(self._source):
                    data = file.read(offset, min(CHUNK_BYTES, size - offset))
                write_all(copy, data)
                self._advance(len(data))
            copy.datasync()
            copy.drop_cache()

    def _advance(self, size: int) -> None:
        self._done_bytes += size
        self._on_progress(min(self._done_bytes / self._expected_bytes, 1.0))

    def _is_whole(self, seq: int) -> bool:
        """Whether the copy of a snapshot is; where it is not because its original is not, that is remembered."""
        name = snapshot_name(seq)
        try:
            self._advance(self._check_snapshot(self._place.snapshot_directory / name))
        except DamagedError:
            try:
                with _reading(self._source):
                    self._check_snapshot(self._source.snapshot_directory / name)
            except DamagedError as damage:
                self._damaged[seq] = damage
                return False
            raise
        return True

    def _check_snapshot(self, path: Path) -> int:
        """The length of a snapshot that is whole."""
        with closing(SnapshotReader(self._fs, path, self._source.store_id)) as snapshot:
            check_whole(snapshot)
            return snapshot.size_bytes

    def _check_log(self, snapshots: tuple[int, ...], first_seq: int) -> LogEnd:
        """Read the copied log, as a server would that starts on it."""
        place, source = self._place, self._source
        for seq in snapshots:
            with closing(SnapshotReader(self._fs, place.snapshot_directory / snapshot_name(seq))) as snapshot:
                successor = read_header(self._fs, place.wal_directory, seq + 1, source.store_id)
                if successor.chain != snapshot.header.chain:
                    path = source.wal_directory / segment_name(seq + 1)
                    reason = f"it does not continue what {snapshot.path.name} includes"
                    raise DamagedError(path, reason, seq=seq + 1, offset=0)
        reader = LogReader(self._fs, place.wal_directory, source.store_id)
        for segment in reader.segments(first_seq):
            for _ in segment.frames():
                pass
            self._advance(segment.offset)
        if (torn := reader.end.torn) is not None:
            raise DamagedError(torn.path, torn.reason, seq=reader.end.last_seq + 1, offset=torn.offset)
        return reader.end
