"""The log of a directory that a server may be writing to, read as it grows.

Each look gives what has come since the last one, over rotations; only new bytes are read and checked. What a server
does meanwhile is no damage: a frame that is half written is not there yet, and a segment that was trimmed away before
it could be read is a ``TrimmedAwayError``, after which reading can go on where the log begins now. A segment that is
open can be read to its end, trimmed or not.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from synap.errors import DamagedError, TrimmedAwayError
from synap.fs import File
from synap.replay.source import Source
from synap.wal.interface import Frame
from synap.wal.reader import SEGMENT_MAX_BYTES
from synap.wal.segment import SegmentReader


class Predecessor(msgspec.Struct, frozen=True):
    """What a segment must continue: the chain value at the end of what is called ``name``, and its last log time.

    Of a segment, ``first_seq`` is the first event.
    """

    name: str
    chain: bytes
    wall_ms: int
    epoch: int = 0
    first_seq: int | None = None


class LogFollower:
    """The log from the event ``from_seq`` on. ``next_seq`` is the event after those that were given."""

    def __init__(
        self,
        source: Source,
        from_seq: int,
        *,
        predecessor: Predecessor | None = None,
        on_bytes: Callable[[int], None] = lambda _: None,
    ) -> None:
        """``predecessor`` is what the segment must continue that must then begin with ``from_seq``.

        ``on_bytes`` is told of every frame how many bytes it had on disk.
        """
        self.next_seq = from_seq
        self.path: Path = source.directory.wal_directory
        self._source = source
        self._predecessor = predecessor
        self._on_bytes = on_bytes
        self._segment: SegmentReader | None = None
        self._file: File | None = None
        self._known_bytes = 0
        self._is_new = False

    def close(self) -> None:
        """Give the open segment back."""
        if self._file is not None:
            self._file.close()
        self._file = self._segment = None

    def skip_to(self, seq: int) -> None:
        """Give up what is before this event."""
        self.close()
        self.next_seq, self._predecessor = seq, None

    def frames(self) -> Iterator[Frame]:
        """The batches that are there and were not given yet, in order; the first may begin before ``next_seq``.

        Raises ``TrimmedAwayError``, ``DamagedError`` or ``NewerFormatError``.
        """
        for segment in self.segments():
            offset = segment.offset
            for frame in segment.frames():
                self._on_bytes(segment.offset - offset)
                offset = segment.offset
                end = frame.first_seq + frame.count
                if end > self.next_seq:
                    self.next_seq = end
                    yield frame

    def segments(self) -> Iterator[SegmentReader]:
        """The segments in which something is new; each is used up before the next is asked for.

        Raises as ``frames``.
        """
        while True:
            # First the names, then the bytes: a segment that has a successor is complete when it is read.
            seqs = self._source.segment_seqs()
            segment = self._segment or self._enter(seqs)
            if segment is None:
                # Trimmed since its name was seen.
                continue
            is_last = seqs[-1] <= segment.header.first_seq
            if self._take(segment, is_last=is_last):
                yield segment
                self.next_seq = max(self.next_seq, segment.next_seq)
            if is_last:
                self._rest(segment)
                return
            self._leave(segment)

    # --- parts -------------------------------------------------------------------------------------------

    def _enter(self, seqs: tuple[int, ...]) -> SegmentReader | None:
        """Open the segment that holds the next event; None where it has just gone."""
        first_seq = self._segment_for_next(seqs)
        path = self._source.segment_path(first_seq)
        try:
            file = self._source.directory.fs.open(path)
        except FileNotFoundError:
            if self._source.segment_seqs() == seqs:
                raise DamagedError(path, "its name is there, and no file", seq=first_seq) from None
            return None
        try:
            segment = self._open(path, file, is_last=first_seq == seqs[-1])
        except BaseException:
            file.close()
            raise
        self._file, self._segment, self.path, self._is_new = file, segment, path, True
        return segment

    def _segment_for_next(self, seqs: tuple[int, ...]) -> int:
        before, wanted = self._predecessor, self.next_seq
        if not seqs:
            reason = "there is no segment of a log (if it is elsewhere: --wal-dir)"
            raise DamagedError(self._source.directory.wal_directory, reason, seq=wanted)
        first_seq = max((seq for seq in seqs if seq <= wanted), default=None)
        if first_seq is None:
            raise TrimmedAwayError(wanted, seqs[0])
        if before is not None and first_seq != wanted:
            # Segments go oldest first: as long as there is one before the gap, nothing in it was trimmed.
            kind = "missing" if before.first_seq is None or first_seq <= before.first_seq else "there twice"
            reason = f"events are {kind}: seq {wanted} was expected to begin a segment after {before.name}"
            raise DamagedError(self._source.segment_path(wanted), reason, seq=wanted)
        return first_seq

    def _open(self, path: Path, file: File, *, is_last: bool) -> SegmentReader:
        self._known_bytes = size = file.size()
        if size > SEGMENT_MAX_BYTES:
            raise DamagedError(path, f"no segment has {size:,} bytes", seq=self.next_seq)
        segment = SegmentReader(path, file.read(0, size), self._source.directory.store_id, is_last=is_last)
        before, header = self._predecessor, segment.header
        if before is not None and header.first_seq == self.next_seq:
            if header.chain != before.chain:
                raise DamagedError(path, f"it does not continue {before.name}", seq=self.next_seq, offset=0)
            if header.epoch < before.epoch or header.created_ms < before.wall_ms:
                raise DamagedError(path, f"it is older than {before.name}", seq=self.next_seq, offset=0)
        return segment

    def _take(self, segment: SegmentReader, *, is_last: bool) -> bool:
        """Read what has come since the last look; whether there is anything to look at."""
        assert self._file is not None
        if self._is_new:
            self._is_new = False
            return True
        size = self._file.size()
        if size < segment.offset:
            raise DamagedError(segment.path, "it has become shorter", seq=segment.next_seq, offset=size)
        if size == self._known_bytes and (is_last or size == segment.offset):
            return False
        segment.continue_with(self._file.read(segment.offset, size - segment.offset), is_last=is_last)
        self._known_bytes = size
        return True

    def _rest(self, segment: SegmentReader) -> None:
        """Wait for the next look."""
        if segment.next_seq == segment.header.first_seq:
            # Where a server starts again, it replaces an empty segment by one of the same name.
            self.close()
        else:
            # What was read is not needed any more, and may be as much as a segment may be.
            segment.continue_with(b"", is_last=True)

    def _leave(self, segment: SegmentReader) -> None:
        header = segment.header
        self.close()
        self._predecessor = Predecessor(
            segment.path.name, segment.chain, segment.wall_ms, header.epoch, header.first_seq
        )
