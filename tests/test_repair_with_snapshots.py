"""Repair of a store with snapshots: recovery finds the state at the cut, and everything given up is kept aside."""

import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

from synap.codec import encode_events
from synap.datadir import DataDirectory, look_at_data_directory, open_data_directory
from synap.errors import DamagedError, RepairError
from synap.events import EntrySet
from synap.fs import FileSystem, read_all
from synap.keyspace import Keyspace, state_bytes
from synap.recovery import RecoveryReport, recover
from synap.repair import plan_repair, repair
from synap.telemetry import Metrics
from synap.testing import NOTHING, CrashAt, Fault, LyingSync, SimulatedCrash, SimulatedFileSystem
from synap.wal.format import SEGMENT_HEADER_BYTES
from synap.wal.interface import Batch
from synap.wal.local import LocalLog, LogOptions
from synap.wal.reader import LogEnd
from tests.engine import inline
from tests.stores import Scene, all_files, two_snapshots
from tests.test_repair import QUARANTINE, Files, flip, pieces, without
from tests.wal.build import DATA, STORE_ID, T0_MS, Forge, disk_of, files_of, name

Damage: TypeAlias = Callable[[Files], Files]

TRUTH: Scene = two_snapshots(SimulatedFileSystem())
"""Snapshots at 8 and 16; segments of two-event batches from 9, 17 and 23 on, up to 26."""

S8, S16 = TRUTH.snapshot_path(8), TRUTH.snapshot_path(16)


def contents(fs: FileSystem) -> Files:
    return {path: read_all(fs, path) for path in all_files(fs, DATA)}


def whole() -> Files:
    return contents(TRUTH.fs)


def frames(data: bytes) -> list[int]:
    """Where the frames of a segment begin."""
    return [found.start() for found in re.finditer(b"SYNF", data)]


def flip_frame(files: Files, path: Path, number: int) -> Files:
    return flip(files, path, frames(files[path])[number] + 75)


def cut_frames(files: Files, path: Path, kept: int) -> Files:
    return files | {path: files[path][: frames(files[path])[kept]]}


def foreign(files: Files, first_seq: int) -> Files:
    """The segment in another life of the same store."""
    return files | {name(first_seq): bytes(Forge(first_seq=first_seq).batch().data)}


def recovered(fs: SimulatedFileSystem) -> tuple[Keyspace, LogEnd, RecoveryReport]:
    directory = opened(fs)
    try:
        return recover(directory, lambda _: None)
    finally:
        directory.close()


def opened(fs: SimulatedFileSystem) -> DataDirectory:
    return open_data_directory(fs, DATA, now_ms=T0_MS)


async def goes_on(fs: SimulatedFileSystem, last_seq: int) -> None:
    """The state is that after ``last_seq``; a server writes behind it, and finds that again."""
    for seq in range(last_seq, last_seq + 3):
        directory = opened(fs)
        keyspace, end, report = recover(directory, lambda _: None)
        assert (keyspace.seq, end.last_seq, report.strange_seqs) == (seq, seq, ())
        if seq == last_seq:
            assert keyspace.digest == TRUTH.states[seq]
        log = LocalLog(
            fs,
            directory.wal_directory,
            directory.store_id,
            end,
            now_ms=lambda: T0_MS + 10_000,
            options=LogOptions(),
            metrics=Metrics(),
            state=state_bytes(keyspace.digest),
            hop=inline,
        )
        await log.append(Batch(encode_events([EntrySet(b"new", 0, b"", None)]), 1, seq, T0_MS + 10_000))
        fs.crash(Random(seq), NOTHING)


DAMAGE: dict[str, tuple[Damage, int]] = {
    "a frame behind the newest snapshot": (lambda files: flip_frame(files, name(17), 1), 19),
    "the frame right behind it": (lambda files: flip_frame(files, name(17), 0), 17),
    "the header of its segment": (lambda files: flip(files, name(17), 50), 17),
    "that segment is gone": (lambda files: without(files, name(17)), 17),
    "that segment is of another life": (lambda files: foreign(files, 17), 17),
    "that segment is empty": (lambda files: files | {name(17): b""}, 17),
    "the log is gone behind it": (lambda files: without(without(files, name(17)), name(23)), 17),
    "the log is gone": (lambda files: {path: data for path, data in files.items() if path.suffix != ".wal"}, 17),
    "the first frame of a later segment": (lambda files: flip(files, name(23), 150), 23),
    "the header of a later segment": (lambda files: flip(files, name(23), 50), 23),
    "the newest snapshot, and a frame before it": (lambda files: flip_frame(flip(files, S16, 300), name(9), 1), 11),
    "the newest snapshot, and the frame behind the older": (
        lambda files: flip_frame(flip(files, S16, 300), name(9), 0),
        9,
    ),
    "the newest snapshot, and the header behind the older": (lambda files: flip(flip(files, S16, 300), name(9), 50), 9),
    "the newest snapshot, and the end of the log": (
        lambda files: cut_frames(without(without(flip(files, S16, 300), name(17)), name(23)), name(9), 2),
        13,
    ),
    "the newest snapshot, and the log behind the older": (
        lambda files: {path: data for path, data in flip(files, S16, 300).items() if path.suffix != ".wal"},
        9,
    ),
    "the older snapshot, and a frame behind the newest": (
        lambda files: flip_frame(flip(files, S8, 300), name(17), 0),
        17,
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
async def test_each_kind_of_damage_is_cut_off_where_the_refusal_says(case: str) -> None:
    damage, expected_seq = DAMAGE[case]
    damaged = damage(whole())
    fs = disk_of(damaged)
    with pytest.raises(DamagedError) as caught:
        recovered(fs)
    assert caught.value.seq == expected_seq

    directory = opened(fs)
    plan = plan_repair(directory, caught.value.seq)
    assert plan.last_seq == expected_seq - 1
    before = files_of(fs, DATA / "wal", DATA / "snapshot")
    assert before == {path: data for path, data in damaged.items() if path.parent != DATA}, "planning only reads"
    repair(directory, plan)
    directory.close()
    assert sum(map(len, files_of(fs, QUARANTINE).values())) == plan.lost_bytes
    for path, data in before.items():
        if path != name(expected_seq) or plan.successor is None:
            assert kept(fs, path) == data
        else:
            assert files_of(fs, QUARANTINE)[QUARANTINE / path.name] == data
    fs.crash(Random(1), NOTHING)
    await goes_on(fs, plan.last_seq)


def kept(fs: SimulatedFileSystem, path: Path) -> bytes:
    """What is left of a file and what was cut off it, put together."""
    there = files_of(fs, path.parent)
    return there[path] if path.suffix == ".snap" and path in there else pieces(fs, path)


@pytest.mark.parametrize("truncate_at", range(9, 28))
async def test_any_event_behind_the_oldest_snapshot_can_be_the_first_to_go(truncate_at: int) -> None:
    fs = disk_of(whole())
    directory = opened(fs)
    plan = plan_repair(directory, truncate_at)
    assert plan.last_seq == (truncate_at - 1) // 2 * 2
    assert plan.snapshots == ((S16,) if plan.last_seq < 16 else ())
    assert (plan.known_seq, plan.more_unknown, plan.successor) == (26, False, None)
    repair(directory, plan)
    fs.crash(Random(1), NOTHING)
    await goes_on(fs, plan.last_seq)


def test_a_plan_says_what_goes() -> None:
    plan = plan_repair(opened(disk_of(whole())), 12)
    lengths = {path: len(data) for path, data in whole().items()}
    assert (plan.segment, plan.removed, plan.snapshots) == (name(9), (name(17), name(23)), (S16,))
    expected = lengths[name(9)] - plan.offset + sum(lengths[path] for path in (name(17), name(23), S16))
    assert plan.lost_bytes == expected


def test_behind_a_snapshot_the_header_of_its_segment_is_kept() -> None:
    plan = plan_repair(opened(disk_of(flip_frame(whole(), name(17), 0))), 17)
    assert (plan.segment, plan.offset, plan.removed) == (name(17), SEGMENT_HEADER_BYTES, (name(23),))


def test_a_new_segment_goes_on_where_the_snapshot_ends() -> None:
    plan = plan_repair(opened(disk_of(flip(whole(), name(17), 50))), 17)
    assert (plan.segment, plan.removed) == (None, (name(17), name(23)))
    assert plan.successor is not None
    assert (plan.successor.first_seq, plan.successor.epoch, plan.successor.store_id) == (17, 1, STORE_ID)
    assert plan.successor.state == state_bytes(TRUTH.states[16])
    assert plan.successor.created_ms == T0_MS + 80, "log time does not go back"


def test_what_a_damaged_log_was_known_to_hold() -> None:
    """A snapshot tells of events that the log has lost."""
    log_gone = {path: data for path, data in whole().items() if path.suffix != ".wal"}
    plan = plan_repair(opened(disk_of(flip(log_gone, S16, 300))), 9)
    assert (plan.last_seq, plan.known_seq, plan.more_unknown) == (8, 16, True)


def test_a_plan_needs_no_lock() -> None:
    fs = disk_of(whole())
    fs.lock(DATA / "LOCK", "7")
    assert plan_repair(look_at_data_directory(fs, DATA), 20).last_seq == 18


@pytest.mark.parametrize(
    ("damage", "truncate_at", "reason"),
    [
        (lambda files: files, 28, "the log ends at seq 26 already"),
        (lambda files: files, 8, "damaged before seq 8 already.*begins at seq 9"),
        (lambda files: flip(flip(files, S8, 300), S16, 300), 16, "damaged before seq 16 already.*begins at seq 9"),
        (lambda files: flip_frame(files, name(17), 0), 18, "damaged before seq 18 already"),
        (lambda files: flip(files, name(17), 50), 20, "damaged before seq 20 already"),
        (lambda files: foreign(files, 17), 20, "damaged before seq 20 already.*belongs to another|does not continue"),
        (lambda files: flip_frame(flip(files, S16, 300), name(9), 1), 20, "damaged before seq 20 already"),
    ],
)
def test_what_cannot_be_repaired_is_refused_and_nothing_changes(damage: Damage, truncate_at: int, reason: str) -> None:
    files = damage(whole())
    fs = disk_of(files)
    with pytest.raises(RepairError, match=reason):
        plan_repair(look_at_data_directory(fs, DATA), truncate_at)
    assert contents(fs) == files


@pytest.mark.parametrize("case", ["whole", "nothing can be read"])
async def test_everything_can_be_given_up(case: str) -> None:
    files = whole()
    if case != "whole":
        files = flip(flip(flip(files, S8, 300), S16, 300), name(9), 50)
    fs = disk_of(files)
    directory = opened(fs)
    plan = plan_repair(directory, 1)
    assert (plan.last_seq, plan.snapshots, plan.known_seq) == (0, (S8, S16), 26)
    repair(directory, plan)
    saved = files_of(fs, QUARANTINE)
    for path in (S8, S16, name(9), name(17), name(23)):
        assert saved[QUARANTINE / path.name] == files[path]
    fs.crash(Random(1), NOTHING)
    await goes_on(fs, 0)


INTERRUPTED: dict[str, tuple[Files, int]] = {
    "within the log": (flip_frame(flip(whole(), S16, 300), name(9), 1), 11),
    "in a whole log": (whole(), 11),
    "right behind a snapshot": (flip_frame(whole(), name(17), 0), 17),
    "a new segment behind a snapshot": (flip(whole(), name(17), 50), 17),
    "everything": (whole(), 1),
}


@pytest.mark.parametrize("end", ["killed", "power cut", "killed, and a power cut at last"])
@pytest.mark.parametrize("case", INTERRUPTED)
async def test_a_repair_can_be_interrupted_at_every_call_and_done_again(case: str, end: str, seed: int) -> None:
    files, truncate_at = INTERRUPTED[case]
    last_seq = plan_repair(opened(disk_of(files)), truncate_at).last_seq
    for nth in range(1, 200):
        rng = Random(f"{seed} {nth} {end}")
        fs = disk_of(files)
        directory = opened(fs)
        plan = plan_repair(directory, truncate_at)
        fs.faults.append(CrashAt(nth, rng))
        try:
            repair(directory, plan)
        except SimulatedCrash:
            pass
        else:
            assert nth > 10
            return
        fs.faults.clear()
        stop(fs, rng, power=end == "power cut")
        nothing_strange(fs)
        directory = opened(fs)
        repair(directory, plan_repair(directory, truncate_at))
        stop(fs, rng, power=end.endswith("at last"))
        copies = set(files_of(fs, QUARANTINE).values())
        assert all(files[path] in copies for path in (*plan.removed, *plan.snapshots))
        if plan.segment is not None:
            assert files[plan.segment][plan.offset :] in copies
        await goes_on(fs, last_seq)
    raise AssertionError("a repair never came to its end")


def stop(fs: SimulatedFileSystem, rng: Random, *, power: bool) -> None:
    if power:
        fs.crash(rng)
    else:
        fs.kill()


def nothing_strange(fs: SimulatedFileSystem) -> None:
    """A server that is started in between refuses, or finds some state that there was."""
    try:
        keyspace, _, _ = recovered(disk_of(contents(fs)))
    except DamagedError:
        return
    assert keyspace.digest == TRUTH.states[keyspace.seq]


def survives(lie: Fault) -> bool:
    """Whether every repair of this file outlives a power cut, though one kind of sync is only pretended."""
    for files, truncate_at in INTERRUPTED.values():
        fs = disk_of(files)
        directory = opened(fs)
        plan = plan_repair(directory, truncate_at)
        fs.faults.append(lie)
        repair(directory, plan)
        fs.faults.clear()
        fs.crash(Random(1), NOTHING)
        try:
            keyspace, _, report = recovered(fs)
        except DamagedError:
            return False
        if (keyspace.seq, report.set_aside) != (plan.last_seq, ()):
            return False
    return True


@pytest.mark.parametrize(
    "lie", [LyingSync("datasync", "*.wal"), LyingSync("datasync", "*.wal.tmp"), LyingSync("sync_directory", "wal")]
)
def test_a_sync_that_is_left_out_is_noticed(lie: LyingSync) -> None:
    assert survives(LyingSync("datasync", "nothing"))
    assert not survives(lie)
