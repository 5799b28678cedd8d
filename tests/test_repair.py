"""Repair: on each kind of damage the store starts again, nothing is lost that was readable, nothing is destroyed."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

from synap.datadir import DataDirectory, open_data_directory
from synap.errors import DamagedError, RepairError
from synap.repair import RepairPlan, plan_repair, repair
from synap.testing import NOTHING, CrashAt, SimulatedCrash, SimulatedFileSystem
from synap.wal.interface import Batch
from synap.wal.local import LogOptions
from tests.wal.build import DATA, SEED, T0_MS, WAL, Events, Forge, append, disk_of, events, files_of, name, start

Files: TypeAlias = dict[Path, bytes]
QUARANTINE = DATA / "quarantine"


async def store() -> tuple[Files, Events]:
    """Segments 1 to 6, 7 to 12 and 13 to 18, of three batches with two events each; the last one is not sealed."""
    fs, rng = SimulatedFileSystem(), Random(SEED)
    log = start(fs, rng, LogOptions(segment_max_bytes=1000)).log
    for _ in range(9):
        await log.append(Batch(rng.randbytes(180), 2, log.last_seq, T0_MS))
    fs.kill()
    files = files_of(fs, DATA, WAL)
    assert sorted(path.stem[-2:] for path in files if path.suffix == ".wal") == ["01", "07", "13"]
    batches = events(start(fs, rng).frames)
    return files, batches


def opened(fs: SimulatedFileSystem) -> DataDirectory:
    return open_data_directory(fs, DATA, now_ms=T0_MS)


def refusal(files: Files) -> DamagedError:
    with pytest.raises(DamagedError) as caught:
        start(disk_of(files), Random(1))
    return caught.value


def flip(files: Files, path: Path, place: int) -> Files:
    data = bytearray(files[path])
    data[place] ^= 0x10
    return files | {path: bytes(data)}


def without(files: Files, path: Path) -> Files:
    return {place: data for place, data in files.items() if place != path}


def overlapping(files: Files) -> Files:
    header = start(disk_of(files), Random(1)).directory.store_id
    return files | {name(9): bytes(Forge(first_seq=9, store_id=header, epoch=1).batch().data)}


DAMAGE: dict[str, tuple[Callable[[Files], Files], int]] = {
    "a frame in the middle": (lambda files: flip(files, name(7), 500), 9),
    "the first frame of a segment": (lambda files: flip(files, name(7), 150), 7),
    "the last batch of a segment": (lambda files: flip(files, name(1), 850), 5),
    "the seal of a segment": (lambda files: flip(files, name(1), len(files[name(1)]) - 30), 7),
    "the header of a later segment": (lambda files: flip(files, name(7), 50), 7),
    "the header of the last segment": (lambda files: flip(files, name(13), 50), 13),
    "a missing segment": (lambda files: without(files, name(7)), 7),
    "a cut segment": (lambda files: files | {name(7): files[name(7)][:-200]}, 11),
    "a zeroed range": (lambda files: files | {name(7): files[name(7)][:512] + bytes(300)}, 9),
    "an overlap": (overlapping, 13),
    "a segment of another store": (lambda files: files | {name(13): bytes(Forge(first_seq=13).batch().data)}, 13),
    "a durable frame of the last segment": (lambda files: flip(files, name(13), 500), 15),
    "a frame in the first segment": (lambda files: flip(files, name(1), 500), 3),
}


def pieces(fs: SimulatedFileSystem, path: Path) -> bytes:
    """What is kept of a segment and what was cut off it, put together."""
    files = files_of(fs, WAL, QUARANTINE)
    kept = files.get(path, b"")
    tail = files.get(QUARANTINE / f"{path.name}.{len(kept)}.tail", b"")
    return kept + tail if path in files else files[QUARANTINE / path.name]


@pytest.mark.parametrize("case", DAMAGE)
async def test_each_kind_of_damage_is_cut_off_where_the_refusal_says(case: str) -> None:
    damage, expected_seq = DAMAGE[case]
    files, batches = await store()
    damaged = damage(files)
    error = refusal(damaged)
    assert error.seq == expected_seq

    fs = disk_of(damaged)
    directory = opened(fs)
    plan = plan_repair(directory, error.seq)
    assert plan.last_seq == error.seq - 1
    before = files_of(fs, WAL)
    assert before == {path: data for path, data in damaged.items() if path.parent == WAL}, "planning only reads"
    saved = repair(directory, plan)
    assert all(fs.exists(path) for path in saved)
    for path, data in before.items():
        assert pieces(fs, path) == data, "kept and set aside make up what was there"
    gone = sum(len(data) for data in files_of(fs, QUARANTINE).values())
    assert gone == plan.lost_bytes

    fs.crash(Random(1), NOTHING)
    begun = start(fs, Random(1))
    assert events(begun.frames) == tuple(batch for batch in batches if batch[0] < error.seq)
    await append(begun.log, b"and on it goes")
    fs.crash(Random(1), NOTHING)
    assert events(start(fs, Random(1)).frames)[-1] == (error.seq, b"and on it goes")


async def test_a_batch_is_kept_or_given_up_whole() -> None:
    files, batches = await store()
    for truncate_at in range(3, 19):
        plan = plan_repair(opened(disk_of(files)), truncate_at)
        assert plan.last_seq == (truncate_at - 1) // 2 * 2
        directory = opened(fs := disk_of(files))
        repair(directory, plan)
        fs.kill()
        assert events(start(fs, Random(1)).frames) == batches[: plan.last_seq // 2]


async def test_a_plan_says_what_goes() -> None:
    files, _ = await store()
    plan = plan_repair(opened(disk_of(files)), 5)
    assert (plan.segment, plan.removed, plan.last_seq) == (name(1), (name(7), name(13)), 4)
    assert (plan.snapshots, plan.successor) == ((), None)
    assert plan.lost_bytes == len(files[name(1)]) - plan.offset + len(files[name(7)]) + len(files[name(13)])
    assert (plan.known_seq, plan.more_unknown) == (18, False)


async def test_a_plan_says_what_else_may_have_been_there() -> None:
    files, _ = await store()
    damage: dict[str, tuple[Files, int, bool]] = {
        "the last segment is damaged": (flip(files, name(13), 500), 14, True),
        "nothing of it can be read": (flip(files, name(13), 50), 12, True),
        "its end is torn": (files | {name(13): files[name(13)][:-10]}, 16, False),
        "it is gone": (without(files, name(13)), 12, False),
    }
    for case, (damaged, known_seq, more_unknown) in damage.items():
        plan = plan_repair(opened(disk_of(damaged)), 5)
        assert (plan.last_seq, plan.known_seq, plan.more_unknown) == (4, known_seq, more_unknown), case


EVERYTHING: dict[str, Callable[[Files], Files]] = {
    "nothing is damaged": lambda files: files,
    "the first batch": lambda files: flip(files, name(1), 150),
    "the header of the first segment": lambda files: flip(files, name(1), 50),
    "no first segment": lambda files: without(files, name(1)),
    "no segment at all": lambda files: {path: data for path, data in files.items() if path.suffix != ".wal"},
}


@pytest.mark.parametrize("case", EVERYTHING)
async def test_everything_can_be_given_up(case: str) -> None:
    files, _ = await store()
    fs = disk_of(EVERYTHING[case](files))
    before = files_of(fs, WAL)
    directory = opened(fs)
    plan = plan_repair(directory, 1)
    assert plan.last_seq == 0
    repair(directory, plan)
    kept = files_of(fs, WAL)
    assert list(kept) == [name(1)]
    saved = b"".join(files_of(fs, QUARANTINE).values())
    assert all(data.removeprefix(kept.get(path, b"")) in saved for path, data in before.items())
    assert plan.lost_bytes == len(saved)
    fs.crash(Random(1), NOTHING)
    begun = start(fs, Random(1))
    assert begun.frames == []
    await append(begun.log, b"anew")
    fs.crash(Random(1), NOTHING)
    assert events(start(fs, Random(1)).frames) == ((1, b"anew"),)


@pytest.mark.parametrize(
    ("damage", "truncate_at", "reason"),
    [
        (lambda files: files, 2, "no batch ends before seq 2; to keep nothing at all, truncate at 1"),
        (lambda files: files, 20, "the log ends at seq 18 already"),
        (lambda files: files, 10**30, "the log ends at seq 18 already"),
        (lambda files: flip(files, name(1), 150), 2, "damaged before seq 2 already"),
        (lambda files: flip(files, name(1), 50), 2, "damaged before seq 2 already"),
        (lambda files: flip(files, name(1), 500), 9, "damaged before seq 9 already"),
        (lambda files: flip(files, name(1), 500), 18, "damaged before seq 18 already"),
        (lambda files: flip(files, name(7), 50), 9, "damaged before seq 9 already"),
        (lambda files: without(files, name(7)), 15, "damaged before seq 15 already"),
        (lambda files: without(files, name(1)), 7, "the log is missing its start: it begins at seq 7"),
        (lambda files: {path: data for path, data in files.items() if path.suffix != ".wal"}, 5, "there is no segment"),
        (lambda files: files | {name(13): files[name(13)][:-10]}, 19, "the log ends at seq 16 already"),
    ],
)
async def test_what_cannot_be_repaired_is_refused_and_nothing_changes(
    damage: Callable[[Files], Files], truncate_at: int, reason: str
) -> None:
    files, _ = await store()
    fs = disk_of(damage(files))
    before = files_of(fs, WAL)
    with pytest.raises(RepairError, match=reason) as caught:
        plan_repair(opened(fs), truncate_at)
    assert caught.value.exit_code == 64
    assert files_of(fs, WAL) == before


async def test_earlier_quarantine_files_are_never_overwritten() -> None:
    files, _ = await store()
    plan = plan_repair(opened(disk_of(files)), 5)
    earlier = {
        QUARANTINE / name(7).name: b"of another repair",
        QUARANTINE / f"{name(7).name}.1": b"and another",
        QUARANTINE / f"{name(1).name}.{plan.offset}.tail": b"of another start",
    }
    fs = disk_of(files | earlier)
    saved = repair(opened(fs), plan)
    assert [path.name.removeprefix("00000000000000000") for path in saved] == [
        "013.wal",
        "007.wal.2",
        f"001.wal.{plan.offset}.tail.1",
    ]
    kept = files_of(fs, QUARANTINE)
    assert {path: kept[path] for path in earlier} == earlier
    assert kept[saved[1]] == files[name(7)]


@pytest.mark.parametrize("end", ["killed", "power cut", "killed, and a power cut at last"])
async def test_a_repair_can_be_interrupted_at_every_call_and_done_again(end: str, seed: int) -> None:
    files, batches = await store()
    damaged = flip(files, name(1), 500)
    for nth in range(1, 200):
        rng = Random(f"{seed} {nth} {end}")
        fs = disk_of(damaged)
        directory = opened(fs)
        plan = plan_repair(directory, 3)
        fs.faults.append(CrashAt(nth, rng))
        try:
            repair(directory, plan)
        except SimulatedCrash:
            pass
        else:
            assert nth > 20
            return
        fs.faults.clear()
        if end == "power cut":
            fs.crash(rng)
        else:
            fs.kill()
        again(fs)
        if end.endswith("at last"):
            fs.crash(rng, NOTHING)
        else:
            fs.kill()
        assert events(start(fs, rng).frames) == batches[:1]
        copies = files_of(fs, QUARANTINE)
        assert damaged[name(7)] in copies.values()
        assert damaged[name(13)] in copies.values()
        assert damaged[name(1)][plan.offset :] in copies.values()
    raise AssertionError("a repair never came to its end")


def again(fs: SimulatedFileSystem) -> None:
    directory = opened(fs)
    plan: RepairPlan = plan_repair(directory, 3)
    repair(directory, plan)
