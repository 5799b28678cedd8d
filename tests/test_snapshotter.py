"""Who gets which snapshot, when one is taken without being asked for, and what happens where that fails."""

import errno

import pytest
import structlog
import trio
from msgspec import structs
from trio.testing import MockClock, wait_all_tasks_blocked

from synap import snapshotter
from synap.commands import Delete, DeletePrefix, Exists
from synap.errors import NotReadyError, SnapshotFailedError, SnapshotNoRoomError, SnapshotsOffError, SynapError
from synap.fs import read_all
from synap.snapshot.fold import FoldFailure, FoldReport, FoldRequest, carry_out
from synap.snapshot.policy import SnapshotInfo, SnapshotOptions
from synap.snapshotter import BACK_OFF_S, LOOK_EVERY_S
from synap.store import Store
from tests.machine import Machine, running
from tests.stores import all_files
from tests.wal.build import DATA, WAL, files_of

from .engine import NOW, set_text

SNAPSHOTS = DATA / "snapshot"


class Folds:
    """Folds of a machine, as many as were begun; they wait while the gate is shut, and fail as they are told."""

    def __init__(self, machine: Machine) -> None:
        self.begun: list[FoldRequest] = []
        self.times_s: list[float] = []
        self.failures: list[FoldFailure] = []
        self.changes_max_bytes: int | None = None
        self.cancelled = 0
        self._machine = machine
        self._gate = trio.Event()
        self._gate.set()
        machine.fold = self

    async def __call__(self, request: FoldRequest) -> FoldReport | FoldFailure:
        self.begun.append(request)
        self.times_s.append(trio.current_time())
        try:
            await self._gate.wait()
            await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            # As a child that is killed leaves it.
            self._machine.fs.create(SNAPSHOTS / f"{request.upto_seq:020d}.snap.tmp").close()
            self.cancelled += 1
            raise
        if self.changes_max_bytes is not None:
            request = structs.replace(request, changes_max_bytes=self.changes_max_bytes)
        outcome = carry_out(self._machine.fs, request)
        return self.failures.pop(0) if self.failures else outcome

    def shut(self) -> None:
        self._gate = trio.Event()

    def release(self) -> None:
        self._gate.set()


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def folds(machine: Machine) -> Folds:
    return Folds(machine)


class Asked:
    """Somebody who asks for a snapshot; ``outcome`` is what comes of it."""

    def __init__(self, store: Store) -> None:
        self.outcome: list[SnapshotInfo | SynapError] = []
        self.scope = trio.CancelScope()
        self._store = store

    async def ask(self) -> None:
        with self.scope:
            try:
                self.outcome.append(await self._store.take_snapshot())
            except SynapError as error:
                self.outcome.append(error)

    @property
    def seq(self) -> int:
        (info,) = self.outcome
        assert isinstance(info, SnapshotInfo), info
        return info.seq

    @property
    def error(self) -> type[SynapError]:
        (error,) = self.outcome
        assert isinstance(error, SynapError), error
        return type(error)


async def ask(nursery: trio.Nursery, store: Store) -> Asked:
    """Ask for a snapshot, and return when nothing more happens."""
    asked = Asked(store)
    nursery.start_soon(asked.ask)
    await wait_all_tasks_blocked()
    return asked


# --- who asks --------------------------------------------------------------------------------------------


async def test_a_snapshot_holds_what_was_acknowledged_before(machine: Machine) -> None:
    async with machine.life() as store:
        for number in range(5):
            await store.execute(set_text(b"%d" % number))
        await store.execute(Delete(b"3"))
        machine.clock.advance(1000)
        with structlog.testing.capture_logs() as logged:
            taken = await store.take_snapshot()
        path = SNAPSHOTS / f"{6:020d}.snap"
        size_bytes = len(read_all(machine.fs, path))
        assert taken == SnapshotInfo(path, 6, 4, size_bytes, created_ms=NOW + 1000, wall_ms=NOW + 1000)
        assert store.snapshots == (taken,)
        assert machine.fs.names(SNAPSHOTS) == [path.name]
        assert store.log.first_seq == 1, "the one snapshot may turn out to be damaged"
        (line,) = logged
        assert (line["event"], line["seq"], line["entries"], line["events"]) == ("snapshot taken", 6, 4, 6)
    assert machine.value("synap_snapshots_total", status="ok") == 1
    assert machine.value("synap_snapshot_duration_seconds_count") == 1


async def test_where_nothing_happened_it_is_the_same_one(machine: Machine, folds: Folds) -> None:
    async with machine.life() as store:
        empty = await store.take_snapshot()
        assert (empty.seq, empty.entries) == (0, 0)
        assert await store.take_snapshot() == empty
        await store.execute(set_text(b"a"))
        taken = await store.take_snapshot()
        machine.clock.advance(1000)
        assert await store.take_snapshot() == taken
    async with machine.life() as store:
        assert await store.take_snapshot() == taken
    assert [request.upto_seq for request in folds.begun] == [0, 1]


async def test_a_request_during_a_fold_gets_a_newer_one(machine: Machine, folds: Folds, nursery: trio.Nursery) -> None:
    async with machine.life() as store:
        await store.execute(set_text(b"a"))
        folds.shut()
        first = await ask(nursery, store)
        await store.execute(set_text(b"b"))
        second, third = await ask(nursery, store), await ask(nursery, store)
        assert (first.outcome, second.outcome) == ([], [])
        folds.release()
        await wait_all_tasks_blocked()
        assert (first.seq, second.seq, third.seq) == (1, 2, 2)
        assert [(request.base_seq, request.upto_seq) for request in folds.begun] == [(None, 1), (1, 2)]


async def test_requests_that_come_together_share_one(machine: Machine, folds: Folds) -> None:
    async with machine.life() as store:
        await store.execute(set_text(b"a"))
        async with trio.open_nursery() as clients:
            asked = [Asked(store) for _ in range(5)]
            for each in asked:
                clients.start_soon(each.ask)
        assert [each.seq for each in asked] == [1] * 5
    assert len(folds.begun) == 1


async def test_who_stops_waiting_does_not_stop_the_snapshot(
    machine: Machine, folds: Folds, nursery: trio.Nursery
) -> None:
    async with machine.life() as store:
        await store.execute(set_text(b"a"))
        folds.shut()
        impatient, patient = await ask(nursery, store), await ask(nursery, store)
        impatient.scope.cancel()
        await wait_all_tasks_blocked()
        folds.release()
        await wait_all_tasks_blocked()
        assert (impatient.outcome, patient.seq, store.snapshots[-1].seq) == ([], 1, 1)


async def test_writes_and_reads_go_on_during_a_fold(machine: Machine, folds: Folds, nursery: trio.Nursery) -> None:
    async with machine.life() as store:
        await store.execute(set_text(b"a"))
        folds.shut()
        asked = await ask(nursery, store)
        await store.execute(DeletePrefix(b"a"))
        await store.execute(set_text(b"b"))
        assert not await store.execute(Exists(b"a"))
        folds.release()
        await wait_all_tasks_blocked()
        before = store.seq, store.keyspace.digest
        assert (asked.seq, store.seq) == (1, 3)
    async with machine.life() as store:
        assert (store.seq, store.keyspace.digest) == before
    assert machine.report is not None
    assert (machine.report.snapshot_seq, machine.report.events) == (1, 2)


async def test_a_fold_that_would_need_too_much_memory_comes_in_pieces(machine: Machine, folds: Folds) -> None:
    machine.segment_max_bytes = 1
    folds.changes_max_bytes = 0
    async with machine.life() as store:
        for number in range(5):
            await store.execute(set_text(b"%d" % number))
        taken = await store.take_snapshot()
        assert taken.seq == 5
        assert [request.base_seq for request in folds.begun] == [None, 1, 2, 3, 4]
        assert [info.seq for info in store.snapshots] == [4, 5]
        assert store.log.first_seq == 5


async def test_snapshots_that_are_off() -> None:
    machine = Machine(SnapshotOptions(enabled=False, events_max=1))
    folds = Folds(machine)
    async with machine.life() as store:
        await store.execute(set_text(b"a"))
        with pytest.raises(SnapshotsOffError, match=r"persistence\.snapshot\.enabled is false"):
            await store.take_snapshot()
    assert folds.begun == []


# --- the end ---------------------------------------------------------------------------------------------


async def test_at_the_end_whoever_waits_is_told_and_nothing_is_left(
    machine: Machine, folds: Folds, nursery: trio.Nursery
) -> None:
    store = machine.open()
    async with running(store):
        await store.execute(set_text(b"a"))
        folds.shut()
        first, second = await ask(nursery, store), await ask(nursery, store)
    await wait_all_tasks_blocked()
    assert (first.error, second.error, folds.cancelled) == (NotReadyError, NotReadyError, 1)
    assert machine.fs.names(SNAPSHOTS) == []
    with pytest.raises(NotReadyError, match="shutting down; no snapshot was taken"):
        await store.take_snapshot()
    await store.close()
    machine.fs.kill()
    machine.open()
    assert machine.report is not None
    assert (machine.report.clean, machine.report.events, machine.report.segments) == (True, 1, 2)


# --- without being asked ---------------------------------------------------------------------------------


async def look(times: int = 1) -> None:
    """Let the snapshotter look whether one is due."""
    await trio.sleep(times * LOOK_EVERY_S + 0.01)
    await wait_all_tasks_blocked()


@pytest.mark.parametrize(
    "options",
    [SnapshotOptions(events_max=3), SnapshotOptions(log_max_bytes=700), SnapshotOptions(age_max_s=3.0)],
    ids=["events", "log", "age"],
)
async def test_one_is_taken_when_it_is_due(options: SnapshotOptions, autojump_clock: MockClock) -> None:
    machine = Machine(options)
    async with machine.life() as store:
        for number in (1, 2, 4, 5):
            await look()
            assert [info.seq for info in store.snapshots] == ([] if number < 4 else [3])
            await store.execute(set_text(b"%d" % number, b"x" * 10))
            machine.clock.advance(1000)
            if number in {2, 5}:
                await store.execute(set_text(b"%d" % number, machine_noise(number)))
                machine.clock.advance(1000)
        await look()
        assert [info.seq for info in store.snapshots] == [3, 6]


def machine_noise(number: int) -> bytes:
    """A value that makes the log grow."""
    return bytes((number * each * 167) % 251 for each in range(300))


async def test_without_events_none_is_due_however_long_it_takes(autojump_clock: MockClock) -> None:
    machine = Machine(SnapshotOptions(age_max_s=1.0))
    async with machine.life() as store:
        machine.clock.advance(3_600_000)
        await look(10)
        assert store.snapshots == ()
        await store.execute(set_text(b"a"))
        await look(10)
        assert len(store.snapshots) == 1


async def test_what_was_recovered_counts(autojump_clock: MockClock) -> None:
    machine = Machine(SnapshotOptions(events_max=3))
    for number in range(2):
        async with machine.life() as store:
            await store.execute(set_text(b"%d" % number))
            await look()
            assert store.snapshots == ()
    async with machine.life() as store:
        await store.execute(set_text(b"c"))
        await look()
        assert [info.seq for info in store.snapshots] == [3]


async def test_none_is_taken_that_was_not_asked_for_where_that_is_wanted(autojump_clock: MockClock) -> None:
    machine = Machine(SnapshotOptions(automatic=False, events_max=1, log_max_bytes=1, age_max_s=0.001))
    async with machine.life() as store:
        await store.execute(set_text(b"a"))
        machine.clock.advance(1000)
        await look(5)
        assert store.snapshots == ()
        await store.take_snapshot()


# --- failures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (FoldFailure("its process was killed"), SnapshotFailedError),
        (FoldFailure("No such file", errno=errno.ENOENT), SnapshotFailedError),
        (FoldFailure("damaged", damaged=str(WAL / f"{1:020d}.wal")), SnapshotFailedError),
        (FoldFailure("No space left on device", errno=errno.ENOSPC), SnapshotNoRoomError),
        (FoldFailure("Disk quota exceeded", errno=errno.EDQUOT), SnapshotNoRoomError),
        (FoldFailure("File too large", errno=errno.EFBIG), SnapshotNoRoomError),
    ],
    ids=lambda value: value.reason if isinstance(value, FoldFailure) else None,
)
async def test_a_failed_fold(
    machine: Machine, folds: Folds, nursery: trio.Nursery, failure: FoldFailure, error: type[SynapError]
) -> None:
    """Those who asked are told; the log stays as it is, what the fold left does not, and the store goes on."""
    async with machine.life() as store:
        await store.execute(set_text(b"a"))
        folds.failures = [failure]
        folds.shut()
        first = await ask(nursery, store)
        second = await ask(nursery, store)
        segments = store.log_bytes
        with structlog.testing.capture_logs() as logged:
            folds.release()
            await wait_all_tasks_blocked()
        assert (first.error, second.seq) == (error, 1)
        assert failure.reason in str(first.outcome[0])
        assert [(line["log_level"], failure.reason in str(line.get("why"))) for line in logged] == [
            ("error", True),
            ("info", False),
        ]
        assert store.log_bytes == segments
        assert store.obstacles() == []
        await store.execute(set_text(b"b"))
    assert machine.value("synap_snapshots_total", status="failed") == 1
    assert machine.value("synap_snapshots_total", status="ok") == 1
    assert {path.name for path in all_files(machine.fs, SNAPSHOTS)} == {f"{1:020d}.snap"}


async def test_what_was_tried_in_vain_is_tried_again_later_and_later(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_off_s = BACK_OFF_S[:3]
    monkeypatch.setattr(snapshotter, "BACK_OFF_S", back_off_s)
    machine = Machine(SnapshotOptions(events_max=1))
    folds = Folds(machine)
    folds.failures = [FoldFailure("killed")] * 5
    async with machine.life() as store:
        await store.execute(set_text(b"a"))
        await trio.sleep(150)
        assert [info.seq for info in store.snapshots] == [1]
        pauses_s = [later - earlier for earlier, later in zip(folds.times_s, folds.times_s[1:], strict=False)]
        expected_s = [*back_off_s, back_off_s[-1], back_off_s[-1]]
        assert sorted(expected_s) == expected_s
        assert len(pauses_s) == len(expected_s)
        for pause_s, least_s in zip(pauses_s, expected_s, strict=True):
            assert least_s <= pause_s <= least_s + 2 * LOOK_EVERY_S
        # After a success, the next failure is the first again.
        folds.failures = [FoldFailure("killed")]
        await store.execute(set_text(b"b"))
        await trio.sleep(10)
        assert folds.times_s[-1] - folds.times_s[-2] <= back_off_s[0] + 2 * LOOK_EVERY_S
        assert [info.seq for info in store.snapshots] == [1, 2]


async def test_who_asks_does_not_wait_for_the_next_try(
    machine: Machine, folds: Folds, autojump_clock: MockClock
) -> None:
    async with machine.life() as store:
        await store.execute(set_text(b"a"))
        folds.failures = [FoldFailure("killed")] * 5
        for _ in range(5):
            with pytest.raises(SnapshotFailedError):
                await store.take_snapshot()
        started_s = trio.current_time()
        assert (await store.take_snapshot()).seq == 1
        assert trio.current_time() - started_s < 2 * LOOK_EVERY_S


async def test_no_room_to_rotate(machine: Machine, folds: Folds, autojump_clock: MockClock) -> None:
    async with machine.life() as store:
        await store.execute(set_text(b"a"))
        machine.fs.capacity_bytes = 1
        with pytest.raises(SnapshotNoRoomError):
            await store.take_snapshot()
        assert folds.begun == []
        assert store.obstacles() == ["disk full: writes are refused, reads go on"]
        assert await store.execute(Exists(b"a"))
        machine.fs.capacity_bytes = None
        assert (await store.take_snapshot()).seq == 1
        await store.execute(set_text(b"b"))
        before = files_of(machine.fs, WAL)
    assert len(before) == 2
