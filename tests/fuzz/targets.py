"""The decoders, what valid files they are given to begin with, and what may come of a file that is not valid any more.

A mutant is made on one of three levels:

=============  =================================================================================================
``bytes``      the file was damaged. Nothing but what was written may come of it
``repaired``   and whoever did it made the checksums right again, as far as the file can still be followed
``contents``   what lies under compression and checksums was changed, and all around it is right
=============  =================================================================================================

On the last two levels other things than were written may come out, but only what could have been written.
"""

import struct
import zlib
from abc import ABC, abstractmethod
from pathlib import Path
from random import Random
from typing import NamedTuple

import zstandard
from msgspec import structs

from synap.cbor import decode_rows, encode_rows
from synap.codec import decode_events, encode_events
from synap.datadir import StoreFile, pack_store_file, read_store_file
from synap.errors import CodecError, DamagedError, DataDirectoryError, NewerFormatError, NotOursError, SynapError
from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.rows import row_decoder
from synap.snapshot.format import Row
from synap.wal import format as log_layout
from synap.wal.format import FLAG_ZSTD, FrameType
from synap.wal.interface import Frame
from synap.wal.segment import SegmentReader
from tests.snapshot import build as snapshots
from tests.wal.build import DATA, STORE_ID, T0_MS, Forge, bomb, disk_of, name, zipped

from .mutations import hostile_number, mutated

LEVELS = ("bytes", "repaired", "contents")
TYPED = (DamagedError, NewerFormatError, NotOursError, CodecError)

_unzip = zstandard.ZstdDecompressor()


class Mutant(NamedTuple):
    """A file that was changed on one of the levels, and which of the originals it was.

    ``seed`` is for what else is chosen when it is read.
    """

    data: bytes
    level: str
    origin: int
    seed: int = 0


class Target(ABC):
    """A decoder. ``originals`` are the valid files that mutants are made of; ``path`` is what errors must name."""

    path: Path | None = None

    def __init__(self) -> None:
        self.originals: list[bytes] = []

    def mutant(self, rng: Random) -> Mutant:
        """Another file for each state of the random numbers."""
        origin = rng.randrange(len(self.originals))
        level = rng.choice(LEVELS)
        if level == "contents":
            data = self.with_other_contents(origin, rng)
        else:
            data = mutated(self.originals[origin], rng, self.originals)
        return Mutant(self.repaired(data) if level == "repaired" else data, level, origin, rng.getrandbits(32))

    def check(self, mutant: Mutant) -> bool:
        """Decode a mutant; whether something came of it. Whatever must not be is an ``AssertionError``."""
        try:
            self.decode(mutant)
        except TYPED as error:
            self._check_error(error, mutant)
            return False
        return True

    def _check_error(self, error: SynapError, mutant: Mutant) -> None:
        """It names the file and a place in it. Only a lying index can name one that is not there."""
        if isinstance(error, DataDirectoryError):
            assert error.path == self.path, error
        if isinstance(error, DamagedError):
            furthest = len(mutant.data) if mutant.level == "bytes" else 2**64 - 1
            assert error.offset is None or 0 <= error.offset <= furthest, error
            assert 0 <= error.seq < 2**65, error

    @abstractmethod
    def with_other_contents(self, origin: int, rng: Random) -> bytes:
        """A file whose structure is right."""

    @abstractmethod
    def repaired(self, data: bytes) -> bytes:
        """The bytes with checksums that are right as far as they can be followed."""

    @abstractmethod
    def decode(self, mutant: Mutant) -> None:
        """As ``check``; the typed errors come out."""


def random_events(rng: Random, count: int) -> list[Event]:
    def event() -> Event:
        key = b"session:%d" % rng.randrange(1000)
        return rng.choice(
            (
                EntrySet(key, rng.randrange(3), rng.randbytes(rng.randrange(60)), rng.choice((None, T0_MS))),
                EntryDeleted(key),
                PrefixDeleted(key[:9]),
                DeadlineSet(key, rng.choice((None, T0_MS + 5))),
                EntryExpired(key),
                EntryEvicted(key),
            )
        )

    return [event() for _ in range(count)]


# --- what is in a batch --------------------------------------------------------------------------------------


class Payloads(Target):
    """The events of a batch, which no checksum of their own protects."""

    def __init__(self) -> None:
        super().__init__()
        rng = Random(1)
        self.originals = [encode_events(random_events(rng, count)) for count in (0, 1, 1, 2, 5, 40)]

    def with_other_contents(self, origin: int, rng: Random) -> bytes:
        return mutated(self.originals[origin], rng, [bytes((rng.randrange(256),)) * 8])

    def repaired(self, data: bytes) -> bytes:
        return data

    def decode(self, mutant: Mutant) -> None:
        events = decode_events(mutant.data)
        assert all(isinstance(event, Event) for event in events)
        assert decode_rows(mutant.data, list[Event]) == events, "the reference makes something else of it"
        # A longer form of a number is let pass; there is no other way for the bytes to be others.
        payload = encode_events(events)
        assert decode_events(payload) == events
        assert len(payload) <= len(mutant.data)


class Blocks(Target):
    """The entries of a block, without compression and checksums around them."""

    def __init__(self) -> None:
        super().__init__()
        rng = Random(4)
        self.originals = [encode_rows(snapshots.random_rows(rng, count, 40)) for count in (0, 1, 2, 5, 40)]
        self.decoder = row_decoder(list[Row])

    def with_other_contents(self, origin: int, rng: Random) -> bytes:
        return mutated(self.originals[origin], rng, [bytes((rng.randrange(256),)) * 8])

    def repaired(self, data: bytes) -> bytes:
        return data

    def decode(self, mutant: Mutant) -> None:
        rows = self.decoder(mutant.data)
        assert all(map(_is_possible, rows))
        assert decode_rows(mutant.data, list[Row]) == rows, "the reference makes something else of it"
        assert len(encode_rows(rows)) <= len(mutant.data)


# --- STORE ---------------------------------------------------------------------------------------------------


class StoreFiles(Target):
    """The file that makes a directory a store."""

    path = DATA / "STORE"

    def __init__(self) -> None:
        super().__init__()
        self.stores = [StoreFile(STORE_ID, T0_MS), StoreFile(STORE_ID, 0), StoreFile(STORE_ID, 2**64 - 1)]
        self.originals = [pack_store_file(store) for store in self.stores]

    def with_other_contents(self, origin: int, rng: Random) -> bytes:
        data = bytearray(self.originals[origin])
        offset, size = rng.choice(((8, 2), (10, 2), (12, 4), (16, 16), (32, 8), (40, 20)))
        data[offset : offset + size] = rng.choice((rng.randbytes(size), hostile_number(rng, size)))
        return self.repaired(bytes(data))

    def repaired(self, data: bytes) -> bytes:
        return data[:60] + struct.pack("<I", zlib.crc32(data[:60])) + data[64:]

    def decode(self, mutant: Mutant) -> None:
        assert self.path is not None
        store = read_store_file(disk_of({self.path: mutant.data}), self.path)
        assert store is not None
        if mutant.level == "bytes":
            assert mutant.data in self.originals, "it was changed, and believed"
            assert store == self.stores[self.originals.index(mutant.data)]
        assert len(mutant.data) == 64
        assert mutant.data.startswith(b"\x89SYNSTR\n")
        assert struct.pack("<Q", store.created_ms) == mutant.data[32:40]


# --- segments ------------------------------------------------------------------------------------------------

FRAME_FIELDS = ((0, 4), (4, 4), (8, 1), (9, 1), (10, 2), (12, 4), (16, 4), (24, 8), (32, 8), (40, 8), (48, 4))
SEGMENT_FIELDS = ((0, 8), (8, 2), (10, 2), (12, 4), (16, 4), (24, 16), (40, 8), (48, 8), (56, 8), (64, 16), (80, 16))


class Segments(Target):
    """A segment, and the events in it."""

    path = name(1)

    def __init__(self) -> None:
        super().__init__()
        rng = Random(2)
        self.batches = [[random_events(rng, rng.randint(1, 12)) for _ in range(count)] for count in (1, 4, 12)]
        self.batches[2][5] = [EntrySet(b"large", 2, rng.randbytes(3000), None)]
        forges = [self._forge(batches, Forge(salt=rng.getrandbits(32))) for batches in self.batches]
        self.originals = [bytes(forge.data) for forge in forges]
        self.headers = [log_layout.unpack_segment_header(data) for data in self.originals]
        self.frames = [forge.read() for forge in forges]
        # Where a segment may end without anybody noticing, and the chain value that it has there.
        self.ends = [self._chain_at_each_end(data) for data in self.originals]

    def with_other_contents(self, origin: int, rng: Random) -> bytes:
        batches = self.batches[origin]
        chosen = rng.randrange(len(batches))
        fields = rng.choice(FRAME_FIELDS)
        patch = {fields[0]: hostile_number(rng, fields[1])} if rng.random() < 0.5 else {}
        head = rng.choice(SEGMENT_FIELDS)
        forge = Forge(patch={head[0]: rng.randbytes(head[1])} if rng.random() < 0.1 else {})
        for number, events in enumerate(batches):
            raw = encode_events(events)
            if number != chosen:
                forge.batch(raw, len(events))
            elif patch:
                forge.batch(raw, len(events), patch=patch)
            else:
                payload, raw_length = other_payload(raw, rng)
                said = {16: struct.pack("<I", raw_length)}
                forge.frame(FrameType.BATCH, payload, FLAG_ZSTD, len(events), patch=said)
        return bytes(forge.data)

    def repaired(self, data: bytes) -> bytes:
        fixed = bytearray(data)
        if len(fixed) < 128:
            return data
        salt = int.from_bytes(fixed[20:24], "little")
        fixed[124:128] = struct.pack("<I", zlib.crc32(fixed[:124], salt))
        offset, chain = 128, bytes(fixed[64:80])
        while 0 <= offset <= len(fixed) - 72:
            length = int.from_bytes(fixed[offset + 4 : offset + 8], "little")
            payload = bytes(fixed[offset + 72 : offset + 72 + length])
            fixed[offset + 20 : offset + 24] = struct.pack("<I", zlib.crc32(payload, salt))
            chain = log_layout.chain_value(chain, bytes(fixed[offset : offset + 52]), payload)
            fixed[offset + 52 : offset + 68] = chain
            fixed[offset + 68 : offset + 72] = struct.pack("<I", zlib.crc32(fixed[offset : offset + 68], salt))
            following = offset + log_layout.padded(72 + length)
            # Behind a length that cannot be, whatever looks like a frame is taken for one.
            offset = following if following <= len(fixed) else fixed.find(b"SYNF", offset + 72)
        return bytes(fixed)

    def decode(self, mutant: Mutant) -> None:
        is_last = Random(mutant.seed).random() < 0.6
        segment = SegmentReader(self.path, mutant.data, STORE_ID, is_last=is_last)
        frames = list(segment.frames())
        if segment.torn is not None:
            assert is_last, "only the last segment can be torn"
            assert segment.torn.offset == segment.offset < len(mutant.data)
            assert segment.torn.size == len(mutant.data) - segment.offset
        else:
            assert segment.offset == len(mutant.data)
        if mutant.level == "bytes":
            # A part of what was written, from the beginning, up to the end or where it is torn.
            assert segment.header in self.headers, "it was changed, and believed"
            assert frames in [written[: len(frames)] for written in self.frames], "it was changed, and believed"
            assert any(ends.get(segment.offset) == segment.chain for ends in self.ends), "it ends where nothing ended"
        self._check_possible(frames, segment)

    def _check_possible(self, frames: list[Frame], segment: SegmentReader) -> None:
        """They follow each other, and hold events or what says that it holds none."""
        next_seq, wall_ms = segment.header.first_seq, segment.header.created_ms
        for frame in frames:
            assert frame.count > 0
            assert frame.first_seq == next_seq
            assert frame.wall_ms >= wall_ms
            assert len(frame.payload) <= log_layout.MAX_RAW_BYTES
            next_seq, wall_ms = frame.first_seq + frame.count, frame.wall_ms
        assert segment.next_seq == next_seq
        for frame in frames:
            decode_events(frame.payload)

    @staticmethod
    def _forge(batches: list[list[Event]], forge: Forge) -> Forge:
        for number, events in enumerate(batches):
            forge.wall_ms += number
            forge.batch(encode_events(events), len(events))
            if number % 5 == 2:
                forge.tick()
        return forge

    @staticmethod
    def _chain_at_each_end(data: bytes) -> dict[int, bytes]:
        header = log_layout.unpack_segment_header(data)
        assert header is not None
        ends, offset = {128: header.chain}, 128
        while offset < len(data):
            frame = log_layout.unpack_frame_header(data, offset, header.salt)
            assert frame is not None
            offset += log_layout.frame_bytes(frame)
            ends[offset] = frame.chain
        return ends


def other_payload(raw: bytes, rng: Random) -> tuple[bytes, int]:
    """A payload made of this one, and the length that is said to be behind it."""
    match rng.randrange(8):
        case 0:
            payload = mutated(zipped(raw), rng, [zipped(raw)])
            return payload, len(raw)
        case 1:
            declared = rng.choice((1 << 20, 50_000_000, 1 << 32, 1 << 42, 2**64 - 1))
            return bomb(declared), min(declared, rng.choice((100, 2**32 - 1, 1 << 20)))
        case 2:
            return zipped(raw), int.from_bytes(hostile_number(rng, 4), "little") % log_layout.MAX_RAW_BYTES
        case _:
            changed = mutated(raw, rng, [raw, encode_events(random_events(rng, 3))])
            return zipped(changed), len(changed)


# --- snapshots -----------------------------------------------------------------------------------------------

BLOCK_FIELDS = ((0, 4), (4, 4), (8, 4), (12, 4), (16, 8), (24, 4))
FOOTER_FIELDS = ((0, 8), (8, 8), (16, 8), (24, 8), (32, 8), (40, 16), (56, 36))
HEADER_FIELDS = ((0, 8), (8, 2), (10, 2), (12, 4), (16, 4), (24, 16), (40, 8), (48, 8), (56, 8), (64, 16), (80, 44))


class Snapshots(Target):
    """A snapshot, read as a whole and key by key."""

    path = snapshots.PATH

    def __init__(self) -> None:
        super().__init__()
        rng = Random(3)
        long_keys = [snapshots.entry(b"k" * 70 + b"%02d" % number) for number in range(30)]
        self.rows = [[], snapshots.random_rows(rng, 3, 20), snapshots.random_rows(rng, 40, 60), long_keys]
        headers = [structs.replace(snapshots.HEADER, salt=rng.getrandbits(32)) for _ in self.rows]
        self.blocks = [_in_blocks(rows, 7) for rows in self.rows]
        self.originals = []
        for header, blocks in zip(headers, self.blocks, strict=True):
            forge = snapshots.Forge(header=header)
            for block in blocks:
                forge.block(*block)
            self.originals.append(forge.finish())

    def with_other_contents(self, origin: int, rng: Random) -> bytes:
        blocks = self.blocks[origin]
        chosen = rng.randrange(len(blocks) + 3)
        forge = snapshots.Forge(patch=_patch(HEADER_FIELDS, rng) if chosen == len(blocks) + 2 else None)
        for number, block in enumerate(blocks):
            if number != chosen:
                forge.block(*block)
                continue
            match rng.randrange(3):
                case 0:
                    forge.block(*block, patch=_patch(BLOCK_FIELDS, rng))
                case 1:
                    forge.block(*_other_rows(block, rng))
                case _:
                    payload, raw_length = other_payload(encode_rows(block), rng)
                    forge.zipped_block(payload, raw_length, len(block))
        if chosen != len(blocks):
            forge.index()
        elif rng.random() < 0.5:
            forge.index(patch=_patch(BLOCK_FIELDS, rng))
        else:
            payload, raw_length = other_payload(encode_rows(forge.true_index), rng)
            forge.zipped_index(payload, raw_length, len(forge.true_index))
        return forge.footer(patch=_patch(FOOTER_FIELDS, rng) if chosen == len(blocks) + 1 else None)

    def repaired(self, data: bytes) -> bytes:
        fixed = bytearray(data)
        if len(fixed) < 128 + 96:
            return data
        salt = int.from_bytes(fixed[20:24], "little")
        fixed[124:128] = struct.pack("<I", zlib.crc32(fixed[:124], salt))
        end = len(fixed) - 96
        fixed[end + 92 :] = struct.pack("<I", zlib.crc32(fixed[end : end + 92], salt))
        offset = 128
        while 0 <= offset <= end - 32:
            length = int.from_bytes(fixed[offset + 4 : offset + 8], "little")
            payload = fixed[offset + 32 : min(end, offset + 32 + length)]
            fixed[offset + 24 : offset + 28] = struct.pack("<I", zlib.crc32(payload, salt))
            fixed[offset + 28 : offset + 32] = struct.pack("<I", zlib.crc32(fixed[offset : offset + 28], salt))
            following = offset + 32 + length
            # Behind a length that cannot be, whatever looks like a block is taken for one.
            offset = following if following <= end else fixed.find(b"SYN", offset + 32)
        return bytes(fixed)

    def decode(self, mutant: Mutant) -> None:
        keys = self._keys(mutant)
        with snapshots.opened(mutant.data) as reader:
            found = [reader.find(key) for key in keys]
            if mutant.level == "bytes":
                written = [None, *[row for rows in self.rows for row in rows]]
                assert all(row in written for row in found), "an entry is found that was never written"
            rows = list(reader.rows())
            by_key = {row[0]: row for row in rows}
            assert [reader.find(key) for key in keys] == [by_key.get(key) for key in keys], "it is found otherwise"
            assert found == [by_key.get(key) for key in keys]
            assert (reader.bytes_read, reader.footer.entry_count) == (len(mutant.data), len(rows))
        if mutant.level == "bytes":
            assert mutant.data in self.originals, "it was changed, and believed"
            assert rows == self.rows[self.originals.index(mutant.data)]
        assert [row[0] for row in rows] == sorted(by_key)
        assert all(map(_is_possible, rows))

    def _keys(self, mutant: Mutant) -> list[bytes]:
        rng, rows = Random(mutant.seed), self.rows[mutant.origin]
        return [rng.randbytes(3), b"", *[row[0] for row in rng.sample(rows, min(3, len(rows)))]]


def _other_rows(block: list[Row], rng: Random) -> list[Row]:
    """Rows that are rows, of which one is moved, doubled or left out, or has another field."""
    rows = list(block)
    place, other = rng.randrange(len(rows)), rng.randrange(len(rows))
    key, kind, value, deadline_ms, version = rows[place]
    match rng.randrange(7):
        case 0:
            rows[place], rows[other] = rows[other], rows[place]
        case 1:
            rows.insert(other, rows[place])
        case 2 if len(rows) > 1:
            del rows[place]
        case 3:
            rows[place] = (mutated(key, rng, [key]), kind, value, deadline_ms, version)
        case 4:
            rows[place] = (key, kind, value + b"!", deadline_ms, version)
        case 5:
            rows[place] = (key, kind, value, rng.choice((-1, 0, 2**53, 2**53 + 1)), version)
        case _:
            rows[place] = (key, rng.choice((-1, 2, 3)), value, deadline_ms, rng.choice((0, 1, 2**64 - 1, 2**64)))
    return rows


def _is_possible(row: Row) -> bool:
    """Whether a state could hold this entry."""
    _, kind, _, deadline_ms, version = row
    return 0 <= kind <= 2 and version >= 1 and (deadline_ms is None or 0 <= deadline_ms <= 2**53)


def _in_blocks(rows: list[Row], count: int) -> list[list[Row]]:
    return [rows[start : start + count] for start in range(0, len(rows), count)]


def _patch(fields: tuple[tuple[int, int], ...], rng: Random) -> dict[int, bytes]:
    offset, size = rng.choice(fields)
    return {offset: rng.choice((rng.randbytes(size), hostile_number(rng, size)))}
