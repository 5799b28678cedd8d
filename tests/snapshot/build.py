"""What the tests of snapshots share: files as the writer makes them, and files with wrong contents."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from hypothesis import strategies as st
from msgspec import structs

from synap.cbor import encode_rows
from synap.errors import DamagedError
from synap.fs import FileSystem, read_all
from synap.snapshot import format as layout
from synap.snapshot.format import IndexRow, Row, SnapshotFooter, SnapshotHeader, snapshot_name
from synap.snapshot.reader import SnapshotReader
from synap.snapshot.writer import SnapshotWriter
from synap.testing import SimulatedFileSystem
from tests.wal.build import DATA, SALT, STORE_ID, T0_MS, disk_of, zipped

SNAPSHOTS = DATA / "snapshot"
LAST_SEQ = 123_456
DIGEST = 0x0102030405060708090A0B0C0D0E0F10
HEADER = SnapshotHeader(
    salt=SALT,
    store_id=STORE_ID,
    last_seq=LAST_SEQ,
    created_ms=T0_MS + 5000,
    wall_ms=T0_MS,
    chain=bytes(range(16)),
)


def path_of(last_seq: int = LAST_SEQ) -> Path:
    return SNAPSHOTS / snapshot_name(last_seq)


PATH = path_of()


def entry(key: bytes, value: bytes = b"v", deadline_ms: int | None = None, version: int = 1) -> Row:
    return key, 0, value, deadline_ms, version


def random_rows(rng: Random, count: int, value_bytes: int) -> list[Row]:
    """Rows in key order that compress badly."""
    return [
        (b"session:%08d" % number, number % 3, rng.randbytes(value_bytes), rng.choice((None, T0_MS)), number + 1)
        for number in range(count)
    ]


# --- as the writer makes them --------------------------------------------------------------------------------


@contextmanager
def blocks_of(target_bytes: int) -> Iterator[None]:
    """Let a writer close its blocks earlier, so that a small snapshot has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "BLOCK_TARGET_BYTES", target_bytes)
        yield


def write(fs: FileSystem, rows: Iterable[Row], *, path: Path = PATH, header: SnapshotHeader = HEADER) -> SnapshotFooter:
    """A snapshot of these rows, finished."""
    with closing(SnapshotWriter(fs, path, header)) as writer:
        for row in rows:
            writer.add(row)
        return writer.finish(DIGEST)


def empty_disk() -> SimulatedFileSystem:
    fs = SimulatedFileSystem()
    fs.make_directory(SNAPSHOTS)
    return fs


def written(rows: Iterable[Row], target_bytes: int = layout.BLOCK_TARGET_BYTES) -> bytes:
    """The bytes of a snapshot of these rows."""
    fs = empty_disk()
    with blocks_of(target_bytes):
        write(fs, rows)
    return read_all(fs, PATH)


# --- as the reader sees them ---------------------------------------------------------------------------------


@contextmanager
def opened(data: bytes, path: Path = PATH, store_id: UUID | None = STORE_ID) -> Iterator[SnapshotReader]:
    """A reader of these bytes, under a snapshot's name."""
    with closing(SnapshotReader(disk_of({path: data}), path, store_id)) as reader:
        yield reader


def read(data: bytes) -> list[Row]:
    with opened(data) as reader:
        return list(reader.rows())


def damage(data: bytes) -> DamagedError:
    """What reading these bytes to their end says; it must be that they are damaged."""
    with pytest.raises(DamagedError) as caught:
        read(data)
    assert caught.value.path == PATH
    assert str(PATH) in str(caught.value)
    return caught.value


# --- checksums that are right around contents that need not be -----------------------------------------------


class Forge:
    """A snapshot made piece by piece. ``patch`` overwrites bytes of a piece's header, by their documented offset,
    before its checksum is computed; what a piece should say is what the pieces before it were given.
    """

    def __init__(self, *, header: SnapshotHeader = HEADER, patch: dict[int, bytes] | None = None) -> None:
        self.data = sealed(layout.pack_header(header)[:124], header.salt, patch)
        self.salt = header.salt
        self.starts: list[int] = []
        self.true_index: list[IndexRow] = []
        self.entry_count = self.entry_bytes = 0
        self.index_offset = 0

    def block(self, *rows: Row, patch: dict[int, bytes] | None = None) -> "Forge":
        self._count(rows)
        return self.raw_block(encode_rows(rows), len(rows), patch=patch)

    def raw_block(self, raw: bytes, row_count: int, *, patch: dict[int, bytes] | None = None) -> "Forge":
        """A block of any raw payload."""
        return self.zipped_block(zipped(raw), len(raw), row_count, patch=patch)

    def zipped_block(
        self, payload: bytes, raw_length: int, row_count: int, *, patch: dict[int, bytes] | None = None
    ) -> "Forge":
        """A block of any payload."""
        self.starts.append(len(self.data))
        number = len(self.starts) - 1
        block = layout.pack_block(
            layout.BLOCK_MAGIC, payload, salt=self.salt, raw_length=raw_length, row_count=row_count, number=number
        )
        self._append(block, patch)
        return self

    def index(self, rows: Iterable[object] | None = None, *, patch: dict[int, bytes] | None = None) -> "Forge":
        """The true index, or one that lies."""
        lines: list[object] = [*self.true_index] if rows is None else [*rows]
        raw = encode_rows(lines)
        return self.zipped_index(zipped(raw), len(raw), len(lines), patch=patch)

    def zipped_index(
        self, payload: bytes, raw_length: int, row_count: int, *, patch: dict[int, bytes] | None = None
    ) -> "Forge":
        self.index_offset = len(self.data)
        index = layout.pack_block(
            layout.INDEX_MAGIC,
            payload,
            salt=self.salt,
            raw_length=raw_length,
            row_count=row_count,
            number=len(self.starts),
        )
        self._append(index, patch)
        return self

    def footer(self, *, patch: dict[int, bytes] | None = None) -> bytes:
        """The whole file."""
        footer = SnapshotFooter(self.entry_count, len(self.starts), self.entry_bytes, self.index_offset, DIGEST)
        return self.data + sealed(layout.pack_footer(footer, self.salt)[:92], self.salt, patch)

    def finish(self) -> bytes:
        return self.index().footer()

    def _count(self, rows: tuple[Row, ...]) -> None:
        self.true_index.append((rows[0][0][:64] if rows else b"", len(self.data)))
        self.entry_count += len(rows)
        self.entry_bytes += sum(len(row[0]) + len(row[2]) for row in rows)

    def _append(self, block: bytes, patch: dict[int, bytes] | None) -> None:
        self.data += sealed(block[:28], self.salt, patch) + block[layout.BLOCK_HEADER_BYTES :]


def sealed(fields: bytes, salt: int, patch: dict[int, bytes] | None = None) -> bytes:
    """The fields, some bytes of them replaced, and the CRC that is then right."""
    changed = bytearray(fields)
    for offset, replacement in (patch or {}).items():
        changed[offset : offset + len(replacement)] = replacement
    assert len(changed) == len(fields)
    return bytes(changed) + struct.pack("<I", zlib.crc32(changed, salt))


def in_pieces(data: bytes) -> tuple[bytes, list[bytes], bytes, bytes]:
    """The header of a whole snapshot, its blocks, its index and its footer."""
    header = layout.unpack_header(data[: layout.HEADER_BYTES])
    assert header is not None
    pieces, offset, end = [], layout.HEADER_BYTES, len(data) - layout.FOOTER_BYTES
    while offset < end:
        piece = layout.unpack_block_header(data[offset : offset + layout.BLOCK_HEADER_BYTES], header.salt)
        assert piece is not None
        following = offset + layout.BLOCK_HEADER_BYTES + piece.payload_length
        pieces.append(data[offset:following])
        offset = following
    return data[: layout.HEADER_BYTES], pieces[:-1], pieces[-1], data[end:]


def changed_footer(data: bytes, **changes: int) -> bytes:
    """The snapshot with other numbers in its footer."""
    footer = layout.unpack_footer(data[-layout.FOOTER_BYTES :], SALT)
    assert footer is not None
    return data[: -layout.FOOTER_BYTES] + layout.pack_footer(structs.replace(footer, **changes), SALT)


ROWS = random_rows(Random(1), 23, 60)
DATA_OF_ROWS = written(ROWS, 500)
"""A header, five blocks, an index and a footer in some 2,000 bytes, for whoever goes through all of them."""

HEAD, BLOCKS, INDEX, FOOTER = in_pieces(DATA_OF_ROWS)
STARTS = [layout.HEADER_BYTES + sum(map(len, BLOCKS[:number])) for number in range(len(BLOCKS))]
INDEX_START = layout.HEADER_BYTES + sum(map(len, BLOCKS))
FOOTER_START = len(DATA_OF_ROWS) - layout.FOOTER_BYTES


def blocks_of_rows() -> list[tuple[Row, ...]]:
    with opened(DATA_OF_ROWS) as reader:
        return [tuple(block) for block in reader.blocks()]


# --- for hypothesis ------------------------------------------------------------------------------------------

_long_key = st.builds(lambda start, end: start * 70 + end, st.sampled_from([b"a", b"b"]), st.binary(max_size=3))
KEYS = st.one_of(st.binary(max_size=4), st.binary(max_size=90), _long_key)
VALUES = st.one_of(st.binary(max_size=10), st.integers(0, 3000).map(bytes))
ENTRIES = st.dictionaries(
    KEYS,
    st.tuples(st.integers(0, 2), VALUES, st.none() | st.integers(0, 2**53), st.integers(1, 2**64 - 1)),
    max_size=40,
)


def rows_of(entries: dict[bytes, tuple[int, bytes, int | None, int]]) -> list[Row]:
    return [(key, *entries[key]) for key in sorted(entries)]
