"""One segment: what is whole comes out, and of hostile bytes nothing comes but typed errors.

Checksums keep out accidents, not malice, so every check behind them is tested with frames whose checksums are right.
"""

import struct
import tracemalloc
from collections.abc import Callable
from random import Random

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from synap.errors import DamagedError, NewerFormatError
from synap.wal import format as layout
from synap.wal.format import FLAG_ZSTD, FrameType
from synap.wal.segment import SegmentReader

from .build import SALT, STORE_ID, T0_MS, Forge, bomb, name, read_segment, zipped

# --- what is whole -------------------------------------------------------------------------------------------


def test_batches_come_out_in_order_and_empty_frames_do_not() -> None:
    forge = Forge().batch(b"a", 2).tick().batch(b"").batch(b"b" * 100_000, 3).seal()
    frames, segment = read_segment(bytes(forge.data))
    assert [(frame.first_seq, frame.count, frame.payload) for frame in frames] == [
        (1, 2, b"a"),
        (3, 1, b""),
        (4, 3, b"b" * 100_000),
    ]
    assert (segment.next_seq, segment.chain, segment.sealed, segment.torn) == (7, forge.chain, True, None)
    assert segment.offset == len(forge.data)


def test_an_empty_segment_has_no_frames() -> None:
    frames, segment = read_segment(bytes(Forge(first_seq=9).data), 9)
    assert frames == []
    assert (segment.next_seq, segment.wall_ms, segment.sealed, segment.torn) == (9, T0_MS, False, None)


def test_what_was_read_so_far_is_known_at_each_frame() -> None:
    forge = Forge().batch(b"a").batch(b"b")
    segment = SegmentReader(name(1), bytes(forge.data), STORE_ID, is_last=True)
    places = [(frame.first_seq, segment.next_seq, segment.offset) for frame in segment.frames()]
    assert places == [(1, 2, forge.starts[1]), (2, 3, len(forge.data))]


def test_a_payload_that_is_not_compressed_is_read() -> None:
    frames = Forge().frame(FrameType.BATCH, b"plain", count=1, raw_length=5).read()
    assert [frame.payload for frame in frames] == [b"plain"]


@pytest.mark.parametrize("frame_type", [128, 200, 255])
def test_unknown_frames_that_may_be_skipped_are_skipped(frame_type: int) -> None:
    forge = Forge().batch(b"a").frame(frame_type, b"from the future", flags=0xF0).batch(b"b")
    assert [frame.payload for frame in forge.read()] == [b"a", b"b"]


def test_a_frame_with_events_is_never_skipped() -> None:
    """The state would lack them, and every number after them would be that of another event."""
    with pytest.raises(NewerFormatError, match="frame type 200 is of a newer version"):
        Forge().batch(b"a").frame(200, count=5).batch(b"b").read()


# --- a segment that is still written to ----------------------------------------------------------------------


def growing(forge: Forge, known_bytes: int) -> tuple[list[bytes], SegmentReader]:
    """What the first bytes of a segment hold, and its reader."""
    segment = SegmentReader(name(1), bytes(forge.data[:known_bytes]), STORE_ID, is_last=True)
    return [frame.payload for frame in segment.frames()], segment


def go_on(segment: SegmentReader, forge: Forge, upto: int | None = None, *, is_last: bool = True) -> list[bytes]:
    """What more there is, when the segment has grown to ``upto`` bytes (None: all)."""
    segment.continue_with(bytes(forge.data[segment.offset : upto]), is_last=is_last)
    return [frame.payload for frame in segment.frames()]


@pytest.mark.parametrize("step", [1, 7, 72, 500, 4096])
def test_a_segment_that_grows_is_read_as_if_it_had_been_whole(step: int) -> None:
    rng = Random(SALT)
    payloads = [rng.randbytes(rng.randrange(600)) for _ in range(12)]
    forge = Forge()
    for payload in payloads:
        forge.batch(payload)
    forge.tick().seal()
    found, segment = growing(forge, layout.SEGMENT_HEADER_BYTES)
    for upto in (*range(len(found), len(forge.data), step), len(forge.data)):
        found += go_on(segment, forge, max(upto, segment.offset))
    assert found == payloads
    assert (segment.next_seq, segment.chain, segment.sealed, segment.torn) == (13, forge.chain, True, None)
    assert segment.offset == len(forge.data)


def test_a_frame_that_is_half_written_is_torn_until_it_is_whole() -> None:
    forge = Forge().batch(b"a").batch(b"b" * 1000)
    found, segment = growing(forge, len(forge.data) - 1)
    assert found == [b"a"]
    assert segment.torn is not None
    assert (segment.torn.offset, segment.torn.size) == (forge.starts[1], len(forge.data) - forge.starts[1] - 1)
    assert go_on(segment, forge, len(forge.data) - 1) == []
    assert segment.torn is not None
    assert (segment.torn.offset, segment.torn.size) == (forge.starts[1], len(forge.data) - forge.starts[1] - 1)
    assert go_on(segment, forge) == [b"b" * 1000]
    assert segment.torn is None


def test_a_segment_that_was_cut_and_not_continued_has_no_tail() -> None:
    forge = Forge().batch(b"a").batch(b"b")
    _, segment = growing(forge, len(forge.data) - 1)
    assert go_on(segment, forge, forge.starts[1]) == []
    assert (segment.torn, segment.next_seq) == (None, 2)


def test_what_comes_later_is_checked_like_all_before() -> None:
    forge = Forge().batch(b"a").batch(b"b").batch(b"c")
    _, segment = growing(forge, forge.starts[1])
    forge.data[forge.starts[1] + 75] ^= 1
    with pytest.raises(DamagedError, match="a later frame says that it was durable") as caught:
        go_on(segment, forge)
    assert (caught.value.offset, caught.value.seq) == (forge.starts[1], 2)


def test_half_a_frame_is_damage_once_the_next_segment_has_begun() -> None:
    forge = Forge().batch(b"a").batch(b"b" * 1000)
    _, segment = growing(forge, len(forge.data) - 1)
    with pytest.raises(DamagedError, match="complete when the next one was begun"):
        go_on(segment, forge, len(forge.data) - 1, is_last=False)


def test_a_sector_is_missing_also_where_only_the_rest_is_looked_at() -> None:
    """The sectors are those of the file, not of what was read of it."""
    forge = Forge().batch(b"a" * 300).batch(Random(SALT).randbytes(3000))
    _, segment = growing(forge, forge.starts[1])
    sector = (forge.starts[1] // 512 + 2) * 512
    forge.data[sector : sector + 512] = bytes(512)
    assert go_on(segment, forge) == []
    assert segment.torn is not None
    assert segment.torn.reason == "a whole sector of it was never written"


# --- whole, and wrong ----------------------------------------------------------------------------------------


def batch_of(payload: bytes, raw_length: int, flags: int = FLAG_ZSTD) -> Forge:
    return Forge().batch(b"before").frame(FrameType.BATCH, payload, flags, 1, raw_length)


UNSIZED = zstandard.ZstdCompressor(write_content_size=False).compress(b"payload")
LONG = zipped(bytes(1_000_000))

DAMAGED: dict[str, tuple[Callable[[], Forge], str]] = {
    "zstd: terabytes declared": (lambda: batch_of(bomb(1 << 42), 100), "another length"),
    "zstd: terabytes declared, and truncated into the header": (
        lambda: batch_of(bomb((1 << 42) + 100), 100),
        "another length",
    ),
    "zstd: largest number declared": (lambda: batch_of(bomb(2**64 - 1), 100), "another length|does not decompress"),
    "zstd: no size declared": (lambda: batch_of(UNSIZED, 7), "another length"),
    "zstd: more than the header says": (lambda: batch_of(LONG, 999_999), "another length"),
    "zstd: less than the header says": (lambda: batch_of(LONG, 1_000_001), "another length"),
    "zstd: sizes agree, and both lie": (lambda: batch_of(bomb(50_000_000), 50_000_000), "does not decompress"),
    "zstd: garbage after the frame": (lambda: batch_of(zipped(b"payload") + b"garbage", 7), "does not decompress"),
    "zstd: a second frame": (lambda: batch_of(zipped(b"payload") * 2, 7), "does not decompress"),
    "zstd: cut": (lambda: batch_of(zipped(b"payload")[:-5], 7), "does not decompress"),
    "zstd: flipped": (lambda: batch_of(LONG[:-1] + bytes((LONG[-1] ^ 1,)), 1_000_000), "does not decompress"),
    "zstd: not zstd": (lambda: batch_of(b"payload", 7), "does not decompress"),
    "zstd: nothing": (lambda: batch_of(b"", 0), "does not decompress"),
    "raw length over the limit": (
        lambda: Forge().batch(b"before").batch(patch={16: struct.pack("<I", layout.MAX_RAW_BYTES + 1)}),
        "over the limit",
    ),
    "largest raw length": (
        lambda: Forge().batch(b"before").frame(FrameType.BATCH, b"", 0, 1, patch={16: b"\xff" * 4}),
        "over the limit",
    ),
    "uncompressed, another length": (lambda: batch_of(b"payload", 8, flags=0), "another length"),
    "a batch of no events": (lambda: Forge().batch(b"before").batch(count=0), "a batch without events"),
    "a tick with a payload": (lambda: Forge().batch(b"before").frame(FrameType.TICK, b"x"), "must be empty"),
    "a tick with events": (lambda: Forge().batch(b"before").frame(FrameType.TICK, count=1), "must be empty"),
    "a seal with a payload": (lambda: Forge().batch(b"before").frame(FrameType.SEAL, b"x"), "must be empty"),
    "a seal with events": (lambda: Forge().batch(b"before").frame(FrameType.SEAL, count=1), "must be empty"),
    "another epoch": (lambda: Forge().batch(b"before").batch(patch={48: b"\x02\x00\x00\x00"}), "of epoch 2"),
    "first seq too low": (lambda: Forge().batch(b"before").batch(patch={24: struct.pack("<Q", 1)}), "begins at seq 1"),
    "first seq too high": (lambda: Forge().batch(b"before").batch(patch={24: b"\xff" * 8}), "begins at seq 1844"),
    "a tick with another seq": (
        lambda: Forge().batch(b"before").frame(FrameType.TICK, patch={24: b"\1" + bytes(7)}),
        "begins at seq 1",
    ),
    "time goes back": (
        lambda: Forge().batch(b"before").batch(patch={40: struct.pack("<Q", T0_MS - 1)}),
        "log time goes back",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_frame_with_wrong_contents_and_right_checksums_is_damage(case: str) -> None:
    make, reason = DAMAGED[case]
    forge = make()
    tracemalloc.start()
    try:
        with pytest.raises(DamagedError, match=reason) as caught:
            forge.read()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (caught.value.path, caught.value.offset, caught.value.seq) == (name(1), forge.starts[1], 2)
    assert peak < layout.MAX_RAW_BYTES, "no lie about a length is believed"


def test_a_frame_before_the_segment_was_created_is_damage() -> None:
    with pytest.raises(DamagedError, match="log time goes back"):
        Forge().batch(patch={40: struct.pack("<Q", T0_MS - 1)}).read()


@pytest.mark.parametrize("second", ["batch", "tick", "seal"])
def test_nothing_follows_a_seal(second: str) -> None:
    forge = Forge().batch().seal()
    with pytest.raises(DamagedError, match="after the seal") as caught:
        {"batch": forge.batch, "tick": forge.tick, "seal": forge.seal}[second]().read()
    assert (caught.value.offset, caught.value.seq) == (forge.starts[2], 2)


@pytest.mark.parametrize("garbage", [b"\0", bytes(512), b"garbage!" * 20, b"SYNF"])
def test_a_sealed_segment_with_garbage_is_damage_also_as_the_last_one(garbage: bytes) -> None:
    """After the seal nothing is ever written, so no interrupted write can be blamed, whatever it looks like."""
    forge = Forge().batch().seal()
    end = len(forge.data)
    forge.data += garbage
    with pytest.raises(DamagedError, match="its segment was complete") as caught:
        forge.read()
    assert caught.value.offset == end


@pytest.mark.parametrize("frame_type", [0, 4, 100, 127])
def test_an_unknown_frame_that_must_be_known_is_of_a_newer_version(frame_type: int) -> None:
    with pytest.raises(NewerFormatError, match=f"frame type {frame_type} is of a newer version"):
        Forge().batch().frame(frame_type, b"from the future").read()


@pytest.mark.parametrize("flags", [2, 3, 128])
def test_unknown_flags_of_a_batch_are_of_a_newer_version(flags: int) -> None:
    with pytest.raises(NewerFormatError, match=f"unknown frame flags {flags}"):
        batch_of(zipped(b"payload"), 7, flags).read()


def test_a_frame_of_another_chain_is_damage_although_its_checksums_are_right() -> None:
    forge = Forge().batch(b"before")
    forge.chain = bytes(16)
    with pytest.raises(DamagedError, match="does not continue the chain") as caught:
        forge.batch(b"after").read()
    assert (caught.value.offset, caught.value.seq) == (forge.starts[1], 2)


def test_a_frame_left_out_breaks_the_chain_even_where_it_held_no_event() -> None:
    forge = Forge().batch(b"a").tick().batch(b"b")
    del forge.data[forge.starts[1] : forge.starts[2]]
    with pytest.raises(DamagedError, match="does not continue the chain"):
        forge.read()


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (Forge(store_id=STORE_ID.__class__(int=5)), "belongs to another store"),
        (Forge(first_seq=2), "it was renamed"),
        (Forge(patch={0: b"PNG"}), "header is damaged"),
    ],
)
def test_a_segment_of_another_store_or_name_is_damage(forge: Forge, reason: str) -> None:
    with pytest.raises(DamagedError, match=reason) as caught:
        SegmentReader(name(1), bytes(forge.data), STORE_ID, is_last=True)
    assert (caught.value.offset, caught.value.seq) == (0, 1)


def test_flips_in_the_padding_change_nothing() -> None:
    """The up to 7 zeros behind a payload are no data, and no checksum covers them."""
    forge = Forge().batch(b"12345").batch(b"b")
    padding = [place for place in range(forge.starts[1] - 7, forge.starts[1]) if forge.data[place] == 0]
    assert padding
    for place in padding:
        forge.data[place] = 0xFF
    assert [frame.payload for frame in forge.read()] == [b"12345", b"b"]


# --- fuzzing -------------------------------------------------------------------------------------------------


def only_typed_errors(data: bytes, *, is_last: bool) -> bool:
    """Read a segment to its end; whether it was whole. Any other error is the test's failure."""
    error: DamagedError | NewerFormatError
    try:
        segment = SegmentReader(name(1), data, STORE_ID, is_last=is_last)
        for _ in segment.frames():
            pass
    except (DamagedError, NewerFormatError) as raised:
        error = raised
    else:
        return segment.torn is None
    assert error.path == name(1)
    if isinstance(error, DamagedError):
        assert error.seq >= 1
        assert error.offset is not None
        assert 0 <= error.offset <= len(data)
    return False


@settings(max_examples=1500, deadline=None)
@given(st.binary(max_size=2000), st.booleans())
def test_any_bytes_as_a_segment(data: bytes, is_last: bool) -> None:
    assert not only_typed_errors(data, is_last=is_last)
    only_typed_errors(bytes(Forge().data) + data, is_last=is_last)
    only_typed_errors(bytes(Forge().batch().data) + data, is_last=is_last)


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_any_frame_with_right_checksums(data: st.DataObject) -> None:
    """Every field of the header and every payload, as an attacker could write them who knows the salt."""
    payload = data.draw(st.one_of(st.binary(max_size=100), st.binary(max_size=100).map(zipped)))
    patch = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                offset: st.binary(min_size=size, max_size=size)
                for offset, size in (
                    (4, 4),
                    (8, 1),
                    (9, 1),
                    (10, 2),
                    (12, 4),
                    (16, 4),
                    (24, 8),
                    (32, 8),
                    (40, 8),
                    (48, 4),
                )
            },
        )
    )
    forge = Forge().batch(b"before").frame(FrameType.BATCH, payload, FLAG_ZSTD, 1, len(payload), patch=patch)
    only_typed_errors(bytes(forge.batch(b"after").data), is_last=data.draw(st.booleans()))


def test_mutated_segments(seed: int) -> None:
    rng = Random(seed)
    original = Forge()
    for number in range(8):
        original.batch(rng.randbytes(rng.randrange(400)), 1 + number % 3)
    original.tick().batch(b"last")
    for _ in range(20_000):
        data = bytearray(original.data)
        for _ in range(rng.randint(1, 4)):
            mutate(data, rng)
        only_typed_errors(bytes(data), is_last=rng.random() < 0.5)


def mutate(data: bytearray, rng: Random) -> None:
    """Overwrite, cut out, double, insert or zero a range."""
    start = rng.randint(0, len(data))
    stop = min(len(data), start + rng.choice((1, 4, 72, 128, 512)))
    match rng.randrange(5):
        case 0:
            data[start:stop] = rng.randbytes(stop - start)
        case 1:
            del data[start:stop]
        case 2:
            data[start:start] = data[start:stop]
        case 3:
            data[start:start] = rng.randbytes(rng.randint(1, 16))
        case _:
            data[start:stop] = bytes(stop - start)


def test_the_salt_keeps_the_frames_of_a_value_from_being_taken_for_frames() -> None:
    """A client cannot read the salt, so it cannot store bytes that pass for a frame of this segment.

    It may happen to store the very bytes of an earlier segment or of another store (a backup of a log, say). Behind a
    tear they are noise; with the right salt, they would be a later frame that proves corruption.
    """
    foreign = Forge(salt=SALT ^ 1).batch(b"x").batch(b"y").tick()
    ours = Forge().batch(b"first").frame(FrameType.BATCH, bytes(foreign.data), 0, 1, len(foreign.data))
    torn = bytes(ours.data[: ours.starts[1] + 72 + len(foreign.data) - 1])
    frames, segment = read_segment(torn)
    assert [frame.payload for frame in frames] == [b"first"]
    assert segment.torn is not None
    assert segment.torn.size == len(torn) - ours.starts[1]
