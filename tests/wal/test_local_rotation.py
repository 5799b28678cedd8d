"""``LocalLog`` and its segments: rotation that is asked for, how much there is, and the state that each begins with."""

import errno
import threading
from functools import partial
from random import Random

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from synap.errors import DiskFullError, LogFailedError
from synap.fs import read_all
from synap.telemetry import Metrics
from synap.testing import EVERYTHING, NOTHING, Call, FailAt, SimulatedFileSystem
from synap.wal import format as layout
from synap.wal.format import FrameType
from synap.wal.interface import Batch
from synap.wal.local import FsyncMode, LocalLog, LogOptions

from .build import SEED, T0_MS, WAL, append, name, start
from .conformance import fill
from .local_logs import headers, now, payloads, restarted, started

STATE = b"a state, 16 byte"


@pytest.fixture
def fs() -> SimulatedFileSystem:
    return SimulatedFileSystem()


def state_of(fs: SimulatedFileSystem, first_seq: int) -> bytes:
    header = layout.unpack_segment_header(read_all(fs, name(first_seq)))
    assert header is not None
    return header.state


def firsts(fs: SimulatedFileSystem) -> tuple[int, ...]:
    return tuple(int(path.removesuffix(".wal")) for path in fs.names(WAL) if path.endswith(".wal"))


# --- rotation that is asked for ------------------------------------------------------------------------------


async def test_a_rotation_seals_what_there_is_and_goes_on_in_a_new_segment(fs: SimulatedFileSystem) -> None:
    log = started(fs)
    await append(log, b"a", b"b")
    assert await log.rotate(STATE) == 2
    assert (log.segment_seqs, firsts(fs), log.last_seq) == ((1, 3), (1, 3), 2)
    assert [header.type for header in headers(fs)] == [FrameType.BATCH, FrameType.BATCH, FrameType.SEAL]
    await append(log, b"c")
    assert payloads(log) == [b"a", b"b", b"c"]
    begun = start(fs_after(fs), Random(SEED))
    assert [frame.payload for frame in begun.frames] == [b"a", b"b", b"c"]


def fs_after(fs: SimulatedFileSystem) -> SimulatedFileSystem:
    """The same disk after a power cut that took all it could."""
    fs.crash(Random(SEED), NOTHING)
    return fs


async def test_a_segment_without_events_is_not_sealed(fs: SimulatedFileSystem) -> None:
    """Nor is one that holds only ticks: its name, and what begins it, are the right ones already."""
    log = started(fs)
    assert await log.rotate(STATE) == 0
    await append(log, b"a")
    assert await log.rotate(STATE) == 1
    since = now(fs)
    assert await log.rotate(b"another state 16") == 1
    assert now(fs) == since
    log._tick(T0_MS + 1000)
    assert await log.rotate(b"another state 16") == 1
    assert (log.segment_seqs, state_of(fs, 2)) == ((1, 2), STATE)


@pytest.mark.parametrize("mode", FsyncMode)
async def test_what_a_rotation_sealed_is_durable_in_every_mode(fs: SimulatedFileSystem, mode: FsyncMode) -> None:
    log = started(fs, mode)
    await append(log, b"a", b"b")
    await log.rotate(STATE)
    fs.crash(Random(1), NOTHING)
    begun = start(fs, Random(1))
    assert [frame.payload for frame in begun.frames] == [b"a", b"b"]
    assert begun.end.first_seqs == (1, 3)


async def test_the_new_segment_is_made_before_the_old_one_is_sealed_and_named_after_it(
    fs: SimulatedFileSystem,
) -> None:
    """Where there is no room for a new one, the old one is still open; and no name stands for what does not follow."""
    log = started(fs)
    await append(log, b"a")
    since = now(fs)
    await log.rotate(STATE)
    verbs = [(call.name, str(call.path.name)) for call in fs.trace if call.number > since]
    new, old = f"{name(2).name}.tmp", f"{name(1).name}.tmp"
    assert [verb for verb in verbs if verb[0] != "exists"] == [
        ("create", new),
        ("write", new),
        ("datasync", new),
        ("write", old),
        ("datasync", old),
        ("close", old),
        ("rename", new),
        ("sync_directory", "wal"),
    ]


class Gate:
    """Keeps the next sync waiting, in the worker thread, until it is opened."""

    def __init__(self, fs: SimulatedFileSystem) -> None:
        self._reached, self._opened = threading.Event(), threading.Event()
        fs.faults.append(self._wait)

    def _wait(self, call: Call) -> None:
        if call.name == "datasync":
            self._reached.set()
            assert self._opened.wait(10)

    async def reached(self) -> None:
        assert await trio.to_thread.run_sync(self._reached.wait, 10)

    def open(self) -> None:
        self._opened.set()


async def test_a_rotation_waits_for_an_append(fs: SimulatedFileSystem) -> None:
    log = started(fs)
    await append(log, b"a")
    gate = Gate(fs)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(append, log, b"b")
        await gate.reached()
        nursery.start_soon(log.rotate, STATE)
        await wait_all_tasks_blocked()
        assert firsts(fs) == (1,)
        gate.open()
    assert log.segment_seqs == (1, 3)


async def test_an_append_waits_for_a_rotation(fs: SimulatedFileSystem) -> None:
    log = started(fs)
    await append(log, b"a")
    gate = Gate(fs)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.rotate, STATE)
        await gate.reached()
        nursery.start_soon(append, log, b"b")
        await wait_all_tasks_blocked()
        assert log.last_seq == 1
        gate.open()
    assert (log.segment_seqs, payloads(log)) == ((1, 2), [b"a", b"b"])
    assert [header.type for header in headers(fs, 2)] == [FrameType.BATCH]


async def test_a_rotation_that_has_begun_is_finished_though_its_caller_gave_up(fs: SimulatedFileSystem) -> None:
    log = started(fs)
    await append(log, b"a")
    gate = Gate(fs)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.rotate, STATE)
        await gate.reached()
        nursery.cancel_scope.cancel()
        gate.open()
    assert (log.segment_seqs, firsts(fs)) == ((1, 2), (1, 2))
    await append(log, b"b")
    assert payloads(log) == [b"a", b"b"]


async def test_log_time_does_not_go_back_over_a_rotation(fs: SimulatedFileSystem) -> None:
    log = started(fs)
    await log.append(Batch(b"a", 1, 0, T0_MS + 5000))
    log._now_ms = lambda: T0_MS
    await log.rotate(STATE)
    await log.append(Batch(b"b", 1, 1, T0_MS))
    assert [frame.wall_ms - T0_MS for frame in log.read(1)] == [5000, 5000]
    header = layout.unpack_segment_header(read_all(fs, name(2)))
    assert header is not None
    assert header.created_ms == T0_MS + 5000


# --- errors of the disk during a rotation --------------------------------------------------------------------


@pytest.mark.parametrize("call", ["create", "write"])
async def test_a_rotation_without_room_changes_nothing(fs: SimulatedFileSystem, call: str) -> None:
    """Neither for the new segment's header nor for the old one's seal."""
    log = started(fs)
    await append(log, b"a")
    size = log.bytes_from(1)
    for nth in range(1, 2 if call == "create" else 3):
        fs.faults[:] = [FailAt(call, nth, errno.ENOSPC)]
        with pytest.raises(DiskFullError):
            await log.rotate(STATE)
        assert (log.full, log.segment_seqs, firsts(fs), log.bytes_from(1)) == (True, (1,), (1,), size)
    fs.faults.clear()
    assert [header.type for header in headers(fs)] == [FrameType.BATCH]
    await append(log, b"b")
    assert await log.rotate(STATE) == 2
    assert (log.full, log.segment_seqs) == (False, (1, 3))
    assert payloads(restarted(fs)) == [b"a", b"b"]


@pytest.mark.parametrize(
    ("call", "nth"),
    [
        ("create", 1),
        ("write", 1),
        ("write", 2),
        ("datasync", 1),
        ("datasync", 2),
        ("close", 1),
        ("rename", 1),
        ("sync_directory", 1),
    ],
)
async def test_any_other_error_of_a_rotation_is_final(fs: SimulatedFileSystem, call: str, nth: int) -> None:
    log = started(fs)
    await append(log, b"a")
    fs.faults.append(FailAt(call, nth, errno.EIO))
    with pytest.raises(LogFailedError):
        await log.rotate(STATE)
    fs.faults.clear()
    since = now(fs)
    with pytest.raises(LogFailedError):
        await log.rotate(STATE)
    with pytest.raises(LogFailedError):
        await append(log, b"b")
    assert now(fs) == since, "nothing on the disk is touched any more"
    assert payloads(restarted(fs)) == [b"a"]


async def test_a_log_that_failed_does_not_rotate_even_where_there_is_nothing_to_seal(fs: SimulatedFileSystem) -> None:
    log = started(fs)
    fs.faults.append(FailAt("datasync", 1, errno.EIO))
    with pytest.raises(LogFailedError):
        await append(log, b"a")
    with pytest.raises(LogFailedError):
        await log.rotate(STATE)


# --- which segments there are, and how long they are ---------------------------------------------------------


def bytes_on_disk(fs: SimulatedFileSystem, from_seq: int) -> int:
    return sum(len(read_all(fs, name(first))) for first in firsts(fs) if first >= from_seq)


async def test_the_segments_are_those_in_the_directory(fs: SimulatedFileSystem) -> None:
    log = started(fs, segment_max_bytes=300)
    assert log.segment_seqs == firsts(fs) == (1,)
    await fill(log, 2, 2, 2, 2)
    await log.rotate(STATE)
    await fill(log, 1, 1, 1)
    assert log.segment_seqs == firsts(fs)
    assert len(log.segment_seqs) > 4
    log = restarted(fs)
    assert log.segment_seqs == firsts(fs)
    await log.trim(6)
    assert log.segment_seqs == firsts(fs)
    assert log.segment_seqs[0] == log.first_seq > 1


async def test_their_length_is_that_of_the_files(fs: SimulatedFileSystem) -> None:
    log = started(fs, segment_max_bytes=300)
    for number in range(12):
        await append(log, Random(number).randbytes(number * 20))
        for first in log.segment_seqs:
            assert log.bytes_from(first) == bytes_on_disk(fs, first)
    assert len(log.segment_seqs) > 4
    await log.rotate(STATE)
    log._tick(T0_MS + 1000)
    assert log.bytes_from(1) == bytes_on_disk(fs, 1)
    await log.trim(6)
    assert log.bytes_from(1) == bytes_on_disk(fs, 1)
    await log.close()
    assert log.bytes_from(1) == bytes_on_disk(fs, 1)


async def test_their_length_is_known_after_a_start_too(fs: SimulatedFileSystem) -> None:
    """Whether the log was closed, killed, or had a torn tail; and an empty segment that was replaced counts once."""
    log = started(fs, segment_max_bytes=300)
    await fill(log, 1, 1, 1, 1, 1)
    fs.crash(Random(1), EVERYTHING)
    for tail in (b"", b"SYNF torn", b""):
        fs.open(name(firsts(fs)[-1]), writable=True).write(tail)
        log = restarted(fs)
        for first in log.segment_seqs:
            assert log.bytes_from(first) == bytes_on_disk(fs, first)


async def test_their_length_counts_no_segment_twice_while_one_is_sealed(fs: SimulatedFileSystem) -> None:
    """Whoever asks meanwhile, from another thread than the one that rotates, gets a number between before and after."""
    log = started(fs)
    await append(log, b"a" * 1000)
    seen = [log.bytes_from(1)]
    fs.faults.append(lambda _: seen.append(log.bytes_from(1)))
    await log.rotate(STATE)
    fs.faults.clear()
    seen.append(log.bytes_from(1))
    assert seen == sorted(seen)
    assert seen[-1] - seen[0] == 72 + 128, "a seal and a header"


async def test_trimmed_segments_count_no_more_even_before_their_files_are_gone(fs: SimulatedFileSystem) -> None:
    log = started(fs, segment_max_bytes=200)
    await fill(log, 1, 1, 1)
    seen: list[tuple[int, ...]] = []

    def look(call: Call) -> None:
        if call.name == "remove":
            seen.append(log.segment_seqs)

    fs.faults.append(look)
    await log.trim(3)
    assert seen == [(2, 3), (3,)]


# --- the state at the beginning of a segment -----------------------------------------------------------------


async def test_the_first_segment_of_a_start_has_the_state_that_the_log_was_opened_with(fs: SimulatedFileSystem) -> None:
    begun = start(fs, Random(SEED))
    assert state_of(fs, 1) == layout.STATE_UNKNOWN == bytes(16), "it was not told"
    open_log = partial(
        LocalLog,
        fs,
        WAL,
        begun.directory.store_id,
        begun.end,
        now_ms=lambda: T0_MS,
        options=LogOptions(),
        metrics=Metrics(),
    )
    open_log(state=STATE)
    assert state_of(fs, 1) == STATE
    open_log()
    assert state_of(fs, 1) == layout.STATE_UNKNOWN


async def test_the_segment_of_a_rotation_that_was_asked_for_has_the_state_it_was_given(fs: SimulatedFileSystem) -> None:
    log = started(fs)
    await log.append(Batch(b"a", 1, 0, T0_MS, b"before the first"))
    await log.rotate(STATE)
    assert state_of(fs, 2) == STATE


async def test_the_segment_of_an_automatic_rotation_has_the_state_that_its_first_batch_was_decided_at(
    fs: SimulatedFileSystem,
) -> None:
    log = started(fs, segment_max_bytes=300)
    states = {seq: b"state before %03d" % seq for seq in range(1, 12)}
    for seq, state in states.items():
        await log.append(Batch(Random(seq).randbytes(60), 1, seq - 1, T0_MS, state))
    assert len(firsts(fs)) > 3
    for first in firsts(fs)[1:]:
        assert state_of(fs, first) == states[first]


async def test_a_batch_that_found_no_room_leaves_a_segment_with_the_state_of_the_next_one(
    fs: SimulatedFileSystem,
) -> None:
    """The rotation that it asked for stands, and whatever is appended next was decided at the same state."""
    log = started(fs, segment_max_bytes=300)
    await log.append(Batch(Random(1).randbytes(100), 1, 0, T0_MS, bytes(16)))
    fs.faults.append(FailAt("write", 1, errno.ENOSPC, f"{name(2).name}.tmp"))
    fs.faults.append(FailAt("write", 2, errno.ENOSPC, f"{name(2).name}.tmp"))
    refused = Batch(Random(2).randbytes(200), 1, 1, T0_MS, STATE)
    for _ in range(2):
        with pytest.raises(DiskFullError):
            await log.append(refused)
    await log.append(refused)
    assert (state_of(fs, 2), log.last_seq) == (STATE, 2)
    assert len(payloads(log)) == 2


async def test_no_state_is_in_the_frames(fs: SimulatedFileSystem) -> None:
    """What a batch was decided at stands where a segment begins, and costs nothing elsewhere."""
    contents = []
    for state in (STATE, bytes(16)):
        log = started(other := SimulatedFileSystem())
        await log.append(Batch(b"a", 1, 0, T0_MS, state))
        contents.append(read_all(other, name(1)))
    assert contents[0] == contents[1]
