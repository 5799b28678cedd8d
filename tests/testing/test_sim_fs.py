"""The life of a simulated machine: what ends with a process, what with the power, and what tests may rely on."""

import contextlib
import errno
from pathlib import Path
from random import Random

import pytest

from synap.fs import FileSystem, LockHeldError, create_durably, read_all, write_all
from synap.testing import (
    EVERYTHING,
    NOTHING,
    CrashAt,
    Fault,
    LyingSync,
    ShortWrites,
    SimulatedCrash,
    SimulatedFileSystem,
)
from synap.testing.sim_fs import TRACE_CALLS

DATA = Path("/data")
F = DATA / "f"


@pytest.fixture
def fs() -> SimulatedFileSystem:
    made = SimulatedFileSystem()
    made.make_directory(DATA)
    return made


# --- the end of a process --------------------------------------------------------------------------------


def test_a_dead_process_does_nothing_more(fs: SimulatedFileSystem) -> None:
    file = fs.create(F)
    fs.faults.append(CrashAt(1, Random(0)))
    with pytest.raises(SimulatedCrash):
        file.datasync()
    calls = len(fs.trace)
    for call in (file.size, file.datasync, lambda: file.write(b"x"), lambda: fs.remove(F), lambda: fs.exists(F)):
        with pytest.raises(SimulatedCrash, match="has ended"):
            call()
    assert len(fs.trace) == calls
    fs.kill()
    assert read_all(fs, F) == b""


def test_no_handler_takes_a_crash_for_an_error(fs: SimulatedFileSystem) -> None:
    fs.faults.append(CrashAt(1, Random(0)))
    with pytest.raises(SimulatedCrash), contextlib.suppress(Exception):
        fs.create(F)


def test_no_clean_up_of_a_dead_process_reaches_the_disk(fs: SimulatedFileSystem) -> None:
    fs.faults.append(CrashAt(2, Random(0)))

    def tidy_program() -> None:
        file = fs.create(F)
        try:
            write_all(file, b"abc")
        finally:
            fs.remove(F)

    with pytest.raises(SimulatedCrash):
        tidy_program()
    fs.kill()
    assert fs.names(DATA) == ["f"]


@pytest.mark.parametrize("power", ["lost", "kept"])
def test_what_a_process_had_open_is_unusable_in_the_next(fs: SimulatedFileSystem, power: str) -> None:
    file, lock = fs.create(F), fs.lock(DATA / "LOCK", "")
    file.write(b"abc")
    if power == "lost":
        fs.crash(Random(0), EVERYTHING)
    else:
        fs.kill()
    for call in (file.size, lambda: file.write(b"x"), lock.release):
        with pytest.raises(SimulatedCrash):
            call()
    with pytest.raises(SimulatedCrash):
        file.close()
    assert read_all(fs, F) == b"abc"


def test_killing_a_process_loses_nothing_it_had_written(fs: SimulatedFileSystem) -> None:
    fs.create(F).write(b"abc")
    fs.kill()
    assert read_all(fs, F) == b"abc"


@pytest.mark.parametrize("power", ["lost", "kept"])
def test_locks_end_with_their_process(fs: SimulatedFileSystem, power: str) -> None:
    fs.lock(DATA / "LOCK", "first")
    with pytest.raises(LockHeldError):
        fs.lock(DATA / "LOCK", "second")
    if power == "lost":
        fs.crash(Random(0))
    else:
        fs.kill()
    fs.lock(DATA / "LOCK", "second").release()


def test_a_crash_inside_a_write_through_a_handle_for_reading_writes_nothing(fs: SimulatedFileSystem) -> None:
    fs.create(F).close()
    file = fs.open(F)
    fs.faults.append(lambda _: _crash_after_writing(3))
    with pytest.raises(SimulatedCrash):
        file.write(b"abc")
    fs.faults.clear()
    fs.kill()
    assert read_all(fs, F) == b""


def _crash_after_writing(size: int) -> int | None:
    raise SimulatedCrash("here", size)


# --- the end of the power --------------------------------------------------------------------------------


def test_names_and_bytes_are_made_durable_by_calls_of_their_own(fs: SimulatedFileSystem) -> None:
    named = fs.create(DATA / "named")
    fs.sync_directory(DATA)
    nameless = fs.create(DATA / "nameless")
    for file in (named, nameless):
        file.write(b"abc")
        file.datasync()
    fs.crash(Random(0), NOTHING)
    assert fs.names(DATA) == ["named"]
    assert read_all(fs, DATA / "named") == b"abc"


def test_a_directory_that_an_interrupted_process_made_is_made_durable_by_the_next() -> None:
    fs = SimulatedFileSystem(CrashAt(3, Random(0)))
    with pytest.raises(SimulatedCrash, match="sync_directory"):
        fs.make_directory(DATA)
    fs.kill()
    fs.make_directory(DATA)
    fs.crash(Random(0), NOTHING)
    assert fs.is_directory(DATA)


def replaced_durably(seed: int, *faults: Fault) -> bytes | None:
    """What is there after a crash while a file was replaced, or after that; None where it is gone."""
    rng = Random(seed)
    fs = SimulatedFileSystem()
    fs.make_directory(DATA)
    create_durably(fs, F, b"old" * 1000)
    fs.faults = [*faults, CrashAt(rng.randint(1, 10), rng)]
    acknowledged = False
    with contextlib.suppress(SimulatedCrash):
        create_durably(fs, F, b"new" * 1000)
        acknowledged = True
    fs.crash(rng)
    fs.faults.clear()
    left = read_all(fs, F) if fs.exists(F) else None
    return None if acknowledged and left == b"old" * 1000 else left


SEEDS = range(300)
WHOLE = {b"old" * 1000, b"new" * 1000}


def test_a_file_replaced_durably_is_the_old_or_the_new_one_and_the_new_one_when_done() -> None:
    assert {replaced_durably(seed) for seed in SEEDS} == WHOLE


def test_so_it_is_with_short_writes() -> None:
    assert {replaced_durably(seed, ShortWrites(Random(seed))) for seed in SEEDS} == WHOLE


@pytest.mark.parametrize("lie", ["datasync", "sync_directory"])
def test_a_sync_that_lies_is_found_out(lie: str) -> None:
    assert not {replaced_durably(seed, LyingSync(lie)) for seed in SEEDS} <= WHOLE


# --- the room on the disk --------------------------------------------------------------------------------


def test_a_full_disk_takes_what_fits_and_then_nothing(fs: SimulatedFileSystem) -> None:
    fs.capacity_bytes = 10
    file = fs.create(F)
    assert file.write(b"0123456") == 7
    assert fs.free_bytes(DATA) == 3
    assert file.write(b"789abc") == 3
    with pytest.raises(OSError, check=lambda error: error.errno == errno.ENOSPC):
        file.write(b"abc")
    assert file.write(b"") == 0
    assert read_all(fs, F) == b"0123456789"


def test_removing_and_cutting_give_room_back(fs: SimulatedFileSystem) -> None:
    fs.capacity_bytes = 10
    fs.create(F).write(b"x" * 10)
    file = fs.create(DATA / "g")
    fs.remove(F)
    assert file.write(b"x" * 10) == 10
    file.truncate(4)
    assert fs.free_bytes(DATA) == 6
    fs.capacity_bytes = 3
    assert fs.free_bytes(DATA) == 0


# --- what tests rely on ----------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_outcome() -> None:
    def run(seed: int) -> tuple[str, dict[str, bytes]]:
        rng = Random(seed)
        fs = SimulatedFileSystem(ShortWrites(rng), CrashAt(rng.randint(1, 60), rng))
        with contextlib.suppress(SimulatedCrash):
            fs.make_directory(DATA)
            for number in range(10):
                create_durably(fs, DATA / str(number), bytes([number]) * 2000)
        fs.crash(rng)
        names = fs.names(DATA) if fs.exists(DATA) else []
        return fs.history(), {name: read_all(fs, DATA / name) for name in names}

    outcomes = [run(seed) for seed in range(30)]
    assert outcomes == [run(seed) for seed in range(30)]
    assert len({str(outcome) for outcome in outcomes}) > 10


def test_the_last_calls_are_remembered() -> None:
    fs = SimulatedFileSystem()
    file = fs.create(Path("/f"))
    for _ in range(TRACE_CALLS):
        file.size()
    file.write(b"abc")
    assert len(fs.trace) == TRACE_CALLS
    assert fs.history().endswith(f"{TRACE_CALLS + 1} size /f\n{TRACE_CALLS + 2} write /f (3 bytes)")


def test_it_fits_the_seam() -> None:
    fs: FileSystem = SimulatedFileSystem()
    assert fs.names(Path("/")) == []
