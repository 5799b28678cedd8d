"""A directory of segments, read as one log: continuous, of one store, each linked to the one before."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import msgspec

from synap.errors import DamagedError
from synap.fs import FileSystem, read_all
from synap.wal.format import SEGMENT_HEADER_BYTES, SegmentHeader, segment_name
from synap.wal.interface import Frame
from synap.wal.segment import SegmentReader, Torn, read_segment_header

_SEGMENT_NAME = re.compile(r"[0-9]{20}\.wal")


SEGMENT_MAX_BYTES = 2 * 1024 * 1024 * 1024
"""More than any setting lets a segment grow to. Segments are read whole; a larger file is not ours."""


class LogEnd(msgspec.Struct, frozen=True):
    """Where a log ends, which is all that is needed to continue it.

    ``chain`` is the chain value after ``last_seq``, ``epoch`` the last one used, ``wall_ms`` the last log time (ms
    since the epoch). ``empty_segment`` is the last segment where it holds no event: the next one will bear its name.
    ``sealed`` is True where the log was closed; otherwise its writer was interrupted, and ``torn`` tells whether in
    the middle of a frame.
    """

    last_seq: int
    chain: bytes
    epoch: int
    wall_ms: int
    sealed: bool
    torn: Torn | None
    first_seqs: tuple[int, ...]
    empty_segment: Path | None


class LogReader:
    """The frames of a log, every one of them checked. Reading changes nothing on disk."""

    def __init__(self, fs: FileSystem, directory: Path, store_id: UUID) -> None:
        self._fs = fs
        self.directory = directory
        self._store_id = store_id
        self.first_seqs = segment_seqs(fs, directory)
        self._end: LogEnd | None = None
        self._finished_bytes = 0
        self._segment: SegmentReader | None = None

    @property
    def end(self) -> LogEnd:
        """Where the log ends; known once ``frames`` or ``segments`` was used up."""
        assert self._end is not None, "the log was not read to its end"
        return self._end

    @property
    def bytes_on_disk(self) -> int:
        """The length of all segments together."""
        return sum(self._size(self._path(seq)) for seq in self.first_seqs)

    @property
    def bytes_read(self) -> int:
        """How far ``frames`` has got, counted as ``bytes_on_disk`` is."""
        return self._finished_bytes + (0 if self._segment is None else self._segment.offset)

    @property
    def position(self) -> tuple[Path, int]:
        """The segment that ``frames`` has got to, and the offset behind the frame that it gave last."""
        assert self._segment is not None, "nothing was read yet"
        return self._segment.path, self._segment.offset

    def frames(self, from_seq: int, *, distrust_cache: bool = False, upto_seq: int | None = None) -> Iterator[Frame]:
        """The batches that hold the events from ``from_seq`` on, in order; the first may begin before it.

        With ``upto_seq``, reading stops after that event and looks at nothing behind it. For ``distrust_cache``, and
        for what is raised, see ``segments``.
        """
        for segment in self.segments(from_seq, distrust_cache=distrust_cache):
            for frame in segment.frames():
                if frame.first_seq + frame.count > from_seq:
                    yield frame
                if upto_seq is not None and segment.next_seq > upto_seq:
                    return

    def segments(self, from_seq: int, *, distrust_cache: bool = False) -> Iterator[SegmentReader]:
        """The segments that hold the events from ``from_seq`` on; each is used up before the next is asked for.

        With ``distrust_cache``, the last segment is synced and read from the disk itself, because what the page
        cache shows after an unclean stop may never have reached it. Raises ``DamagedError`` or ``NewerFormatError``.
        """
        first = self._segment_index(from_seq)
        self._finished_bytes = sum(self._size(self._path(seq)) for seq in self.first_seqs[:first])
        previous: SegmentReader | None = None
        for index in range(first, len(self.first_seqs)):
            is_last = index == len(self.first_seqs) - 1
            path = self._path(self.first_seqs[index])
            if is_last and distrust_cache:
                self._sync(path)
            if (size := self._size(path)) > SEGMENT_MAX_BYTES:
                raise DamagedError(path, f"no segment has {size:,} bytes", seq=self.first_seqs[index])
            segment = SegmentReader(path, read_all(self._fs, path), self._store_id, is_last=is_last)
            if previous is not None:
                check_continues(previous, segment)
                self._finished_bytes += previous.offset
            self._segment = segment
            yield segment
            previous = segment
        assert previous is not None
        self._end = self._end_after(previous)

    def _segment_index(self, from_seq: int) -> int:
        """The last segment that begins at or before ``from_seq``."""
        before = [index for index, seq in enumerate(self.first_seqs) if seq <= from_seq]
        if before:
            return before[-1]
        found = f"it begins at seq {self.first_seqs[0]}" if self.first_seqs else "there is no segment"
        raise DamagedError(self.directory, f"the log is missing its start: {found}", seq=from_seq)

    def _end_after(self, last: SegmentReader) -> LogEnd:
        empty = last.next_seq == last.header.first_seq
        return LogEnd(
            last_seq=last.next_seq - 1,
            # The segment that takes an empty one's place follows the same segment as that did.
            chain=last.header.chain if empty else last.chain,
            epoch=last.header.epoch,
            wall_ms=last.wall_ms,
            sealed=last.sealed,
            torn=last.torn,
            first_seqs=self.first_seqs,
            empty_segment=last.path if empty else None,
        )

    def _sync(self, path: Path) -> None:
        with closing(self._fs.open(path, writable=True)) as file:
            file.datasync()
            self._fs.sync_directory(self.directory)
            file.drop_cache()

    def _size(self, path: Path) -> int:
        with closing(self._fs.open(path)) as file:
            return file.size()

    def _path(self, first_seq: int) -> Path:
        return self.directory / segment_name(first_seq)


def segment_seqs(fs: FileSystem, directory: Path) -> tuple[int, ...]:
    """The first sequence numbers of the segments in a directory, ascending; none where the directory is gone.

    A name that ends in ``.wal`` and is no segment's raises ``DamagedError``: somebody renamed or put it there, and it
    may hold what is missing.
    """
    names = [name for name in fs.names(directory) if name.endswith(".wal")] if fs.exists(directory) else []
    for name in names:
        if not _SEGMENT_NAME.fullmatch(name):
            raise DamagedError(directory / name, "not a segment's name (20 digits and .wal): was it renamed?", seq=0)
    return tuple(int(name.removesuffix(".wal")) for name in names)


def read_header(fs: FileSystem, directory: Path, first_seq: int, store_id: UUID) -> SegmentHeader:
    """The header of the segment that begins with this event, checked. Raises as ``LogReader.frames``."""
    path = directory / segment_name(first_seq)
    try:
        with closing(fs.open(path)) as file:
            data = file.read(0, SEGMENT_HEADER_BYTES)
    except FileNotFoundError:
        raise DamagedError(path, "events are missing: the segment is not there", seq=first_seq) from None
    return read_segment_header(path, data, store_id)


def check_continues(previous: SegmentReader, segment: SegmentReader) -> None:
    """Refuse a gap, an overlap, a duplicate or an exchanged segment."""
    expected = previous.next_seq
    if segment.header.first_seq != expected:
        kind = "missing" if segment.header.first_seq > expected else "there twice"
        raise DamagedError(
            segment.path, f"events are {kind}: seq {expected} was expected to begin this segment", seq=expected
        )
    if segment.header.chain != previous.chain:
        raise DamagedError(segment.path, f"it does not continue {previous.path.name}", seq=expected, offset=0)
    if segment.header.epoch < previous.header.epoch or segment.header.created_ms < previous.wall_ms:
        raise DamagedError(segment.path, f"it is older than {previous.path.name}", seq=expected, offset=0)
