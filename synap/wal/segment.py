"""One segment, read: every checksum, every link of the chain, every sequence number.

Bytes come in, frames go out; whatever the bytes are, nothing but a typed error comes of them, and no length is
believed before it was checked. A frame that fails a check goes to ``verdict``: where it is torn, reading ends there
and ``torn`` says so; where it is corrupt, ``DamagedError`` is raised.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import zstandard

from synap.errors import DamagedError, NewerFormatError
from synap.wal import format as layout
from synap.wal.format import FrameHeader, FrameType, SegmentHeader
from synap.wal.interface import Frame
from synap.wal.verdict import SECTOR_BYTES, Suspect, Verdict, judge

_KNOWN_TYPES = frozenset(FrameType)


class Torn(msgspec.Struct, frozen=True):
    """The torn tail of a segment: ``size`` bytes from ``offset`` on, and why they are taken for torn."""

    path: Path
    offset: int
    size: int
    reason: str


class SegmentReader:
    """The frames of one segment.

    While ``frames`` is used up, ``next_seq``, ``chain``, ``wall_ms``, ``offset`` and ``sealed`` keep up with it and
    describe what was read so far. Of a segment that is still written to, ``continue_with`` takes what has come since.
    """

    def __init__(self, path: Path, data: bytes, store_id: UUID, *, is_last: bool) -> None:
        """Check the header of the segment ``path`` whose bytes are ``data``.

        Raises ``DamagedError`` (also for a foreign or renamed file) or ``NewerFormatError``.
        """
        self.path = path
        self._data = data
        # Where in the file the data begins: 0, until only the rest of it is looked at.
        self._data_offset = 0
        self._is_last = is_last
        self.header = read_segment_header(path, data, store_id)
        self.next_seq = self.header.first_seq
        self.chain = self.header.chain
        self.wall_ms = self.header.created_ms
        self.offset = layout.SEGMENT_HEADER_BYTES
        self.sealed = False
        self.torn: Torn | None = None
        self._unzip = zstandard.ZstdDecompressor()

    def continue_with(self, data: bytes, *, is_last: bool) -> None:
        """Let ``data`` be what the segment holds from ``offset`` on; ``frames``, asked for again, goes on there.

        What ended inside a frame, and was taken for torn, may be whole by now. The data before is forgotten.
        """
        # A frame is judged by the sectors of the file, so the data keeps its place in one.
        lead = self.offset % SECTOR_BYTES
        self._data, self._data_offset = bytes(lead) + data, self.offset - lead
        self._is_last = is_last
        self.torn = None

    def frames(self) -> Iterator[Frame]:
        """The batches in order, up to the end or the torn tail."""
        while self._place < len(self._data):
            header = layout.unpack_frame_header(self._data, self._place, self.header.salt)
            payload = None if header is None else self._payload(header)
            if header is None or payload is None:
                self._stop_at_bad_frame(header)
                return
            self._check_place(header)
            frame = self._open(header, payload)
            self._advance(header)
            if frame is not None:
                yield frame

    @property
    def _place(self) -> int:
        """Where in the data the next frame begins."""
        return self.offset - self._data_offset

    def _payload(self, header: FrameHeader) -> bytes | None:
        """The payload as it is on disk, its chain value checked; None where the frame is bad."""
        place = self._place
        start = place + layout.FRAME_HEADER_BYTES
        if len(self._data) < place + layout.frame_bytes(header):
            return None
        payload = self._data[start : start + header.payload_length]
        # The chain covers header and payload, so the payload's CRC is only needed to tell why the chain is broken.
        head = self._data[place:start]
        if layout.chain_value(self.chain, head, payload) == header.chain:
            return payload
        if zlib.crc32(payload, self.header.salt) != header.payload_crc:
            return None
        raise self._damaged("the frame is whole, but does not continue the chain: frames are missing or foreign")

    def _stop_at_bad_frame(self, header: FrameHeader | None) -> None:
        suspect = Suspect(
            data=self._data,
            offset=self._place,
            header=header,
            salt=self.header.salt,
            seq=self.next_seq,
            segment_is_last=self._is_last,
            segment_is_sealed=self.sealed,
        )
        verdict, reason = judge(suspect)
        if verdict is Verdict.CORRUPT:
            raise self._damaged(f"bad frame; {reason}")
        self.torn = Torn(self.path, self.offset, len(self._data) - self._place, reason)

    def _check_place(self, header: FrameHeader) -> None:
        """Refuse a frame that is whole but cannot stand here."""
        if self.sealed:
            raise self._damaged("there is a frame after the seal")
        if header.epoch != self.header.epoch:
            raise self._damaged(f"the frame is of epoch {header.epoch}, its segment of {self.header.epoch}")
        if header.first_seq != self.next_seq:
            raise self._damaged(f"the frame begins at seq {header.first_seq}")
        if header.wall_ms < self.wall_ms:
            raise self._damaged("log time goes back")

    def _open(self, header: FrameHeader, payload: bytes) -> Frame | None:
        """The batch of a frame; None for a frame without one."""
        if header.type >= layout.FIRST_SKIPPABLE_TYPE and header.count == 0:
            return None
        if header.type not in _KNOWN_TYPES:
            raise NewerFormatError(
                self.path, f"{self.path}, byte {self.offset}: frame type {header.type} is of a newer version of Synap"
            )
        if header.type != FrameType.BATCH:
            if header.count or payload:
                raise self._damaged("a frame that must be empty is not")
            return None
        if header.count == 0:
            raise self._damaged("a batch without events")
        return Frame(header.first_seq, header.count, header.wall_ms, self._decompress(header, payload))

    def _decompress(self, header: FrameHeader, payload: bytes) -> bytes:
        if header.raw_length > layout.MAX_RAW_BYTES:
            raise self._damaged(f"a batch of {header.raw_length:,} bytes is over the limit")
        if header.flags & ~layout.FLAG_ZSTD:
            raise NewerFormatError(self.path, f"{self.path}, byte {self.offset}: unknown frame flags {header.flags}")
        if not header.flags & layout.FLAG_ZSTD:
            raw = payload
        else:
            try:
                # Compared before anything is allocated: the size in a zstd frame can claim terabytes.
                if zstandard.frame_content_size(payload) != header.raw_length:
                    raise self._damaged("the compressed payload has another length than its header says")
                raw = self._unzip.decompress(payload, allow_extra_data=False)
            except zstandard.ZstdError as cause:
                raise self._damaged(f"the payload does not decompress: {cause}") from cause
        if len(raw) != header.raw_length:
            raise self._damaged("the payload has another length than its header says")
        return raw

    def _advance(self, header: FrameHeader) -> None:
        self.offset += layout.frame_bytes(header)
        self.next_seq += header.count
        self.chain = header.chain
        self.wall_ms = header.wall_ms
        self.sealed = header.type == FrameType.SEAL

    def _damaged(self, reason: str) -> DamagedError:
        return DamagedError(self.path, reason, seq=self.next_seq, offset=self.offset)


def read_segment_header(path: Path, data: bytes, store_id: UUID) -> SegmentHeader:
    """The header of the segment ``path``; ``data`` holds at least its first 128 bytes.

    Raises ``DamagedError`` where it is broken, of another store or under another name, ``NewerFormatError`` where
    this version cannot read it. The first 128 bytes keep their place in every version.
    """
    header = layout.unpack_segment_header(data)
    named_seq = int(path.stem)
    if header is None:
        raise DamagedError(path, "the segment's header is damaged", seq=named_seq, offset=0)
    if header.major > layout.MAJOR or header.reader_flags or header.writer_flags:
        raise NewerFormatError(
            path, f"{path} has format {header.major}.{header.minor}; this version of Synap reads {layout.MAJOR}"
        )
    if header.store_id != store_id:
        raise DamagedError(path, f"the segment belongs to another store ({header.store_id})", seq=named_seq, offset=0)
    if header.first_seq != named_seq:
        raise DamagedError(
            path, f"the segment begins at seq {header.first_seq}: it was renamed", seq=named_seq, offset=0
        )
    return header
