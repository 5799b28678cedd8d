"""``LocalLog``: conformance on both file systems, rotation, modes, ticks."""

import errno
import threading
from math import inf
from pathlib import Path
from random import Random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from synap.errors import DamagedError, DiskFullError, LogFailedError
from synap.fs import RealFileSystem, read_all
from synap.testing import NOTHING, Call, FailAt, SimulatedFileSystem
from synap.wal import format as layout
from synap.wal.format import FrameType
from synap.wal.interface import Batch, Log
from synap.wal.local import IDLE_TICK_S, ROOM_TO_RESUME_BYTES, FsyncMode, LocalLog, LogOptions, random_u32

from .build import SEED, T0_MS, WAL, Ticking, append, batch_after, name, start
from .conformance import LogConformance, fill
from .local_logs import calls, headers, now, payloads, restarted, started


class TestOnTheRealFileSystem(LogConformance):
    def open_log(self, place: Path) -> Log:
        return start(RealFileSystem(), Random(SEED), LogOptions(segment_max_bytes=500), data=place).log


class TestOnASimulatedFileSystem(LogConformance):
    def open_log(self, place: Path) -> Log:
        return start(SimulatedFileSystem(), Random(SEED), LogOptions(segment_max_bytes=500), data=place).log


class TestInOneSegment(LogConformance):
    def open_log(self, place: Path) -> Log:
        return start(SimulatedFileSystem(), Random(SEED), LogOptions(FsyncMode.NEVER), data=place).log


@pytest.fixture
def fs() -> SimulatedFileSystem:
    return SimulatedFileSystem()


# --- its thread ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failed", [False, True])
async def test_a_log_that_is_closed_leaves_no_thread(fs: SimulatedFileSystem, failed: bool) -> None:
    before = set(threading.enumerate())
    log = started(fs)
    await append(log, b"x")
    (own,) = (each for each in set(threading.enumerate()) - before if each.name == "synap log")
    if failed:
        fs.faults.append(FailAt("datasync", 1, errno.EIO))
        with pytest.raises(LogFailedError):
            await append(log, b"y")
    await log.close()
    own.join(10)
    assert not own.is_alive()


# --- segments ------------------------------------------------------------------------------------------------


async def test_a_segment_that_would_grow_too_long_is_followed_by_another(fs: SimulatedFileSystem) -> None:
    log = started(fs, segment_max_bytes=1000)
    await append(log, *(Random(number).randbytes(200) for number in range(10)))
    firsts = [int(path.removesuffix(".wal")) for path in fs.names(WAL)]
    assert firsts == [1, 4, 7, 10]
    assert all(len(read_all(fs, name(first))) <= 1000 + 72 for first in firsts), "the seal may stand out"
    assert [headers(fs, first)[-1].type for first in firsts] == [FrameType.SEAL] * 3 + [FrameType.BATCH]
    assert len(payloads(log)) == 10


async def test_a_batch_longer_than_a_segment_has_one_of_its_own(fs: SimulatedFileSystem) -> None:
    log = started(fs, segment_max_bytes=200)
    await append(log, *(Random(number).randbytes(1000) for number in range(3)))
    assert fs.names(WAL) == [name(1).name, name(2).name, name(3).name]


async def test_trimming_removes_whole_sealed_segments_durably_and_never_the_active_one(fs: SimulatedFileSystem) -> None:
    log = started(fs, segment_max_bytes=200)
    await fill(log, 2, 2, 2)
    await log.trim(4)
    assert (log.first_seq, fs.names(WAL)) == (3, [name(3).name, name(5).name])
    await log.trim(1000)
    assert (log.first_seq, fs.names(WAL)) == (5, [name(5).name])
    fs.crash(Random(1), NOTHING)
    assert fs.names(WAL) == [name(5).name]


async def test_segments_are_removed_one_by_one_from_the_oldest_on(fs: SimulatedFileSystem) -> None:
    log = started(fs, segment_max_bytes=200)
    await fill(log, 1, 1, 1, 1)
    since = now(fs)
    await log.trim(4)
    removals = [call for call in fs.trace if call.number > since]
    assert [(call.name, call.path) for call in removals] == [
        (verb, path) for seq in (1, 2, 3) for verb, path in (("remove", name(seq)), ("sync_directory", WAL))
    ]


async def test_each_opening_has_the_next_epoch_and_a_new_segment(fs: SimulatedFileSystem) -> None:
    epochs = []
    for number in range(4):
        log = restarted(fs)
        await append(log, b"%d" % number)
        header = layout.unpack_segment_header(read_all(fs, name(number + 1)))
        assert header is not None
        epochs.append(header.epoch)
        if number == 2:
            await log.close()
    assert epochs == [1, 2, 3, 4]
    before = [read_all(fs, name(seq)) for seq in (1, 2, 3)]
    await append(restarted(fs), b"more")
    assert [read_all(fs, name(seq)) for seq in (1, 2, 3)] == before, "an old segment is never written to"


async def test_closing_seals_and_syncs(fs: SimulatedFileSystem) -> None:
    for mode in FsyncMode:
        fs = SimulatedFileSystem()
        log = started(fs, mode)
        await append(log, b"a", b"b")
        await log.close()
        fs.crash(Random(1), NOTHING)
        assert [header.type for header in headers(fs)] == [FrameType.BATCH, FrameType.BATCH, FrameType.SEAL]
        begun = start(fs, Random(1))
        assert begun.end.sealed
        assert len(begun.frames) == 2


def test_the_salt_of_a_segment_is_random() -> None:
    salts = {random_u32() for _ in range(100)}
    assert len(salts) > 90
    assert all(0 <= salt < 2**32 for salt in salts)


# --- reading while others are at work ------------------------------------------------------------------------


async def test_reading_past_what_is_whole_in_the_file_stops_at_what_was_appended(fs: SimulatedFileSystem) -> None:
    log = started(fs)
    await append(log, b"a")
    fs.open(name(1), writable=True).write(b"half a frame")
    assert payloads(log) == [b"a"]


@pytest.mark.parametrize("cut", [1, 50, 87, 88])
async def test_appended_bytes_that_are_gone_are_damage(fs: SimulatedFileSystem, cut: int) -> None:
    log = started(fs)
    await append(log, b"a", b"b")
    file = fs.open(name(1), writable=True)
    file.truncate(file.size() - cut)
    reading = log.read(1)
    assert next(reading).payload == b"a"
    with pytest.raises(DamagedError, match="the log ends before seq 2, which it held") as caught:
        next(reading)
    assert caught.value.seq == 2


async def test_a_segment_trimmed_while_it_is_read_is_said_to_be_trimmed(fs: SimulatedFileSystem) -> None:
    log = started(fs, segment_max_bytes=200)
    await fill(log, 1, 1, 1, 1)
    reading = log.read(1)
    assert next(reading).first_seq == 1
    await log.trim(4)
    with pytest.raises(ValueError, match="seq 2 was trimmed; the log begins at 4"):
        next(reading)


async def test_a_segment_that_is_gone_without_trimming_is_damage(fs: SimulatedFileSystem) -> None:
    log = started(fs, segment_max_bytes=200)
    await fill(log, 1, 1, 1)
    reading = log.read(1)
    next(reading)
    fs.remove(name(2))
    with pytest.raises(DamagedError, match="the log ends before seq 3"):
        next(reading)


@pytest.mark.parametrize("segment_max_bytes", [100, 1 << 20])
async def test_nobody_sees_a_batch_before_it_is_durable(fs: SimulatedFileSystem, segment_max_bytes: int) -> None:
    log = started(fs, segment_max_bytes=segment_max_bytes)
    await append(log, b"a")
    syncing, go_on = threading.Event(), threading.Event()

    def wait_in_sync(call: Call) -> None:
        if call.name == "datasync":
            syncing.set()
            assert go_on.wait(10)

    fs.faults.append(wait_in_sync)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(append, log, b"b")
        await trio.to_thread.run_sync(syncing.wait, 10)
        assert log.last_seq == 1
        assert list(log.read(2)) == []
        assert payloads(log) == [b"a"]
        go_on.set()
    assert log.last_seq == 2
    assert payloads(log) == [b"a", b"b"]


async def test_an_append_that_has_begun_is_finished_though_its_caller_gave_up(fs: SimulatedFileSystem) -> None:
    log = started(fs)
    syncing, go_on = threading.Event(), threading.Event()

    def wait_in_sync(call: Call) -> None:
        if call.name == "datasync":
            syncing.set()
            assert go_on.wait(10)

    fs.faults.append(wait_in_sync)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(append, log, b"a")
        await trio.to_thread.run_sync(syncing.wait, 10)
        nursery.cancel_scope.cancel()
        go_on.set()
    assert (log.last_seq, payloads(log)) == (1, [b"a"])
    await append(log, b"b")
    assert log.last_seq == 2


async def test_an_append_that_is_cancelled_before_it_begins_writes_nothing(fs: SimulatedFileSystem) -> None:
    log = started(fs)
    with trio.CancelScope() as scope:
        scope.cancel()
        await append(log, b"a")
    assert (log.last_seq, [header.type for header in headers(fs)]) == (0, [])


async def test_a_batch_of_no_events_is_never_written(fs: SimulatedFileSystem) -> None:
    with pytest.raises(AssertionError):
        await started(fs).append(Batch(b"", 0, 0, T0_MS))


# --- time ----------------------------------------------------------------------------------------------------


async def test_log_time_never_goes_back_over_batches_ticks_rotations_and_starts(fs: SimulatedFileSystem) -> None:
    log = started(fs, segment_max_bytes=400)
    log._now_ms = lambda: T0_MS - 1_000_000
    for now_ms in (T0_MS + 5000, T0_MS, T0_MS + 4999, T0_MS + 6000, T0_MS + 1):
        await log.append(batch_after(log, b"x" * 90, now_ms=now_ms))
        log._last_write_s = -inf
        await log._keep_up()
    assert [frame.wall_ms - T0_MS for frame in log.read(1)] == [5000, 5000, 5000, 6000, 6000]
    await log.close()
    fs.kill()
    begun = start(fs, Random(1), now_ms=Ticking(T0_MS + 7000))
    assert begun.end.wall_ms == T0_MS + 6000
    with pytest.raises(AssertionError, match="log time goes back"):
        start(SimulatedFileSystem(), Random(1), now_ms=lambda: 0)


async def test_log_time_does_not_go_back_where_the_first_batch_of_a_segment_found_no_room(
    fs: SimulatedFileSystem,
) -> None:
    """The new segment was created at the time of a batch that is in no frame; the seal must not be before it."""
    log = started(fs, segment_max_bytes=300)
    await append(log, Random(1).randbytes(100))
    fs.faults.append(FailAt("write", 1, errno.ENOSPC, "00000000000000000002.wal.tmp"))
    with pytest.raises(DiskFullError):
        await log.append(batch_after(log, Random(1).randbytes(200), now_ms=T0_MS + 5000))
    await log.close()
    fs.kill()
    begun = start(fs, Random(1), now_ms=Ticking(T0_MS + 6000))
    assert (len(begun.frames), begun.end.wall_ms) == (1, T0_MS + 5000)


# --- upkeep --------------------------------------------------------------------------------------------------


class Upkeep:
    """A log whose background work is run by hand: time passes only in ``after``."""

    def __init__(self, log: LocalLog, clock: MockClock) -> None:
        self._log, self._clock = log, clock

    async def after(self, seconds: float) -> None:
        """Let time pass, and return when the work that became due is done."""
        await wait_all_tasks_blocked()
        self._clock.jump(seconds)
        await wait_all_tasks_blocked()
        await self._log.trim(0)


async def test_one_tick_follows_the_last_batch(fs: SimulatedFileSystem, mock_clock: MockClock) -> None:
    """It covers that batch with its durable seq and carries the time; as long as nothing happens, it stays the last."""
    log = started(fs)
    upkeep = Upkeep(log, mock_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.upkeep)
        for _ in range(3):
            await upkeep.after(IDLE_TICK_S * 1.01)
        assert headers(fs) == [], "a log that was not written to needs none"
        await append(log, b"a", b"b")
        for _ in range(5):
            await upkeep.after(IDLE_TICK_S * 1.01)
        found = headers(fs)
        assert [header.type for header in found] == [FrameType.BATCH, FrameType.BATCH, FrameType.TICK]
        assert [(header.first_seq, header.durable_seq) for header in found] == [(1, 0), (2, 1), (3, 2)]
        assert found[2].wall_ms > found[1].wall_ms
        fs.crash(Random(1), NOTHING)
        assert len(headers(fs)) == 3, "the tick is synced, too"
        nursery.cancel_scope.cancel()


async def test_no_tick_while_batches_come(fs: SimulatedFileSystem, mock_clock: MockClock) -> None:
    log = started(fs)
    upkeep = Upkeep(log, mock_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.upkeep)
        for _ in range(8):
            await append(log, b"a")
            await upkeep.after(IDLE_TICK_S / 2)
        assert {header.type for header in headers(fs)} == {FrameType.BATCH}
        nursery.cancel_scope.cancel()


async def test_a_long_interval_is_used_but_not_exceeded(fs: SimulatedFileSystem, mock_clock: MockClock) -> None:
    log = start(fs, Random(SEED), LogOptions(FsyncMode.PERIODIC, fsync_interval_ms=1000)).log
    upkeep = Upkeep(log, mock_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.upkeep)
        for _ in range(22):
            await append(log, b"a")
            await upkeep.after(IDLE_TICK_S / 2)
        nursery.cancel_scope.cancel()
    # What a batch knows to be durable: nothing for most of a second, then all that was written by then.
    durable = [header.durable_seq for header in headers(fs)]
    assert durable[:17] == [0] * 17
    assert durable[21] >= 17


async def test_periodic_mode_syncs_within_the_interval(fs: SimulatedFileSystem, mock_clock: MockClock) -> None:
    log = started(fs, FsyncMode.PERIODIC)
    upkeep = Upkeep(log, mock_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.upkeep)
        await upkeep.after(0.005)
        since = now(fs)
        await append(log, b"a", b"b")
        assert calls(fs, since, name(1)) == ["write", "write"]
        await upkeep.after(0.0101)
        assert calls(fs, since, name(1)) == ["write", "write", "datasync"]
        for _ in range(3):
            await upkeep.after(0.0101)
        assert calls(fs, since, name(1)).count("datasync") == 1, "nothing new, nothing to sync"
        fs.crash(Random(1), NOTHING)
        assert len(headers(fs)) == 2
        nursery.cancel_scope.cancel()


async def test_never_mode_syncs_neither_batches_nor_ticks(fs: SimulatedFileSystem, mock_clock: MockClock) -> None:
    log = started(fs, FsyncMode.NEVER)
    upkeep = Upkeep(log, mock_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.upkeep)
        since = now(fs)
        await append(log, b"a")
        for _ in range(3):
            await upkeep.after(IDLE_TICK_S * 1.01)
        assert calls(fs, since, name(1)) == ["write", "write"]
        assert [(header.type, header.durable_seq) for header in headers(fs)] == [(1, 0), (2, 0)]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("mode", FsyncMode)
async def test_rotation_syncs_in_every_mode(fs: SimulatedFileSystem, mode: FsyncMode) -> None:
    log = started(fs, mode, 200)
    await append(log, b"a" * 50, b"b" * 50)
    fs.crash(Random(1), NOTHING)
    begun = start(fs, Random(1))
    assert len(begun.frames) == (2 if mode is FsyncMode.ALWAYS else 1)


async def test_a_full_disk_is_found_to_have_room_again(fs: SimulatedFileSystem, mock_clock: MockClock) -> None:
    log = started(fs)
    upkeep = Upkeep(log, mock_clock)
    fs.capacity_bytes = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.upkeep)
        with pytest.raises(DiskFullError):
            await append(log, b"a")
        assert log.full
        await upkeep.after(IDLE_TICK_S * 1.01)
        assert log.full
        fs.capacity_bytes = ROOM_TO_RESUME_BYTES + 10_000
        await upkeep.after(IDLE_TICK_S * 1.01)
        assert not log.full
        nursery.cancel_scope.cancel()


async def test_a_tick_that_finds_no_room_is_written_later(fs: SimulatedFileSystem, mock_clock: MockClock) -> None:
    log = started(fs)
    upkeep = Upkeep(log, mock_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.upkeep)
        await append(log, b"a")
        fs.capacity_bytes = 0
        await upkeep.after(IDLE_TICK_S * 1.01)
        assert log.full
        fs.capacity_bytes = None
        await upkeep.after(IDLE_TICK_S * 1.01)
        await upkeep.after(IDLE_TICK_S * 1.01)
        assert [header.type for header in headers(fs)] == [FrameType.BATCH, FrameType.TICK]
        nursery.cancel_scope.cancel()


async def test_upkeep_ends_where_the_room_cannot_be_asked_for(fs: SimulatedFileSystem) -> None:
    log = started(fs)
    fs.capacity_bytes = 0
    with pytest.raises(DiskFullError):
        await append(log, b"a")
    fs.faults.append(FailAt("free_bytes", 1, errno.EIO))
    with pytest.raises(LogFailedError, match="statvfs"):
        await log._keep_up()
