"""The log from some event on, read a piece at a time, for readers who take their time.

``LogReader`` reads whole segments, as fast as it goes. Here nothing is held between two pieces but where the next one
begins: no bytes, no open file. What is read is checked as always.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

from synap.errors import DamagedError
from synap.fs import FileSystem
from synap.wal.format import SEGMENT_HEADER_BYTES, segment_name
from synap.wal.interface import Frame
from synap.wal.reader import check_continues, segment_seqs
from synap.wal.segment import SegmentReader

PIECE_BYTES = 1024 * 1024
"""A thousand batches of one session, or a small part of the largest batch; that is then read whole."""


def read_in_pieces(fs: FileSystem, directory: Path, store_id: UUID, from_seq: int, upto_seq: int) -> Iterator[Frame]:
    """The batches that hold the events ``from_seq`` to ``upto_seq``, in order; the first may begin before.

    Blocks on the disk at every step. Raises ``DamagedError`` where the log is not whole up to there (or was trimmed
    meanwhile, which only the caller knows), ``NewerFormatError`` or ``OSError``.
    """
    first_seq = max((seq for seq in segment_seqs(fs, directory) if seq <= from_seq), default=from_seq)
    previous: SegmentReader | None = None
    while True:
        path = directory / segment_name(first_seq)
        segment = SegmentReader(path, _read(fs, path, 0, SEGMENT_HEADER_BYTES), store_id, is_last=True)
        if previous is not None:
            check_continues(previous, segment)
        for frame in _frames(fs, segment):
            if frame.first_seq + frame.count > from_seq:
                yield frame
            if segment.next_seq > upto_seq:
                return
        previous, first_seq = segment, segment.next_seq
        if first_seq == segment.header.first_seq or not fs.exists(directory / segment_name(first_seq)):
            raise DamagedError(path, f"the log ends before seq {upto_seq}, which it held", seq=first_seq)


def _frames(fs: FileSystem, segment: SegmentReader) -> Iterator[Frame]:
    """The frames of a segment whose header was read."""
    size = PIECE_BYTES
    while not segment.sealed:
        begin = segment.offset
        data = _read(fs, segment.path, begin, size)
        segment.continue_with(data, is_last=True)
        yield from segment.frames()
        if segment.offset > begin:
            size = PIECE_BYTES
        elif len(data) == size:
            # A frame that is larger than the piece.
            size *= 2
        else:
            return


def _read(fs: FileSystem, path: Path, offset: int, size: int) -> bytes:
    with closing(fs.open(path)) as file:
        return file.read(offset, size)
