"""A copy of a directory that a server may be writing to: it holds what was acknowledged, or it is no store."""

import errno
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from synap import backup as backup_module
from synap.backup import MAX_TRIES, BackupReport, backup
from synap.datadir import UNFINISHED, look_at_data_directory, open_data_directory
from synap.errors import DamagedError, DataDirectoryError, DataDirectoryUnusableError
from synap.fs import File, FileSystem, read_all, write_all
from synap.keyspace import Keyspace
from synap.recovery import recover
from synap.snapshot.reader import snapshot_seqs
from synap.testing import NOTHING, Call, CrashAt, FailAt, LyingSync, SimulatedCrash, SimulatedFileSystem
from tests.stores import Scene, all_files, two_snapshots
from tests.test_repair import Files, flip
from tests.wal.build import DATA, STORE_ID, T0_MS

COPY = Path("/copies/monday")


def scene() -> Scene:
    return two_snapshots(SimulatedFileSystem())


def disk(scene: Scene) -> SimulatedFileSystem:
    assert isinstance(scene.fs, SimulatedFileSystem)
    return scene.fs


def copied(fs: FileSystem) -> BackupReport:
    return backup(look_at_data_directory(fs, DATA), COPY)


def state(fs: FileSystem, path: Path = COPY) -> Keyspace:
    """What a server finds."""
    directory = open_data_directory(fs, path, now_ms=T0_MS)
    try:
        keyspace, end, report = recover(directory, lambda _: None)
    finally:
        directory.close()
    assert (end.torn, report.set_aside, report.strange_seqs) == (None, (), ())
    assert end.last_seq == keyspace.seq
    return keyspace


def contents(fs: FileSystem, path: Path = DATA) -> Files:
    return {each.relative_to(path): read_all(fs, each) for each in all_files(fs, path) if each.name != "LOCK"}


def replace(fs: FileSystem, path: Path, data: bytes) -> None:
    fs.remove(path)
    file = fs.create(path)
    write_all(file, data)
    file.datasync()
    file.close()
    fs.sync_directory(path.parent)


def damage(fs: FileSystem, path: Path, place: int = 300) -> None:
    replace(fs, path, flip({path: read_all(fs, path)}, path, place)[path])


# --- what is copied --------------------------------------------------------------------------------------


def test_a_copy_is_the_same_store() -> None:
    made = scene()
    fs = disk(made)
    report = copied(fs)
    fs.crash(Random(1), NOTHING)
    assert contents(fs, COPY) == contents(fs)
    keyspace = state(fs)
    assert (keyspace.seq, keyspace.digest) == (26, made.states[26])
    assert report == BackupReport(
        store_id=STORE_ID,
        last_seq=26,
        wall_ms=made.now_ms,
        snapshots=(8, 16),
        segments=3,
        size_bytes=sum(map(len, contents(fs).values())) - 64,
        damaged=(),
    )


def test_the_source_is_only_read_and_needs_no_lock() -> None:
    made = scene()
    fs = disk(made)
    fs.lock(DATA / "LOCK", "7")
    before = contents(fs)
    since = fs.trace[-1].number
    copied(fs)
    assert contents(fs) == before
    changing = {call for call in fs.trace if call.number > since and call.path.is_relative_to(DATA)}
    assert {call.name for call in changing} <= {"open", "read", "size", "names", "exists", "is_directory", "close"}


def test_what_is_being_written_is_cut_off() -> None:
    made = scene()
    whole = len(read_all(made.fs, made.segment(23)))
    with_more = read_all(made.fill(1).fs, made.segment(23))
    for size in range(whole + 1, len(with_more), 10):
        replace(made.fs, made.segment(23), with_more[:size])
        report = backup(look_at_data_directory(made.fs, DATA), COPY / str(size))
        assert report.last_seq == 26
        assert read_all(made.fs, COPY / str(size) / "wal" / made.segment(23).name) == with_more[:whole]
        assert state(made.fs, COPY / str(size)).digest == made.states[26]


def test_a_store_that_was_closed() -> None:
    made = scene().close()
    copied(made.fs)
    assert contents(made.fs, COPY) == contents(made.fs)


def test_a_store_without_snapshots() -> None:
    made = Scene(SimulatedFileSystem()).fill(3).rotate().fill(2)
    assert (copied(made.fs).snapshots, state(made.fs).digest) == ((), made.states[10])


def test_a_store_in_which_nothing_happened_yet() -> None:
    fs = SimulatedFileSystem()
    open_data_directory(fs, DATA, now_ms=T0_MS).close()
    assert (copied(fs).last_seq, state(fs).seq) == (0, 0)


def test_two_snapshots_and_the_log_since_the_older_are_enough() -> None:
    """What the server keeps for longer is not needed."""
    made = Scene(SimulatedFileSystem())
    for _ in range(4):
        made.fill(2).rotate().snapshot()
    made.fill(1)
    report = copied(made.fs)
    assert (report.snapshots, report.segments, report.last_seq) == ((12, 16), 2, 18)
    assert state(made.fs).digest == made.states[18]


def test_the_whole_log_stands_for_an_older_snapshot() -> None:
    made = Scene(SimulatedFileSystem()).fill(2).rotate().fill(2).rotate().snapshot().fill(1)
    report = copied(made.fs)
    assert (report.snapshots, report.segments) == ((8,), 3)
    damage(made.fs, COPY / "snapshot" / made.snapshot_path(8).name)
    directory = open_data_directory(made.fs, COPY, now_ms=T0_MS)
    assert recover(directory, lambda _: None)[0].digest == made.states[10]


def test_progress_goes_from_nothing_to_all() -> None:
    shares: list[float] = []
    made = scene()
    backup(look_at_data_directory(made.fs, DATA), COPY, shares.append)
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.5
    assert shares[-1] == 1


# --- damage ----------------------------------------------------------------------------------------------


def test_a_damaged_snapshot_is_left_out_and_told_of() -> None:
    for seq, other in ((8, 16), (16, 8)):
        made = scene()
        damage(made.fs, made.snapshot_path(seq))
        report = copied(made.fs)
        assert report.snapshots == (other,)
        assert [(error.path, error.seq) for error in report.damaged] == [(made.snapshot_path(seq), seq)]
        assert state(made.fs).digest == made.states[26]


def test_damaged_snapshots_do_no_harm_while_the_whole_log_is_there() -> None:
    made = Scene(SimulatedFileSystem()).fill(2).rotate().snapshot().fill(2).rotate().snapshot().fill(1)
    for seq in (4, 8):
        damage(made.fs, made.snapshot_path(seq))
    report = copied(made.fs)
    assert (report.snapshots, len(report.damaged), report.segments) == ((), 2, 3)
    assert state(made.fs).digest == made.states[10]


def without_snapshots(made: Scene) -> None:
    for seq in (8, 16):
        made.fs.remove(made.snapshot_path(seq))


def with_damaged_snapshots(made: Scene) -> None:
    for seq in (8, 16):
        damage(made.fs, made.snapshot_path(seq))


def with_snapshot_of_another_life(made: Scene) -> None:
    other = two_snapshots(SimulatedFileSystem(), seed=2)
    replace(made.fs, made.snapshot_path(16), read_all(other.fs, other.snapshot_path(16)))


def without_log(made: Scene) -> None:
    for seq in (9, 17, 23):
        made.fs.remove(made.segment(seq))


def without_anything(made: Scene) -> None:
    without_log(made)
    without_snapshots(made)


def without_the_end(made: Scene) -> None:
    damage(made.fs, made.snapshot_path(16))
    for seq in (17, 23):
        made.fs.remove(made.segment(seq))


DAMAGE: dict[str, tuple[Callable[[Scene], None], str, int]] = {
    "a segment": (lambda made: damage(made.fs, made.segment(17)), "wal/00000000000000000017.wal", 19),
    "the header of a segment": (lambda made: damage(made.fs, made.segment(17), 40), "wal/00000000000000000017.wal", 17),
    "the last segment": (lambda made: damage(made.fs, made.segment(23), 200), "wal/00000000000000000023.wal", 23),
    "a missing segment": (lambda made: made.fs.remove(made.segment(17)), "wal/00000000000000000017.wal", 17),
    "a renamed segment": (
        lambda made: made.fs.rename(made.segment(23), made.segment(24)),
        "wal/00000000000000000024.wal",
        24,
    ),
    "a foreign name": (lambda made: made.fs.rename(made.segment(23), made.wal / "x.wal"), "wal/x.wal", 0),
    "both snapshots": (with_damaged_snapshots, "snapshot/00000000000000000016.snap", 16),
    "no snapshot": (without_snapshots, "wal", 1),
    "no log": (without_log, "wal/00000000000000000017.wal", 17),
    "neither log nor snapshots": (without_anything, "wal", 1),
    "a log that lost its end": (without_the_end, "wal/00000000000000000017.wal", 17),
    "a snapshot of another life": (with_snapshot_of_another_life, "wal/00000000000000000017.wal", 17),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_what_is_damaged_cannot_be_copied(case: str) -> None:
    spoil, place, seq = DAMAGE[case]
    made = scene()
    spoil(made)
    before = contents(made.fs)
    with pytest.raises(DamagedError) as caught:
        copied(made.fs)
    assert (caught.value.path, caught.value.seq) == (DATA / place, seq)
    assert contents(made.fs) == before
    assert contents(made.fs, COPY) == {}


@pytest.mark.parametrize("file", ["00000000000000000017.wal", "00000000000000000016.snap"])
def test_a_copy_that_does_not_read_back_is_none(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def flipping(target: File, data: bytes) -> None:
        write_all(target, flip({COPY: data}, COPY, 300)[COPY] if target.path.name == file else data)

    monkeypatch.setattr(backup_module, "write_all", flipping)
    made = scene()
    with pytest.raises(DamagedError) as caught:
        copied(made.fs)
    assert caught.value.path.is_relative_to(COPY)
    assert contents(made.fs, COPY) == {}


# --- a server at work ------------------------------------------------------------------------------------


class Busy:
    """A server that goes on writing, rotating, taking snapshots and trimming, at the calls of the copying process."""

    def __init__(self, made: Scene, nth: int, every: int = 0, *, trims: bool = True) -> None:
        self._made, self._left, self._every, self._trims = made, nth, every, trims
        self._at_work = False

    def __call__(self, _: Call) -> None:
        if self._at_work:
            return
        self._left -= 1
        if self._left == 0:
            self._left = self._every
            self._at_work = True
            self._work()
            self._at_work = False

    def _work(self) -> None:
        made = self._made
        made.fill(1).rotate().snapshot().fill(1).rotate().snapshot()
        *gone, older, _ = snapshot_seqs(made.fs, made.snapshots)
        for seq in gone:
            made.fs.remove(made.snapshot_path(seq))
        if self._trims:
            made.trim(older + 1)
        made.fill(1)


def test_a_server_may_do_anything_at_any_moment() -> None:
    for nth in range(1, 1000):
        made = scene()
        busy = Busy(made, nth)
        disk(made).faults.append(busy)
        report = copied(made.fs)
        disk(made).faults.clear()
        keyspace = state(made.fs)
        assert keyspace.seq == report.last_seq >= 26
        assert keyspace.digest == made.states[keyspace.seq]
        assert report.damaged == ()
        if made.seq == 26:
            assert nth > 50
            return
    raise AssertionError("a backup never came to its end")


def test_a_server_that_is_busy_all_the_time() -> None:
    for every in range(20, 200, 7):
        made = scene()
        disk(made).faults.append(Busy(made, 1, every))
        refused = None
        try:
            copied(made.fs)
        except DataDirectoryUnusableError as refusal:
            refused = refusal
        disk(made).faults.clear()
        if refused is None:
            keyspace = state(made.fs)
            assert keyspace.digest == made.states[keyspace.seq]
        else:
            assert "faster than it could be copied" in str(refused)
            assert (refused.exit_code, contents(made.fs, COPY)) == (75, {})


def test_there_is_an_end_to_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scene()
    tries = []

    def gone(self: object) -> None:
        tries.append(1)
        Busy(made, 1)(Call(1, "read", DATA))
        raise FileNotFoundError(errno.ENOENT, "gone")

    monkeypatch.setattr("synap.backup._Copying.carry_out", gone)
    with pytest.raises(DataDirectoryUnusableError, match="faster than it could be copied"):
        copied(made.fs)
    assert len(tries) == MAX_TRIES


# --- where it goes, and when it fails --------------------------------------------------------------------


def test_the_destination_must_be_new_or_empty() -> None:
    made = scene()
    copied(made.fs)
    before = contents(made.fs, COPY)
    with pytest.raises(DataDirectoryUnusableError, match="is not empty"):
        copied(made.fs)
    assert contents(made.fs, COPY) == before
    with pytest.raises(DataDirectoryUnusableError, match="/data is not empty"):
        backup(look_at_data_directory(made.fs, DATA), DATA)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", ["create", "write", "datasync", "sync_directory", "rename", "make_directory", "read"])
@pytest.mark.parametrize("place", [COPY, DATA])
def test_an_error_of_the_disk_says_of_which_and_leaves_nothing(call: str, code: int, place: Path) -> None:
    for nth in range(1, 200):
        fs = disk(scene())
        fs.faults.append(FailAtPlace(call, nth, code, place))
        error = failure(fs)
        fs.faults.clear()
        if error is None:
            assert nth > 1 or place == DATA
            return
        assert isinstance(error, DataDirectoryUnusableError) or (call, code) == ("read", errno.EIO)
        assert error.path.is_relative_to(place), str(error)
        assert not fs.exists(COPY) or contents(fs, COPY) == {}


def failure(fs: FileSystem) -> DataDirectoryError | None:
    try:
        copied(fs)
    except DataDirectoryError as error:
        return error
    return None


class FailAtPlace(FailAt):
    """Fails a call below a directory."""

    def __init__(self, name: str, nth: int, code: int, place: Path) -> None:
        super().__init__(name, nth, code)
        self._place = place

    def __call__(self, call: Call) -> int | None:
        return super().__call__(call) if call.path.is_relative_to(self._place) else None


def test_it_can_be_interrupted_at_every_call(seed: int) -> None:
    for nth in range(1, 300):
        rng = Random(f"{seed} {nth}")
        made = scene()
        fs = disk(made)
        fs.make_directory(COPY)
        before = contents(fs)
        fs.faults.append(CrashAt(nth, rng))
        try:
            copied(fs)
        except SimulatedCrash:
            done = False
        else:
            done = True
        fs.faults.clear()
        if rng.random() < 0.3:
            fs.kill()
        else:
            fs.crash(rng, NOTHING if done else None)
        assert contents(fs) == before
        if not fs.exists(COPY / "STORE"):
            assert not done
            if UNFINISHED in fs.names(COPY):
                with pytest.raises(DataDirectoryUnusableError, match="is no store yet"):
                    open_data_directory(fs, COPY, now_ms=T0_MS)
            copied(fs)
        assert state(fs).digest == made.states[26]
        if done:
            assert nth > 20
            return
    raise AssertionError("a backup never came to its end")


@pytest.mark.parametrize(
    "lie",
    [
        LyingSync("datasync", "*.snap"),
        LyingSync("datasync", "*.wal"),
        LyingSync("datasync", UNFINISHED),
        LyingSync("sync_directory", "monday/snapshot"),
        LyingSync("sync_directory", "monday/wal"),
        LyingSync("sync_directory", "monday"),
    ],
)
def test_a_sync_that_is_left_out_is_noticed(lie: LyingSync) -> None:
    made = scene()
    fs = disk(made)
    fs.faults.append(lie)
    copied(fs)
    fs.faults.clear()
    fs.crash(Random(1), NOTHING)
    assert not fs.exists(COPY) or contents(fs, COPY) != contents(fs)
