"""The bytes of the log: a golden segment, round trips, and every field where the docstring says it is."""

import struct
import zlib
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.errors import DamagedError, NewerFormatError
from synap.wal import format as layout
from synap.wal.format import FrameHeader, FrameType, SegmentHeader
from tests.documented import documented_fields

from .build import SALT, STORE_ID, T0_MS, Forge, name, read_segment

GOLDEN = bytes.fromhex(Path(__file__).with_name("golden").joinpath("segment-1.0.hex").read_text())

u16, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))


def sixteen() -> st.SearchStrategy[bytes]:
    return st.binary(min_size=16, max_size=16)


segment_headers = st.builds(
    SegmentHeader,
    salt=u32,
    store_id=sixteen().map(lambda data: UUID(bytes=data)),
    epoch=u64,
    first_seq=u64,
    created_ms=u64,
    chain=sixteen(),
    state=sixteen(),
    major=u16,
    minor=u16,
    reader_flags=u32,
    writer_flags=u32,
)


# --- golden bytes: whoever changes the layout, changes the version -----------------------------------------


def test_the_golden_segment_is_read() -> None:
    frames, segment = read_segment(GOLDEN, 41)
    assert [(frame.first_seq, frame.count, frame.wall_ms, frame.payload) for frame in frames] == [
        (41, 1, 1_700_000_000_001, b"the first batch"),
        (42, 3, 1_700_000_000_002, b"three events " * 20),
        (45, 1, 1_700_000_000_102, b""),
    ]
    assert (segment.next_seq, segment.sealed, segment.torn, segment.wall_ms) == (46, True, None, 1_700_000_000_103)
    assert segment.header == SegmentHeader(
        salt=0xA1B2C3D4,
        store_id=STORE_ID,
        epoch=7,
        first_seq=41,
        created_ms=T0_MS,
        chain=bytes(range(16)),
        major=1,
        minor=0,
    )
    assert segment.chain == GOLDEN[-20:-4], "the seal is the last frame, and its chain value the segment's"


def test_the_golden_segment_is_written_again_byte_for_byte() -> None:
    """From its fields and its compressed payloads: another version of zstd may compress otherwise."""
    header = layout.unpack_segment_header(GOLDEN)
    assert header is not None
    rebuilt, chain, offset = layout.pack_segment_header(header), header.chain, layout.SEGMENT_HEADER_BYTES
    types = []
    while offset < len(GOLDEN):
        frame = layout.unpack_frame_header(GOLDEN, offset, header.salt)
        assert frame is not None
        start = offset + layout.FRAME_HEADER_BYTES
        data, chain = layout.build_frame(
            FrameType(frame.type),
            GOLDEN[start : start + frame.payload_length],
            salt=header.salt,
            previous_chain=chain,
            flags=frame.flags,
            count=frame.count,
            raw_length=frame.raw_length,
            first_seq=frame.first_seq,
            durable_seq=frame.durable_seq,
            wall_ms=frame.wall_ms,
            epoch=frame.epoch,
        )
        rebuilt += data
        types.append(frame.type)
        offset += layout.frame_bytes(frame)
    assert rebuilt == GOLDEN
    assert types == [FrameType.BATCH, FrameType.BATCH, FrameType.TICK, FrameType.BATCH, FrameType.SEAL]


# --- the segment header --------------------------------------------------------------------------------------


@given(segment_headers)
def test_a_segment_header_comes_back(header: SegmentHeader) -> None:
    data = layout.pack_segment_header(header)
    assert len(data) == layout.SEGMENT_HEADER_BYTES
    assert layout.unpack_segment_header(data) == header


def test_every_field_of_a_segment_header_is_where_the_docstring_says() -> None:
    header = SegmentHeader(
        salt=0x11121314,
        store_id=STORE_ID,
        epoch=0x2122232425262728,
        first_seq=0x3132333435363738,
        created_ms=0x4142434445464748,
        chain=bytes(range(0x50, 0x60)),
        state=bytes(range(0x60, 0x70)),
        major=0x6162,
        minor=0x7172,
        reader_flags=0x81828384,
        writer_flags=0x91929394,
    )
    data = layout.pack_segment_header(header)
    assert data[0:8] == b"\x89SYNWAL\n"
    assert data[8:24] == struct.pack("<HHIII", 0x6162, 0x7172, 0x81828384, 0x91929394, 0x11121314)
    assert data[24:40] == STORE_ID.bytes
    assert data[40:64] == struct.pack("<QQQ", 0x2122232425262728, 0x3132333435363738, 0x4142434445464748)
    assert data[64:80] == bytes(range(0x50, 0x60))
    assert data[80:96] == bytes(range(0x60, 0x70))
    assert data[96:124] == bytes(28)
    assert data[124:128] == struct.pack("<I", zlib.crc32(data[:124], 0x11121314))
    assert documented_fields(layout, "Segment header") == [
        (0, 8), (8, 2), (10, 2), (12, 4), (16, 4), (20, 4), (24, 16), (40, 8), (48, 8), (56, 8), (64, 16), (80, 16),
        (96, 28), (124, 4),
    ]  # fmt: skip


def test_any_flipped_bit_of_a_segment_header_is_noticed() -> None:
    for bit in range(128 * 8):
        data = bytearray(GOLDEN[:128])
        data[bit // 8] ^= 1 << bit % 8
        assert layout.unpack_segment_header(bytes(data)) is None, bit


def test_a_short_segment_header_is_damage() -> None:
    for length in range(128):
        assert layout.unpack_segment_header(GOLDEN[:length]) is None, length
        with pytest.raises(DamagedError, match="header is damaged") as caught:
            read_segment(GOLDEN[:length], 41)
        assert (caught.value.path, caught.value.offset, caught.value.seq) == (name(41), 0, 41)


def test_a_newer_minor_version_is_read() -> None:
    assert len(Forge(patch={10: b"\x09\x00"}).batch().read()) == 1


@pytest.mark.parametrize(
    ("offset", "replacement"),
    [
        pytest.param(8, b"\x02\x00", id="major 2"),
        pytest.param(8, b"\xff\xff", id="major 65535"),
        pytest.param(12, b"\x01\x00\x00\x00", id="flag for readers"),
        pytest.param(12, b"\x00\x00\x00\x80", id="last flag for readers"),
        pytest.param(16, b"\x01\x00\x00\x00", id="flag for writers"),
    ],
)
def test_what_a_newer_version_wrote_is_refused_as_newer(offset: int, replacement: bytes) -> None:
    with pytest.raises(NewerFormatError, match="this version of Synap reads 1"):
        Forge(patch={offset: replacement}).batch().read()


def test_another_magic_is_damage_although_the_checksum_is_right() -> None:
    with pytest.raises(DamagedError, match="header is damaged"):
        Forge(patch={0: b"\x89SYNSNP\n"}).read()


# --- frames --------------------------------------------------------------------------------------------------


@given(
    frame_type=st.sampled_from(FrameType),
    payload=st.binary(max_size=200),
    salt=u32,
    chain=sixteen(),
    flags=st.integers(0, 255),
    count=u32,
    raw_length=st.integers(0, layout.MAX_RAW_BYTES),
    first_seq=u64,
    durable_seq=u64,
    wall_ms=u64,
    epoch=u32,
)
def test_a_frame_header_comes_back(
    *,
    frame_type: FrameType,
    payload: bytes,
    salt: int,
    chain: bytes,
    flags: int,
    count: int,
    raw_length: int,
    first_seq: int,
    durable_seq: int,
    wall_ms: int,
    epoch: int,
) -> None:
    data, new_chain = layout.build_frame(
        frame_type,
        payload,
        salt=salt,
        previous_chain=chain,
        flags=flags,
        count=count,
        raw_length=raw_length,
        first_seq=first_seq,
        durable_seq=durable_seq,
        wall_ms=wall_ms,
        epoch=epoch,
    )
    header = layout.unpack_frame_header(b"before" + data, 6, salt)
    assert header == FrameHeader(
        payload_length=len(payload),
        type=frame_type,
        flags=flags,
        count=count,
        raw_length=raw_length,
        payload_crc=zlib.crc32(payload, salt),
        first_seq=first_seq,
        durable_seq=durable_seq,
        wall_ms=wall_ms,
        epoch=epoch,
        chain=new_chain,
    )
    assert layout.frame_bytes(header) == len(data)
    assert len(data) % layout.FRAME_ALIGNMENT == 0
    assert data[72 : 72 + len(payload)] == payload
    assert not any(data[72 + len(payload) :])
    assert new_chain == layout.chain_value(chain, data, payload)


def test_every_field_of_a_frame_is_where_the_docstring_says() -> None:
    payload = b"payload"
    data, chain = layout.build_frame(
        FrameType.SEAL,
        payload,
        salt=SALT,
        previous_chain=bytes(16),
        flags=0x11,
        count=0x21222324,
        raw_length=0x01020304,
        first_seq=0x3132333435363738,
        durable_seq=0x4142434445464748,
        wall_ms=0x5152535455565758,
        epoch=0x61626364,
    )
    assert data[0:4] == b"SYNF"
    assert data[4:8] == struct.pack("<I", len(payload))
    assert data[8:12] == bytes((3, 0x11, 0, 0))
    assert data[12:24] == struct.pack("<III", 0x21222324, 0x01020304, zlib.crc32(payload, SALT))
    assert data[24:48] == struct.pack("<QQQ", 0x3132333435363738, 0x4142434445464748, 0x5152535455565758)
    assert data[48:52] == struct.pack("<I", 0x61626364)
    assert data[52:68] == chain
    assert data[68:72] == struct.pack("<I", zlib.crc32(data[:68], SALT))
    assert documented_fields(layout, "Frame:") == [
        (0, 4), (4, 4), (8, 1), (9, 1), (10, 2), (12, 4), (16, 4), (20, 4), (24, 8), (32, 8), (40, 8), (48, 4),
        (52, 16), (68, 4),
    ]  # fmt: skip


def test_the_chain_covers_the_previous_value_the_header_and_the_payload() -> None:
    head, payload = bytes(range(72)), b"payload"
    chain = layout.chain_value(bytes(16), head, payload)
    assert len(chain) == 16
    assert chain == layout.chain_value(bytes(16), head[:52], payload), "but not its own field, nor the CRC"
    others = [
        layout.chain_value(b"\1" + bytes(15), head, payload),
        layout.chain_value(bytes(16), b"\1" + head[1:], payload),
        layout.chain_value(bytes(16), head[:51] + b"\xff" + head[52:], payload),
        layout.chain_value(bytes(16), head, payload + b"\0"),
    ]
    assert len({chain, *others}) == 5


def test_a_frame_header_needs_the_salt_of_its_segment() -> None:
    data = bytes(Forge().batch().data)
    assert layout.unpack_frame_header(data, 128, SALT) is not None
    assert layout.unpack_frame_header(data, 128, SALT ^ 1) is None


def test_a_frame_header_that_the_data_ends_in_is_none() -> None:
    data = bytes(Forge().tick().data)
    assert layout.unpack_frame_header(data, 128, SALT) is not None
    for missing in range(1, 73):
        assert layout.unpack_frame_header(data[:-missing], 128, SALT) is None, missing


def test_a_frame_header_with_another_magic_is_none_although_its_checksum_is_right() -> None:
    assert layout.unpack_frame_header(bytes(Forge().frame(FrameType.TICK, patch={0: b"SYNX"}).data), 128, SALT) is None


def test_more_than_the_largest_payload_is_never_written() -> None:
    with pytest.raises(AssertionError):
        Forge().frame(FrameType.BATCH, b"", count=1, raw_length=layout.MAX_RAW_BYTES + 1)


@pytest.mark.parametrize(("length", "expected"), [(0, 0), (1, 8), (7, 8), (8, 8), (9, 16), (72, 72), (73, 80)])
def test_frames_are_padded_to_eight_bytes(length: int, expected: int) -> None:
    assert layout.padded(length) == expected


def test_a_segment_is_named_by_twenty_digits() -> None:
    assert layout.segment_name(1) == "00000000000000000001.wal"
    assert layout.segment_name(2**64 - 1) == "18446744073709551615.wal"
