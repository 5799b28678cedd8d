"""Setting aside: nothing is gone before a copy of it is durable, wherever the machine stops."""

from pathlib import Path
from random import Random

import pytest

from synap.testing import NOTHING, CrashAt, SimulatedCrash, SimulatedFileSystem
from synap.wal.tail import cut_tail, set_aside

from .build import DATA, WAL, disk_of, files_of, name

QUARANTINE = DATA / "quarantine"
CONTENT = bytes(range(256)) * 8


def disk() -> SimulatedFileSystem:
    return disk_of({name(1): CONTENT, name(9): CONTENT[::-1]})


def test_a_cut_tail_is_kept() -> None:
    fs = disk()
    saved = cut_tail(fs, name(1), 1000, QUARANTINE)
    assert saved == QUARANTINE / "00000000000000000001.wal.1000.tail"
    fs.crash(Random(1), NOTHING)
    files = files_of(fs, WAL, QUARANTINE)
    assert files[name(1)] == CONTENT[:1000]
    assert files[saved] == CONTENT[1000:]


def test_a_segment_set_aside_is_kept() -> None:
    fs = disk()
    saved = set_aside(fs, name(1), QUARANTINE)
    assert saved == QUARANTINE / name(1).name
    fs.crash(Random(1), NOTHING)
    assert files_of(fs, WAL, QUARANTINE) == {saved: CONTENT, name(9): CONTENT[::-1]}


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


@pytest.mark.parametrize("then", ["power cut", "killed", "killed, repeated, power cut"])
@pytest.mark.parametrize("whole", [True, False])
def test_interrupted_at_every_call_and_done_again(then: str, whole: bool, seed: int) -> None:
    """At every moment the cut-off bytes are in the segment or in quarantine; done again, the outcome is the same."""

    def move(fs: SimulatedFileSystem) -> Path:
        return set_aside(fs, name(1), QUARANTINE) if whole else cut_tail(fs, name(1), 1000, QUARANTINE)

    lost_from = 0 if whole else 1000
    for nth in range(1, 40):
        for round_ in range(1 if then == "killed" else 6):
            rng = Random(f"{seed} {nth} {round_}")
            fs = disk()
            fs.faults.append(CrashAt(nth, rng))
            try:
                move(fs)
            except SimulatedCrash:
                pass
            else:
                assert nth > 8
                return
            fs.faults.clear()
            if then == "power cut":
                fs.crash(rng)
            else:
                fs.kill()
            if then == "killed, repeated, power cut" and fs.exists(name(1)):
                move(fs)
                fs.crash(rng, NOTHING)
            files = files_of(fs, WAL, QUARANTINE)
            copies = [data for path, data in files.items() if path.parent == QUARANTINE]
            assert CONTENT[lost_from:] in copies or files[name(1)] == CONTENT, fs.history()
            if fs.exists(name(1)):
                move(fs)
            after = files_of(fs, WAL, QUARANTINE)
            assert after.get(name(1), b"") == CONTENT[:lost_from]
            assert CONTENT[lost_from:] in after.values()
    raise AssertionError("it never ended")
