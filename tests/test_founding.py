"""A store founded with given entries: it is exactly that state, and a crash leaves it whole or no store at all."""

import errno
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from synap.codec import encode_events
from synap.datadir import UNFINISHED, StoreFile, look_at_data_directory, open_data_directory
from synap.errors import (
    DamagedError,
    DataDirectoryError,
    DataDirectoryLockedError,
    DataDirectoryUnusableError,
    NotOursError,
)
from synap.events import EntrySet
from synap.founding import Founded, found, new_directory
from synap.fs import FileSystem, RealFileSystem
from synap.keyspace import Keyspace, state_bytes
from synap.radix import new_tree
from synap.recovery import RecoveryReport, recover
from synap.snapshot.format import Row
from synap.telemetry import Metrics
from synap.testing import MUTATING, NOTHING, CrashAt, FailAt, LyingSync, SimulatedCrash, SimulatedFileSystem
from synap.wal.interface import Batch
from synap.wal.local import LocalLog, LogOptions
from synap.wal.reader import LogEnd
from tests.engine import inline
from tests.stores import all_files
from tests.wal.build import DATA, STORE_ID, T0_MS, disk_of, files_of

SEQ = 30
ROWS: list[Row] = [(b"%03d" % n, n % 3, b"value %d" % n, (None, T0_MS + n)[n % 2], n + 1) for n in range(20)]


def founded(fs: FileSystem, rows: list[Row] | None = None, *, seq: int = SEQ, path: Path = DATA) -> Founded:
    return found(
        fs,
        path,
        ROWS if rows is None else rows,
        seq=seq,
        wall_ms=T0_MS + 500,
        now_ms=T0_MS + 900,
        random_bytes=Random(1).randbytes,
    )


def recovered(fs: FileSystem, path: Path = DATA) -> tuple[Keyspace, LogEnd, RecoveryReport]:
    directory = open_data_directory(fs, path, now_ms=T0_MS)
    try:
        return recover(directory, lambda _: None)
    finally:
        directory.close()


# --- what it is ------------------------------------------------------------------------------------------


def test_a_server_finds_exactly_that_state() -> None:
    fs = SimulatedFileSystem()
    made = founded(fs)
    fs.crash(Random(1), NOTHING)
    keyspace, end, report = recovered(fs)
    assert list(keyspace.tree.items()) == ROWS
    assert (keyspace.seq, keyspace.digest) == (SEQ, made.digest)
    assert (end.last_seq, end.wall_ms, end.sealed, end.torn) == (SEQ, T0_MS + 500, True, None)
    assert (report.snapshot_seq, report.entries, report.events, report.clean) == (SEQ, len(ROWS), 0, True)
    assert (report.set_aside, report.strange_seqs) == ((), ())
    assert made.entries == len(ROWS)
    assert made.store_id == look_at_data_directory(fs, DATA).store_id


def test_nothing_else_is_in_it() -> None:
    fs = SimulatedFileSystem()
    founded(fs)
    assert sorted(str(path.relative_to(DATA)) for path in all_files(fs, DATA)) == [
        "LOCK",
        "STORE",
        "snapshot/00000000000000000030.snap",
        "wal/00000000000000000031.wal",
    ]


async def test_the_log_goes_on_behind_it() -> None:
    fs = SimulatedFileSystem()
    founded(fs)
    expected = Keyspace(new_tree())
    expected.load(SEQ, ROWS)
    for seq in (SEQ + 1, SEQ + 2):
        event = EntrySet(b"new", 0, b"%d" % seq, None)
        await write(fs, event)
        expected.apply(seq, event)
        fs.crash(Random(1), NOTHING)
        keyspace, _, report = recovered(fs)
        assert (keyspace.seq, keyspace.digest) == (seq, expected.digest)
        assert (report.snapshot_seq, report.strange_seqs) == (SEQ, ())


async def write(fs: SimulatedFileSystem, event: EntrySet) -> None:
    """Start, write one event, and stop, as a server does."""
    directory = open_data_directory(fs, DATA, now_ms=T0_MS)
    keyspace, end, _ = recover(directory, lambda _: None)
    log = LocalLog(
        fs,
        directory.wal_directory,
        directory.store_id,
        end,
        now_ms=lambda: T0_MS + 2000,
        options=LogOptions(),
        metrics=Metrics(),
        state=state_bytes(keyspace.digest),
        hop=inline,
    )
    assert await log.append(Batch(encode_events([event]), 1, end.last_seq, T0_MS + 2000)) == end.last_seq + 1
    await log.close()


def test_no_event_and_no_entry_is_a_fresh_store() -> None:
    fs = SimulatedFileSystem()
    made = founded(fs, [], seq=0)
    keyspace, end, report = recovered(fs)
    assert (keyspace.seq, keyspace.digest, len(keyspace.tree), made.entries, made.digest) == (0, 0, 0, 0, 0)
    assert (end.last_seq, end.wall_ms, report.snapshot_seq) == (0, T0_MS + 500, None)
    assert fs.names(DATA / "snapshot") == []
    with pytest.raises(AssertionError):
        found(SimulatedFileSystem(), DATA, ROWS, seq=0, wall_ms=T0_MS, now_ms=T0_MS)


def test_a_state_can_be_empty_after_all_its_events() -> None:
    fs = SimulatedFileSystem()
    made = founded(fs, [])
    keyspace, end, _ = recovered(fs)
    assert (keyspace.seq, keyspace.digest, end.last_seq, made.digest) == (SEQ, 0, SEQ, 0)


def test_many_entries_on_a_real_disk(tmp_path: Path) -> None:
    rows: list[Row] = [(b"%06d" % n, 2, Random(n).randbytes(100), None, n + 1) for n in range(5000)]
    made = founded(RealFileSystem(), rows, seq=5000, path=tmp_path / "new" / "data")
    keyspace, _, _ = recovered(RealFileSystem(), tmp_path / "new" / "data")
    assert list(keyspace.tree.items()) == rows
    assert keyspace.digest == made.digest


def test_two_stores_have_two_ids(tmp_path: Path) -> None:
    ids = {found(RealFileSystem(), tmp_path / name, ROWS, seq=SEQ, wall_ms=0, now_ms=0).store_id for name in ("a", "b")}
    assert len(ids) == 2


# --- where it may be -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["STORE", "STORE.tmp", "wal/x", "snapshot/x", "quarantine/x", "notes.txt", "wal/00000000000000000001.wal"]
)
@pytest.mark.parametrize("unfinished", [False, True])
def test_a_directory_that_holds_something_is_refused_and_left_alone(name: str, unfinished: bool) -> None:
    files = {DATA / name: b"theirs"} | ({DATA / UNFINISHED: b""} if unfinished else {})
    fs = disk_of(files)
    if unfinished and name.startswith(("wal/", "snapshot/")):
        founded(fs)
        assert recovered(fs)[0].seq == SEQ, "what an interrupted founding left is replaced"
        return
    with pytest.raises(DataDirectoryUnusableError, match=f"is not empty .{Path(name).parts[0]}") as caught:
        founded(fs)
    assert caught.value.exit_code == 73
    assert files_of(fs, DATA, *(path.parent for path in files)) == files


@pytest.mark.parametrize("name", ["LOCK", ".gitignore", "lost+found/x"])
def test_what_belongs_to_nobody_is_no_hindrance(name: str) -> None:
    fs = disk_of({DATA / name: b""})
    for directory in ("wal", "snapshot"):
        fs.make_directory(DATA / directory)
    founded(fs)
    assert recovered(fs)[0].seq == SEQ


def test_a_file_is_no_directory() -> None:
    with pytest.raises(DataDirectoryUnusableError, match="Not a directory"):
        founded(disk_of({DATA: b""}))


def test_two_do_not_fill_one_directory() -> None:
    fs = SimulatedFileSystem()
    fs.make_directory(DATA)
    fs.lock(DATA / "LOCK", "7")
    with pytest.raises(DataDirectoryLockedError, match="pid 7"):
        founded(fs)
    assert list(files_of(fs, DATA)) == [DATA / "LOCK"]


def test_a_server_does_not_start_on_what_is_unfinished() -> None:
    fs = disk_of({DATA / UNFINISHED: b""})
    with pytest.raises(DataDirectoryUnusableError, match="is no store yet"):
        recovered(fs)


# --- when it fails ---------------------------------------------------------------------------------------


def remains(fs: SimulatedFileSystem) -> list[str]:
    return [path.name for path in all_files(fs, DATA)] if fs.exists(DATA) else []


def calls_of_a_founding() -> list[str]:
    """The names of its changing calls, in order."""
    fs = SimulatedFileSystem()
    founded(fs)
    return [call.name for call in fs.trace if call.name in MUTATING]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", sorted({*calls_of_a_founding(), "close", "open", "read"}))
def test_an_error_of_the_disk_leaves_nothing(call: str, code: int) -> None:
    fs = SimulatedFileSystem()
    for nth in range(1, 100):
        fs.faults[:] = [FailAt(call, nth, code)]
        try:
            founded(fs)
        except (DataDirectoryUnusableError, DamagedError):
            fs.faults.clear()
            assert [name for name in remains(fs) if name != "LOCK"] == [], f"{call} {nth}"
        else:
            assert nth > 1
            break
    fs.faults.clear()
    assert recovered(fs)[0].seq == SEQ


def test_entries_that_cannot_be_had_leave_nothing() -> None:
    def failing() -> Iterator[Row]:
        yield from ROWS
        raise NotOursError(Path("elsewhere"), "no more")

    fs = SimulatedFileSystem()
    with pytest.raises(NotOursError):
        found(fs, DATA, failing(), seq=SEQ, wall_ms=T0_MS, now_ms=T0_MS)
    assert remains(fs) == ["LOCK"]
    with pytest.raises(DamagedError, match="do not ascend"):
        founded(fs, [*ROWS, ROWS[0]])
    assert remains(fs) == ["LOCK"]


def test_what_cannot_be_taken_away_is_still_no_store() -> None:
    fs = SimulatedFileSystem(FailAt("rename", 1, errno.EIO), FailAt("remove", 1, errno.EIO))
    with pytest.raises(DataDirectoryUnusableError):
        founded(fs)
    fs.faults.clear()
    with pytest.raises(DataDirectoryUnusableError, match="is no store yet"):
        recovered(fs)
    founded(fs)
    assert recovered(fs)[0].seq == SEQ


def test_the_body_of_a_new_directory_fills_it() -> None:
    fs = SimulatedFileSystem()
    with new_directory(fs, DATA, StoreFile(STORE_ID, T0_MS)) as place:
        assert fs.names(DATA) == ["LOCK", UNFINISHED, "snapshot", "wal"]
        assert (place.wal_directory, place.snapshot_directory) == (DATA / "wal", DATA / "snapshot")
        with pytest.raises(DataDirectoryLockedError):
            founded(fs)
    assert fs.names(DATA) == ["LOCK", "STORE", "snapshot", "wal"]


# --- interrupted -----------------------------------------------------------------------------------------


def rounds(seed: int, *faults: LyingSync) -> int:
    """Crash a founding at every call; it is whole then, or no store, and can be done again. The number of cases."""
    cases = 0
    done = False
    for nth in range(1, 200):
        for end in ("killed", "power", "power", "power", "nothing survives"):
            rng = Random(f"{seed} {nth} {cases}")
            fs = SimulatedFileSystem(*faults, CrashAt(nth, rng))
            done = attempt(fs)
            fs.faults.clear()
            if end == "killed":
                fs.kill()
            else:
                fs.crash(rng, NOTHING if end == "nothing survives" else None)
            check(fs, acknowledged=done, again=rng.choice([True, False]))
            cases += 1
        if done:
            assert nth > 20
            return cases
    raise AssertionError("a founding never came to its end")


def check(fs: SimulatedFileSystem, *, acknowledged: bool, again: bool) -> None:
    if not fs.exists(DATA / "STORE"):
        assert not acknowledged
        if again or not fs.exists(DATA):
            founded(fs)
        elif UNFINISHED in fs.names(DATA):
            with pytest.raises(DataDirectoryUnusableError, match="is no store yet"):
                recovered(fs)
            return
        else:
            # Nothing had been said yet: the directory is as empty as it was.
            assert remains(fs) in ([], ["LOCK"])
            return
    keyspace, _, report = recovered(fs)
    assert (list(keyspace.tree.items()), keyspace.seq, report.set_aside) == (ROWS, SEQ, ())


def test_it_can_be_interrupted_at_every_call(seed: int) -> None:
    assert rounds(seed) > 100


def test_it_can_be_killed_done_again_and_then_the_power_cut(seed: int) -> None:
    """What a killed process had made and not synced is visible to the next, and may yet be undone."""
    total = len(calls_of_a_founding())
    for nth in range(1, total + 1):
        for second in range(1, 2 * total):
            fs = SimulatedFileSystem(CrashAt(nth, Random(nth)))
            with pytest.raises(SimulatedCrash):
                founded(fs)
            fs.kill()
            fs.faults[:] = [CrashAt(second, Random(second))]
            done = attempt(fs)
            fs.faults.clear()
            fs.crash(Random(f"{seed} {nth} {second}"), NOTHING if second % 2 else None)
            check(fs, acknowledged=done, again=True)
            if done:
                break


def attempt(fs: SimulatedFileSystem) -> bool:
    """Whether it came to its end. That somebody else was faster is no such end: whether he was, is not yet certain."""
    try:
        founded(fs)
    except SimulatedCrash:
        return False
    except DataDirectoryUnusableError as refusal:
        if "is not empty (STORE" not in str(refusal):
            raise
        return False
    return True


@pytest.mark.parametrize(
    "lie",
    [
        LyingSync("datasync", "*.snap"),
        LyingSync("datasync", "*.wal.tmp"),
        LyingSync("datasync", UNFINISHED),
        LyingSync("sync_directory", "snapshot"),
        LyingSync("sync_directory", "wal"),
        LyingSync("sync_directory", "data"),
    ],
)
def test_the_rounds_notice_when_a_sync_is_left_out(lie: LyingSync) -> None:
    with pytest.raises((AssertionError, DataDirectoryError)):
        rounds(1, lie)
