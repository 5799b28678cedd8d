"""The bytes of a snapshot: a golden file, round trips, and every field where the docstring says it is."""

import struct
import zlib
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.errors import NewerFormatError
from synap.keyspace import Digest
from synap.snapshot import format as layout
from synap.snapshot.format import BlockHeader, SnapshotFooter, SnapshotHeader
from synap.snapshot.reader import SnapshotReader
from tests.documented import documented_fields
from tests.wal.build import SALT, STORE_ID, T0_MS, disk_of

from .build import DIGEST, Forge, damage, entry, in_pieces, opened, path_of, read

GOLDEN = bytes.fromhex(Path(__file__).with_name("golden").joinpath("snapshot-1.0.hex").read_text())

u16, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))


def sixteen() -> st.SearchStrategy[bytes]:
    return st.binary(min_size=16, max_size=16)


headers = st.builds(
    SnapshotHeader,
    salt=u32,
    store_id=sixteen().map(lambda data: UUID(bytes=data)),
    last_seq=u64,
    created_ms=u64,
    wall_ms=u64,
    chain=sixteen(),
    major=u16,
    minor=u16,
    reader_flags=u32,
    writer_flags=u32,
)
footers = st.builds(SnapshotFooter, u64, u64, u64, u64, st.integers(0, 2**128 - 1))

BLOCK = layout.pack_block(b"SYNB", b"payload", salt=SALT, raw_length=0x21222324, row_count=0x31323334, number=7)


# --- golden bytes: whoever changes the layout, changes the version -----------------------------------------


def test_the_golden_snapshot_is_read() -> None:
    with opened(GOLDEN, path_of(45)) as reader:
        rows = list(reader.rows())
        assert rows == [
            (b"cart:1", 1, b'{"items":[' + b"1," * 60 + b"1]}", None, 41),
            (b"raw", 2, bytes(range(8)), 1_764_000_000_000, 44),
            (b"session:1", 0, b"a text", 1_700_000_060_000, 42),
            ("session:ü".encode(), 0, b"", None, 45),
        ]
        assert [reader.find(row[0]) for row in rows] == rows
        assert reader.header == SnapshotHeader(
            salt=0xA1B2C3D4,
            store_id=STORE_ID,
            last_seq=45,
            created_ms=T0_MS + 500,
            wall_ms=T0_MS + 102,
            chain=bytes(range(16)),
            major=1,
            minor=0,
        )
        digest = Digest()
        for row in rows:
            digest.add(*row)
        assert reader.footer == SnapshotFooter(4, 2, 175, 329, digest.value)


def test_the_golden_snapshot_is_written_again_byte_for_byte() -> None:
    """From its fields and its compressed payloads: another version of zstd may compress otherwise."""
    head, blocks, index, foot = in_pieces(GOLDEN)
    header = layout.unpack_header(head)
    assert header is not None
    rebuilt = layout.pack_header(header)
    for piece in (*blocks, index):
        fields = layout.unpack_block_header(piece[:32], header.salt)
        assert fields is not None
        rebuilt += layout.pack_block(
            fields.magic,
            piece[32:],
            salt=header.salt,
            raw_length=fields.raw_length,
            row_count=fields.row_count,
            number=fields.number,
        )
    footer = layout.unpack_footer(foot, header.salt)
    assert footer is not None
    assert rebuilt + layout.pack_footer(footer, header.salt) == GOLDEN
    assert len(blocks) == 2


# --- the header ----------------------------------------------------------------------------------------------


@given(headers)
def test_a_header_comes_back(header: SnapshotHeader) -> None:
    data = layout.pack_header(header)
    assert len(data) == layout.HEADER_BYTES
    assert layout.unpack_header(data) == header


def test_every_field_of_a_header_is_where_the_docstring_says() -> None:
    data = layout.pack_header(
        SnapshotHeader(
            salt=0x11121314,
            store_id=STORE_ID,
            last_seq=0x2122232425262728,
            created_ms=0x3132333435363738,
            wall_ms=0x4142434445464748,
            chain=bytes(range(0x50, 0x60)),
            major=0x6162,
            minor=0x7172,
            reader_flags=0x81828384,
            writer_flags=0x91929394,
        )
    )
    assert data[0:8] == b"\x89SYNSNP\n"
    assert data[8:24] == struct.pack("<HHIII", 0x6162, 0x7172, 0x81828384, 0x91929394, 0x11121314)
    assert data[24:40] == STORE_ID.bytes
    assert data[40:64] == struct.pack("<QQQ", 0x2122232425262728, 0x3132333435363738, 0x4142434445464748)
    assert data[64:80] == bytes(range(0x50, 0x60))
    assert data[80:124] == bytes(44)
    assert data[124:128] == struct.pack("<I", zlib.crc32(data[:124], 0x11121314))
    assert documented_fields(layout, "Header, 128 bytes") == [
        (0, 8), (8, 2), (10, 2), (12, 4), (16, 4), (20, 4), (24, 16), (40, 8), (48, 8), (56, 8), (64, 16), (80, 44),
        (124, 4),
    ]  # fmt: skip


def test_any_flipped_bit_of_a_header_is_noticed() -> None:
    for bit in range(128 * 8):
        assert layout.unpack_header(flipped(GOLDEN[:128], bit)) is None, bit


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("length", [*range(128), 129, 256])
def test_a_header_of_another_length_is_none(length: int) -> None:
    assert layout.unpack_header(GOLDEN[:length]) is None


def test_another_magic_is_damage_although_the_checksum_is_right() -> None:
    for magic in (b"\x89SYNWAL\n", b"\x89SYNSTR\n", b"\x89SYNSNP\r", bytes(8)):
        assert damage(Forge(patch={0: magic}).block(entry(b"k")).finish()).reason == "its header is damaged"


def test_a_newer_minor_version_is_read() -> None:
    assert read(Forge(patch={10: b"\x09\x00"}).block(entry(b"k")).finish()) == [entry(b"k")]


@pytest.mark.parametrize("flags", [b"\x01\x00\x00\x00", b"\xff\xff\xff\xff"])
def test_flags_for_writers_do_not_concern_a_reader(flags: bytes) -> None:
    assert read(Forge(patch={16: flags}).block(entry(b"k")).finish()) == [entry(b"k")]


@pytest.mark.parametrize(
    ("offset", "replacement"),
    [
        pytest.param(8, b"\x02\x00", id="major 2"),
        pytest.param(8, b"\xff\xff", id="major 65535"),
        pytest.param(12, b"\x01\x00\x00\x00", id="flag for readers"),
        pytest.param(12, b"\x00\x00\x00\x80", id="last flag for readers"),
    ],
)
def test_what_a_newer_version_wrote_is_refused_as_newer(offset: int, replacement: bytes) -> None:
    """Also where it goes on in a way that this version would take for damage."""
    newer = Forge(patch={offset: replacement})
    for data in (newer.block(entry(b"k")).finish(), newer.data, newer.data + b"of the future"):
        fs = disk_of({path_of(): data})
        with pytest.raises(NewerFormatError, match="this version of Synap reads 1") as caught:
            SnapshotReader(fs, path_of(), STORE_ID)
        assert caught.value.path == path_of()


# --- blocks and index ----------------------------------------------------------------------------------------


@given(
    magic=st.sampled_from([b"SYNB", b"SYNI"]),
    payload=st.binary(max_size=200),
    salt=u32,
    raw_length=u32,
    row_count=u32,
    number=u64,
)
def test_a_block_header_comes_back(
    *, magic: bytes, payload: bytes, salt: int, raw_length: int, row_count: int, number: int
) -> None:
    data = layout.pack_block(magic, payload, salt=salt, raw_length=raw_length, row_count=row_count, number=number)
    assert layout.unpack_block_header(data[:32], salt) == BlockHeader(
        magic, len(payload), raw_length, row_count, number, zlib.crc32(payload, salt)
    )
    assert data[32:] == payload
    assert layout.crc_is(payload, zlib.crc32(payload, salt), salt)


def test_every_field_of_a_block_header_is_where_the_docstring_says() -> None:
    assert BLOCK[0:4] == b"SYNB"
    assert BLOCK[4:24] == struct.pack("<IIIQ", len(b"payload"), 0x21222324, 0x31323334, 7)
    assert BLOCK[24:28] == struct.pack("<I", zlib.crc32(b"payload", SALT))
    assert BLOCK[28:32] == struct.pack("<I", zlib.crc32(BLOCK[:28], SALT))
    assert BLOCK[32:] == b"payload"
    assert documented_fields(layout, "Block and index") == [
        (0, 4), (4, 4), (8, 4), (12, 4), (16, 8), (24, 4), (28, 4),
    ]  # fmt: skip


def test_any_flipped_bit_of_a_block_header_is_noticed() -> None:
    for bit in range(32 * 8):
        assert layout.unpack_block_header(flipped(BLOCK[:32], bit), SALT) is None, bit


@pytest.mark.parametrize("length", [*range(32), 33])
def test_a_block_header_of_another_length_is_none(length: int) -> None:
    assert layout.unpack_block_header(BLOCK[:length], SALT) is None


def test_a_block_header_needs_the_salt_of_its_snapshot() -> None:
    assert layout.unpack_block_header(BLOCK[:32], SALT) is not None
    assert layout.unpack_block_header(BLOCK[:32], SALT ^ 1) is None
    assert layout.crc_is(b"payload", zlib.crc32(b"payload", SALT), SALT)
    assert not layout.crc_is(b"payload", zlib.crc32(b"payload", SALT), SALT ^ 1)


# --- the footer ----------------------------------------------------------------------------------------------


@given(footers, u32)
def test_a_footer_comes_back(footer: SnapshotFooter, salt: int) -> None:
    data = layout.pack_footer(footer, salt)
    assert len(data) == layout.FOOTER_BYTES
    assert layout.unpack_footer(data, salt) == footer


def test_every_field_of_a_footer_is_where_the_docstring_says() -> None:
    data = layout.pack_footer(
        SnapshotFooter(0x1112131415161718, 0x2122232425262728, 0x3132333435363738, 0x4142434445464748, DIGEST), SALT
    )
    assert data[0:8] == b"SYNSNPE\n"
    assert data[8:24] == struct.pack("<QQ", 0x1112131415161718, 0x2122232425262728)
    assert data[24:40] == struct.pack("<QQ", 0x3132333435363738, 0x4142434445464748)
    assert data[40:56] == bytes(range(1, 17)), "the digest is big-endian"
    assert data[56:92] == bytes(36)
    assert data[92:96] == struct.pack("<I", zlib.crc32(data[:92], SALT))
    assert documented_fields(layout, "Footer, 96 bytes") == [
        (0, 8), (8, 8), (16, 8), (24, 8), (32, 8), (40, 16), (56, 36), (92, 4),
    ]  # fmt: skip


def test_any_flipped_bit_of_a_footer_is_noticed() -> None:
    footer = GOLDEN[-96:]
    assert layout.unpack_footer(footer, 0xA1B2C3D4) is not None
    for bit in range(96 * 8):
        assert layout.unpack_footer(flipped(footer, bit), 0xA1B2C3D4) is None, bit


@pytest.mark.parametrize("length", [*range(96), 97])
def test_a_footer_of_another_length_is_none(length: int) -> None:
    assert layout.unpack_footer(GOLDEN[-96:][:length].ljust(length, b"\0"), 0xA1B2C3D4) is None


def test_another_magic_of_a_footer_is_damage_although_the_checksum_is_right() -> None:
    data = Forge().block(entry(b"k")).index().footer(patch={0: b"SYNSNPX\n"})
    assert damage(data).reason == "its footer is damaged or missing"


def test_a_footer_needs_the_salt_of_its_snapshot() -> None:
    assert layout.unpack_footer(GOLDEN[-96:], 0xA1B2C3D4 ^ 1) is None


# --- names ---------------------------------------------------------------------------------------------------


def test_a_snapshot_is_named_by_twenty_digits() -> None:
    assert layout.snapshot_name(1) == "00000000000000000001.snap"
    assert layout.snapshot_name(2**64 - 1) == "18446744073709551615.snap"


@given(u64)
def test_a_name_tells_the_number(last_seq: int) -> None:
    assert layout.seq_of_name(layout.snapshot_name(last_seq)) == last_seq


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".snap",
        "1.snap",
        "0000000000000000001.snap",
        "000000000000000000001.snap",
        "-0000000000000000001.snap",
        "00000000000000000001",
        "00000000000000000001.snap.tmp",
        "00000000000000000001.snap\n",
        "00000000000000000001.SNAP",
        "00000000000000000001xsnap",
        "\u0660" * 19 + "\u0662.snap",
        " 0000000000000000001.snap",
    ],
)
def test_another_name_is_no_snapshots(name: str) -> None:
    assert layout.seq_of_name(name) is None


def test_what_the_limits_say_holds() -> None:
    """A block with the largest entry, and an index of 3,000,000 blocks, are below what a reader takes."""
    largest_entry = 48 * 1024 * 1024 + 64 * 1024
    assert layout.BLOCK_TARGET_BYTES + largest_entry < layout.BLOCK_MAX_RAW_BYTES
    assert 3_000_000 * (layout.INDEX_KEY_BYTES + 12) < layout.INDEX_MAX_RAW_BYTES
