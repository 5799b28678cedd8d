"""The bytes of a snapshot, format version 1. This docstring is the definition.

A snapshot is a header, blocks of entries in ascending key order, an index of the blocks, and a footer at the very end.
It is named by the last sequence number that it includes in 20 digits, ``.snap``. All integers are unsigned and
little-endian; CRC is CRC-32 (zlib) with the snapshot's salt as its start value.

Header, 128 bytes; what it shares with a segment's header (``wal/format.py``) is in the same place::

     0   8  magic 89 'SYNSNP' 0A
     8   2  major version: a reader that does not know it must stop
    10   2  minor version
    12   4  flags a reader must know (none yet)
    16   4  flags only a writer must know (none yet)
    20   4  salt: random; the start value of every CRC of this snapshot
    24  16  store id
    40   8  last seq: the state is that after this event
    48   8  created, ms since the epoch
    56   8  log time of the state, ms since the epoch
    64  16  chain value of the log after that event, as in the header of the segment that begins behind it
    80  44  zeros
   124   4  CRC of bytes 0 to 123

Block and index: a header of 32 bytes, and the payload, which is one zstd frame::

     0   4  magic 'SYNB', for the index 'SYNI'
     4   4  payload length
     8   4  raw length: of the payload before compression
    12   4  number of rows
    16   8  number of the block, from 0; for the index, the number of blocks
    24   4  CRC of the payload
    28   4  CRC of bytes 0 to 27

A block's rows (``cbor.py``) are entries ``[key, kind, value, deadline, version]``, about 64 KiB of them, with the
deadline in ms since the epoch or null. The index has a row ``[start of the first key, offset]`` for each block: at most
64 bytes of a key, so that an index stays small whatever the keys are.

Footer, 96 bytes::

     0   8  magic 'SYNSNPE' 0A
     8   8  number of entries
    16   8  number of blocks
    24   8  bytes of all keys and values
    32   8  offset of the index
    40  16  digest of the state (``keyspace/digest.py``), big-endian
    56  36  zeros
    92   4  CRC of bytes 0 to 91

The footer is written last, so a snapshot without one was never finished.
"""

import re
import struct
import zlib
from typing import Annotated, TypeAlias
from uuid import UUID

import msgspec

MAGIC = b"\x89SYNSNP\n"
BLOCK_MAGIC = b"SYNB"
INDEX_MAGIC = b"SYNI"
FOOTER_MAGIC = b"SYNSNPE\n"
MAJOR, MINOR = 1, 0

BLOCK_TARGET_BYTES = 64 * 1024
"""A block is closed from here on: so large that compression pays, so small that one entry is found quickly."""

BLOCK_MAX_RAW_BYTES = 64 * 1024 * 1024
"""More than a block with the largest entry. Read before allocating."""

INDEX_MAX_RAW_BYTES = 256 * 1024 * 1024
"""An index of over 3,000,000 blocks, or 200 GB of entries."""

INDEX_KEY_BYTES = 64

_HEADER = struct.Struct("<8sHHIII16sQQQ16s44x")
_BLOCK = struct.Struct("<4sIIIQI")
_FOOTER = struct.Struct("<8sQQQQ16s36x")
_CRC = struct.Struct("<I")

HEADER_BYTES = _HEADER.size + _CRC.size
BLOCK_HEADER_BYTES = _BLOCK.size + _CRC.size
FOOTER_BYTES = _FOOTER.size + _CRC.size
assert (HEADER_BYTES, BLOCK_HEADER_BYTES, FOOTER_BYTES) == (128, 32, 96)


Row: TypeAlias = tuple[
    bytes,
    Annotated[int, msgspec.Meta(ge=0, le=2)],
    bytes,
    Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None,
    Annotated[int, msgspec.Meta(ge=1)],
]
"""key, kind, value, deadline in ms since the epoch (None: no deadline), version."""

IndexRow: TypeAlias = tuple[bytes, Annotated[int, msgspec.Meta(ge=0)]]
"""The start of a block's first key, and the block's offset."""


class SnapshotHeader(msgspec.Struct, frozen=True):
    """The fields of a header; times in ms since the epoch."""

    salt: int
    store_id: UUID
    last_seq: int
    created_ms: int
    wall_ms: int
    chain: bytes
    major: int = MAJOR
    minor: int = MINOR
    reader_flags: int = 0
    writer_flags: int = 0


class BlockHeader(msgspec.Struct, frozen=True, gc=False):
    """The fields of a block's header, or of the index's; lengths in bytes."""

    magic: bytes
    payload_length: int
    raw_length: int
    row_count: int
    number: int
    payload_crc: int


class SnapshotFooter(msgspec.Struct, frozen=True):
    """The fields of a footer. ``entry_bytes`` is the length of all keys and values."""

    entry_count: int
    block_count: int
    entry_bytes: int
    index_offset: int
    digest: int


_NAME = re.compile(r"[0-9]{20}\.snap")


def snapshot_name(last_seq: int) -> str:
    """The file name of the snapshot that ends with this event."""
    return f"{last_seq:020d}.snap"


def seq_of_name(name: str) -> int | None:
    """The last event in the snapshot of this name; None where it is no snapshot's name."""
    return int(name.removesuffix(".snap")) if _NAME.fullmatch(name) else None


def pack_header(header: SnapshotHeader) -> bytes:
    """The 128 bytes at the start of a snapshot."""
    return _with_crc(
        _HEADER.pack(
            MAGIC,
            header.major,
            header.minor,
            header.reader_flags,
            header.writer_flags,
            header.salt,
            header.store_id.bytes,
            header.last_seq,
            header.created_ms,
            header.wall_ms,
            header.chain,
        ),
        header.salt,
    )


def unpack_header(data: bytes) -> SnapshotHeader | None:
    """The header in ``data``; None where magic, length or CRC are wrong."""
    if len(data) != HEADER_BYTES:
        return None
    magic, major, minor, reader_flags, writer_flags, salt, store_id, last_seq, created_ms, wall_ms, chain = (
        _HEADER.unpack_from(data)
    )
    if magic != MAGIC or not _crc_is_right(data, salt):
        return None
    return SnapshotHeader(
        salt=salt,
        store_id=UUID(bytes=store_id),
        last_seq=last_seq,
        created_ms=created_ms,
        wall_ms=wall_ms,
        chain=chain,
        major=major,
        minor=minor,
        reader_flags=reader_flags,
        writer_flags=writer_flags,
    )


def pack_block(magic: bytes, payload: bytes, *, salt: int, raw_length: int, row_count: int, number: int) -> bytes:
    """The header of a block (or of the index), and its payload."""
    fields = _BLOCK.pack(magic, len(payload), raw_length, row_count, number, zlib.crc32(payload, salt))
    return _with_crc(fields, salt) + payload


def unpack_block_header(data: bytes, salt: int) -> BlockHeader | None:
    """The block header in ``data``; None where length or CRC are wrong."""
    if len(data) != BLOCK_HEADER_BYTES or not _crc_is_right(data, salt):
        return None
    return BlockHeader(*_BLOCK.unpack_from(data))


def pack_footer(footer: SnapshotFooter, salt: int) -> bytes:
    """The 96 bytes at the end of a snapshot."""
    return _with_crc(
        _FOOTER.pack(
            FOOTER_MAGIC,
            footer.entry_count,
            footer.block_count,
            footer.entry_bytes,
            footer.index_offset,
            footer.digest.to_bytes(16),
        ),
        salt,
    )


def unpack_footer(data: bytes, salt: int) -> SnapshotFooter | None:
    """The footer in ``data``; None where magic, length or CRC are wrong."""
    if len(data) != FOOTER_BYTES or not data.startswith(FOOTER_MAGIC) or not _crc_is_right(data, salt):
        return None
    _, entry_count, block_count, entry_bytes, index_offset, digest = _FOOTER.unpack_from(data)
    return SnapshotFooter(entry_count, block_count, entry_bytes, index_offset, int.from_bytes(digest))


def crc_is(data: bytes, crc: int, salt: int) -> bool:
    """Whether this is the CRC of a payload."""
    return zlib.crc32(data, salt) == crc


def _with_crc(fields: bytes, salt: int) -> bytes:
    return fields + _CRC.pack(zlib.crc32(fields, salt))


def _crc_is_right(data: bytes, salt: int) -> bool:
    (crc,) = _CRC.unpack_from(data, len(data) - _CRC.size)
    return crc_is(data[: -_CRC.size], crc, salt)
