"""The store as a front end sees it: results, counters, obstacles, and what a restart finds."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from synap import store as store_module
from synap.clock import LogClock, ManualClock
from synap.commands import (
    Command,
    Count,
    Delete,
    DeleteMany,
    DeletePrefix,
    Exists,
    Expire,
    Get,
    GetMany,
    GetTouch,
    Keys,
    Kind,
    Pair,
    Persist,
    PurgeExpired,
    Scan,
    Set,
    SetMany,
    TimeToLive,
)
from synap.datadir import open_data_directory
from synap.errors import DiskFullError, InvalidKeyError, InvalidValueError, LogFailedError, NotReadyError
from synap.keyspace import Keyspace
from synap.radix import new_tree
from synap.recovery import RecoveryReport
from synap.results import Found, KeyPage, Page, TimeLeft, Written
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
from synap.testing import FailAt, SimulatedFileSystem
from tests.wal.build import DATA

from .engine import NOW, GateLog, inline, send, set_text

HOUR_MS = 3_600_000


class World:
    """A machine on which a store is started, ended and started again."""

    def __init__(self) -> None:
        self.fs = SimulatedFileSystem()
        self.clock = ManualClock(NOW)
        self.metrics = Metrics()
        self.report: RecoveryReport | None = None
        self._rng = Random(1)

    def open(self, mode: FsyncMode = FsyncMode.ALWAYS) -> Store:
        directory = open_data_directory(self.fs, DATA, now_ms=self.clock.wall_ms(), random_bytes=self._rng.randbytes)
        store, self.report = open_store(
            directory,
            self.clock,
            options=LogOptions(mode),
            limits=Limits(),
            metrics=self.metrics,
            random_u32=lambda: self._rng.getrandbits(32),
            hop=inline,
        )
        return store

    @asynccontextmanager
    async def life(self) -> AsyncIterator[Store]:
        """A store from its start to its end, which is the end of the process: nothing is closed."""
        store = self.open()
        async with running(store):
            yield store
        self.fs.kill()

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def world() -> World:
    return World()


@asynccontextmanager
async def running(store: Store) -> AsyncIterator[trio.Nursery]:
    async with open_tasks() as tasks:
        tasks.start_soon(store.run)
        yield tasks
        tasks.cancel_scope.cancel()


def store_over(log: GateLog) -> Store:
    clock = LogClock(ManualClock(NOW), 0, lambda _: None)
    return Store(Keyspace(new_tree()), log, clock, Limits(), Metrics())


# --- commands and counters -------------------------------------------------------------------------------

# Each command, what comes of it where 'a' and 'b' are there, and what is counted.
COMMANDS: list[tuple[Command[object], object, OperationCounts]] = [
    (set_text(b"x"), Written(written=True, version=3), OperationCounts(sets=1)),
    (set_text(b"a", only_if_absent=True), Written(written=False, version=1), OperationCounts()),
    (SetMany((Pair(b"x", Kind.TEXT, b""), Pair(b"y", Kind.TEXT, b""))), None, OperationCounts(sets=2)),
    (Get(b"a"), Found(0, b"1", None, 1), OperationCounts(gets=1, hits=1)),
    (Get(b"x"), None, OperationCounts(gets=1)),
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
    (Expire(b"a", 5), True, OperationCounts()),
    (Persist(b"b"), True, OperationCounts()),
    (PurgeExpired(10), 0, OperationCounts()),
    (Exists(b"a"), True, OperationCounts()),
    (TimeToLive(b"b"), TimeLeft(exists=True, ms=1000), OperationCounts()),
    (Count(b""), 2, OperationCounts()),
    (Keys(b"*", 10), KeyPage([b"a", b"b"], truncated=False), OperationCounts()),
    (Scan(b"", None, 10), Page([b"a", b"b"], None), OperationCounts()),
]


@pytest.mark.parametrize(("command", "result", "counts"), COMMANDS, ids=lambda value: type(value).__name__)
async def test_each_command(world: World, command: Command[object], result: object, counts: OperationCounts) -> None:
    async with world.life() as store:
        await store.execute(set_text(b"a", b"1"))
        await store.execute(set_text(b"b", b"2", 1000))
        store.counts = OperationCounts()
        name = type(command).__name__.lower()
        before = world.value("synap_kv_operations_total", operation=name, status="ok")
        assert await store.execute(command) == result
        assert store.counts == counts
        assert world.value("synap_kv_operations_total", operation=name, status="ok") == before + 1
        assert world.value("synap_kv_operation_duration_seconds_count", operation=name) == before + 1


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (set_text(b""), InvalidKeyError),
        (Get(b""), InvalidKeyError),
        (Keys(b"\xff", 1), InvalidValueError),
        (DeletePrefix(b""), InvalidValueError),
    ],
)
async def test_refusals_are_counted_as_such(world: World, command: Command[object], error: type[Exception]) -> None:
    async with world.life() as store:
        with pytest.raises(error):
            await store.execute(command)
    assert world.value("synap_kv_operations_total", operation=type(command).__name__.lower(), status="refused") == 1
    assert store.counts == OperationCounts()


async def test_a_command_that_is_cancelled_or_unavailable_is_an_error(world: World) -> None:
    store = world.open()
    with trio.move_on_after(0):
        await store.execute(set_text(b"a"))
    store._committer.fail(LogFailedError("write", DATA, OSError(5, "Input/output error")))
    with pytest.raises(NotReadyError):
        await store.execute(set_text(b"a"))
    assert world.value("synap_kv_operations_total", operation="set", status="error") == 2


async def test_what_it_tells_about_itself(world: World) -> None:
    async with world.life() as store:
        assert (store.seq, store.key_count(), store.memory_bytes, store.now_ms()) == (0, 0, 0, NOW)
        await store.execute(set_text(b"a", b"1"))
        await store.execute(set_text(b"b", b"2", 10))
        assert (store.seq, store.key_count()) == (2, 2)
        assert store.memory_bytes > 0
        world.clock.advance(10)
        assert (store.now_ms(), store.key_count()) == (NOW + 10, 1)


# --- keys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "found", "truncated"), [(1, 1, True), (24, 24, True), (25, 25, False), (26, 25, False), (1000, 25, False)]
)
async def test_keys_up_to_a_limit(
    world: World, limit: int, found: int, truncated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MATCH_VISITS", 7)
    async with world.life() as store:
        await store.execute(SetMany(tuple(Pair(b"%03d" % number, Kind.TEXT, b"") for number in range(100))))
        page = await store.execute(Keys(b"0[2-6]*[0-4]", limit))
    expected = [b"%03d" % number for number in range(20, 70) if number % 10 < 5]
    assert page == KeyPage(expected[:found], truncated=truncated)


async def test_a_walk_lets_others_in_between_and_finds_what_lives_throughout(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MATCH_VISITS", 5)
    async with world.life() as store:
        await store.execute(SetMany(tuple(Pair(b"%03d" % number, Kind.TEXT, b"") for number in range(100))))
        written = 0

        async def change_things() -> None:
            nonlocal written
            for number in range(0, 100, 2):
                await store.execute(Delete(b"%03d" % number))
                await store.execute(set_text(b"%03d:new" % number))
                written += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(change_things)
            page = await store.execute(Keys(b"*", 1000))
            assert 0 < written < 50
            nursery.cancel_scope.cancel()
    assert {b"%03d" % number for number in range(1, 100, 2)} <= set(page.keys)
    assert page.keys == sorted(set(page.keys))


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


async def test_a_full_disk_is_told_until_there_is_room(world: World, autojump_clock: MockClock) -> None:
    async with world.life() as store:
        await store.execute(set_text(b"a"))
        world.fs.capacity_bytes = 1
        with pytest.raises(DiskFullError):
            await store.execute(set_text(b"b"))
        await trio.sleep(1)
        assert store.obstacles() == ["disk full: writes are refused, reads go on"]
        assert await store.execute(Exists(b"a"))
        world.fs.capacity_bytes = None
        await trio.sleep(0.2)
        assert store.obstacles() == []
        await store.execute(set_text(b"b"))


@pytest.mark.parametrize("mode", FsyncMode)
async def test_a_failed_log_ends_the_store(world: World, mode: FsyncMode, autojump_clock: MockClock) -> None:
    store = world.open(mode)
    world.fs.faults[:] = [FailAt("write" if mode is FsyncMode.NEVER else "datasync", 1, errno.EIO)]
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
    world.fs.faults[:] = []
    world.fs.kill()
    world.open()
    assert world.report is not None
    assert not world.report.clean


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


async def test_everything_is_there_after_a_restart_to_the_millisecond(world: World) -> None:
    async with world.life() as store:
        for number in range(50):
            await store.execute(set_text(b"%d" % number, b"v%d" % number, 1000 + number if number % 3 else None))
            world.clock.advance(7)
        await store.execute(Persist(b"1"))
        await store.execute(Expire(b"0", 12_345))
        before = list(store.keyspace.tree.items()), store.seq, store.keyspace.digest
    world.clock.advance(500)
    async with world.life() as store:
        assert (list(store.keyspace.tree.items()), store.seq, store.keyspace.digest) == before
        assert await store.execute(TimeToLive(b"0")) == TimeLeft(exists=True, ms=12_345 - 500)
        assert await store.execute(TimeToLive(b"49")) == TimeLeft(exists=True, ms=1049 - 7 - 500)
    assert world.report is not None
    assert (world.report.events, world.report.clean) == (52, False)


async def test_a_clean_end_is_known_as_one(world: World) -> None:
    store = world.open()
    async with running(store) as tasks:
        (sent,) = await send(tasks, store.execute, set_text(b"a"))
        await store.drain()
        with pytest.raises(NotReadyError):
            await store.execute(set_text(b"late"))
    await store.close()
    assert sent.outcome == [Written(written=True, version=1)]
    world.fs.kill()
    again = world.open()
    assert world.report is not None
    assert (world.report.clean, again.seq) == (True, 1)


async def test_what_expired_while_the_store_was_down(world: World, autojump_clock: MockClock) -> None:
    """It is absent at once, and purged soon."""
    async with world.life() as store:
        for number in range(10):
            await store.execute(set_text(b"%d" % number, b"", 1000 + number))
    world.clock.advance(1005)
    store = world.open()
    assert store.key_count() == 4
    assert await store.execute(Count(b"")) == 4
    assert await store.execute(Get(b"5")) is None
    assert await store.execute(Exists(b"6"))
    assert len(store.keyspace.tree) == 10
    async with running(store):
        await trio.sleep(0.1)
        assert len(store.keyspace.tree) == 4
    assert store.expired_keys == 6
    assert world.value("synap_expired_keys_total") == 6


@pytest.mark.parametrize("back_ms", [10, 2000, HOUR_MS])
async def test_what_expired_stays_gone_where_the_clock_goes_back(
    world: World, back_ms: int, autojump_clock: MockClock
) -> None:
    async with world.life() as store:
        await store.execute(set_text(b"gone", b"", 1000))
        await store.execute(set_text(b"here", b"", 5000))
        world.clock.advance(1000)
        await trio.sleep(0.1)
        assert len(store.keyspace.tree) == 1
    world.clock.step_wall(-back_ms)
    with structlog.testing.capture_logs() as logged:
        async with world.life() as store:
            assert store.now_ms() == NOW + 1000
            assert await store.execute(Get(b"gone")) is None
            assert await store.execute(TimeToLive(b"here")) == TimeLeft(exists=True, ms=4000)
    assert [(line["log_level"], line["behind_ms"]) for line in logged] == [("warning", back_ms)]


async def test_a_step_of_the_wall_clock_ends_nothing_and_is_counted(world: World) -> None:
    async with world.life() as store:
        await store.execute(set_text(b"a", b"", 1000))
        with structlog.testing.capture_logs() as logged:
            world.clock.step_wall(HOUR_MS)
            assert await store.execute(TimeToLive(b"a")) == TimeLeft(exists=True, ms=1000)
            world.clock.advance(999)
            assert await store.execute(Exists(b"a"))
            world.clock.advance(1)
            assert not await store.execute(Exists(b"a"))
    assert [(line["log_level"], line["step_ms"]) for line in logged] == [("warning", HOUR_MS)]
    assert world.value("synap_clock_steps_total") == 1


async def test_progress_is_reported(world: World) -> None:
    async with world.life() as store:
        for number in range(200):
            await store.execute(set_text(b"%d" % number))
    directory = open_data_directory(world.fs, DATA, now_ms=NOW)
    shares: list[float] = []
    open_store(
        directory, world.clock, options=LogOptions(), limits=Limits(), metrics=Metrics(), on_progress=shares.append
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


# --- the set of its commands -----------------------------------------------------------------------------


def test_every_command_was_tried() -> None:
    def leaves(kind: type[Command[object]]) -> set[type[Command[object]]]:
        parts = [part for part in kind.__subclasses__() if part.__module__ == Set.__module__]
        return set().union(*map(leaves, parts)) if parts else {kind}

    assert {type(command) for command, _, _ in COMMANDS} == leaves(Command)
