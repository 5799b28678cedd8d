"""Setting aside: nothing is gone before it is durable in quarantine, wherever the machine stops."""

import errno
import os
from pathlib import Path
from random import Random

import pytest

from synap.quarantine import cut_tail, set_aside
from synap.testing import NOTHING, Call, CrashAt, FailAt, SimulatedCrash, SimulatedFileSystem
from tests.wal.build import DATA, WAL, disk_of, files_of, name

QUARANTINE = DATA / "quarantine"
CONTENT = bytes(range(256)) * 8


def disk() -> SimulatedFileSystem:
    return disk_of({name(1): CONTENT, name(9): CONTENT[::-1]})


def other_disk(call: Call) -> None:
    """What renaming says where the quarantine is on another disk."""
    if call.name == "rename" and call.target is not None and call.target.parent != call.path.parent:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(call.path))


def test_a_cut_tail_is_kept() -> None:
    fs = disk()
    saved = cut_tail(fs, name(1), 1000, QUARANTINE)
    assert saved == QUARANTINE / "00000000000000000001.wal.1000.tail"
    fs.crash(Random(1), NOTHING)
    files = files_of(fs, WAL, QUARANTINE)
    assert files[name(1)] == CONTENT[:1000]
    assert files[saved] == CONTENT[1000:]


def test_a_copy_is_made_once_and_never_overwrites_another() -> None:
    fs = disk()
    file = fs.open(name(1), writable=True)
    saved = []
    for tail in (b"one", b"two", b"one", b"three", b"two"):
        file.truncate(1000)
        file.write(tail)
        saved.append(cut_tail(fs, name(1), 1000, QUARANTINE).name.removeprefix("00000000000000000001.wal."))
    assert saved == ["1000.tail", "1000.tail.1", "1000.tail", "1000.tail.2", "1000.tail.1"]
    assert sorted(files_of(fs, QUARANTINE).values()) == [b"one", b"three", b"two"]


# --- whole files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("far", [False, True], ids=["on the same disk", "on another disk"])
def test_a_file_set_aside_is_kept(far: bool) -> None:
    fs = disk()
    fs.faults[:] = [other_disk] if far else []
    saved = set_aside(fs, name(1), QUARANTINE)
    assert saved == (WAL / f"{name(1).name}.set-aside" if far else QUARANTINE / name(1).name)
    fs.crash(Random(1), NOTHING)
    assert files_of(fs, WAL, QUARANTINE) == {saved: CONTENT, name(9): CONTENT[::-1]}


@pytest.mark.parametrize("far", [False, True], ids=["on the same disk", "on another disk"])
def test_a_file_that_cannot_be_read_is_set_aside_all_the_same(far: bool) -> None:
    """A sector that gives an error is why it is set aside."""
    fs = disk()
    fs.faults[:] = [FailAt("read", 1, errno.EIO), *([other_disk] if far else [])]
    saved = set_aside(fs, name(1), QUARANTINE)
    fs.faults.clear()
    assert files_of(fs, WAL, QUARANTINE)[saved] == CONTENT


@pytest.mark.parametrize("far", [False, True], ids=["on the same disk", "on another disk"])
def test_files_of_one_name_stand_beside_each_other(far: bool) -> None:
    fs = disk()
    fs.faults[:] = [other_disk] if far else []
    saved = [set_aside(fs, name(1), QUARANTINE)]
    for content in (b"again", b"and again"):
        file = fs.create(name(1))
        file.write(content)
        file.close()
        saved.append(set_aside(fs, name(1), QUARANTINE))
    suffix = ".set-aside" if far else ""
    assert [path.name.removeprefix(name(1).name) for path in saved] == [suffix, f"{suffix}.1", f"{suffix}.2"]
    files = files_of(fs, WAL, QUARANTINE)
    assert [files[path] for path in saved] == [CONTENT, b"again", b"and again"]


@pytest.mark.parametrize("call", ["rename", "sync_directory", "make_directory"])
def test_an_error_of_the_disk_comes_out_as_it_is(call: str) -> None:
    fs = disk()
    fs.faults[:] = [FailAt(call, 1, errno.EIO)]
    with pytest.raises(OSError, match="Input/output error"):
        set_aside(fs, name(1), QUARANTINE)
    fs.faults.clear()
    assert CONTENT in files_of(fs, WAL, QUARANTINE).values()


# --- interrupted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("then", ["power cut", "killed", "killed, repeated, power cut"])
@pytest.mark.parametrize("how", ["moved", "renamed", "cut"])
def test_interrupted_at_every_call_and_done_again(then: str, how: str, seed: int) -> None:
    """At every moment the bytes are in their place or in quarantine; done again, the outcome is the same."""

    def move(fs: SimulatedFileSystem) -> Path:
        return cut_tail(fs, name(1), 1000, QUARANTINE) if how == "cut" else set_aside(fs, name(1), QUARANTINE)

    lost_from = 1000 if how == "cut" else 0
    for nth in range(1, 40):
        for round_ in range(1 if then == "killed" else 6):
            rng = Random(f"{seed} {nth} {round_}")
            fs = disk()
            fs.faults[:] = [CrashAt(nth, rng), *([other_disk] if how == "renamed" else [])]
            try:
                move(fs)
            except SimulatedCrash:
                pass
            else:
                assert nth > 6
                return
            del fs.faults[0]
            if then == "power cut":
                fs.crash(rng)
            else:
                fs.kill()
            if then == "killed, repeated, power cut" and fs.exists(name(1)):
                move(fs)
                fs.crash(rng, NOTHING)
            files = files_of(fs, WAL, QUARANTINE)
            copies = [data for path, data in files.items() if path not in {name(1), name(9)}]
            assert CONTENT[lost_from:] in copies or files[name(1)] == CONTENT, fs.history()
            if fs.exists(name(1)):
                move(fs)
            after = files_of(fs, WAL, QUARANTINE)
            assert after.get(name(1), b"") == CONTENT[:lost_from]
            assert CONTENT[lost_from:] in after.values()
    raise AssertionError("it never ended")
