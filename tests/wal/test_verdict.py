"""Torn or corrupt: the table row by row, then every damage of a catalogue on a segment that ``LocalLog`` wrote.

What no reader can notice, and what these tests therefore do not ask for: a last segment that ends earlier *between*
two frames (or in one, which is then torn) looks like one whose end was never written. Only a snapshot could tell.
"""

from collections.abc import Iterator
from random import Random

import pytest
import zstandard

from synap.errors import DamagedError
from synap.testing import SimulatedFileSystem
from synap.wal import format as layout
from synap.wal.format import FLAG_ZSTD, FrameType
from synap.wal.interface import Batch, Frame
from synap.wal.local import FsyncMode, LogOptions
from synap.wal.segment import SegmentReader
from synap.wal.verdict import SECTOR_BYTES, Suspect, Verdict, judge

from .build import SALT, SEED, STORE_ID, T0_MS, Events, Forge, events, files_of, name, read_segment, start

# --- the table, row by row -----------------------------------------------------------------------------------


def suspect(data: bytes, offset: int, *, seq: int = 1, is_last: bool = True, is_sealed: bool = False) -> Suspect:
    header = layout.unpack_frame_header(data, offset, SALT)
    return Suspect(data, offset, header, SALT, seq, is_last, is_sealed)


def flipped(data: bytes, place: int, mask: int = 1) -> bytes:
    return data[:place] + bytes((data[place] ^ mask,)) + data[place + 1 :]


NOISE = Random(5).randbytes(3000)
"""Does not compress, so its frame lies over seven sectors."""

ONE = bytes(Forge().batch(NOISE).data)
END_OF_ONE = len(ONE) - 7
THEN_DURABLE = bytes(Forge().batch(NOISE).tick().data)
THEN_NOT_DURABLE = bytes(Forge().tick().batch(NOISE).data)
"""The bad frame is the tick at byte 128, which holds no event: what follows was not durable either."""


def zeroed(data: bytes, start: int, stop: int) -> bytes:
    return data[:start] + bytes(stop - start) + data[stop:]


DURABLE = "a later frame says that it was durable"
CLOSED = "its segment was complete when the next one was begun"
ENDS = "the file ends inside it"
SECTOR = "a whole sector of it was never written"
WRONG = "it is complete, but its checksum is wrong"

ROWS: dict[str, tuple[Suspect, Verdict, str]] = {
    # A later valid frame of this segment has durable seq >= s. It outweighs every sign of a tear.
    "payload flipped, later durable": (suspect(flipped(THEN_DURABLE, 300), 128), Verdict.CORRUPT, DURABLE),
    "header flipped, later durable": (suspect(flipped(THEN_DURABLE, 130), 128), Verdict.CORRUPT, DURABLE),
    "sector zeroed, later durable": (suspect(zeroed(THEN_DURABLE, 512, 1024), 128), Verdict.CORRUPT, DURABLE),
    "all of it zeroed, later durable": (suspect(zeroed(THEN_DURABLE, 128, len(ONE)), 128), Verdict.CORRUPT, DURABLE),
    "length lies, later durable": (suspect(flipped(THEN_DURABLE, 132, 0x40), 128), Verdict.CORRUPT, DURABLE),
    "later, but of an earlier seq": (suspect(flipped(THEN_NOT_DURABLE, 129), 128), Verdict.CORRUPT, WRONG),
    # The segment is not the last one, or is sealed.
    "cut, not the last": (suspect(ONE[:-100], 128, is_last=False), Verdict.CORRUPT, CLOSED),
    "cut, sealed": (suspect(ONE[:-100], 128, is_sealed=True), Verdict.CORRUPT, CLOSED),
    "sector zeroed, not the last": (suspect(zeroed(ONE, 512, 1024), 128, is_last=False), Verdict.CORRUPT, CLOSED),
    # The end of the file is inside the frame.
    "one byte": (suspect(ONE[:129], 128), Verdict.TORN, ENDS),
    "ends in the header": (suspect(ONE[:199], 128), Verdict.TORN, ENDS),
    "ends behind the header": (suspect(ONE[:200], 128), Verdict.TORN, ENDS),
    "ends in the payload": (suspect(ONE[:-100], 128), Verdict.TORN, ENDS),
    "only the padding is missing": (suspect(ONE[:-1], 128), Verdict.TORN, ENDS),
    "ends inside, and flipped": (suspect(flipped(ONE[:-100], 300), 128), Verdict.TORN, ENDS),
    # The rest is zeros, or a sector of it is all zero.
    "all zeros": (suspect(zeroed(ONE, 128, len(ONE)), 128), Verdict.TORN, SECTOR),
    "zeros and as long as a header": (suspect(ONE[:128] + bytes(72), 128), Verdict.TORN, SECTOR),
    "zeros in the first sector": (suspect(zeroed(ONE, 128, 512), 128), Verdict.TORN, SECTOR),
    "zeros in one sector": (suspect(zeroed(ONE, 1024, 1536), 128), Verdict.TORN, SECTOR),
    "zeros in the last sector": (suspect(zeroed(ONE, len(ONE) // 512 * 512, len(ONE)), 128), Verdict.TORN, SECTOR),
    "zeros from a sector on": (suspect(zeroed(ONE, 1536, len(ONE)), 128), Verdict.TORN, SECTOR),
    # Complete, no zero sector, nothing durable after it.
    "header flipped": (suspect(flipped(ONE, 130), 128), Verdict.CORRUPT, WRONG),
    "payload flipped": (suspect(flipped(ONE, 300), 128), Verdict.CORRUPT, WRONG),
    "last byte flipped": (suspect(flipped(ONE, END_OF_ONE - 1), 128), Verdict.CORRUPT, WRONG),
    "most of a sector zeroed": (suspect(zeroed(ONE, 1025, 1536), 128), Verdict.CORRUPT, WRONG),
    "a sector's length zeroed across two": (suspect(zeroed(ONE, 700, 1212), 128), Verdict.CORRUPT, WRONG),
}


@pytest.mark.parametrize("case", ROWS)
def test_the_table(case: str) -> None:
    given, verdict, reason = ROWS[case]
    assert judge(given) == (verdict, reason)


def test_zeros_in_the_padding_are_no_missing_sector() -> None:
    """A payload that ends where a sector does, so that the next sector would hold nothing but padding."""
    for length in range(512 - 200 - 8, 512 - 200 + 1):
        forge = Forge().frame(FrameType.BATCH, NOISE[:length], 0, 1, length)
        data = flipped(bytes(forge.data), 210)
        assert judge(suspect(data, 128)) == (Verdict.CORRUPT, WRONG), length


def test_a_value_with_a_frame_of_another_salt_does_not_make_a_tear_corruption() -> None:
    inner = bytes(Forge(salt=SALT + 1).batch(b"x").tick().data)
    forge = Forge().frame(FrameType.BATCH, inner + NOISE, 0, 1, len(inner + NOISE))
    torn = bytes(forge.data[:-100])
    assert judge(suspect(torn, 128)) == (Verdict.TORN, ENDS)


def test_a_value_with_a_copy_of_an_earlier_frame_does_not_either() -> None:
    """Who can read the disk can copy a frame with its salt; but an earlier frame was built before this event was."""
    forge = Forge().batch(b"x").tick().batch(b"y")
    earlier = bytes(forge.data[128:])
    forge.frame(FrameType.BATCH, earlier + NOISE, 0, 1, len(earlier + NOISE))
    torn = bytes(forge.data[:-100])
    place = torn.index(earlier, forge.starts[3])
    assert place % layout.FRAME_ALIGNMENT == 0
    assert layout.unpack_frame_header(torn, place, SALT) is not None, "it passes for a frame"
    assert judge(suspect(torn, forge.starts[3], seq=3)) == (Verdict.TORN, ENDS)


def test_who_knows_the_salt_could_make_a_tear_look_like_corruption() -> None:
    """The limit of the salt, and why it must never leave the machine. No data is lost: the server refuses to start."""
    lie = bytes(Forge().batch(b"x", 100).tick().data[128:])
    forge = Forge().frame(FrameType.BATCH, lie + NOISE, 0, 1, len(lie + NOISE))
    assert judge(suspect(bytes(forge.data[:-100]), 128)) == (Verdict.CORRUPT, DURABLE)


def test_a_magic_that_is_not_where_a_frame_can_be_is_passed_over() -> None:
    later = bytes(Forge().batch(b"x", 100).tick().data[128:])
    data = ONE[:128] + b"?" * 73 + later
    assert judge(suspect(data, 128)) == (Verdict.CORRUPT, WRONG)
    assert judge(suspect(ONE[:128] + b"?" * 80 + later, 128)) == (Verdict.CORRUPT, DURABLE)


def test_bit_rot_in_the_last_frame_of_a_value_with_zeros_passes_for_a_tear() -> None:
    """The known limit of the fourth row. zstd leaves a value as it is that it cannot shrink, zeros included.

    It takes such a value, in the last frame of all, not yet followed by a tick, and rot there. What is cut is kept.
    """
    value = Random(1).randbytes(60_000) + bytes(1100) + Random(2).randbytes(60_000)
    payload = zstandard.ZstdCompressor(level=1, write_checksum=True, write_content_size=True).compress(value)
    forge = Forge().frame(FrameType.BATCH, payload, FLAG_ZSTD, 1, len(value))
    assert forge.read()[0].payload == value
    assert judge(suspect(flipped(bytes(forge.data), 300), 128)) == (Verdict.TORN, SECTOR)
    ticked = flipped(bytes(forge.tick().data), 300)
    assert judge(suspect(ticked, 128)) == (Verdict.CORRUPT, DURABLE)


# --- the catalogue: every damage to a real segment ------------------------------------------------------------


class Real:
    """A segment as ``LocalLog`` wrote it, where its frames begin, and the batches that end at each place."""

    def __init__(self, data: bytes, salt: int) -> None:
        self.data = data
        self.starts: list[int] = []
        self.headers: list[layout.FrameHeader] = []
        offset = layout.SEGMENT_HEADER_BYTES
        while offset < len(data):
            header = layout.unpack_frame_header(data, offset, salt)
            assert header is not None
            self.starts.append(offset)
            self.headers.append(header)
            offset += layout.frame_bytes(header)
        frames, _ = read_segment(data)
        self.events = events(frames)

    def frame_at(self, place: int) -> int:
        """The number of the frame that this byte belongs to."""
        return max(number for number, start in enumerate(self.starts) if start <= place)

    def is_padding(self, place: int) -> bool:
        number = self.frame_at(place)
        return place >= self.starts[number] + layout.FRAME_HEADER_BYTES + self.headers[number].payload_length

    def events_before(self, place: int) -> Events:
        """The batches of the frames that end at or before this byte."""
        ends = [*self.starts[1:], len(self.data)]
        whole = [header for header, end in zip(self.headers, ends, strict=True) if end <= place]
        return self.events[: sum(header.type == FrameType.BATCH for header in whole)]


async def real_segment(*, ticked: bool, mode: FsyncMode = FsyncMode.ALWAYS) -> Real:
    rng = Random(SEED)
    fs = SimulatedFileSystem()
    _, _, _, log = start(fs, rng, LogOptions(fsync_mode=mode))
    seq = 0
    for size in (0, 1, 30, 700, 2000, 5, 1100):
        await log.append(Batch(rng.randbytes(size), 2, seq, T0_MS + seq))
        seq += 2
    if ticked:
        log._tick(T0_MS + 100)
    data = files_of(fs, name(1).parent)[name(1)]
    return adopted(data)


def adopted(data: bytes) -> Real:
    """The segment with the store id of these tests, so that it can be read without its directory."""
    header = layout.unpack_segment_header(data)
    assert header is not None
    forge = Forge(salt=header.salt, created_ms=header.created_ms)
    return Real(bytes(forge.data) + data[layout.SEGMENT_HEADER_BYTES :], header.salt)


def read_as_far_as_possible(data: bytes, *, is_last: bool = True) -> tuple[Events, SegmentReader | DamagedError]:
    """The batches, and either the reader at its end or the damage that stopped it."""
    frames: list[Frame] = []
    try:
        segment = SegmentReader(name(1), data, STORE_ID, is_last=is_last)
        frames.extend(segment.frames())
    except DamagedError as damage:
        return events(frames), damage
    return events(frames), segment


async def test_every_truncation_of_the_last_segment_is_torn_or_clean() -> None:
    real = await real_segment(ticked=True)
    boundaries = {*real.starts, len(real.data)}
    for length in range(layout.SEGMENT_HEADER_BYTES, len(real.data) + 1):
        found, outcome = read_as_far_as_possible(real.data[:length])
        assert isinstance(outcome, SegmentReader), f"cut to {length}: {outcome}"
        assert found == real.events_before(length), f"cut to {length}"
        assert (outcome.torn is None) == (length in boundaries), f"cut to {length}"
        if outcome.torn is not None:
            begin = max(place for place in real.starts if place < length)
            assert (outcome.torn.offset, outcome.torn.size) == (begin, length - begin)


async def test_every_truncation_of_an_earlier_or_sealed_segment_is_corrupt_or_breaks_the_link() -> None:
    real = await real_segment(ticked=True)
    for length in range(layout.SEGMENT_HEADER_BYTES, len(real.data)):
        found, outcome = read_as_far_as_possible(real.data[:length], is_last=False)
        assert found == real.events_before(length)
        if isinstance(outcome, SegmentReader):
            assert length in real.starts, f"cut to {length}"
            _, whole = read_segment(real.data)
            assert outcome.chain != whole.chain, "the next segment shows that frames are missing"


@pytest.mark.parametrize("ticked", [True, False])
async def test_every_single_bit_flip_is_corrupt(ticked: bool) -> None:
    """Also in the last frame that no later one covers: a flip leaves no sector of zeros behind."""
    real = await real_segment(ticked=ticked)
    corrupt = harmless = 0
    for place in range(len(real.data)):
        padding = place >= real.starts[0] and real.is_padding(place)
        for bit in range(8):
            found, outcome = read_as_far_as_possible(flipped(real.data, place, 1 << bit))
            if padding:
                assert isinstance(outcome, SegmentReader)
                assert (found, outcome.torn) == (real.events, None)
                harmless += 1
                continue
            assert isinstance(outcome, DamagedError), f"bit {bit} of byte {place} was accepted"
            if place >= real.starts[0]:
                number = real.frame_at(place)
                assert outcome.offset == real.starts[number]
                assert outcome.seq == real.headers[number].first_seq
                assert found == real.events_before(real.starts[number])
            corrupt += 1
    assert corrupt > 8 * 4500
    assert harmless < 8 * 7 * len(real.starts)


def sector_ranges(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Every run of whole sectors that touches the range, cut to it."""
    first, last = start // SECTOR_BYTES, -(-stop // SECTOR_BYTES)
    for begin in range(first, last):
        for end in range(begin + 1, last + 1):
            yield max(start, begin * SECTOR_BYTES), min(stop, end * SECTOR_BYTES)


@pytest.mark.parametrize("mode", FsyncMode)
async def test_zeroed_sectors_of_the_unsynced_last_frame_are_torn(mode: FsyncMode) -> None:
    real = await real_segment(ticked=False, mode=mode)
    last = real.starts[-1]
    ranges = list(sector_ranges(last, len(real.data)))
    assert len(ranges) >= 6
    for begin, stop in ranges:
        found, outcome = read_as_far_as_possible(zeroed(real.data, begin, stop))
        assert isinstance(outcome, SegmentReader), f"zeros from {begin} to {stop}: {outcome}"
        assert outcome.torn is not None
        assert outcome.torn.offset == last
        assert found == real.events[:-1]


async def test_zeroed_sectors_of_durable_frames_are_corrupt() -> None:
    real = await real_segment(ticked=True)
    last = real.starts[-1]
    for begin, stop in sector_ranges(real.starts[0], last):
        found, outcome = read_as_far_as_possible(zeroed(real.data, begin, stop))
        assert isinstance(outcome, DamagedError), f"zeros from {begin} to {stop}"
        assert found == real.events_before(real.starts[real.frame_at(begin)])


async def test_noisy_ranges_are_corrupt_where_later_frames_are_whole(seed: int) -> None:
    real = await real_segment(ticked=True)
    rng = Random(seed)
    for _ in range(1500):
        begin = rng.randrange(layout.SEGMENT_HEADER_BYTES, real.starts[-1])
        stop = rng.randint(begin + 1, real.starts[-1])
        noise = rng.randbytes(stop - begin)
        damaged = real.data[:begin] + noise + real.data[stop:]
        found, outcome = read_as_far_as_possible(damaged)
        changed = [
            place for place in range(begin, stop) if damaged[place] != real.data[place] and not real.is_padding(place)
        ]
        if not changed:
            assert found == real.events
        else:
            assert isinstance(outcome, DamagedError), f"noise from {begin} to {stop}"
            assert found == real.events_before(real.starts[real.frame_at(changed[0])])


async def test_noise_in_the_last_frame_is_never_accepted(seed: int) -> None:
    """Corrupt, or (hardly ever) torn, where the noise leaves zeros: no later frame says that it was durable."""
    real = await real_segment(ticked=False)
    rng = Random(seed)
    for _ in range(2000):
        begin = rng.randrange(real.starts[-1], len(real.data) - 8)
        stop = rng.randint(begin + 1, len(real.data) - 8)
        damaged = real.data[:begin] + rng.randbytes(stop - begin) + real.data[stop:]
        found, outcome = read_as_far_as_possible(damaged)
        assert found == real.events[:-1] or damaged == real.data
        assert isinstance(outcome, DamagedError) or outcome.torn is not None or damaged == real.data


# --- negative controls ---------------------------------------------------------------------------------------


async def test_the_catalogue_notices_when_checksums_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(data: bytes, offset: int, salt: int) -> layout.FrameHeader | None:
        del salt
        if len(data) - offset < layout.FRAME_HEADER_BYTES or data[offset : offset + 4] != layout.FRAME_MAGIC:
            return None
        fields = layout._FRAME_HEADER.unpack_from(data, offset)
        return layout.FrameHeader(*fields[1:4], *fields[5:])

    monkeypatch.setattr(layout, "unpack_frame_header", trusting)
    monkeypatch.setattr(layout, "chain_value", lambda *_: b"trusted".ljust(16))
    monkeypatch.setattr(
        SegmentReader, "_payload", lambda self, header: self._data[self.offset + 72 :][: header.payload_length]
    )
    with pytest.raises(AssertionError, match="was accepted"):
        await test_every_single_bit_flip_is_corrupt(ticked=True)


def test_a_missing_frame_goes_unnoticed_when_the_chain_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    forge = Forge().batch(b"a").tick().batch(b"b")
    del forge.data[forge.starts[1] : forge.starts[2]]
    _, outcome = read_as_far_as_possible(bytes(forge.data))
    assert isinstance(outcome, DamagedError)
    monkeypatch.setattr(
        SegmentReader, "_payload", lambda self, header: self._data[self.offset + 72 :][: header.payload_length]
    )
    found, outcome = read_as_far_as_possible(bytes(forge.data))
    assert found == ((1, b"a"), (2, b"b"))
    assert isinstance(outcome, SegmentReader)
