"""Torn or corrupt: what a bad frame means, judged by what a disk can do.

A *torn* frame is one that was being written when the machine stopped. Nobody was told that it was durable, so it is
cut off and the server starts. A *corrupt* frame is one that was durable and has changed; then nothing is cut, because
acknowledged writes would vanish without a word. The rows of ``_TABLE`` are tried in order; the first that holds
decides. Bytes of a value cannot pass for a frame, because every checksum begins with the segment's random salt.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import TypeAlias

import msgspec

from synap.wal.format import (
    FRAME_ALIGNMENT,
    FRAME_HEADER_BYTES,
    FRAME_MAGIC,
    FrameHeader,
    padded,
    unpack_frame_header,
)

SECTOR_BYTES = 512
"""What a disk writes whole or not at all, at the least."""


class Verdict(Enum):
    """What to do about a bad frame."""

    TORN = "torn"
    CORRUPT = "corrupt"


class Suspect(msgspec.Struct, frozen=True):
    """A frame that failed a check, with all that is known of its surroundings.

    ``data`` is the whole segment and ``offset`` the frame's place in it; ``header`` is None where it is the header
    that is bad; ``seq`` is the sequence number that was expected.
    """

    data: bytes
    offset: int
    header: FrameHeader | None
    salt: int
    seq: int
    segment_is_last: bool
    segment_is_sealed: bool

    @property
    def end(self) -> int:
        """Where the frame's last meaningful byte should be; the end of the file where only the header could tell."""
        if self.header is None:
            return len(self.data)
        return self.offset + FRAME_HEADER_BYTES + self.header.payload_length


def judge(suspect: Suspect) -> tuple[Verdict, str]:
    """The verdict on a bad frame, and the reason in words."""
    for holds, verdict, reason in _TABLE:
        if holds(suspect):
            return verdict, reason
    raise AssertionError("the last row of the table holds always")


def _was_durable(suspect: Suspect) -> bool:
    """Whether a later frame of this segment says that the expected event had been synced."""
    return any(header.durable_seq >= suspect.seq for header in _later_headers(suspect))


def _later_headers(suspect: Suspect) -> Iterator[FrameHeader]:
    offset = suspect.data.find(FRAME_MAGIC, suspect.offset + FRAME_ALIGNMENT)
    while offset >= 0:
        if offset % FRAME_ALIGNMENT == 0 and (header := unpack_frame_header(suspect.data, offset, suspect.salt)):
            yield header
        offset = suspect.data.find(FRAME_MAGIC, offset + 1)


def _segment_is_closed(suspect: Suspect) -> bool:
    return suspect.segment_is_sealed or not suspect.segment_is_last


def _file_ends_inside(suspect: Suspect) -> bool:
    if suspect.header is None:
        return len(suspect.data) - suspect.offset < FRAME_HEADER_BYTES
    # The padding belongs to the frame: the writer hands both to the disk in one piece.
    return len(suspect.data) < padded(suspect.end)


def _sector_is_missing(suspect: Suspect) -> bool:
    """Whether a sector's share of the frame is all zero: the length reached the disk, these bytes did not.

    The share of the first sector holds the magic and that of the last the end of a checksum. A share that was written
    is zero by itself only where a value that zstd could not shrink holds that many zeros, or where the last share is a
    byte or two (odds of 1 to 256 for each). Then bit rot in the log's last frame, and only there, passes for a tear.
    """
    start = suspect.offset
    while start < suspect.end:
        stop = min(suspect.end, start - start % SECTOR_BYTES + SECTOR_BYTES)
        if not any(suspect.data[start:stop]):
            return True
        start = stop
    return False


def _always(_: Suspect) -> bool:
    return True


_Row: TypeAlias = tuple[Callable[[Suspect], bool], Verdict, str]

_TABLE: tuple[_Row, ...] = (
    (_was_durable, Verdict.CORRUPT, "a later frame says that it was durable"),
    (_segment_is_closed, Verdict.CORRUPT, "its segment was complete when the next one was begun"),
    (_file_ends_inside, Verdict.TORN, "the file ends inside it"),
    (_sector_is_missing, Verdict.TORN, "a whole sector of it was never written"),
    (_always, Verdict.CORRUPT, "it is complete, but its checksum is wrong"),
)
