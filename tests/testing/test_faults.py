"""Each fault does what it says, to the calls it is meant for and to no others."""

import errno
from pathlib import Path
from random import Random

import pytest

from synap.testing import (
    EVERYTHING,
    MUTATING,
    NOTHING,
    Call,
    CrashAt,
    FailAt,
    Fault,
    LyingSync,
    ShortWrites,
    SimulatedCrash,
    SimulatedFileSystem,
)

F = Path("/f")
G = Path("/g.log")


# --- calls -----------------------------------------------------------------------------------------------


def test_a_call_is_told_in_a_line() -> None:
    assert str(Call(3, "write", F, size=10)) == "3 write /f (10 bytes)"
    assert str(Call(4, "rename", F, target=G)) == "4 rename /f to /g.log"
    assert str(Call(5, "create", F)) == "5 create /f"


@pytest.mark.parametrize(
    ("name", "pattern", "concerned"),
    [
        ("rename", None, True),
        ("rename", "*.tmp", True),
        ("rename", "*.snap", True),
        ("rename", "snapshot/*", True),
        ("rename", "*.wal", False),
        ("remove", None, False),
    ],
)
def test_a_call_concerns_its_name_and_both_its_paths(name: str, pattern: str | None, *, concerned: bool) -> None:
    call = Call(1, "rename", Path("/data/snapshot/1.tmp"), target=Path("/data/snapshot/1.snap"))
    assert call.concerns(name, pattern) is concerned


# --- crashes ---------------------------------------------------------------------------------------------


def test_a_crash_counts_mutating_calls_only() -> None:
    fs = SimulatedFileSystem(CrashAt(3, Random(0)))
    file = fs.create(F)
    file.size()
    fs.exists(F)
    file.datasync()
    with pytest.raises(SimulatedCrash, match="rename /f"):
        fs.rename(F, G)
    fs.kill()
    assert fs.names(Path("/")) == ["f"]


def test_a_crash_happens_once() -> None:
    fs = SimulatedFileSystem(CrashAt(1, Random(0)))
    with pytest.raises(SimulatedCrash):
        fs.create(F)
    fs.kill()
    fs.create(F)


def test_a_crash_inside_a_write_tears_it_anywhere() -> None:
    data = bytes(range(1, 101))
    lengths = set()
    for seed in range(200):
        fs = SimulatedFileSystem(CrashAt(2, Random(seed)))
        file = fs.create(F)
        with pytest.raises(SimulatedCrash):
            file.write(data)
        fs.kill()
        again = fs.open(F)
        assert again.read(0, 100) == data[: again.size()]
        lengths.add(again.size())
    assert {0, 100} < lengths
    assert len(lengths) > 20


def test_a_crash_can_come_at_each_mutating_call() -> None:
    def run(fs: SimulatedFileSystem) -> None:
        fs.make_directory(Path("/d"))
        fs.lock(Path("/d/LOCK"), "")
        file = fs.create(Path("/d/f"))
        file.write(b"abc")
        file.truncate(1)
        file.datasync()
        fs.rename(Path("/d/f"), Path("/d/g"))
        fs.remove(Path("/d/g"))

    crashed = set()
    for nth in range(1, 100):
        fs = SimulatedFileSystem(CrashAt(nth, Random(nth)))
        try:
            run(fs)
        except SimulatedCrash:
            crashed.add(fs.trace[-1].name)
        else:
            break
    assert crashed == MUTATING


# --- failures --------------------------------------------------------------------------------------------


def test_the_nth_call_of_a_name_fails_and_changes_nothing() -> None:
    fs = SimulatedFileSystem(FailAt("write", 2, errno.EIO))
    file = fs.create(F)
    file.write(b"one")
    with pytest.raises(OSError, match="Input/output error") as caught:
        file.write(b"two")
    assert caught.value.errno == errno.EIO
    assert caught.value.filename == "/f"
    file.write(b"three")
    assert file.read(0, 100) == b"onethree"


def test_a_failure_counts_the_paths_that_match() -> None:
    fs = SimulatedFileSystem(FailAt("create", 1, errno.EACCES, "*.log"))
    fs.create(F)
    with pytest.raises(PermissionError):
        fs.create(G)


def test_a_failed_datasync_loses_what_a_later_one_seems_to_save() -> None:
    fs = SimulatedFileSystem(FailAt("datasync", 1, errno.EIO))
    file = fs.create(F)
    fs.sync_directory(Path("/"))
    file.write(b"abc")
    with pytest.raises(OSError, match="Input/output error"):
        file.datasync()
    file.datasync()
    assert file.read(0, 3) == b"abc"
    file.drop_cache()
    assert file.read(0, 3) == b"\0\0\0"
    fs.crash(Random(0), EVERYTHING)
    assert fs.open(F).read(0, 3) == b"\0\0\0"


def test_every_fault_sees_every_call_and_the_smallest_limit_holds() -> None:
    seen: list[str] = []

    def watching(call: Call) -> int | None:
        seen.append(call.name)
        return None

    def accepting(limit: int) -> Fault:
        return lambda call: limit if call.name == "write" else None

    fs = SimulatedFileSystem(accepting(5), accepting(2), watching)
    assert fs.create(F).write(b"0123456789") == 2
    assert seen == ["create", "write"]


# --- less than all ---------------------------------------------------------------------------------------


def test_short_writes_make_progress() -> None:
    fs = SimulatedFileSystem(ShortWrites(Random(0), "*.log"))
    short, whole = fs.create(G), fs.create(F)
    written = [short.write(b"x" * 100) for _ in range(50)]
    assert all(1 <= size <= 100 for size in written)
    assert len(set(written)) > 10
    assert short.size() == sum(written)
    assert short.write(b"") == 0
    assert whole.write(b"x" * 100) == 100


def test_a_lying_datasync_reports_success_and_saves_nothing() -> None:
    fs = SimulatedFileSystem(LyingSync("datasync", "*.log"))
    lied, honest = fs.create(G), fs.create(F)
    fs.sync_directory(Path("/"))
    for file in (lied, honest):
        file.write(b"abc")
        file.datasync()
    fs.crash(Random(0), NOTHING)
    assert fs.open(G).size() == 0
    assert fs.open(F).read(0, 3) == b"abc"


def test_a_lying_sync_of_a_directory_reports_success_and_saves_nothing() -> None:
    fs = SimulatedFileSystem()
    fs.make_directory(Path("/d"))
    fs.faults.append(LyingSync("sync_directory", "d"))
    for directory in (Path("/"), Path("/d")):
        fs.create(directory / "f").close()
        fs.sync_directory(directory)
    fs.crash(Random(0), NOTHING)
    assert fs.names(Path("/")) == ["d", "f"]
    assert fs.names(Path("/d")) == []
