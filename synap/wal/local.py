"""``LocalLog``: a log of segments in a directory of this machine.

What the disk's errors mean here:

* no room (``write`` says ENOSPC, EDQUOT or EFBIG): the segment is cut back to its last whole frame and
  ``DiskFullError`` raised; the next append tries anew, so writing goes on by itself when there is room;
* any other error, and every error of fdatasync, fsync, ftruncate, rename and close: ``LogFailedError``, now and on
  every later call. A failed fdatasync is not tried again: the kernel may have dropped the pages that it could not
  write, and a second call that returns success would prove nothing.

The three fsync modes: ``always`` syncs every batch before ``append`` returns; ``periodic`` returns after the write and
syncs within ``fsync_interval_ms``; ``never`` leaves the time to the kernel. Rotation and closing sync in every mode.

All file calls happen in one worker thread (``_in_thread``), so a hanging disk never holds up the event loop.
"""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from math import inf
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec
import trio
import zstandard

from synap.errors import DamagedError, DiskFullError, LogConflictError, LogFailedError
from synap.fs import FileSystem
from synap.telemetry import Metrics
from synap.wal.cursor import read_in_pieces
from synap.wal.format import STATE_UNKNOWN, FrameType, SegmentHeader, segment_name
from synap.wal.interface import Batch, Frame
from synap.wal.reader import LogEnd
from synap.wal.thread import OwnThread
from synap.wal.writer import SegmentWriter

T = TypeVar("T")

IDLE_TICK_S = 0.1
"""After this long without a batch, one tick is written: it says that the last batch is durable, and the time."""

ROOM_TO_RESUME_BYTES = 1024 * 1024
"""A full disk counts as having room again from here on, unless a write shows it earlier."""

_ZSTD_LEVEL = 1


def random_u32() -> int:
    """The salt of a new segment."""
    return secrets.randbits(32)


_NO_QUEUE = trio.CapacityLimiter(inf)
"""A hop to the disk must not wait behind other work in threads, such as compressing large responses."""


class Hop(Protocol):
    """Runs a call that blocks on the disk without blocking the event loop. Once begun, it is waited for."""

    async def __call__(self, call: Callable[[], T]) -> T:
        """The result of the call."""
        ...


async def thread_hop(call: Callable[[], T]) -> T:
    """To any worker thread and back; for what happens now and then."""
    return await trio.to_thread.run_sync(call, limiter=_NO_QUEUE)


class FsyncMode(StrEnum):
    """When written batches are synced."""

    ALWAYS = "always"
    PERIODIC = "periodic"
    NEVER = "never"


class LogOptions(msgspec.Struct, frozen=True):
    """How a local log writes; sizes in bytes, times in ms."""

    fsync_mode: FsyncMode = FsyncMode.ALWAYS
    fsync_interval_ms: int = 10
    segment_max_bytes: int = 64 * 1024 * 1024


class _Kept(msgspec.Struct, frozen=True):
    """A segment that is there: its first event, and its length once it is sealed."""

    first_seq: int
    sealed_bytes: int


class LocalLog:
    """See ``interface.Log``. ``full`` is True while the disk has no room for the last batch that was tried."""

    def __init__(
        self,
        fs: FileSystem,
        directory: Path,
        store_id: UUID,
        end: LogEnd,
        *,
        now_ms: Callable[[], int],
        options: LogOptions,
        metrics: Metrics,
        state: bytes = STATE_UNKNOWN,
        random_u32: Callable[[], int] = random_u32,
        hop: Hop | None = None,
    ) -> None:
        """Continue the log that ends at ``end`` (its torn tail cut off already) in a new segment.

        Never in an old one: what an interrupted writer left there is read, but not trusted as a place to write.
        ``now_ms`` tells the log time, which must not be before the end's, and ``state`` is the digest of the state at
        the end. Without a ``hop``, the log has a thread of its own until it is closed. Blocks on the disk; raises
        ``DiskFullError``, ``LogFailedError`` or ``OSError``.
        """
        self.full = False
        self._fs = fs
        self._directory = directory
        self._store_id = store_id
        self._options = options
        self._metrics = metrics
        self._random_u32 = random_u32
        self._epoch = end.epoch + 1
        self._kept = [_Kept(seq, self._size(seq)) for seq in end.first_seqs if seq <= end.last_seq]
        self._zip = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True, write_content_size=True)
        self._lock = trio.Lock()
        self._own_thread = OwnThread()
        self._hop: Hop = self._own_thread if hop is None else hop
        self._failure: LogFailedError | None = None
        self._tick_due = False
        self._now_ms = now_ms
        self._last_now_ms = now_ms()
        assert self._last_now_ms >= end.wall_ms, "log time goes back"
        self._last_write_s = -inf
        self._segment = self._new_segment(end.last_seq + 1, end.chain, self._last_now_ms, state)
        self._segment.publish()
        self._kept.append(_Kept(self._segment.header.first_seq, 0))
        # Not the segment's number, which the worker thread moves before the batch is durable.
        self._last_seq = end.last_seq

    # --- what the snapshotter asks for --------------------------------------------------------------------

    @property
    def segment_seqs(self) -> tuple[int, ...]:
        """The first events of the segments, ascending; the last one is active."""
        return tuple(kept.first_seq for kept in self._kept)

    def bytes_from(self, seq: int) -> int:
        """The length of all segments that begin at or after this event."""
        active_bytes = self._segment.size if self._kept[-1].first_seq >= seq else 0
        return active_bytes + sum(kept.sealed_bytes for kept in self._kept if kept.first_seq >= seq)

    async def rotate(self, state: bytes) -> int:
        """Seal the active segment, if it holds events, and go on in a new one; return the last sealed event.

        ``state`` is the digest of the state after that event; nothing may be appended meanwhile. Raises
        ``DiskFullError`` (nothing has changed) or ``LogFailedError``.
        """
        async with self._lock:
            self._refuse_after_failure()
            if self._holds_events():
                await self._in_thread(self._rotate, self._now_ms(), state)
            return self.last_seq

    # --- the seam ----------------------------------------------------------------------------------------

    @property
    def first_seq(self) -> int:
        """See ``Log``."""
        return self._kept[0].first_seq

    @property
    def last_seq(self) -> int:
        """See ``Log``."""
        return self._last_seq

    async def append(self, batch: Batch) -> int:
        """See ``Log``."""
        assert batch.count > 0, "a batch without events"
        await self._take_turn()
        try:
            self._refuse_after_failure()
            if batch.after_seq != self.last_seq:
                raise LogConflictError(batch.after_seq, self.last_seq)
            await self._in_thread(self._append, batch)
            self._last_seq += batch.count
            self._tick_due = True
            self._last_write_s = trio.current_time()
            return batch.after_seq + 1
        finally:
            self._lock.release()

    async def _take_turn(self) -> None:
        """Wait for whoever has the lock; where that is nobody, without giving way to other tasks: the hop does."""
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()

    def read(self, from_seq: int) -> Iterator[Frame]:
        """See ``Log``. What is appended meanwhile is not part of the answer."""
        self._refuse_trimmed(from_seq)
        return self._read(from_seq, self.last_seq)

    def _read(self, next_seq: int, last_seq: int) -> Iterator[Frame]:
        if next_seq > last_seq:
            return
        try:
            for frame in read_in_pieces(self._fs, self._directory, self._store_id, next_seq, last_seq):
                next_seq = frame.first_seq + frame.count
                yield frame
        except (DamagedError, FileNotFoundError):
            # The segment may have been trimmed since the reading began.
            self._refuse_trimmed(next_seq)
            raise

    def _refuse_trimmed(self, seq: int) -> None:
        if seq < self.first_seq:
            raise ValueError(f"seq {seq} was trimmed; the log begins at {self.first_seq}")

    async def trim(self, below_seq: int) -> None:
        """See ``Log``. The unit is the sealed segment; between any two of them, others may append."""
        while True:
            async with self._lock:
                if len(self._kept) == 1 or self._kept[1].first_seq > below_seq:
                    return
                await self._in_thread(self._remove_oldest_segment)

    async def upkeep(self) -> None:
        """See ``Log``. Syncs in ``periodic`` mode, ticks after idleness, and finds out when a full disk has room."""
        periodic = self._options.fsync_mode is FsyncMode.PERIODIC
        interval_s = self._options.fsync_interval_ms / 1000 if periodic else inf
        pause_s = min(interval_s, IDLE_TICK_S)
        synced_s = trio.current_time()
        while True:
            await trio.sleep(pause_s)
            async with self._lock:
                # Not later than the interval: at the next look it would be.
                if trio.current_time() + pause_s > synced_s + interval_s:
                    await self._sync_if_needed()
                    synced_s = trio.current_time()
                await self._keep_up()

    async def _sync_if_needed(self) -> None:
        if self._segment.durable_seq < self.last_seq:
            await self._in_thread(self._sync)

    async def _keep_up(self) -> None:
        self._refuse_after_failure()
        if self.full:
            self.full = not await self._in_thread(self._has_room)
        elif self._tick_due and trio.current_time() - self._last_write_s >= IDLE_TICK_S:
            with contextlib.suppress(DiskFullError):
                await self._in_thread(self._tick, self._now_ms())
                self._tick_due = False

    async def close(self) -> None:
        """See ``Log``. A log that failed is left as it is; one on a full disk is synced, but not sealed."""
        async with self._lock:
            try:
                if self._failure is None:
                    await self._in_thread(self._seal)
            finally:
                self._own_thread.end()

    # --- in the worker thread ----------------------------------------------------------------------------

    async def _in_thread(self, call: Callable[..., T], *args: object) -> T:
        """Run a call that blocks on the disk. Once begun, it is waited for, whoever is cancelled."""
        self._refuse_after_failure()
        try:
            return await self._hop(partial(call, *args))
        except LogFailedError as failure:
            self._failure = failure
            raise
        except DiskFullError:
            self.full = True
            raise

    def _refuse_after_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _append(self, batch: Batch) -> None:
        payload = self._zip.compress(batch.payload)
        now_ms = self._advance_time(batch.now_ms)
        frame, chain = self._build_batch(batch, payload, now_ms)
        if self._segment.size + len(frame) > self._options.segment_max_bytes and self._holds_events():
            self._rotate(now_ms, batch.state)
            frame, chain = self._build_batch(batch, payload, now_ms)
        self._segment.append(frame, chain, batch.count)
        self.full = False
        if self._options.fsync_mode is FsyncMode.ALWAYS:
            self._sync()
        self._metrics.wal_bytes.inc(len(frame))
        self._metrics.wal_batch_events.observe(batch.count)

    def _advance_time(self, now_ms: int) -> int:
        """The time of what is written next: never before anything that was, or was tried to be, written.

        A tick may have been written since a batch was decided, and a batch that found no room may have left a new
        segment behind.
        """
        self._last_now_ms = max(now_ms, self._last_now_ms)
        return self._last_now_ms

    def _build_batch(self, batch: Batch, payload: bytes, now_ms: int) -> tuple[bytes, bytes]:
        return self._segment.build(FrameType.BATCH, now_ms, payload, count=batch.count, raw_length=len(batch.payload))

    def _sync(self) -> None:
        with self._metrics.wal_fsync_seconds.time():
            self._segment.sync()

    def _holds_events(self) -> bool:
        return self._segment.next_seq > self._segment.header.first_seq

    def _rotate(self, now_ms: int, state: bytes) -> None:
        """Seal the active segment and go on in a new one.

        The new file is made first: where there is no room for it, the old one is still open.
        """
        now_ms = self._advance_time(now_ms)
        frame, chain = self._segment.build(FrameType.SEAL, now_ms)
        successor = self._new_segment(self._segment.next_seq, chain, now_ms, state)
        try:
            self._segment.seal(frame, chain)
        except DiskFullError:
            successor.discard()
            raise
        successor.publish()
        # A new list each time, here and below: the event loop may be going through the old one.
        sealed = _Kept(self._kept[-1].first_seq, self._segment.size)
        self._kept = [*self._kept[:-1], sealed, _Kept(successor.header.first_seq, 0)]
        self._segment = successor

    def _new_segment(self, first_seq: int, chain: bytes, now_ms: int, state: bytes) -> SegmentWriter:
        header = SegmentHeader(
            salt=self._random_u32(),
            store_id=self._store_id,
            epoch=self._epoch,
            first_seq=first_seq,
            created_ms=now_ms,
            chain=chain,
            state=state,
        )
        return SegmentWriter(self._fs, self._directory, header)

    def _seal(self) -> None:
        try:
            self._segment.seal(*self._segment.build(FrameType.SEAL, self._last_now_ms))
        except DiskFullError:
            self._sync()
            self._segment.close()

    def _tick(self, now_ms: int) -> None:
        self._segment.append(*self._segment.build(FrameType.TICK, self._advance_time(now_ms)), count=0)
        if self._options.fsync_mode is not FsyncMode.NEVER:
            self._sync()

    def _has_room(self) -> bool:
        try:
            return self._fs.free_bytes(self._directory) >= ROOM_TO_RESUME_BYTES
        except OSError as cause:
            raise LogFailedError("statvfs", self._directory, cause) from cause

    def _size(self, first_seq: int) -> int:
        with contextlib.closing(self._fs.open(self._directory / segment_name(first_seq))) as file:
            return file.size()

    def _remove_oldest_segment(self) -> None:
        # Who reads meanwhile finds the number gone before the file.
        oldest = self._directory / segment_name(self._kept[0].first_seq)
        self._kept = self._kept[1:]
        try:
            self._fs.remove(oldest)
            self._fs.sync_directory(self._directory)
        except OSError as cause:
            raise LogFailedError("unlink", oldest, cause) from cause
