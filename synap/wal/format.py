"""The bytes of the log, format version 1. This docstring is the definition.

A log is a directory of segments, each named by the sequence number of its first event in 20 digits, ``.wal``.
All integers are unsigned and little-endian; CRC is CRC-32 (zlib) with the segment's salt as its start value.

Segment header, 128 bytes::

     0   8  magic 89 'SYNWAL' 0A
     8   2  major version: a reader that does not know it must stop
    10   2  minor version
    12   4  flags a reader must know (none yet)
    16   4  flags only a writer must know (none yet)
    20   4  salt: random; the start value of every CRC of this segment
    24  16  store id
    40   8  epoch: one more at every opening for writing
    48   8  sequence number of the first event
    56   8  created, ms since the epoch
    64  16  chain value at the end of the previous segment (zeros before the first)
    80  16  digest of the state before the first event, in a form the log does not know; zeros where it was not told
    96  28  zeros
   124   4  CRC of bytes 0 to 123

Frame: a header of 72 bytes, the payload, zeros up to a multiple of 8::

     0   4  magic 'SYNF'
     4   4  payload length
     8   1  type: 1 batch, 2 tick, 3 seal; a reader skips what it does not know from 128 on, if without events
     9   1  flags: 1 = the payload is one zstd frame
    10   2  zeros
    12   4  number of events
    16   4  raw length: of the payload before compression
    20   4  CRC of the payload
    24   8  sequence number of the first event (of the next one, in a frame without events)
    32   8  durable seq: the highest number known to be synced when this frame was built
    40   8  log time, ms since the epoch
    48   4  epoch, as in the segment header
    52  16  chain: BLAKE2b-128 over the previous chain value, bytes 0 to 51, and the payload
    68   4  CRC of bytes 0 to 67

A *tick* is an empty frame that says the time and what is durable; a *seal* is the last frame of a segment.

Why a salt: a client can store a value that contains a well-formed frame. Without the salt, such bytes behind a torn
write would look like a later frame and turn a harmless crash into corruption. Why one zstd frame a batch: each can be
skipped, salvaged and checked alone. Why a digest of the state: whoever reads the log later comes to a state, too, and
learns here whether it is the one that was served.
"""

import struct
import zlib
from enum import IntEnum
from hashlib import blake2b
from uuid import UUID

import msgspec

SEGMENT_MAGIC = b"\x89SYNWAL\n"
FRAME_MAGIC = b"SYNF"
MAJOR, MINOR = 1, 0
CHAIN_START = bytes(16)
STATE_UNKNOWN = bytes(16)

MAX_RAW_BYTES = 64 * 1024 * 1024
"""The largest payload of a batch before compression: six requests of the largest body. Read before allocating."""

FLAG_ZSTD = 1
FIRST_SKIPPABLE_TYPE = 128

_SEGMENT_HEADER = struct.Struct("<8sHHIII16sQQQ16s16s28x")
_FRAME_HEADER = struct.Struct("<4sIBBHIIIQQQI16s")
_CHAINED_BYTES = 52
_CRC = struct.Struct("<I")

SEGMENT_HEADER_BYTES = _SEGMENT_HEADER.size + _CRC.size
FRAME_HEADER_BYTES = _FRAME_HEADER.size + _CRC.size
FRAME_ALIGNMENT = 8
assert (SEGMENT_HEADER_BYTES, FRAME_HEADER_BYTES) == (128, 72)


class FrameType(IntEnum):
    """What a frame is for."""

    BATCH = 1
    TICK = 2
    SEAL = 3


class SegmentHeader(msgspec.Struct, frozen=True):
    """The fields of a segment header; times in ms since the epoch."""

    salt: int
    store_id: UUID
    epoch: int
    first_seq: int
    created_ms: int
    chain: bytes
    state: bytes = STATE_UNKNOWN
    major: int = MAJOR
    minor: int = MINOR
    reader_flags: int = 0
    writer_flags: int = 0


class FrameHeader(msgspec.Struct, frozen=True, gc=False):
    """The fields of a frame header; lengths in bytes, ``wall_ms`` since the epoch."""

    payload_length: int
    type: int
    flags: int
    count: int
    raw_length: int
    payload_crc: int
    first_seq: int
    durable_seq: int
    wall_ms: int
    epoch: int
    chain: bytes


def segment_name(first_seq: int) -> str:
    """The file name of the segment that begins with this event."""
    return f"{first_seq:020d}.wal"


def pack_segment_header(header: SegmentHeader) -> bytes:
    """The 128 bytes at the start of a segment."""
    body = _SEGMENT_HEADER.pack(
        SEGMENT_MAGIC,
        header.major,
        header.minor,
        header.reader_flags,
        header.writer_flags,
        header.salt,
        header.store_id.bytes,
        header.epoch,
        header.first_seq,
        header.created_ms,
        header.chain,
        header.state,
    )
    return body + _CRC.pack(zlib.crc32(body, header.salt))


def unpack_segment_header(data: bytes) -> SegmentHeader | None:
    """The header at the start of ``data``; None where magic, length or CRC are wrong."""
    if len(data) < SEGMENT_HEADER_BYTES:
        return None
    magic, major, minor, reader_flags, writer_flags, salt, store_id, epoch, first_seq, created_ms, chain, state = (
        _SEGMENT_HEADER.unpack_from(data)
    )
    (crc,) = _CRC.unpack_from(data, _SEGMENT_HEADER.size)
    if magic != SEGMENT_MAGIC or crc != zlib.crc32(data[: _SEGMENT_HEADER.size], salt):
        return None
    return SegmentHeader(
        salt=salt,
        store_id=UUID(bytes=store_id),
        epoch=epoch,
        first_seq=first_seq,
        created_ms=created_ms,
        chain=chain,
        state=state,
        major=major,
        minor=minor,
        reader_flags=reader_flags,
        writer_flags=writer_flags,
    )


def unpack_frame_header(data: bytes, offset: int, salt: int) -> FrameHeader | None:
    """The frame header at ``offset``; None where magic or CRC are wrong or the data ends inside it."""
    if len(data) - offset < FRAME_HEADER_BYTES:
        return None
    body = data[offset : offset + _FRAME_HEADER.size]
    (crc,) = _CRC.unpack_from(data, offset + _FRAME_HEADER.size)
    if not body.startswith(FRAME_MAGIC) or crc != zlib.crc32(body, salt):
        return None
    _, length, type_, flags, _, count, raw_length, payload_crc, first_seq, durable_seq, wall_ms, epoch, chain = (
        _FRAME_HEADER.unpack(body)
    )
    return FrameHeader(
        length, type_, flags, count, raw_length, payload_crc, first_seq, durable_seq, wall_ms, epoch, chain
    )


def padded(length: int) -> int:
    """``length`` rounded up to where the next frame may begin."""
    return -(-length // FRAME_ALIGNMENT) * FRAME_ALIGNMENT


def frame_bytes(header: FrameHeader) -> int:
    """The length of a frame on disk, padding included."""
    return padded(FRAME_HEADER_BYTES + header.payload_length)


def chain_value(previous: bytes, header_start: bytes, payload: bytes) -> bytes:
    """The chain value of a frame; ``header_start`` is (at least) the 52 bytes before the chain field."""
    return blake2b(previous + header_start[:_CHAINED_BYTES] + payload, digest_size=16).digest()


def build_frame(
    frame_type: FrameType,
    payload: bytes,
    *,
    salt: int,
    previous_chain: bytes,
    flags: int = 0,
    count: int = 0,
    raw_length: int = 0,
    first_seq: int,
    durable_seq: int,
    wall_ms: int,
    epoch: int,
) -> tuple[bytes, bytes]:
    """The bytes of a frame and its chain value."""
    assert raw_length <= MAX_RAW_BYTES
    body = bytearray(
        _FRAME_HEADER.pack(
            FRAME_MAGIC,
            len(payload),
            frame_type,
            flags,
            0,
            count,
            raw_length,
            zlib.crc32(payload, salt),
            first_seq,
            durable_seq,
            wall_ms,
            epoch,
            CHAIN_START,
        )
    )
    chain = chain_value(previous_chain, bytes(body), payload)
    body[_CHAINED_BYTES:] = chain
    crc = _CRC.pack(zlib.crc32(body, salt))
    padding = bytes(-(FRAME_HEADER_BYTES + len(payload)) % FRAME_ALIGNMENT)
    return b"".join((body, crc, payload, padding)), chain
