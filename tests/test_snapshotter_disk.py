"""What a snapshot does to the disk: nothing wrong ever counts, nothing goes too early, and no error is passed over."""

import errno
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
import structlog
import trio
from msgspec import structs
from trio.testing import wait_all_tasks_blocked

from synap.commands import Delete
from synap.datadir import StoreDirectory, look_at_data_directory
from synap.errors import LogFailedError, NotReadyError, SnapshotFailedError
from synap.fs import FileSystem, create_durably, read_all
from synap.keyspace import Digest, Keyspace
from synap.radix import new_tree
from synap.recovery import check_continues, load_snapshot, replay
from synap.snapshot.fold import FoldFailure, FoldReport, FoldRequest, carry_out
from synap.snapshot.format import HEADER_BYTES, Row, pack_header, snapshot_name, unpack_header
from synap.snapshot.reader import SnapshotReader, snapshot_seqs
from synap.snapshot.writer import SnapshotWriter
from synap.store import SnapshotOptions, Store
from synap.testing import EVERYTHING, NOTHING, CrashAt, FailAt, SimulatedCrash
from synap.wal.reader import LogReader
from tests.machine import Machine, running
from tests.wal.build import DATA, WAL, files_of

from .engine import NOW, set_text

SNAPSHOTS, QUARANTINE = DATA / "snapshot", DATA / "quarantine"


@pytest.fixture
def machine() -> Machine:
    return Machine()


def snapshot_path(seq: int) -> Path:
    return SNAPSHOTS / snapshot_name(seq)


def flip(fs: FileSystem, path: Path, offset: int) -> None:
    content = bytearray(read_all(fs, path))
    content[offset] ^= 1
    create_durably(fs, path, bytes(content))


async def take(store: Store, *keys: bytes) -> int:
    """Set some keys and take a snapshot; its number."""
    for key in keys:
        await store.execute(set_text(key))
    return (await store.take_snapshot()).seq


def seqs(store: Store) -> list[int]:
    return [info.seq for info in store.snapshots]


# --- a fold that lies ------------------------------------------------------------------------------------


def write_anew(fs: FileSystem, path: Path, rows: Callable[[list[Row]], list[Row]]) -> None:
    """The same snapshot with other rows, in which everything fits."""
    with closing(SnapshotReader(fs, path)) as honest:
        header, entries = honest.header, rows(list(honest.rows()))
    fs.remove(path)
    digest = Digest()
    with closing(SnapshotWriter(fs, path, header)) as writer:
        for row in digest.of(entries):
            writer.add(row)
        writer.finish(digest.value)


def change_header(fs: FileSystem, path: Path, **changes: object) -> None:
    content = read_all(fs, path)
    header = unpack_header(content[:HEADER_BYTES])
    assert header is not None
    create_durably(fs, path, pack_header(structs.replace(header, **changes)) + content[HEADER_BYTES:])


def cut_off(fs: FileSystem, path: Path) -> None:
    create_durably(fs, path, read_all(fs, path)[:-1])


Lie = Callable[[FileSystem, Path], None]

LIES: dict[str, tuple[Lie, str]] = {
    "an entry is missing": (lambda fs, path: write_anew(fs, path, lambda rows: rows[1:]), "another digest"),
    "an entry is another": (
        lambda fs, path: write_anew(fs, path, lambda rows: [*rows[:-1], (*rows[-1][:2], b"x", *rows[-1][3:])]),
        "another digest",
    ),
    "an entry too many": (
        lambda fs, path: write_anew(fs, path, lambda rows: [*rows, (b"z", 0, b"", None, 1)]),
        "another digest",
    ),
    "there is nothing in it": (lambda fs, path: write_anew(fs, path, lambda _: []), "another digest"),
    "it is of another history": (lambda fs, path: change_header(fs, path, chain=b"x" * 16), "not of this log"),
    "it is of another store": (lambda fs, path: change_header(fs, path, store_id=UUID(int=7)), "another store"),
    "it is the one there is already": (lambda fs, path: change_header(fs, path, last_seq=2), "was not asked for"),
    "it is of the future": (lambda fs, path: change_header(fs, path, last_seq=4), "was not asked for"),
    "it was made by a newer version": (lambda fs, path: change_header(fs, path, major=2), "has format 2.0"),
    "it was not finished": (cut_off, "its footer is damaged or missing"),
    "it is not there": (lambda fs, path: fs.remove(path), "No such file"),
}


class LyingFold:
    """A fold that does something to what it made, once, and reports success."""

    def __init__(self, fs: FileSystem, lie: Lie) -> None:
        self._fs, self._lies = fs, [lie]

    async def __call__(self, request: FoldRequest) -> FoldReport | FoldFailure:
        await trio.lowlevel.checkpoint()
        report = carry_out(self._fs, request)
        if self._lies:
            self._lies.pop()(self._fs, Path(request.output))
        return report


@pytest.mark.parametrize("lie", LIES)
async def test_what_is_not_the_server_s_state_never_counts(machine: Machine, lie: str) -> None:
    tamper, reason = LIES[lie]
    async with machine.life() as store:
        assert await take(store, b"a", b"b") == 2
        before = files_of(machine.fs, SNAPSHOTS)
        machine.fold = LyingFold(machine.fs, tamper)
        await store.execute(set_text(b"c"))
        with pytest.raises(SnapshotFailedError, match=reason):
            await store.take_snapshot()
        assert files_of(machine.fs, SNAPSHOTS) == before
        assert (seqs(store), store.log.first_seq) == ([2], 1)
        assert await take(store) == 3


async def test_an_empty_state_is_a_state_too(machine: Machine) -> None:
    """In a header its digest looks like none; but the server knows better."""
    async with machine.life() as store:
        await store.execute(set_text(b"a"))
        await store.execute(Delete(b"a"))
        machine.fold = LyingFold(machine.fs, LIES["an entry too many"][0])
        with pytest.raises(SnapshotFailedError, match="another digest"):
            await store.take_snapshot()
        assert await take(store) == 2


async def test_a_piece_is_looked_at_like_the_whole(machine: Machine) -> None:
    """Where the fold stops on the way, the header of the segment behind tells the state."""
    machine.segment_max_bytes = 1

    async def fold(request: FoldRequest) -> FoldReport | FoldFailure:
        await trio.lowlevel.checkpoint()
        report = carry_out(machine.fs, structs.replace(request, changes_max_bytes=0))
        write_anew(machine.fs, Path(request.output), lambda rows: rows[1:])
        return report

    machine.fold = fold
    async with machine.life() as store:
        with pytest.raises(SnapshotFailedError, match="the snapshot of seq 1 has another digest"):
            await take(store, b"a", b"b")


# --- errors of the disk ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize(
    ("where", "named"),
    [
        (("rename", 1, "snapshot/*"), "rename"),
        (("sync_directory", 1, "snapshot"), "rename"),
        (("remove", 1, "snapshot/*.snap"), "unlink"),
        (("sync_directory", 2, "snapshot"), "unlink"),
        (("remove", 1, "wal/*.wal"), "unlink"),
        (("sync_directory", 2, "wal"), "unlink"),
    ],
    ids=str,
)
async def test_a_name_that_may_or_may_not_be_there_ends_the_store(
    machine: Machine, where: tuple[str, int, str], named: str, number: int
) -> None:
    """Whatever the error is: whoever waits is told, nothing is tried again, and a start finds what the disk has."""
    call, nth, pattern = where
    store = machine.open()
    ends: list[BaseException] = []

    async def third() -> None:
        try:
            await take(store, b"c")
        except LogFailedError as error:
            ends.append(error)

    async def live(clients: trio.Nursery) -> None:
        async with running(store):
            assert [await take(store, b"a"), await take(store, b"b")] == [1, 2]
            machine.fs.faults[:] = [FailAt(call, nth, number, pattern)]
            clients.start_soon(third)
            await trio.sleep_forever()

    async with trio.open_nursery() as clients:
        with pytest.raises(LogFailedError) as caught:
            await live(clients)
    assert caught.value.call == named
    assert ends == [caught.value]
    assert store.obstacles() == [f"log failed: {named} gave an error, the server is going down"]
    with pytest.raises(NotReadyError, match="the log failed"):
        await store.execute(set_text(b"late"))
    machine.fs.faults.clear()
    machine.fs.crash(Random(1), NOTHING)
    again = machine.open()
    assert (again.seq, again.key_count()) == (3, 3)


async def test_a_file_that_cannot_be_removed_is_in_the_way_only_once(machine: Machine) -> None:
    async with machine.life() as store:
        machine.fs.faults[:] = [
            FailAt("remove", 1, errno.EIO, "*.snap.tmp"),
            FailAt("datasync", 1, errno.EIO, "*.snap.tmp"),
        ]
        with pytest.raises(SnapshotFailedError, match="Input/output error"):
            await take(store, b"a")
        assert machine.fs.names(SNAPSHOTS) == [f"{1:020d}.snap.tmp"]
        with pytest.raises(SnapshotFailedError, match="File exists"):
            await take(store)
        assert await take(store) == 1
        assert machine.fs.names(SNAPSHOTS) == [f"{1:020d}.snap"]


async def test_a_snapshot_that_somebody_removed_need_not_be_removed(machine: Machine) -> None:
    async with machine.life() as store:
        assert [await take(store, b"a"), await take(store, b"b")] == [1, 2]
        machine.fs.remove(snapshot_path(1))
        assert await take(store, b"c") == 3
        assert seqs(store) == [2, 3]


# --- damage ----------------------------------------------------------------------------------------------


async def test_a_damaged_snapshot_is_set_aside_and_the_one_before_is_folded(machine: Machine) -> None:
    async with machine.life() as store:
        assert [await take(store, b"a"), await take(store, b"b")] == [1, 2]
        flip(machine.fs, snapshot_path(2), 140)
        damaged = read_all(machine.fs, snapshot_path(2))
        with structlog.testing.capture_logs() as logged:
            assert await take(store, b"c") == 3
        assert seqs(store) == [1, 3]
        assert [line["log_level"] for line in logged] == ["error", "info"]
        assert str(logged[0]["event"]) == "a snapshot is damaged; it was set aside"
        assert read_all(machine.fs, Path(str(logged[0]["now"]))) == damaged
        assert store.log.first_seq == 2
    async with machine.life() as store:
        assert (store.key_count(), seqs(store)) == (3, [1, 3])


async def test_the_whole_log_makes_up_for_the_only_snapshot(machine: Machine) -> None:
    async with machine.life() as store:
        assert await take(store, b"a") == 1
        flip(machine.fs, snapshot_path(1), 140)
        assert await take(store, b"b") == 2
        assert (seqs(store), machine.fs.names(QUARANTINE)) == ([2], [snapshot_name(1)])


async def test_without_another_way_a_damaged_snapshot_stays_and_the_store_goes_on(machine: Machine) -> None:
    machine.snapshots = SnapshotOptions(automatic=False, keep_count=1)
    async with machine.life() as store:
        assert await take(store, b"a") == 1
        assert store.log.first_seq == 2
        flip(machine.fs, snapshot_path(1), 140)
        for key in (b"b", b"c"):
            with pytest.raises(SnapshotFailedError, match="damaged at seq 1"):
                await take(store, key)
        assert (seqs(store), store.key_count()) == ([1], 3)
        assert machine.fs.names(SNAPSHOTS) == [snapshot_name(1)]


async def test_a_damaged_snapshot_that_cannot_be_moved_ends_the_store(machine: Machine) -> None:
    store = machine.open()

    async def live() -> None:
        async with running(store):
            assert [await take(store, b"a"), await take(store, b"b")] == [1, 2]
            flip(machine.fs, snapshot_path(2), 140)
            machine.fs.faults[:] = [FailAt("rename", 1, errno.EIO, "snapshot/*.snap")]
            with pytest.raises(LogFailedError, match="rename"):
                await take(store, b"c")
            await wait_all_tasks_blocked()

    with pytest.raises(LogFailedError, match="rename"):
        await live()


@pytest.mark.parametrize("offset", [0, 60, -1], ids=["magic", "header", "footer"])
async def test_an_older_one_that_is_damaged_is_set_aside_at_the_start(machine: Machine, offset: int) -> None:
    async with machine.life() as store:
        assert [await take(store, b"a"), await take(store, b"b")] == [1, 2]
    flip(machine.fs, snapshot_path(1), offset)
    with structlog.testing.capture_logs() as logged:
        async with machine.life() as store:
            assert (seqs(store), machine.fs.names(QUARANTINE)) == ([2], [snapshot_name(1)])
            assert await take(store, b"c") == 3
            assert seqs(store) == [2, 3]
    assert [line["log_level"] for line in logged] == ["warning", "info"]


async def test_what_an_interrupted_fold_left_is_removed_at_the_start(machine: Machine) -> None:
    async with machine.life() as store:
        await take(store, b"a")
        create_durably(machine.fs, SNAPSHOTS / f"{2:020d}.snap.tmp", b"half of it")
    async with machine.life():
        assert machine.fs.names(SNAPSHOTS) == [snapshot_name(1)]


# --- what is kept ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep_count", "kept", "first_seq"), [(1, [6], 7), (2, [5, 6], 6), (3, [4, 5, 6], 5), (9, [1, 2, 3, 4, 5, 6], 1)]
)
async def test_so_many_snapshots_and_the_log_since_the_oldest(
    machine: Machine, keep_count: int, kept: list[int], first_seq: int
) -> None:
    machine.snapshots = SnapshotOptions(automatic=False, keep_count=keep_count)
    async with machine.life() as store:
        for number in range(1, 7):
            assert await take(store, b"%d" % number) == number
        assert (seqs(store), store.log.first_seq) == (kept, first_seq)
    assert machine.fs.names(SNAPSHOTS) == [snapshot_name(seq) for seq in kept]
    assert machine.fs.names(WAL) == [f"{seq:020d}.wal" for seq in range(first_seq, 8)]


async def test_the_log_of_the_retention_time_stays(machine: Machine) -> None:
    machine.snapshots = SnapshotOptions(automatic=False, retention_s=10)
    async with machine.life() as store:
        for number in range(1, 31):
            machine.clock.advance(1000)
            await take(store, b"%d" % number)
            if number < 11:
                assert store.log.first_seq == 1
        assert store.now_ms() == NOW + 30_000
        assert 18 <= seqs(store)[0] <= 20
        assert store.log.first_seq == seqs(store)[0] + 1
        assert len(store.snapshots) < 9


# --- interrupted -----------------------------------------------------------------------------------------


def starts(directory: StoreDirectory) -> Iterator[Keyspace]:
    """The states from which the log must lead to the last one."""
    for seq in snapshot_seqs(directory.fs, directory.snapshot_directory):
        with closing(SnapshotReader(directory.fs, directory.snapshot_directory / snapshot_name(seq))) as snapshot:
            yield load_snapshot(snapshot)
            check_continues(directory, snapshot)
    if LogReader(directory.fs, directory.wal_directory, directory.store_id).first_seqs[0] == 1:
        yield Keyspace(new_tree())


def check(machine: Machine, least: int) -> None:
    """The store starts with all five keys, and so it would with any but one of its snapshots damaged."""
    store = machine.open()
    machine.fs.kill()
    assert (store.seq, store.key_count()) == (5, 5), machine.fs.history()
    directory = look_at_data_directory(machine.fs, DATA)
    found = list(starts(directory))
    assert len(found) >= least
    for start in found:
        reader = LogReader(directory.fs, directory.wal_directory, directory.store_id)
        replay(reader.frames(start.seq + 1), start, DATA)
        assert (start.seq, start.digest) == (5, store.keyspace.digest)


async def with_two(keep_count: int) -> Machine:
    """A store with two snapshots (one, where no more are kept) and an event since, whose process was killed."""
    machine = Machine(SnapshotOptions(automatic=False, keep_count=keep_count))
    async with machine.life() as store:
        await take(store, b"1")
        await take(store, b"2", b"3")
        await store.execute(set_text(b"4"))
    return machine


async def crash_at(machine: Machine, nth: int, rng: Random) -> bool:
    """Go on, take a snapshot, and crash at a call on the way; whether there was such a call."""
    store = machine.open()
    try:
        async with running(store):
            await store.execute(set_text(b"5"))
            machine.fs.faults[:] = [CrashAt(nth, rng)]
            # The crash is another task's.
            with suppress(NotReadyError):
                await store.take_snapshot()
            await wait_all_tasks_blocked()
    except SimulatedCrash:
        return True
    finally:
        machine.fs.faults.clear()
    return False


@pytest.mark.parametrize("keep_count", [1, 2])
@pytest.mark.parametrize("then", ["killed", "power cut", "power cut, all lost", "power cut, all there"])
async def test_a_crash_at_any_call_leaves_a_whole_store(keep_count: int, then: str, seed: int) -> None:
    for nth in count(1):
        rng = Random(f"{seed} {nth}")
        machine = await with_two(keep_count)
        crashed = await crash_at(machine, nth, rng)
        survival = {"power cut, all lost": NOTHING, "power cut, all there": EVERYTHING}.get(then)
        if then == "killed":
            machine.fs.kill()
        else:
            machine.fs.crash(rng, survival)
        check(machine, keep_count)
        if not crashed:
            break
    assert nth > 15


@pytest.mark.parametrize("keep_count", [1, 2])
async def test_what_counts_after_a_kill_is_there_to_stay(keep_count: int, seed: int) -> None:
    """Killed between a rename and its sync, twice; what the third server then lets go must not be missed."""
    for nth in count(1):
        rng = Random(f"{seed} {nth}")
        machine = await with_two(keep_count)
        crashed = await crash_at(machine, nth, rng)
        machine.fs.kill()
        async with machine.life() as store:
            await store.take_snapshot()
        machine.fs.crash(rng, NOTHING)
        check(machine, keep_count)
        if not crashed:
            break
    assert nth > 15


async def test_the_log_goes_oldest_first_and_after_the_snapshots() -> None:
    """So that at every moment in between there is one way to the state, and usually more."""
    machine = Machine()
    machine.segment_max_bytes = 1
    async with machine.life() as store:
        await take(store, b"1", b"2", b"3")
        await take(store, b"4", b"5", b"6")
        machine.fs.trace.clear()
        await take(store, b"7")
    gone = [call.path for call in machine.fs.trace if call.name == "remove"]
    assert gone == [snapshot_path(3), *(WAL / f"{seq:020d}.wal" for seq in (4, 5, 6))]
    calls = [(call.name, call.target or call.path) for call in machine.fs.trace]
    published = calls.index(("rename", snapshot_path(7)))
    assert calls.index(("sync_directory", SNAPSHOTS), published) < calls.index(("remove", snapshot_path(3)))
