"""Verification: whatever is wrong is named, each thing with its place, and nothing else is."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import pytest

from synap.datadir import Places, open_data_directory
from synap.errors import DamagedError
from synap.fs import FileSystem, RealFileSystem, read_all
from synap.recovery import recover
from synap.replay.findings import Findings, Verdict
from synap.replay.verify import verify
from synap.testing import Call, SimulatedFileSystem
from synap.wal import format as layout
from tests.stores import Scene, all_files, two_snapshots
from tests.test_backup import Busy, damage, replace
from tests.wal.build import DATA, T0_MS, Forge, disk_of

Found: TypeAlias = list[tuple[Verdict, str, int | None]]


def scene() -> Scene:
    """Snapshots at 8 and 16; segments of two-event batches from 9, 17 and 23 on, up to 26."""
    return two_snapshots(SimulatedFileSystem())


def from_the_start() -> Scene:
    """Snapshots at 6 and 12, and the whole log: segments from 1, 7, 13 and 19 on, up to 22."""
    made = Scene(SimulatedFileSystem()).fill(3).rotate().snapshot().fill(3).rotate().snapshot()
    return made.fill(3).rotate().fill(2)


def looked_at(fs: FileSystem, path: Path = DATA) -> Findings:
    return verify(fs, path)


def found(findings: Findings, path: Path = DATA) -> Found:
    return [(each.verdict, str(each.path.relative_to(path)), each.seq) for each in findings.found]


def damaged(name: str, seq: int | None) -> tuple[Verdict, str, int | None]:
    return Verdict.DAMAGED, name, seq


def wal(seq: int) -> str:
    return f"wal/{seq:020d}.wal"


def snap(seq: int) -> str:
    return f"snapshot/{seq:020d}.snap"


# --- whole -----------------------------------------------------------------------------------------------


def test_nothing_is_found_where_everything_is_whole() -> None:
    made = scene()
    findings = looked_at(made.fs)
    assert (findings.found, findings.exit_code) == ([], 0)
    assert (findings.segments, findings.snapshots, findings.events) == (3, 2, 18)
    assert (findings.last_seq, findings.digest) == (26, made.states[26])
    assert findings.entries > 0


@pytest.mark.parametrize(
    "made",
    [
        from_the_start(),
        from_the_start().close(),
        Scene(SimulatedFileSystem()),
        Scene(SimulatedFileSystem()).fill(2).rotate(),
        Scene(SimulatedFileSystem()).rotate().snapshot(),
    ],
    ids=["from the start", "closed", "empty", "just rotated", "a snapshot of nothing"],
)
def test_whole_directories_of_other_kinds(made: Scene) -> None:
    if made.seq == 0 and made.fs.exists(made.snapshots):
        made.fs.remove(made.snapshot_path(0))
    findings = looked_at(made.fs)
    assert (findings.found, findings.last_seq, findings.digest) == ([], made.seq, made.states[made.seq])


def test_a_new_store() -> None:
    fs = SimulatedFileSystem()
    open_data_directory(fs, DATA, now_ms=T0_MS).close()
    assert (looked_at(fs).found, looked_at(fs).last_seq) == ([], 0)


def test_nothing_is_changed_and_no_lock_is_needed() -> None:
    made = scene()
    fs = made.fs
    assert isinstance(fs, SimulatedFileSystem)
    fs.lock(DATA / "LOCK", "7")
    before = {path: read_all(fs, path) for path in all_files(fs, DATA)}
    since = fs.trace[-1].number
    assert looked_at(fs).found == []
    calls = {call.name for call in fs.trace if call.number > since}
    assert calls <= {"open", "read", "size", "names", "exists", "is_directory", "close"}
    assert {path: read_all(fs, path) for path in all_files(fs, DATA)} == before


def test_bytes_are_counted() -> None:
    made = scene()
    counted: list[int] = []
    verify(made.fs, DATA, on_bytes=counted.append)
    files = [path for path in all_files(made.fs, DATA) if path.name not in {"LOCK", "STORE"}]
    assert sum(counted) == sum(len(read_all(made.fs, path)) for path in files)


def test_log_and_snapshots_may_lie_elsewhere(tmp_path: Path) -> None:
    made = two_snapshots(RealFileSystem(), tmp_path / "data")
    made.wal.rename(tmp_path / "log")
    made.snapshots.rename(tmp_path / "snaps")
    assert verify(RealFileSystem(), tmp_path / "data", Places(tmp_path / "log", tmp_path / "snaps")).found == []
    assert verify(RealFileSystem(), tmp_path / "data").exit_code == 2


# --- every byte ------------------------------------------------------------------------------------------


def paddings(data: bytes) -> set[int]:
    """The bytes of a segment that no checksum covers: zeros between the frames."""
    header = layout.unpack_segment_header(data)
    assert header is not None
    offset, found = layout.SEGMENT_HEADER_BYTES, set[int]()
    while frame := layout.unpack_frame_header(data, offset, header.salt):
        end = offset + layout.frame_bytes(frame)
        found |= set(range(offset + layout.FRAME_HEADER_BYTES + frame.payload_length, end))
        offset = end
    return found


@pytest.mark.parametrize("name", [wal(9), wal(17), wal(23), snap(8), snap(16)])
def test_a_flip_of_any_byte_is_found_where_it_is(name: str) -> None:
    made = scene()
    path = DATA / name
    whole = read_all(made.fs, path)
    for place in sorted(set(range(len(whole))) - (paddings(whole) if path.suffix == ".wal" else set())):
        replace(made.fs, path, whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        findings = looked_at(made.fs)
        assert findings.exit_code == 2, place
        assert {each.path for each in findings.found} == {path}, place
        offsets = [each.offset for each in findings.found if each.offset is not None]
        assert offsets == [] or offsets[0] <= place
    replace(made.fs, path, whole)
    assert looked_at(made.fs).found == []


def test_a_flip_of_any_byte_of_store() -> None:
    made = scene()
    path = DATA / "STORE"
    whole = read_all(made.fs, path)
    for place in range(8, len(whole)):
        replace(made.fs, path, whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        if place == 9:
            continue
        findings = looked_at(made.fs)
        assert found(findings) == [damaged("STORE", None)], place
        assert findings.digest == made.states[26], "the rest was verified all the same"


@pytest.mark.parametrize("name", [wal(9), wal(17), snap(8), snap(16)])
def test_every_truncation_is_found(name: str) -> None:
    made = scene()
    path = DATA / name
    whole = read_all(made.fs, path)
    for length in range(0, len(whole), 3):
        replace(made.fs, path, whole[:length])
        assert looked_at(made.fs).exit_code == 2, length


def test_a_cut_off_end_of_the_log_is_torn() -> None:
    made = scene()
    path = made.segment(23)
    whole = read_all(made.fs, path)
    ends = [offset for offset in range(len(whole)) if whole[offset : offset + 4] == b"SYNF"] + [len(whole)]
    for length in range(layout.SEGMENT_HEADER_BYTES, len(whole) + 1):
        replace(made.fs, path, whole[:length])
        findings = looked_at(made.fs)
        frames = sum(end <= length for end in ends) - 1
        if length in ends:
            assert (findings.found, findings.exit_code) == ([], 0)
        else:
            [finding] = findings.found
            assert (finding.verdict, finding.path, findings.exit_code) == (Verdict.TORN, path, 1)
            assert (finding.offset, finding.seq) == (ends[frames], 23 + 2 * frames)
        assert findings.last_seq == 22 + 2 * frames


# --- each kind of damage ---------------------------------------------------------------------------------


def move(made: Scene, source: str, target: str) -> None:
    made.fs.rename(DATA / source, DATA / target)


def copy(made: Scene, source: str, target: str) -> None:
    put(made, target, read_all(made.fs, DATA / source))


def put(made: Scene, name: str, data: bytes) -> None:
    path = DATA / name
    if not made.fs.exists(path):
        made.fs.create(path).close()
    replace(made.fs, path, data)


def another() -> Scene:
    """Another life of the same store."""
    return two_snapshots(SimulatedFileSystem(), seed=2)


def put_from_another(made: Scene, name: str) -> None:
    put(made, name, read_all(another().fs, DATA / name))


def put_stale(made: Scene, seq: int) -> None:
    """The older snapshot, as if it were one of this event, with all checksums right."""
    data = bytearray(read_all(made.fs, DATA / snap(8)))
    data[40:48] = struct.pack("<Q", seq)
    salt = int.from_bytes(data[20:24], "little")
    data[124:128] = struct.pack("<I", zlib.crc32(data[:124], salt))
    put(made, snap(seq), bytes(data))


def damage_frame(made: Scene, first_seq: int, number: int) -> None:
    """Flip a bit in the payload of one of a segment's frames."""
    data = read_all(made.fs, made.segment(first_seq))
    frames = [offset for offset in range(len(data)) if data[offset : offset + 4] == b"SYNF"]
    damage(made.fs, made.segment(first_seq), frames[number] + layout.FRAME_HEADER_BYTES)


def removed(*names: str) -> Callable[[Scene], None]:
    def remove(made: Scene) -> None:
        for name in names:
            made.fs.remove(DATA / name)

    return remove


def flipped(*names: str) -> Callable[[Scene], None]:
    def flip(made: Scene) -> None:
        for name in names:
            damage(made.fs, DATA / name)

    return flip


OVERLAP = bytes(Forge(first_seq=21).batch(b"\x81\x82\x02\x41a").data)
OF_ANOTHER_STORE = bytes(Forge(first_seq=23, store_id=UUID(int=7)).data)

DAMAGE: dict[str, tuple[Callable[[Scene], None], Found]] = {
    "a missing segment": (removed(wal(23)), []),
    "a missing segment between others": (removed(wal(17)), [damaged(wal(17), 17)]),
    "the first segment is missing": (removed(wal(9)), [damaged(wal(9), 9)]),
    "all behind a snapshot are missing": (removed(wal(17), wal(23)), [damaged(wal(17), 17)]),
    "no segment": (removed(wal(9), wal(17), wal(23)), [damaged(wal(9), 9), damaged(wal(17), 17), damaged("wal", 1)]),
    "a renamed segment": (lambda made: move(made, wal(23), wal(24)), [damaged(wal(24), 24)]),
    "a segment of another name": (lambda made: move(made, wal(23), "wal/23.wal"), [damaged("wal/23.wal", None)]),
    "a duplicated segment": (lambda made: copy(made, wal(17), wal(19)), [damaged(wal(19), 19)]),
    "an overlap": (lambda made: put(made, wal(21), OVERLAP), [damaged(wal(21), 21)]),
    "a segment of another life": (
        lambda made: put_from_another(made, wal(17)),
        [damaged(wal(17), 17), damaged(wal(17), 17), damaged(wal(23), 23)],
    ),
    "a segment of another store": (lambda made: put(made, wal(23), OF_ANOTHER_STORE), [damaged(wal(23), 23)]),
    "a snapshot of another life": (
        lambda made: put_from_another(made, snap(16)),
        [damaged(snap(16), 16), damaged(wal(17), 17)],
    ),
    "a renamed snapshot": (lambda made: move(made, snap(16), snap(22)), [damaged(snap(22), 22)]),
    "a stale snapshot": (lambda made: put_stale(made, 16), [damaged(snap(16), 16), damaged(wal(17), 17)]),
    "a snapshot that the log does not reach": (lambda made: put_stale(made, 30), [damaged(wal(31), 31)]),
    "a foreign file in the log": (lambda made: put(made, "wal/notes.txt", b""), [damaged("wal/notes.txt", None)]),
    "a foreign file among the snapshots": (
        lambda made: put(made, "snapshot/000.snap", b""),
        [damaged("snapshot/000.snap", None)],
    ),
    "both snapshots, where one is needed": (
        flipped(snap(8), snap(16)),
        [damaged(snap(8), 8), damaged(snap(16), 16), damaged("wal", 1)],
    ),
    "no snapshot, where one is needed": (removed(snap(8), snap(16)), [damaged("wal", 1)]),
    "STORE is missing": (removed("STORE"), [damaged("STORE", None)]),
    "STORE and the log are missing": (
        removed("STORE", wal(9), wal(17), wal(23)),
        [damaged("STORE", None), damaged(wal(9), 9), damaged(wal(17), 17), damaged("wal", 1)],
    ),
    "everything": (
        flipped(snap(8), snap(16), wal(9), wal(17), wal(23)),
        [
            damaged(snap(8), 8),
            damaged(wal(9), 11),
            damaged(snap(16), 16),
            damaged(wal(17), 19),
            damaged(wal(23), 25),
            damaged("wal", 1),
        ],
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_each_kind_of_damage(case: str) -> None:
    spoil, expected = DAMAGE[case]
    made = scene()
    spoil(made)
    findings = looked_at(made.fs)
    assert found(findings) == expected
    assert findings.exit_code == (2 if expected else 0)


@pytest.mark.parametrize("case", DAMAGE)
def test_what_a_server_refuses_is_never_called_whole(case: str) -> None:
    made = scene()
    DAMAGE[case][0](made)
    try:
        directory = open_data_directory(made.fs, DATA, now_ms=T0_MS)
        recover(directory, lambda _: None)
    except DamagedError:
        assert looked_at(made.fs).exit_code == 2


def test_without_store_the_rest_is_verified_whoever_it_belongs_to() -> None:
    for spoil in (removed("STORE"), lambda made: damage(made.fs, DATA / "STORE", 30)):
        made = scene()
        spoil(made)
        put(made, "wal/x.wal", b"")
        findings = looked_at(made.fs)
        assert found(findings) == [damaged("STORE", None), damaged("wal/x.wal", None)]
        assert findings.digest == made.states[26]
        made.fs.remove(DATA / "wal" / "x.wal")
        for seq in (9, 17, 23):
            damage(made.fs, made.segment(seq), 40)
        headers = [damaged(wal(9), 9), damaged(wal(17), 17), damaged(wal(23), 23)]
        assert found(looked_at(made.fs)) == [damaged("STORE", None), *headers]


def test_a_segment_that_is_older_than_the_one_before() -> None:
    first = Forge(first_seq=1, epoch=2, created_ms=T0_MS + 5).batch(b"\x81\x82\x02\x41a").seal()
    for epoch, created_ms in ((1, T0_MS + 5), (2, T0_MS)):
        second = Forge(first_seq=2, epoch=epoch, created_ms=created_ms, chain=first.chain).tick()
        files = {each.path: bytes(each.data) for each in (first, second)}
        findings = looked_at(disk_of({DATA / "STORE": read_all(scene().fs, DATA / "STORE"), **files}))
        assert found(findings) == [damaged(wal(2), 2)]
        assert "is older than" in findings.found[0].what


def test_what_is_larger_than_any_segment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synap.replay.verify_log.SEGMENT_MAX_BYTES", 650)
    assert found(looked_at(scene().fs)) == [damaged(wal(9), 9)]


def test_what_snapshots_do_not_cover_is_verified_all_the_same() -> None:
    made = from_the_start()
    damage_frame(made, 1, 1)
    findings = looked_at(made.fs)
    assert found(findings) == [damaged(wal(1), 3)]
    assert findings.digest == made.states[22], "the snapshot behind it gives the state again"


def test_a_batch_that_does_not_decode_hides_nothing_behind_it() -> None:
    segment = Forge(first_seq=1).batch(b"\x81\x82\x02\x41a").batch(b"no events").batch(b"\x80").seal()
    fs = disk_of({DATA / "STORE": read_all(scene().fs, DATA / "STORE"), segment.path: bytes(segment.data)})
    findings = looked_at(fs)
    assert found(findings) == [damaged(wal(1), 2), damaged(wal(1), 3)]
    assert [each.offset for each in findings.found] == segment.starts[1:3]
    assert (findings.last_seq, findings.digest, findings.events) == (3, None, 1)


# --- digests ---------------------------------------------------------------------------------------------


def test_a_digest_of_another_state_in_a_segment() -> None:
    made = Scene(SimulatedFileSystem()).fill(3).rotate(bytes(range(16))).fill(2).rotate().fill(1)
    findings = looked_at(made.fs)
    assert found(findings) == [damaged(wal(7), 7)]
    assert [each.offset for each in findings.found] == [80]
    assert findings.digest == made.states[12], "what the log says is the state"


def test_a_digest_behind_damage_is_compared_from_the_next_snapshot_on() -> None:
    made = Scene(SimulatedFileSystem()).fill(2).rotate().snapshot().fill(2).rotate(bytes(range(16))).fill(2)
    damage_frame(made, 1, 1)
    assert found(looked_at(made.fs)) == [damaged(wal(1), 3), damaged(wal(9), 9)]
    made.fs.remove(made.snapshot_path(4))
    assert found(looked_at(made.fs)) == [damaged(wal(1), 3)], "nobody knows the state"


def test_a_whole_snapshot_of_another_state() -> None:
    made = Scene(SimulatedFileSystem()).fill(3).rotate().snapshot([(b"lie", 0, b"", None, 1)]).fill(2)
    assert found(looked_at(made.fs)) == [damaged(snap(6), 6)]


# --- what is no damage -----------------------------------------------------------------------------------


def test_what_is_left_or_set_aside_is_noted() -> None:
    made = scene()
    names = ["STORE.tmp", "wal/1.wal.tmp", "snapshot/00000000000000000026.snap.tmp", "quarantine/x.tail"]
    for name in names:
        made.fs.make_directory((DATA / name).parent)
        put(made, name, b"any")
    findings = looked_at(made.fs)
    assert {name for _, name, _ in found(findings)} == set(names)
    assert {verdict for verdict, _, _ in found(findings)} == {Verdict.NOTE}
    assert findings.exit_code == 0


def test_hidden_files_and_those_beside_are_nobodys() -> None:
    made = scene()
    for name in ("wal/.nfs0001", "snapshot/.DS_Store", "backup-notes.txt"):
        put(made, name, b"any")
    assert looked_at(made.fs).found == []


def test_a_server_may_do_anything_at_any_moment() -> None:
    for nth in range(1, 1000):
        made = scene()
        assert isinstance(made.fs, SimulatedFileSystem)
        made.fs.faults.append(Busy(made, nth))
        findings = looked_at(made.fs)
        made.fs.faults.clear()
        assert findings.found == [], nth
        assert findings.last_seq is not None
        assert findings.last_seq >= 26
        if made.seq == 26:
            assert nth > 20
            return
        assert findings.digest in {None, made.states[findings.last_seq]}
    raise AssertionError("it never came to its end")


def test_a_server_that_is_busy_all_the_time() -> None:
    for every in range(3, 100):
        made = scene()
        assert isinstance(made.fs, SimulatedFileSystem)
        made.fs.faults.append(Busy(made, 1, every))
        findings = looked_at(made.fs)
        assert findings.exit_code == 0, every
        assert all("trimmed faster than it is read" in each.what for each in findings.found)


def test_snapshots_go_before_the_segments_that_they_need() -> None:
    """A server takes away snapshots first; between the two, the log seems to begin with nothing before it."""
    for nth in range(1, 100):
        made = scene()
        assert isinstance(made.fs, SimulatedFileSystem)
        made.fs.faults.append(Busy(made, nth, trims=False))
        assert looked_at(made.fs).found == [], nth


def test_a_segment_that_goes_while_older_ones_stay_is_damage() -> None:
    made = from_the_start()
    assert isinstance(made.fs, SimulatedFileSystem)

    def thief(call: Call) -> None:
        if call.name == "open" and call.path == made.segment(7) and made.fs.exists(made.segment(7)):
            made.fs.remove(made.segment(7))

    made.fs.faults.append(thief)
    findings = looked_at(made.fs)
    assert damaged(wal(7), 7) in found(findings)
    assert findings.exit_code == 2
