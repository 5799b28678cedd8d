"""A data directory, opened to look at: its store, its segments, its snapshots; also where ``STORE`` is damaged."""

from contextlib import closing, suppress
from pathlib import Path
from uuid import UUID

from synap.datadir import Places, StoreDirectory, look_at_data_directory, read_store_file
from synap.errors import DamagedError, NotOursError
from synap.fs import FileSystem
from synap.snapshot.format import snapshot_name
from synap.snapshot.reader import SnapshotReader, snapshot_seqs
from synap.wal.format import SEGMENT_HEADER_BYTES, SegmentHeader, segment_name, unpack_segment_header
from synap.wal.reader import read_header, segment_seqs


class Source:
    """A data directory as it is at each look; a server may change it meanwhile.

    ``created_ms`` is when the store was made. Where ``STORE`` is not whole, ``damage`` says so; the store's id and the
    time are then those of the oldest segment.
    """

    def __init__(self, directory: StoreDirectory, created_ms: int, damage: DamagedError | None = None) -> None:
        self.directory = directory
        self.created_ms = created_ms
        self.damage = damage

    def segment_seqs(self) -> tuple[int, ...]:
        """The first events of the segments that there are now, ascending. Raises ``DamagedError``."""
        return segment_seqs(self.directory.fs, self.directory.wal_directory)

    def segment_path(self, first_seq: int) -> Path:
        """The file of the segment that begins with this event."""
        return self.directory.wal_directory / segment_name(first_seq)

    def segment_header(self, first_seq: int) -> SegmentHeader:
        """The header of a segment. Raises ``DamagedError`` (also where it is gone) or ``NewerFormatError``."""
        return read_header(self.directory.fs, self.directory.wal_directory, first_seq, self.directory.store_id)

    def snapshot_seqs(self) -> tuple[int, ...]:
        """The last events of the snapshots that there are now, ascending. Raises ``DamagedError``."""
        return snapshot_seqs(self.directory.fs, self.directory.snapshot_directory)

    def snapshot_path(self, seq: int) -> Path:
        """The file of the snapshot that ends with this event."""
        return self.directory.snapshot_directory / snapshot_name(seq)

    def open_snapshot(self, seq: int) -> SnapshotReader:
        """A snapshot whose header and footer are whole; to be closed.

        Raises ``DamagedError``, ``NewerFormatError``, or ``FileNotFoundError`` where it is gone.
        """
        return SnapshotReader(self.directory.fs, self.snapshot_path(seq), self.directory.store_id)

    def trimmable(self) -> tuple[int | None, tuple[int, ...]]:
        """What changes where a server takes away what it no longer needs: the first segment, and the snapshots."""
        return min(self.segment_seqs(), default=None), self.snapshot_seqs()

    def size_bytes(self, path: Path) -> int:
        """The length of a file; 0 where it is gone by now."""
        try:
            with closing(self.directory.fs.open(path)) as file:
                return file.size()
        except FileNotFoundError:
            return 0

    def seq_before(self, time_ms: int) -> int:
        """Where to begin to read in order to see all that was logged from a time on: the start of a segment."""
        seqs = self.segment_seqs()
        for seq in reversed(seqs):
            # Where the header cannot be read, whoever reads on from an earlier one will come across that.
            with suppress(DamagedError):
                if self.segment_header(seq).created_ms < time_ms:
                    return seq
        return min(seqs, default=1)

    def log_bytes(self, from_seq: int = 1) -> int:
        """The length of the segments from the one that holds this event."""
        seqs = self.segment_seqs()
        first = max((seq for seq in seqs if seq <= from_seq), default=0)
        return sum(self.size_bytes(self.segment_path(seq)) for seq in seqs if seq >= first)


def open_source(fs: FileSystem, path: Path, places: Places) -> Source:
    """Open the data directory ``path`` without locking it.

    Raises a ``DataDirectoryError`` where there is none, or nothing in it that tells whose it is.
    """
    problem: DamagedError | NotOursError
    try:
        directory = look_at_data_directory(fs, path, places)
        store = read_store_file(fs, path / "STORE")
        assert store is not None, "it was there a moment ago"
    except DamagedError as damage:
        problem = damage
    except NotOursError as foreign:
        if fs.exists(path / "STORE"):
            raise
        problem = foreign
    else:
        return Source(directory, store.created_ms)
    header = _first_header(StoreDirectory(fs, path, places, UUID(int=0)))
    if isinstance(problem, NotOursError):
        if fs.exists(path / "STORE.tmp") and (header is None or header.epoch == 0):
            message = f"{path} holds no data yet: its first start was cut short, and the next one will finish it"
            raise NotOursError(path, message)
        if header is not None:
            problem = DamagedError(path / "STORE", "it is missing, but there are segments of a log", seq=0)
    if header is None or isinstance(problem, NotOursError):
        raise problem
    return Source(StoreDirectory(fs, path, places, header.store_id), header.created_ms, problem)


def _first_header(directory: StoreDirectory) -> SegmentHeader | None:
    """The first segment's header that is whole."""
    for seq in segment_seqs(directory.fs, directory.wal_directory):
        with closing(directory.fs.open(directory.wal_directory / segment_name(seq))) as file:
            header = unpack_segment_header(file.read(0, SEGMENT_HEADER_BYTES))
        if header is not None:
            return header
    return None
