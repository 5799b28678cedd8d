"""What a start finds where there are snapshots: the table in ``recovery.py``, row by row.

The scene is a store with snapshots at 8 and 16, the log trimmed up to the older one, and segments from 9, 17 and 23 on.
"""

import errno
from collections.abc import Callable
from contextlib import closing
from itertools import count, pairwise
from pathlib import Path
from random import Random
from uuid import UUID

import msgspec
import pytest

from synap.datadir import Places, open_data_directory
from synap.errors import DamagedError, NewerFormatError
from synap.events import EntrySet
from synap.fs import FileSystem, create_durably, read_all
from synap.keyspace import Keyspace
from synap.recovery import RecoveryReport, recover
from synap.snapshot import format as layout
from synap.snapshot.reader import SnapshotReader
from synap.testing import Call, CrashAt, SimulatedCrash, SimulatedFileSystem
from synap.wal.format import STATE_UNKNOWN
from synap.wal.reader import LogEnd
from tests.snapshot.build import blocks_of
from tests.stores import Scene, all_files, two_snapshots
from tests.wal.build import DATA, T0_MS, disk_of

QUARANTINE = DATA / "quarantine"
OLDER, NEWEST, LAST = 8, 16, 26


def recovered(
    fs: FileSystem, on_progress: Callable[[float], None] = lambda _: None, places: Places | None = None
) -> tuple[Keyspace, LogEnd, RecoveryReport]:
    """As a server that starts, and ends right afterwards."""
    directory = open_data_directory(fs, DATA, now_ms=T0_MS, places=places or Places())
    try:
        return recover(directory, on_progress)
    finally:
        directory.close()


def files(fs: FileSystem) -> dict[Path, bytes]:
    """Everything but the lock."""
    return {path: read_all(fs, path) for path in all_files(fs, DATA) if path.name != "LOCK"}


def rewrite(fs: FileSystem, path: Path, content: bytes) -> None:
    create_durably(fs, path, content)


def flip(fs: FileSystem, path: Path, offset: int, bit: int = 0) -> None:
    content = bytearray(read_all(fs, path))
    content[offset] ^= 1 << bit
    rewrite(fs, path, bytes(content))


def change_header(fs: FileSystem, path: Path, **changes: object) -> None:
    """Let a snapshot's header say something else, with a checksum that is right."""
    content = read_all(fs, path)
    header = layout.unpack_header(content[: layout.HEADER_BYTES])
    assert header is not None
    changed = layout.pack_header(msgspec.structs.replace(header, **changes))
    rewrite(fs, path, changed + content[layout.HEADER_BYTES :])


@pytest.fixture
def scene() -> Scene:
    return two_snapshots(SimulatedFileSystem())


def copy_of(scene: Scene) -> SimulatedFileSystem:
    return disk_of(files(scene.fs))


def refused(fs: FileSystem, *, match: str, seq: int, path: Path) -> None:
    """The start is refused, names the place, and has changed nothing."""
    before = files(fs)
    with pytest.raises(DamagedError, match=match) as caught:
        recovered(fs)
    assert (caught.value.seq, caught.value.path) == (seq, path)
    assert files(fs) == before


# --- the newest is whole ---------------------------------------------------------------------------------


def test_the_newest_snapshot_and_the_log_behind_it(scene: Scene) -> None:
    before = files(scene.fs)
    keyspace, end, report = recovered(scene.fs)
    assert (keyspace.seq, keyspace.digest) == (LAST, scene.states[LAST])
    assert list(keyspace.tree.items()) == list(scene.keyspace.tree.items())
    assert (end.last_seq, end.first_seqs) == (LAST, (9, 17, 23))
    assert (report.snapshot_seq, report.events, report.segments, report.set_aside) == (NEWEST, 10, 3, ())
    with closing(SnapshotReader(scene.fs, scene.snapshot_path(NEWEST))) as snapshot:
        assert report.entries == snapshot.footer.entry_count > 0
    assert report.log_bytes == sum(len(content) for path, content in before.items() if path.suffix == ".wal")
    assert files(scene.fs) == before


def test_what_a_snapshot_includes_is_not_read_again(scene: Scene) -> None:
    """Damage there is found by the next fold that reads it; what is served does not rest on it."""
    flip(scene.fs, scene.segment(9), 300)
    keyspace, _, report = recovered(scene.fs)
    assert (keyspace.digest, report.snapshot_seq) == (scene.states[LAST], NEWEST)


def test_a_snapshot_at_the_end_of_the_log() -> None:
    scene = Scene(SimulatedFileSystem()).fill(4).rotate().snapshot()
    keyspace, _, report = recovered(scene.fs)
    assert (keyspace.seq, keyspace.digest) == (8, scene.states[8])
    assert (report.snapshot_seq, report.events, report.clean) == (8, 0, False)


def test_a_snapshot_of_nothing() -> None:
    scene = Scene(SimulatedFileSystem()).snapshot().fill(2)
    keyspace, _, report = recovered(scene.fs)
    assert (keyspace.digest, report.snapshot_seq, report.entries, report.events) == (scene.states[4], 0, 0, 4)


def test_snapshots_may_lie_elsewhere(scene: Scene) -> None:
    elsewhere = Path("/slow/disk")
    scene.fs.make_directory(elsewhere)
    for name in scene.fs.names(scene.snapshots):
        scene.fs.rename(scene.snapshots / name, elsewhere / name)
    _, _, report = recovered(scene.fs, places=Places(snapshot=elsewhere))
    assert report.snapshot_seq == NEWEST


# --- the newest is damaged -------------------------------------------------------------------------------


def older_is_used(fs: FileSystem, scene: Scene, path: Path, content: bytes | None = None) -> str:
    """The state is right all the same, and the damaged file is in quarantine as it was; why it counts as damaged."""
    content = content or read_all(fs, path)
    keyspace, _, report = recovered(fs)
    assert (keyspace.seq, keyspace.digest) == (scene.seq, scene.keyspace.digest)
    assert (report.snapshot_seq, report.events) == (OLDER, scene.seq - OLDER)
    ((damage, saved),) = report.set_aside
    assert (damage.path, saved) == (path, QUARANTINE / path.name)
    _, _, again = recovered(fs)
    assert (again.snapshot_seq, again.set_aside) == (OLDER, ())
    assert read_all(fs, saved) == content
    assert fs.names(scene.snapshots) == [layout.snapshot_name(OLDER)]
    return damage.reason


def test_a_flipped_bit_in_any_byte_is_found(scene: Scene, seed: int) -> None:
    path, rng = scene.snapshot_path(NEWEST), Random(seed)
    for offset in range(len(read_all(scene.fs, path))):
        fs = copy_of(scene)
        flip(fs, path, offset, rng.randrange(8))
        older_is_used(fs, scene, path)


def test_a_snapshot_that_is_cut_off_anywhere_is_found(scene: Scene) -> None:
    path = scene.snapshot_path(NEWEST)
    whole = read_all(scene.fs, path)
    for length in range(0, len(whole), 7):
        fs = copy_of(scene)
        rewrite(fs, path, whole[:length])
        older_is_used(fs, scene, path)


def test_a_sector_that_cannot_be_read_counts_as_damage(scene: Scene) -> None:
    """And the file is moved, not copied: nobody could."""

    def bad_sector(call: Call) -> None:
        if call.name == "read" and call.path == scene.snapshot_path(NEWEST):
            raise OSError(errno.EIO, "Input/output error")

    fs, path = copy_of(scene), scene.snapshot_path(NEWEST)
    content = read_all(fs, path)
    fs.faults = [bad_sector]
    assert "the disk gives an error" in older_is_used(fs, scene, path, content)


def test_a_snapshot_that_was_renamed_is_none(scene: Scene) -> None:
    scene.fs.rename(scene.snapshot_path(NEWEST), scene.snapshot_path(15))
    assert "it was renamed" in older_is_used(scene.fs, scene, scene.snapshot_path(15))


def test_a_snapshot_of_another_store_is_none(scene: Scene) -> None:
    other = Scene(SimulatedFileSystem(), store_id=UUID(int=7)).fill(8).rotate().snapshot()
    rewrite(scene.fs, scene.snapshot_path(NEWEST), read_all(other.fs, other.snapshot_path(NEWEST)))
    assert "another store" in older_is_used(scene.fs, scene, scene.snapshot_path(NEWEST))


def test_a_snapshot_whose_entries_are_not_those_of_its_digest_is_none(scene: Scene) -> None:
    path = scene.snapshot_path(NEWEST)
    content = read_all(scene.fs, path)
    header = layout.unpack_header(content[: layout.HEADER_BYTES])
    assert header is not None
    footer = layout.unpack_footer(content[-layout.FOOTER_BYTES :], header.salt)
    assert footer is not None
    changed = layout.pack_footer(msgspec.structs.replace(footer, digest=footer.digest + 1), header.salt)
    rewrite(scene.fs, path, content[: -layout.FOOTER_BYTES] + changed)
    assert "another digest" in older_is_used(scene.fs, scene, scene.snapshot_path(NEWEST))


def test_the_whole_log_makes_up_for_all_snapshots() -> None:
    scene = Scene(SimulatedFileSystem()).fill(4).rotate().snapshot().fill(4).rotate().snapshot().fill(2)
    for seq in (OLDER, NEWEST):
        flip(scene.fs, scene.snapshot_path(seq), 200)
    keyspace, _, report = recovered(scene.fs)
    assert (keyspace.digest, report.snapshot_seq, report.entries, report.events) == (scene.states[20], None, 0, 20)
    assert [damage.path for damage, _ in report.set_aside] == [scene.snapshot_path(NEWEST), scene.snapshot_path(OLDER)]
    assert scene.fs.names(scene.snapshots) == []


def test_nothing_reaches_back_far_enough(scene: Scene) -> None:
    """Both are damaged, and the log was trimmed: the newest is named, since with it all would be well."""
    for seq in (OLDER, NEWEST):
        flip(scene.fs, scene.snapshot_path(seq), 200)
    reason = "no older snapshot is whole, and the log begins only at seq 9"
    refused(scene.fs, match=reason, seq=NEWEST, path=scene.snapshot_path(NEWEST))


def test_no_snapshot_is_left_and_the_log_was_trimmed(scene: Scene) -> None:
    for name in scene.fs.names(scene.snapshots):
        scene.fs.remove(scene.snapshots / name)
    refused(scene.fs, match="the log is missing its start: it begins at seq 9", seq=1, path=scene.wal)


# --- the log does not go on where a snapshot ends --------------------------------------------------------


def lose(scene: Scene, *first_seqs: int) -> None:
    for first_seq in first_seqs:
        scene.fs.remove(scene.segment(first_seq))


def of_another_store(scene: Scene) -> None:
    other = Scene(SimulatedFileSystem(), store_id=UUID(int=7)).fill(8).rotate().fill(1)
    rewrite(scene.fs, scene.segment(17), read_all(other.fs, other.segment(17)))


def of_another_history(scene: Scene) -> None:
    other = two_snapshots(SimulatedFileSystem(), seed=2)
    rewrite(scene.fs, scene.segment(17), read_all(other.fs, other.segment(17)))


@pytest.mark.parametrize(
    ("damage", "reason", "offset"),
    [
        (lambda scene: lose(scene, 17), "the segment is not there", None),
        (lambda scene: lose(scene, 17, 23), "the segment is not there", None),
        (lambda scene: lose(scene, 9, 17, 23), "the segment is not there", None),
        (lambda scene: scene.fs.rename(scene.segment(23), scene.segment(17)), "it was renamed", 0),
        (lambda scene: rewrite(scene.fs, scene.segment(17), b""), "header is damaged", 0),
        (lambda scene: flip(scene.fs, scene.segment(17), 70), "header is damaged", 0),
        (of_another_store, "another store", 0),
        (of_another_history, "it does not continue what 00000000000000000016.snap includes", 0),
    ],
    ids=[
        "the segment behind it is gone",
        "all segments behind it are gone",
        "there is no segment at all",
        "a later segment bears its name",
        "it is empty",
        "its header is damaged",
        "it is of another store",
        "it is of another history of the same store",
    ],
)
def test_the_segment_behind_the_snapshot(
    scene: Scene, damage: Callable[[Scene], None], reason: str, offset: int | None
) -> None:
    """The older snapshot would lead to another state than the one that was served, and is not tried."""
    damage(scene)
    before = files(scene.fs)
    with pytest.raises(DamagedError, match=reason) as caught:
        recovered(scene.fs)
    assert (caught.value.path, caught.value.seq, caught.value.offset) == (scene.segment(17), 17, offset)
    assert files(scene.fs) == before


def test_a_snapshot_that_does_not_fit_the_log_behind_it() -> None:
    scene = Scene(SimulatedFileSystem()).fill(4).rotate().snapshot().fill(2)
    change_header(scene.fs, scene.snapshot_path(OLDER), chain=b"x" * 16)
    refused(scene.fs, match="it does not continue what", seq=9, path=scene.segment(9))


def test_damage_behind_the_snapshot(scene: Scene) -> None:
    flip(scene.fs, scene.segment(17), 140)
    refused(scene.fs, match="bad frame", seq=17, path=scene.segment(17))


def test_the_older_one_must_be_continued_too(scene: Scene) -> None:
    flip(scene.fs, scene.snapshot_path(NEWEST), 200)
    lose(scene, 9)
    refused(scene.fs, match="the segment is not there", seq=9, path=scene.segment(9))


@pytest.mark.parametrize("kept", [8, 10, 12, 14])
def test_a_log_that_ends_before_a_damaged_snapshot_does(kept: int) -> None:
    """What the snapshot says cannot be read any more, but its name says that there was more."""
    scene = Scene(SimulatedFileSystem()).fill(4).rotate().snapshot()
    for _ in range(4):
        scene.fill(1).rotate()
    scene.snapshot().fill(2)
    lose(scene, *(seq for seq in (9, 11, 13, 15, 17) if seq > max(kept, 9)))
    if kept == 8:
        rewrite(scene.fs, scene.segment(9), read_all(scene.fs, scene.segment(9))[:128])
    flip(scene.fs, scene.snapshot_path(NEWEST), 200)
    reason = "the log ends here, but 00000000000000000016.snap shows that it went on"
    refused(scene.fs, match=reason, seq=kept + 1, path=scene.wal)


# --- refused for other reasons ---------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"major": layout.MAJOR + 1}, {"reader_flags": 1}], ids=["version", "flag"])
def test_a_snapshot_of_a_newer_version(scene: Scene, change: dict[str, int]) -> None:
    """It is no damage: an older snapshot would do, but who wrote the newer one may have written the log's end, too."""
    path = scene.snapshot_path(NEWEST)
    change_header(scene.fs, path, **change)
    before = files(scene.fs)
    with pytest.raises(NewerFormatError) as caught:
        recovered(scene.fs)
    assert (caught.value.path, caught.value.exit_code) == (path, 76)
    assert files(scene.fs) == before


def test_a_name_that_is_none(scene: Scene) -> None:
    stray = scene.snapshots / "copy of 00000000000000000016.snap"
    rewrite(scene.fs, stray, b"")
    refused(scene.fs, match="not a snapshot's name", seq=0, path=stray)


@pytest.mark.parametrize("left", ["snapshots and log", "snapshots alone"])
def test_snapshots_without_a_store(scene: Scene, left: str) -> None:
    scene.fs.remove(DATA / "STORE")
    if left == "snapshots alone":
        lose(scene, 9, 17, 23)
    refused(scene.fs, match="it is missing, but /data/snapshot holds snapshots", seq=0, path=DATA / "STORE")


# --- what the writer of the log was at -------------------------------------------------------------------


def test_a_state_that_the_log_does_not_make_is_told_of() -> None:
    """What the log says is what was acknowledged, so it counts; that the process saw something else is a fault."""
    scene = Scene(SimulatedFileSystem()).fill(2).rotate(b"z" * 16).fill(2).rotate().fill(1).rotate(b"y" * 16).fill(1)
    keyspace, _, report = recovered(scene.fs)
    assert (keyspace.digest, report.strange_seqs) == (scene.states[12], (4, 10))


def test_also_right_behind_a_snapshot() -> None:
    scene = Scene(SimulatedFileSystem()).fill(4).rotate(b"z" * 16).snapshot().fill(2)
    keyspace, _, report = recovered(scene.fs)
    assert (keyspace.digest, report.snapshot_seq, report.strange_seqs) == (scene.states[12], 8, (8,))


def test_a_log_that_does_not_know_the_state_is_not_strange() -> None:
    scene = Scene(SimulatedFileSystem()).fill(4).rotate(STATE_UNKNOWN).fill(2)
    assert recovered(scene.fs)[2].strange_seqs == ()


# --- progress --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damaged", [False, True], ids=["both are whole", "the newest is damaged at its end"])
def test_progress_goes_from_nothing_to_all(damaged: bool) -> None:
    scene = Scene(SimulatedFileSystem())
    with blocks_of(500):
        for start in (0, 200):
            for number in range(start, start + 200):
                scene.batch(EntrySet(b"key:%d" % number, 2, scene.rng.randbytes(200), None))
            scene.rotate().snapshot()
    scene.fill(200)
    if damaged:
        flip(scene.fs, scene.snapshot_path(400), len(read_all(scene.fs, scene.snapshot_path(400))) - 97)
    shares: list[float] = []
    _, _, report = recovered(scene.fs, shares.append)
    assert report.snapshot_seq == (200 if damaged else 400)
    assert all(earlier < later for earlier, later in pairwise(shares))
    assert len(shares) > 20
    assert 0 < shares[0] < 0.05
    assert 0.5 < shares[-1] <= 1


# --- interrupted -----------------------------------------------------------------------------------------


def scene_with_everything(damage: bool) -> Scene:
    """A torn tail, and the newest snapshot damaged if ``damage``."""
    scene = two_snapshots(SimulatedFileSystem())
    torn = read_all(scene.fs, scene.segment(23))
    rewrite(scene.fs, scene.segment(23), torn[:-20])
    if damage:
        flip(scene.fs, scene.snapshot_path(NEWEST), 200)
    return scene


@pytest.mark.parametrize("damage", [False, True], ids=["whole", "damaged"])
def test_recovery_may_be_interrupted_at_any_call(damage: bool, seed: int) -> None:
    """By the end of the process or of the power; the next one comes to the same state and keeps the same aside."""
    undisturbed = outcome(scene_with_everything(damage).fs)
    assert undisturbed[0] == 24
    for nth in count(1):
        rng = Random(f"{seed}:{nth}")
        fs = scene_with_everything(damage).fs
        assert isinstance(fs, SimulatedFileSystem)
        fs.faults[:] = [CrashAt(nth, rng)]
        try:
            outcome(fs)
        except SimulatedCrash:
            fs.faults[:] = []
            if nth % 2:
                fs.crash(rng)
            else:
                fs.kill()
            assert outcome(fs) == undisturbed, f"after a crash at call {nth}\n{fs.history()}"
        else:
            break
    assert nth > 10


def outcome(fs: FileSystem) -> tuple[int, int, int | None, dict[Path, bytes]]:
    """Number and digest of the state, with which snapshot it began, and what is on the disk in the end."""
    keyspace, _, report = recovered(fs)
    again, end, second = recovered(fs)
    assert (again.seq, again.digest, end.torn, second.set_aside) == (keyspace.seq, keyspace.digest, None, ())
    return keyspace.seq, keyspace.digest, report.snapshot_seq, files(fs)
