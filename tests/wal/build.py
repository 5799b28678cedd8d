"""What the tests of the log share: directories that are started and crashed, and segments with wrong contents."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeAlias, cast
from uuid import UUID

import zstandard

from synap.datadir import DataDirectory, open_data_directory
from synap.fs import FileSystem, read_all, write_all
from synap.quarantine import cut_tail
from synap.telemetry import Metrics
from synap.testing import SimulatedFileSystem
from synap.wal import format as layout
from synap.wal.format import FLAG_ZSTD, FrameType, SegmentHeader
from synap.wal.interface import Batch, Frame
from synap.wal.local import LocalLog, LogOptions
from synap.wal.reader import LogEnd, LogReader
from synap.wal.segment import SegmentReader

T0_MS = 1_700_000_000_000
STORE_ID = UUID("6f1b7a52-0c9e-4d5c-9a70-3c2f5b8f1d24")
SALT = 0x5EEDF00D
DATA = Path("/data")
WAL = DATA / "wal"
SEED = 20240229
"""For tests that want some bytes and do not care which. Random tests take the ``seed`` of the command line."""

Events: TypeAlias = tuple[tuple[int, bytes], ...]
"""Batches as the tests compare them: the first sequence number and the payload of each."""


def events(frames: list[Frame]) -> Events:
    return tuple((frame.first_seq, frame.payload) for frame in frames)


def name(first_seq: int) -> Path:
    return WAL / layout.segment_name(first_seq)


# --- a log that is started, written to, and started again ------------------------------------------------


class Started(NamedTuple):
    """What a start found, and the log as it goes on."""

    directory: DataDirectory
    frames: list[Frame]
    end: LogEnd
    log: LocalLog


class Ticking:
    """Log time that moves by a millisecond at each look, and goes on after a restart."""

    def __init__(self, now_ms: int = T0_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        self.now_ms += 1
        return self.now_ms


def recover(directory: DataDirectory) -> tuple[list[Frame], LogEnd]:
    """The durability half of ``synap.recovery.recover``: payloads stay opaque."""
    reader = LogReader(directory.fs, directory.wal_directory, directory.store_id)
    frames = list(reader.frames(1, distrust_cache=True))
    if reader.end.torn is not None:
        cut_tail(directory.fs, reader.end.torn.path, reader.end.torn.offset, directory.quarantine)
    return frames, reader.end


def start(
    fs: FileSystem,
    rng: Random,
    options: LogOptions | None = None,
    *,
    data: Path = DATA,
    now_ms: Callable[[], int] | None = None,
) -> Started:
    """Lock, recover and continue the log of a data directory, as the server does."""
    directory = open_data_directory(fs, data, now_ms=T0_MS, random_bytes=rng.randbytes)
    frames, end = recover(directory)
    log = LocalLog(
        fs,
        directory.wal_directory,
        directory.store_id,
        end,
        now_ms=now_ms or Ticking(max(T0_MS, end.wall_ms)),
        options=options or LogOptions(),
        metrics=Metrics(),
        random_u32=lambda: rng.getrandbits(32),
    )
    return Started(directory, frames, end, log)


def batch_after(log: LocalLog, payload: bytes, count: int = 1, now_ms: int = T0_MS) -> Batch:
    return Batch(payload, count, log.last_seq, now_ms)


async def append(log: LocalLog, *payloads: bytes) -> None:
    for payload in payloads:
        await log.append(batch_after(log, payload))


def read_frames(fs: FileSystem, directory: Path, store_id: UUID) -> list[Frame]:
    """All batches of a log, read without changing anything."""
    return list(LogReader(fs, directory, store_id).frames(1))


# --- a directory of given bytes --------------------------------------------------------------------------


def disk_of(files: dict[Path, bytes]) -> SimulatedFileSystem:
    """A simulated disk on which these files are durable."""
    fs = SimulatedFileSystem()
    for path, content in files.items():
        fs.make_directory(path.parent)
        file = fs.create(path)
        write_all(file, content)
        file.datasync()
        file.close()
        fs.sync_directory(path.parent)
    return fs


def files_of(fs: FileSystem, *directories: Path) -> dict[Path, bytes]:
    """The content of every file in these directories."""
    return {
        place / entry: read_all(fs, place / entry)
        for place in directories
        if fs.exists(place)
        for entry in fs.names(place)
        if not fs.is_directory(place / entry)
    }


def read_segment(data: bytes, first_seq: int = 1, *, is_last: bool = True) -> tuple[list[Frame], SegmentReader]:
    segment = SegmentReader(name(first_seq), data, STORE_ID, is_last=is_last)
    return list(segment.frames()), segment


# --- frames whose checksums are right and whose contents need not be --------------------------------------


def zipped(raw: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1, write_checksum=True, write_content_size=True).compress(raw)


def bomb(declared: int) -> bytes:
    """A zstd frame of a few bytes that claims this content size, in an 8-byte field, with a window as large."""
    return b"\x28\xb5\x2f\xfd" + b"\xe0" + struct.pack("<Q", declared) + b"\x02\x00\x00" + b"a"


class Forge:
    """A segment made frame by frame. Each frame continues the chain; ``patch`` overwrites bytes of a frame's header,
    by their documented offset, before its checksums are computed.
    """

    def __init__(
        self,
        *,
        first_seq: int = 1,
        salt: int = SALT,
        store_id: UUID = STORE_ID,
        epoch: int = 1,
        created_ms: int = T0_MS,
        chain: bytes = layout.CHAIN_START,
        patch: dict[int, bytes] | None = None,
    ) -> None:
        header = SegmentHeader(salt, store_id, epoch, first_seq, created_ms, chain)
        self.data = bytearray(layout.pack_segment_header(header))
        for offset, replacement in (patch or {}).items():
            self.data[offset : offset + len(replacement)] = replacement
        self.data[124:128] = struct.pack("<I", zlib.crc32(self.data[:124], salt))
        self.path = name(first_seq)
        self.salt, self.epoch, self.chain = salt, epoch, chain
        self.next_seq, self.durable_seq, self.wall_ms = first_seq, first_seq - 1, created_ms
        self.starts: list[int] = []

    def batch(self, raw: bytes = b"payload", count: int = 1, *, patch: dict[int, bytes] | None = None) -> "Forge":
        return self.frame(FrameType.BATCH, zipped(raw), FLAG_ZSTD, count, len(raw), patch=patch)

    def tick(self) -> "Forge":
        return self.frame(FrameType.TICK)

    def seal(self) -> "Forge":
        return self.frame(FrameType.SEAL)

    def frame(
        self,
        frame_type: int,
        payload: bytes = b"",
        flags: int = 0,
        count: int = 0,
        raw_length: int = 0,
        *,
        patch: dict[int, bytes] | None = None,
    ) -> "Forge":
        """Append a frame; afterwards every event before it counts as synced."""
        frame, _ = layout.build_frame(
            cast("FrameType", frame_type),
            payload,
            salt=self.salt,
            previous_chain=self.chain,
            flags=flags,
            count=count,
            raw_length=raw_length,
            first_seq=self.next_seq,
            durable_seq=self.durable_seq,
            wall_ms=self.wall_ms,
            epoch=self.epoch,
        )
        forged, self.chain = forge(frame, payload, self.salt, self.chain, patch or {})
        self.starts.append(len(self.data))
        self.data += forged
        self.next_seq += count
        self.durable_seq = self.next_seq - 1
        return self

    def read(self, *, is_last: bool = True) -> list[Frame]:
        segment = SegmentReader(self.path, bytes(self.data), STORE_ID, is_last=is_last)
        return list(segment.frames())


def forge(frame: bytes, payload: bytes, salt: int, chain: bytes, patch: dict[int, bytes]) -> tuple[bytes, bytes]:
    """A frame with bytes of its header replaced and its checksums made right again, and its chain value."""
    changed = bytearray(frame)
    for offset, replacement in patch.items():
        changed[offset : offset + len(replacement)] = replacement
    chain = layout.chain_value(chain, bytes(changed[:52]), payload)
    changed[52:68] = chain
    changed[68:72] = struct.pack("<I", zlib.crc32(changed[:68], salt))
    return bytes(changed), chain
