"""Servers with one protection taken out: ``python saboteur.py SABOTAGE serve ...``.

Each of them answers like the real one as long as nothing happens. The tests must tell them apart from it, or they
prove nothing.
"""

import itertools
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import trio
import zstandard

from synap import cli, fold_process, recovery, snapshotter
from synap.clock import LogClock
from synap.codec import decode_events, encode_events
from synap.events import EntrySet, Event
from synap.fs import RealFile, RealFileSystem
from synap.snapshotter import Snapshotter
from synap.wal import writer
from synap.wal.format import FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader
from synap.wal.interface import Batch
from synap.wal.local import LocalLog
from synap.wal.segment import SegmentReader
from synap.wal.thread import OwnThread


def acknowledge_first() -> None:
    """Hold every frame back until there is another, as a buffer would."""
    write_now, close_now = RealFile.write, RealFile.close
    held: dict[RealFile, bytes] = {}

    def write(self: RealFile, data: bytes | memoryview) -> int:
        if bytes(data[: len(FRAME_MAGIC)]) != FRAME_MAGIC:
            return write_now(self, data)
        if before := held.pop(self, b""):
            write_now(self, before)
        held[self] = bytes(data)
        return len(data)

    def close(self: RealFile) -> None:
        if last := held.pop(self, b""):
            write_now(self, last)
        close_now(self)

    RealFile.write, RealFile.close = write, close  # type: ignore[method-assign]


def write_behind() -> None:
    """Keep every frame in memory until the segment is closed."""
    write_now, close_now = RealFile.write, RealFile.close
    held: dict[RealFile, list[bytes]] = {}

    def write(self: RealFile, data: bytes | memoryview) -> int:
        if bytes(data[: len(FRAME_MAGIC)]) != FRAME_MAGIC:
            return write_now(self, data)
        held.setdefault(self, []).append(bytes(data))
        return len(data)

    def close(self: RealFile) -> None:
        for frame in held.pop(self, []):
            write_now(self, frame)
        close_now(self)

    RealFile.write, RealFile.close = write, close  # type: ignore[method-assign]


def split_requests() -> None:
    """Log each event of a batch in a frame of its own."""
    append_whole = LocalLog.append

    async def append(self: LocalLog, batch: Batch) -> int:
        for number, event in enumerate(decode_events(batch.payload)):
            await append_whole(self, Batch(encode_events([event]), 1, batch.after_seq + number, batch.now_ms))
        return batch.after_seq + 1

    LocalLog.append = append  # type: ignore[method-assign]


def longer_lives() -> None:
    """Count every time to live anew from the restart, more or less."""

    def decode(payload: bytes) -> list[Event]:
        return [_with_longer_life(event) for event in decode_events(payload)]

    recovery.decode_events = decode  # type: ignore[attr-defined]


def _with_longer_life(event: Event) -> Event:
    if isinstance(event, EntrySet) and event.deadline_ms is not None:
        return EntrySet(event.key, event.kind, event.value, event.deadline_ms + 5_000)
    return event


def check_nothing() -> None:
    """Write no checksums inside frames, and believe every frame that is read."""

    def payload(self: SegmentReader, header: FrameHeader) -> bytes:
        start = self.offset + FRAME_HEADER_BYTES
        return self._data[start : start + header.payload_length]

    SegmentReader._payload = payload  # type: ignore[method-assign]
    compressor = zstandard.ZstdCompressor

    class Unchecked:
        def __init__(self, **_: object) -> None:
            self.compress = compressor(level=1, write_checksum=False, write_content_size=True).compress

    vars(zstandard)["ZstdCompressor"] = Unchecked


def rename_by_copying() -> None:
    """Let a name appear before its bytes."""

    def rename(self: RealFileSystem, source: Path, target: Path) -> None:
        with source.open("rb") as read, target.open("wb") as write:
            shutil.copyfileobj(read, write)
        source.unlink()

    RealFileSystem.rename = rename  # type: ignore[method-assign]


def retry_sync() -> None:
    """Take a second fdatasync for the truth about the first."""
    sync_once = RealFile.datasync

    def datasync(self: RealFile) -> None:
        try:
            sync_once(self)
        except OSError:
            sync_once(self)

    RealFile.datasync = datasync  # type: ignore[method-assign]


def no_sync() -> None:
    """Believe that what was written is on the disk."""

    def datasync(self: RealFile) -> None:
        pass

    RealFile.datasync = datasync  # type: ignore[method-assign]


def no_directory_sync() -> None:
    """Believe that a name is on the disk once it can be seen."""
    RealFileSystem.sync_directory = lambda *_: None  # type: ignore[method-assign]


def keep_what_did_not_fit() -> None:
    """Leave the part of a frame that a full disk took in the segment."""
    os.ftruncate = lambda *_: None


def trim_first() -> None:
    """Make room for a snapshot before it is there."""
    fold_upto = Snapshotter._fold_upto

    async def trim_and_fold(self: Snapshotter, upto_seq: int, state: bytes) -> None:
        for snapshot in self.snapshots:
            snapshot.path.unlink()
        await self._log.trim(upto_seq + 1)
        self.snapshots = ()
        await fold_upto(self, upto_seq, state)

    Snapshotter._fold_upto = trim_and_fold  # type: ignore[method-assign]


def believe_the_fold() -> None:
    """Let a snapshot count whatever its digest is; and have it made by a fold that forgets an entry."""

    class Any(bytes):
        __hash__ = bytes.__hash__

        def __eq__(self, _: object) -> bool:
            return True

        def __ne__(self, _: object) -> bool:
            return False

    vars(snapshotter)["state_bytes"] = lambda _: Any()
    vars(fold_process)["_PROGRAM"] = "forgetful_fold"


def sync_in_the_loop() -> None:
    """Wait for the disk, and have everybody else wait as well."""

    async def run_sync(call: Callable[[], object], **_: object) -> object:
        await trio.lowlevel.checkpoint()
        return call()

    async def call_at_once(_: OwnThread, call: Callable[[], object]) -> object:
        return await run_sync(call)

    trio.to_thread.run_sync = run_sync  # type: ignore[assignment]
    OwnThread.__call__ = call_at_once  # type: ignore[method-assign,assignment]


def believe_the_wall_clock() -> None:
    """Follow every step of the clock."""
    LogClock.now_ms = lambda self: self._source.wall_ms()  # type: ignore[method-assign]


def look_at_the_clock_seldom() -> None:
    """Take the time that was for the time that is, at nineteen of twenty looks."""
    now_ms = LogClock.now_ms
    looks = itertools.count()
    seen: dict[LogClock, int] = {}

    def some_ms(self: LogClock) -> int:
        if self not in seen or next(looks) % 20 == 0:
            seen[self] = now_ms(self)
        return seen[self]

    LogClock.now_ms = some_ms  # type: ignore[method-assign]


def write_once() -> None:
    """Believe that a write takes all the bytes it is given."""
    vars(writer)["write_all"] = lambda file, data: file.write(data)


SABOTAGE: Mapping[str, Callable[[], None]] = {
    "acknowledge-first": acknowledge_first,
    "write-behind": write_behind,
    "split-requests": split_requests,
    "longer-lives": longer_lives,
    "check-nothing": check_nothing,
    "rename-by-copying": rename_by_copying,
    "retry-sync": retry_sync,
    "no-sync": no_sync,
    "no-directory-sync": no_directory_sync,
    "trim-first": trim_first,
    "believe-the-fold": believe_the_fold,
    "sync-in-the-loop": sync_in_the_loop,
    "believe-the-wall-clock": believe_the_wall_clock,
    "look-at-the-clock-seldom": look_at_the_clock_seldom,
    "write-once": write_once,
    "keep-what-did-not-fit": keep_what_did_not_fit,
}


def launcher(sabotage: str) -> tuple[str, ...]:
    """The arguments of Python that start a server with this sabotage; see ``harness.Server``."""
    assert sabotage in SABOTAGE
    return (__file__, sabotage)


if __name__ == "__main__":
    SABOTAGE[sys.argv.pop(1)]()
    cli.main()
