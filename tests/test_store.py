"""The store as a front end sees it: results, counters, obstacles, and what a restart finds."""

import errno

import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from synap.clock import LogClock, ManualClock
from synap.commands import (
    Append,
    Command,
    Copy,
    Count,
    Delete,
    DeleteMany,
    DeletePrefix,
    Evict,
    Exists,
    Expire,
    Flush,
    Get,
    GetDelete,
    GetMany,
    GetRange,
    GetTimed,
    GetTouch,
    Increment,
    Keys,
    Kind,
    Length,
    MemoryUsage,
    Pair,
    Persist,
    PurgeExpired,
    RandomKey,
    Rename,
    Scan,
    Set,
    SetMany,
    SetRange,
    TimeToLive,
)
from synap.datadir import open_data_directory
from synap.errors import (
    DiskFullError,
    InvalidKeyError,
    InvalidValueError,
    LogFailedError,
    NotReadyError,
    SnapshotsOffError,
)
from synap.keyspace import Keyspace
from synap.radix import new_tree
from synap.results import Found, KeyPage, Page, Timed, TimeLeft, Written
from synap.store import (
    STALLED_AFTER_S,
    FsyncMode,
    Limits,
    LogOptions,
    OperationCounts,
    Store,
    open_memory_store,
    open_store,
)
from synap.tasks import open_tasks
from synap.telemetry import Metrics
from synap.testing import FailAt
from tests.wal.build import DATA

from .engine import NOW, GateLog, send, set_text
from .machine import Machine, running

HOUR_MS = 3_600_000


@pytest.fixture
def machine() -> Machine:
    return Machine()


def store_over(log: GateLog) -> Store:
    clock = LogClock(ManualClock(NOW), 0, lambda _: None)
    return Store(Keyspace(new_tree()), log, clock, Limits(), Metrics())


# --- commands and counters -------------------------------------------------------------------------------

# Each command, what comes of it where 'a' and 'b' are there, and what is counted.
COMMANDS: list[tuple[Command[object], object, OperationCounts]] = [
    (set_text(b"x"), Written(written=True, version=3), OperationCounts(sets=1)),
    (set_text(b"a", only_if_absent=True), Written(written=False, version=1), OperationCounts()),
    (SetMany((Pair(b"x", Kind.TEXT, b""), Pair(b"y", Kind.TEXT, b""))), True, OperationCounts(sets=2)),
    (SetMany((Pair(b"x", Kind.TEXT, b""), Pair(b"a", Kind.TEXT, b"")), only_if_absent=True), False, OperationCounts()),
    (Increment(b"a", 5), 6, OperationCounts(sets=1)),
    (Append(b"a", b"2"), 2, OperationCounts(sets=1)),
    (SetRange(b"a", 1, b"2"), 2, OperationCounts(sets=1)),
    (Rename(b"a", b"x"), None, OperationCounts(sets=1, dels=1)),
    (Copy(b"a", b"x"), True, OperationCounts(sets=1)),
    (Copy(b"a", b"b"), False, OperationCounts()),
    (Get(b"a"), Found(0, b"1", None, 1), OperationCounts(gets=1, hits=1)),
    (Get(b"x"), None, OperationCounts(gets=1)),
    (GetTimed(b"b"), Timed(Found(0, b"2", NOW + 1000, 2), 1000), OperationCounts(gets=1, hits=1)),
    (GetTimed(b"x"), None, OperationCounts(gets=1)),
    (GetRange(b"a", 1, 5), Found(0, b"", None, 1), OperationCounts(gets=1, hits=1)),
    (GetRange(b"x", 1, 5), None, OperationCounts(gets=1)),
    (GetDelete(b"a"), Found(0, b"1", None, 1), OperationCounts(gets=1, hits=1, dels=1)),
    (GetDelete(b"x"), None, OperationCounts(gets=1)),
    (
        GetMany((b"a", b"x", b"b")),
        (Found(0, b"1", None, 1), None, Found(0, b"2", NOW + 1000, 2)),
        OperationCounts(3, 2),
    ),
    (GetTouch(b"a", 5), Found(0, b"1", NOW + 5, 1), OperationCounts(gets=1, hits=1)),
    (GetTouch(b"x", 5), None, OperationCounts(gets=1)),
    (Delete(b"a"), True, OperationCounts(dels=1)),
    (Delete(b"x"), False, OperationCounts()),
    (DeleteMany((b"a", b"x", b"b")), 2, OperationCounts(dels=2)),
    (DeletePrefix(b"a"), 1, OperationCounts(dels=1)),
    (Flush(), 2, OperationCounts(dels=2)),
    (Expire(b"a", 5), True, OperationCounts()),
    (Persist(b"b"), True, OperationCounts()),
    (PurgeExpired(10), 0, OperationCounts()),
    (Evict(10), 0, OperationCounts()),
    (Exists(b"a"), True, OperationCounts()),
    (Length(b"a"), 1, OperationCounts()),
    (MemoryUsage(b"x"), 0, OperationCounts()),
    (TimeToLive(b"b"), TimeLeft(exists=True, ms=1000), OperationCounts()),
    (Count(b""), 2, OperationCounts()),
    # Any of the two; the chance of this machine is always the same.
    (RandomKey(), b"a", OperationCounts()),
    (Keys(b"*", 10), KeyPage([b"a", b"b"], truncated=False), OperationCounts()),
    (Scan(b"", None, 10), Page([b"a", b"b"], None), OperationCounts()),
]


@pytest.mark.parametrize(("command", "result", "counts"), COMMANDS, ids=lambda value: type(value).__name__)
async def test_each_command(
    machine: Machine, command: Command[object], result: object, counts: OperationCounts
) -> None:
    async with machine.life() as store:
        await store.execute(set_text(b"a", b"1"))
        await store.execute(set_text(b"b", b"2", 1000))
        store.counts = OperationCounts()
        name = type(command).__name__.lower()
        before = machine.value("synap_kv_operations_total", operation=name, status="ok")
        assert await store.execute(command) == result
        assert store.counts == counts
        assert machine.value("synap_kv_operations_total", operation=name, status="ok") == before + 1
        assert machine.value("synap_kv_operation_duration_seconds_count", operation=name) == before + 1


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (set_text(b""), InvalidKeyError),
        (Get(b""), InvalidKeyError),
        (Keys(b"\xff", 1), InvalidValueError),
        (DeletePrefix(b""), InvalidValueError),
    ],
)
async def test_refusals_are_counted_as_such(machine: Machine, command: Command[object], error: type[Exception]) -> None:
    async with machine.life() as store:
        with pytest.raises(error):
            await store.execute(command)
    assert machine.value("synap_kv_operations_total", operation=type(command).__name__.lower(), status="refused") == 1
    assert store.counts == OperationCounts()


async def test_a_command_that_is_cancelled_or_unavailable_is_an_error(machine: Machine) -> None:
    store = machine.open()
    with trio.move_on_after(0):
        await store.execute(set_text(b"a"))
    store._committer.fail(LogFailedError("write", DATA, OSError(5, "Input/output error")))
    with pytest.raises(NotReadyError):
        await store.execute(set_text(b"a"))
    assert machine.value("synap_kv_operations_total", operation="set", status="error") == 2


async def test_what_it_tells_about_itself(machine: Machine) -> None:
    async with machine.life() as store:
        assert (store.seq, store.key_count(), store.memory_bytes, store.now_ms()) == (0, 0, 0, NOW)
        await store.execute(set_text(b"a", b"1"))
        await store.execute(set_text(b"b", b"2", 10))
        assert (store.seq, store.key_count()) == (2, 2)
        assert store.memory_bytes > 0
        machine.clock.advance(10)
        assert (store.now_ms(), store.key_count()) == (NOW + 10, 1)


# --- obstacles -------------------------------------------------------------------------------------------


async def test_a_stalled_disk_is_told_and_reads_go_on(autojump_clock: MockClock) -> None:
    log = GateLog()
    store = store_over(log)
    async with running(store) as tasks:
        await store.execute(set_text(b"a"))
        log.shut()
        await send(tasks, store.execute, set_text(b"b"), set_text(b"c"), set_text(b"d"))
        await trio.sleep(STALLED_AFTER_S - 0.1)
        assert store.obstacles() == []
        await trio.sleep(0.2)
        assert store.obstacles() == ["disk stalled: 2 writes are waiting"]
        assert await store.execute(Exists(b"a"))
        assert not await store.execute(Exists(b"b"))
        log.release()
        await trio.sleep(0.1)
        assert store.obstacles() == []
        assert await store.execute(Exists(b"d"))


async def test_a_full_disk_is_told_until_there_is_room(machine: Machine, autojump_clock: MockClock) -> None:
    async with machine.life() as store:
        await store.execute(set_text(b"a"))
        machine.fs.capacity_bytes = 1
        with pytest.raises(DiskFullError):
            await store.execute(set_text(b"b"))
        await trio.sleep(1)
        assert store.obstacles() == ["disk full: writes are refused, reads go on"]
        assert await store.execute(Exists(b"a"))
        machine.fs.capacity_bytes = None
        await trio.sleep(0.2)
        assert store.obstacles() == []
        await store.execute(set_text(b"b"))


@pytest.mark.parametrize("mode", FsyncMode)
async def test_a_failed_log_ends_the_store(machine: Machine, mode: FsyncMode, autojump_clock: MockClock) -> None:
    store = machine.open(mode)
    machine.fs.faults[:] = [FailAt("write" if mode is FsyncMode.NEVER else "datasync", 1, errno.EIO)]
    async with trio.open_nursery() as clients:
        with pytest.raises(LogFailedError):
            await run_beside(store, clients)
    failed = store.obstacles()
    assert len(failed) == 1
    assert failed[0].startswith("log failed: ")
    with pytest.raises(NotReadyError, match="the log failed"):
        await store.execute(set_text(b"late"))
    # Reads go on as long as the process does, and nothing pretends to end the log well.
    assert await store.execute(Exists(b"a")) == (mode is FsyncMode.PERIODIC)
    await store.close()
    machine.fs.faults[:] = []
    machine.fs.kill()
    machine.open()
    assert machine.report is not None
    assert not machine.report.clean


async def run_beside(store: Store, clients: trio.Nursery) -> None:
    async with open_tasks() as tasks:
        tasks.start_soon(store.run)
        await send(clients, store.execute, set_text(b"a"))
        await trio.sleep_forever()


async def test_whoever_waits_when_the_log_fails_is_told(autojump_clock: MockClock) -> None:
    log = GateLog()
    store = store_over(log)
    log.shut()
    log.failures = [LogFailedError("fdatasync", DATA, OSError(errno.EIO, "Input/output error"))]
    async with trio.open_nursery() as clients:
        clients.start_soon(release_later, log)
        with pytest.raises(LogFailedError):
            await run_beside_many(store, clients)
    assert store.obstacles() == ["log failed: fdatasync gave an error, the server is going down"]


async def run_beside_many(store: Store, clients: trio.Nursery) -> None:
    async with open_tasks() as tasks:
        tasks.start_soon(store.run)
        first, second = await send(clients, store.execute, set_text(b"a"), set_text(b"b"))
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await wait_all_tasks_blocked()
            assert (first.error, second.error) == (LogFailedError, NotReadyError)


async def release_later(log: GateLog) -> None:
    await trio.sleep(1)
    log.release()


# --- starting again --------------------------------------------------------------------------------------


async def test_everything_is_there_after_a_restart_to_the_millisecond(machine: Machine) -> None:
    async with machine.life() as store:
        for number in range(50):
            await store.execute(set_text(b"%d" % number, b"v%d" % number, 1000 + number if number % 3 else None))
            machine.clock.advance(7)
        await store.execute(Persist(b"1"))
        await store.execute(Expire(b"0", 12_345))
        before = list(store.keyspace.tree.items()), store.seq, store.keyspace.digest
    machine.clock.advance(500)
    async with machine.life() as store:
        assert (list(store.keyspace.tree.items()), store.seq, store.keyspace.digest) == before
        assert await store.execute(TimeToLive(b"0")) == TimeLeft(exists=True, ms=12_345 - 500)
        assert await store.execute(TimeToLive(b"49")) == TimeLeft(exists=True, ms=1049 - 7 - 500)
    assert machine.report is not None
    assert (machine.report.events, machine.report.clean) == (52, False)


async def test_a_clean_end_is_known_as_one(machine: Machine) -> None:
    store = machine.open()
    async with running(store) as tasks:
        (sent,) = await send(tasks, store.execute, set_text(b"a"))
        await store.drain()
        with pytest.raises(NotReadyError):
            await store.execute(set_text(b"late"))
    await store.close()
    assert sent.outcome == [Written(written=True, version=1)]
    machine.fs.kill()
    again = machine.open()
    assert machine.report is not None
    assert (machine.report.clean, again.seq) == (True, 1)


async def test_what_expired_while_the_store_was_down(machine: Machine, autojump_clock: MockClock) -> None:
    """It is absent at once, and purged soon."""
    async with machine.life() as store:
        for number in range(10):
            await store.execute(set_text(b"%d" % number, b"", 1000 + number))
    machine.clock.advance(1005)
    store = machine.open()
    assert store.key_count() == 4
    assert await store.execute(Count(b"")) == 4
    assert await store.execute(Get(b"5")) is None
    assert await store.execute(Exists(b"6"))
    assert len(store.keyspace.tree) == 10
    async with running(store):
        await trio.sleep(0.1)
        assert len(store.keyspace.tree) == 4
    assert store.expired_keys == 6
    assert machine.value("synap_expired_keys_total") == 6


@pytest.mark.parametrize("back_ms", [10, 2000, HOUR_MS])
async def test_what_expired_stays_gone_where_the_clock_goes_back(
    machine: Machine, back_ms: int, autojump_clock: MockClock
) -> None:
    async with machine.life() as store:
        await store.execute(set_text(b"gone", b"", 1000))
        await store.execute(set_text(b"here", b"", 5000))
        machine.clock.advance(1000)
        await trio.sleep(0.1)
        assert len(store.keyspace.tree) == 1
    machine.clock.step_wall(-back_ms)
    with structlog.testing.capture_logs() as logged:
        async with machine.life() as store:
            assert store.now_ms() == NOW + 1000
            assert await store.execute(Get(b"gone")) is None
            assert await store.execute(TimeToLive(b"here")) == TimeLeft(exists=True, ms=4000)
    assert [(line["log_level"], line["behind_ms"]) for line in logged] == [("warning", back_ms)]


async def test_a_step_of_the_wall_clock_ends_nothing_and_is_counted(machine: Machine) -> None:
    async with machine.life() as store:
        await store.execute(set_text(b"a", b"", 1000))
        with structlog.testing.capture_logs() as logged:
            machine.clock.step_wall(HOUR_MS)
            assert await store.execute(TimeToLive(b"a")) == TimeLeft(exists=True, ms=1000)
            machine.clock.advance(999)
            assert await store.execute(Exists(b"a"))
            machine.clock.advance(1)
            assert not await store.execute(Exists(b"a"))
    assert [(line["log_level"], line["step_ms"]) for line in logged] == [("warning", HOUR_MS)]
    assert machine.value("synap_clock_steps_total") == 1


async def test_progress_is_reported(machine: Machine) -> None:
    async with machine.life() as store:
        for number in range(200):
            await store.execute(set_text(b"%d" % number))
    directory = open_data_directory(machine.fs, DATA, now_ms=NOW)
    shares: list[float] = []
    open_store(
        directory, machine.clock, options=LogOptions(), limits=Limits(), metrics=Metrics(), on_progress=shares.append
    )
    assert len(shares) > 50


# --- a store that keeps nothing --------------------------------------------------------------------------


async def test_a_store_in_memory(autojump_clock: MockClock) -> None:
    clock = ManualClock(NOW)
    store = open_memory_store(clock, limits=Limits(value_max_bytes=3), metrics=Metrics())
    async with running(store):
        assert await store.execute(set_text(b"a", b"123", 1000)) == Written(written=True, version=1)
        assert await store.execute(Get(b"a")) == Found(0, b"123", NOW + 1000, 1)
        assert store.obstacles() == []
        assert list(store.log.read(store.log.first_seq)) == []
        clock.advance(1000)
        await trio.sleep(0.1)
        assert (len(store.keyspace.tree), store.expired_keys) == (0, 1)
        await store.drain()
    await store.close()


# --- snapshots -------------------------------------------------------------------------------------------


async def test_a_restart_begins_with_the_snapshot(machine: Machine) -> None:
    async with machine.life() as store:
        await store.execute(set_text(b"a", b"1", 5000))
        await store.execute(set_text(b"b", b"2"))
        taken = await store.take_snapshot()
        assert (taken.seq, taken.entries, taken.created_ms) == (2, 2, NOW)
        await store.execute(Delete(b"a"))
        await store.execute(set_text(b"c", b"3"))
        before = list(store.keyspace.tree.items()), store.seq, store.keyspace.digest
        assert store.snapshots == (taken,)
    async with machine.life() as store:
        assert (list(store.keyspace.tree.items()), store.seq, store.keyspace.digest) == before
        assert store.snapshots == (taken,)
    assert machine.report is not None
    assert (machine.report.snapshot_seq, machine.report.entries, machine.report.events) == (2, 2, 2)


async def test_a_store_in_memory_has_no_snapshots() -> None:
    store = open_memory_store(ManualClock(NOW), limits=Limits(), metrics=Metrics())
    async with running(store):
        with pytest.raises(SnapshotsOffError, match="nothing is kept on disk"):
            await store.take_snapshot()
    assert (store.snapshots, store.log_bytes) == ((), 0)


# --- the set of its commands -----------------------------------------------------------------------------


def test_every_command_was_tried() -> None:
    def leaves(kind: type[Command[object]]) -> set[type[Command[object]]]:
        parts = [part for part in kind.__subclasses__() if part.__module__ == Set.__module__]
        return set().union(*map(leaves, parts)) if parts else {kind}

    assert {type(command) for command, _, _ in COMMANDS} == leaves(Command)
