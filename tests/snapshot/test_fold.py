"""The fold: whatever happened, it makes the state that the server is at; or it says why not, and leaves one file."""

import errno
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from synap.datadir import open_data_directory
from synap.errors import DamagedError, SnapshotFailedError
from synap.events import EntrySet, Event
from synap.fs import FileSystem, create_durably, read_all
from synap.keyspace import Keyspace
from synap.recovery import load_snapshot, recover
from synap.snapshot import fold as fold_module
from synap.snapshot.fold import FoldFailure, FoldReport, FoldRequest, carry_out, fold
from synap.snapshot.format import HEADER_BYTES, pack_header, snapshot_name, unpack_header
from synap.snapshot.reader import SnapshotReader
from synap.snapshot.writer import SnapshotWriter
from synap.testing import MUTATING, Call, FailAt, SimulatedFileSystem
from synap.wal.reader import read_header
from tests.keyspace.build import EVENTS
from tests.stores import Scene, all_files, two_snapshots
from tests.wal.build import DATA, SALT, STORE_ID, T0_MS, Forge, disk_of

SNAPSHOTS = DATA / "snapshot"
OUTPUT = SNAPSHOTS / "next.snap.tmp"


def request(base_seq: int | None, upto_seq: int, **changes: int) -> FoldRequest:
    return structs.replace(
        FoldRequest(
            wal_directory=str(DATA / "wal"),
            snapshot_directory=str(SNAPSHOTS),
            store_id=STORE_ID,
            base_seq=base_seq,
            upto_seq=upto_seq,
            output=str(OUTPUT),
            now_ms=T0_MS + 99_000,
            salt=SALT,
        ),
        **changes,
    )


def made(fs: FileSystem) -> Keyspace:
    """The state in what was made."""
    with closing(SnapshotReader(fs, OUTPUT, STORE_ID)) as snapshot:
        return load_snapshot(snapshot)


@pytest.fixture
def fs() -> SimulatedFileSystem:
    """A store with snapshots at 8 and 16; segments from 9, 17 and 23 on, the last one active."""
    fs = SimulatedFileSystem()
    two_snapshots(fs)
    fs.trace.clear()
    return fs


def damage(fs: FileSystem, path: Path, offset: int) -> None:
    content = bytearray(read_all(fs, path))
    content[offset] ^= 1
    create_durably(fs, path, bytes(content))


# --- what is made ----------------------------------------------------------------------------------------

# Segments, each with its events, and whether there is a fold behind it.
HISTORIES = st.lists(st.tuples(st.lists(EVENTS, min_size=1, max_size=12), st.booleans()), min_size=1, max_size=7)


@given(HISTORIES, st.sampled_from([0, 500, 5_000, fold_module.CHANGES_MAX_BYTES]))
def test_every_fold_makes_the_state_of_the_log(history: list[tuple[list[Event], bool]], changes_max_bytes: int) -> None:
    """Entry for entry; also where it takes several pieces, and whichever folds it was made of before."""
    fs = SimulatedFileSystem()
    scene, base_seq = Scene(fs), None
    fs.make_directory(SNAPSHOTS)
    for events, is_folded in (*history, (history[0][0], True)):
        scene.batch(*events).rotate()
        while is_folded and base_seq != scene.seq:
            asked = request(base_seq, scene.seq, changes_max_bytes=changes_max_bytes)
            report = fold(fs, asked)
            assert (base_seq or 0) < report.last_seq <= scene.seq
            assert report.events == report.last_seq - (base_seq or 0)
            assert changes_max_bytes != fold_module.CHANGES_MAX_BYTES or report.last_seq == scene.seq
            assert made(fs).digest == scene.states[report.last_seq]
            fs.rename(OUTPUT, SNAPSHOTS / snapshot_name(report.last_seq))
            base_seq = report.last_seq
        if is_folded:
            with closing(open_data_directory(fs, DATA, now_ms=T0_MS)) as directory:
                keyspace, _, found = recover(directory, lambda _: None)
            assert (found.snapshot_seq, found.events) == (scene.seq, 0)
            assert list(keyspace.tree.items()) == list(scene.keyspace.tree.items())


def test_what_stands_in_its_header_and_its_report(fs: SimulatedFileSystem) -> None:
    report = fold(fs, request(16, 22))
    with closing(SnapshotReader(fs, OUTPUT, STORE_ID)) as snapshot:
        header, footer = snapshot.header, snapshot.footer
        assert (header.last_seq, header.salt, header.created_ms) == (22, SALT, T0_MS + 99_000)
        # The eleventh of the batches, which are ten milliseconds apart.
        assert header.wall_ms == T0_MS + 110
        assert report == FoldReport(22, 6, footer.entry_count, snapshot.size_bytes, report.duration_s)
    successor = read_header(fs, DATA / "wal", 23, STORE_ID)
    assert (header.chain, footer.digest.to_bytes(16)) == (successor.chain, successor.state)


def test_a_state_without_events() -> None:
    fs = SimulatedFileSystem()
    Scene(fs).fs.make_directory(SNAPSHOTS)
    report = fold(fs, request(None, 0))
    assert (report.last_seq, report.events, report.entries) == (0, 0, 0)
    assert (made(fs).seq, made(fs).digest) == (0, 0)


def test_what_is_due_but_was_not_ended_by_an_event_stays() -> None:
    """The state at a number is a pure function of the log; when somebody made the snapshot is not part of it."""
    fs = SimulatedFileSystem()
    scene = Scene(fs).batch(EntrySet(b"a", 0, b"1", T0_MS - 5), EntrySet(b"b", 0, b"2", T0_MS + 1)).rotate()
    fs.make_directory(SNAPSHOTS)
    fold(fs, request(None, 2))
    assert made(fs).digest == scene.keyspace.digest
    assert [item[0] for item in made(fs).tree.items()] == [b"a", b"b"]


def test_segments_behind_what_is_folded_are_of_no_interest(fs: SimulatedFileSystem) -> None:
    damage(fs, DATA / "wal" / f"{23:020d}.wal", 300)
    assert fold(fs, request(16, 22)).last_seq == 22


# --- what it does to the disk ----------------------------------------------------------------------------


def test_it_makes_one_file_and_changes_nothing_else(fs: SimulatedFileSystem) -> None:
    """No rename, no removal, no lock, no sync of names: those are for the server, which knows what counts."""
    before = {path: read_all(fs, path) for path in all_files(fs, DATA)}
    fs.trace.clear()
    fold(fs, request(8, 22))
    changing = [call for call in fs.trace if call.name in MUTATING]
    assert {call.name for call in changing} == {"create", "write", "datasync"}
    assert {call.path for call in changing} == {OUTPUT}
    assert changing[-1].name == "datasync", "what was written is on the disk when it is done"
    after = {path: read_all(fs, path) for path in all_files(fs, DATA)}
    assert {path: content for path, content in after.items() if path != OUTPUT} == before


def test_it_reads_back_from_the_disk_itself(fs: SimulatedFileSystem) -> None:
    fold(fs, request(8, 22))
    calls = [call.name for call in fs.trace if call.path == OUTPUT]
    assert calls.index("drop_cache") > len(calls) - 1 - calls[::-1].index("datasync")
    assert "read" in calls[calls.index("drop_cache") :]


def test_every_file_is_given_back(fs: SimulatedFileSystem) -> None:
    fold(fs, request(8, 22))
    opened = [call.path for call in fs.trace if call.name in {"open", "create"}]
    closed = [call.path for call in fs.trace if call.name == "close"]
    assert sorted(opened) == sorted(closed)


def test_it_says_that_it_is_alive_again_and_again(fs: SimulatedFileSystem) -> None:
    """After each frame, and at each block of the base and of what was made."""
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    fold(fs, request(8, 22), step)
    assert steps == 7 + 1 + 1

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fold(fs, structs.replace(request(8, 22), output=str(OUTPUT) + "2"), stop)


# --- what it cannot do -----------------------------------------------------------------------------------


def failure_of(fs: SimulatedFileSystem, asked: FoldRequest) -> FoldFailure:
    outcome = carry_out(fs, asked)
    assert isinstance(outcome, FoldFailure), outcome
    return outcome


def path_of(what: str) -> Path:
    kind, seq = what.split()
    return SNAPSHOTS / snapshot_name(int(seq)) if kind == "snapshot" else DATA / "wal" / f"{int(seq):020d}.wal"


@pytest.mark.parametrize("what", ["snapshot 8", "segment 9", "segment 17"])
def test_damage_is_named_wherever_it_is(what: str) -> None:
    """Of the base, of a segment, also of one in the middle; only the zeros that fill up a frame may be anything."""
    pristine = SimulatedFileSystem()
    scene = two_snapshots(pristine)
    path = path_of(what)
    content = read_all(pristine, path)
    for offset in (*range(0, len(content), 11), len(content) - 1):
        fs = SimulatedFileSystem()
        two_snapshots(fs)
        damage(fs, path, offset)
        outcome = carry_out(fs, request(8, 22))
        if isinstance(outcome, FoldReport):
            assert content[offset] == 0
            assert made(fs).digest == scene.states[22]
        else:
            assert (outcome.damaged, outcome.errno) == (str(path), None)
            assert str(path) in outcome.reason


@pytest.mark.parametrize(
    ("asked", "lost", "damaged", "reason"),
    [
        (request(16, 22), "segment 23", DATA / "wal", "the log ends before what is to be folded"),
        (request(16, 24), "", DATA / "wal", "the log ends before what is to be folded"),
        (request(8, 22), "segment 17", path_of("segment 23"), "events are missing: seq 17"),
        (request(8, 22), "segment 9", DATA / "wal", "the log is missing its start: it begins at seq 17"),
        (request(None, 22), "", DATA / "wal", "the log is missing its start: it begins at seq 9"),
    ],
    ids=["no segment behind", "the active one", "a gap", "not from the base on", "not from the beginning"],
)
def test_a_log_that_is_not_all_there(
    fs: SimulatedFileSystem, asked: FoldRequest, lost: str, damaged: Path, reason: str
) -> None:
    if lost:
        fs.remove(path_of(lost))
    failure = failure_of(fs, asked)
    assert failure.damaged == str(damaged)
    assert reason in failure.reason


def test_a_base_that_the_log_does_not_continue(fs: SimulatedFileSystem) -> None:
    path = path_of("snapshot 16")
    content = read_all(fs, path)
    header = unpack_header(content[:HEADER_BYTES])
    assert header is not None
    create_durably(fs, path, pack_header(structs.replace(header, chain=b"x" * 16)) + content[HEADER_BYTES:])
    failure = failure_of(fs, request(16, 22))
    # Which of the two is the wrong one, nobody knows here; the log is what is complained of.
    assert failure.damaged == str(path_of("segment 17"))
    assert "it does not continue 00000000000000000016.snap" in failure.reason


def test_a_base_of_a_newer_version_or_none_at_all(fs: SimulatedFileSystem) -> None:
    path = path_of("snapshot 16")
    content = read_all(fs, path)
    header = unpack_header(content[:HEADER_BYTES])
    assert header is not None
    create_durably(fs, path, pack_header(structs.replace(header, major=2)) + content[HEADER_BYTES:])
    newer = failure_of(fs, request(16, 22))
    assert (newer.damaged, newer.errno) == (None, None)
    assert "this version of Synap reads 1" in newer.reason
    fs.remove(path)
    assert failure_of(fs, request(16, 22)).errno == errno.ENOENT


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", ["create", "write", "datasync", "open", "names"])
def test_an_error_of_the_disk_comes_with_its_number_and_its_file(
    fs: SimulatedFileSystem, call: str, number: int
) -> None:
    fs.faults[:] = [FailAt(call, 1, number)]
    failure = failure_of(fs, request(8, 22))
    # The first that is opened is the base, and a base that its disk cannot read is damaged.
    if (call, number) == ("open", errno.EIO):
        assert failure.damaged is not None
    else:
        assert (failure.damaged, failure.errno) == (None, number)
    assert str(DATA) in failure.reason


def test_an_event_of_a_newer_version_is_a_failure_and_no_damage() -> None:
    segment = Forge().batch(b"\x81\x82\x18\x63\x41a", 1).seal()
    fs = disk_of({segment.path: bytes(segment.data)})
    outcome = carry_out(fs, request(None, 1))
    assert isinstance(outcome, FoldFailure)
    assert "events of type 99 are of a newer version" in outcome.reason
    assert (outcome.damaged, outcome.errno) == (None, None)


def test_an_error_without_a_file_is_one_of_the_output(fs: SimulatedFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the calls on an open file give it."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SnapshotWriter, "add", full)
    assert failure_of(fs, request(8, 22)).reason == f"No space left on device ({OUTPUT})"


def test_a_disk_that_becomes_full_at_any_place(fs: SimulatedFileSystem) -> None:
    used = sum(len(read_all(fs, path)) for path in all_files(fs, DATA))
    fold(fs, request(8, 22))
    size_bytes = len(read_all(fs, OUTPUT))
    fs.remove(OUTPUT)
    for room in range(0, size_bytes, 37):
        fs.capacity_bytes = used + room
        assert failure_of(fs, request(8, 22)).errno == errno.ENOSPC
        fs.remove(OUTPUT)
    fs.capacity_bytes = used + size_bytes
    assert isinstance(carry_out(fs, request(8, 22)), FoldReport)


def test_a_file_in_the_way_is_not_overwritten(fs: SimulatedFileSystem) -> None:
    create_durably(fs, OUTPUT, b"somebody's")
    assert failure_of(fs, request(8, 22)).errno == errno.EEXIST
    assert read_all(fs, OUTPUT) == b"somebody's"


def test_no_memory(fs: SimulatedFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(SnapshotWriter, "add", exhausted)
    assert failure_of(fs, request(8, 22)) == FoldFailure("out of memory", errno=errno.ENOMEM)


# --- what was written does not read back -----------------------------------------------------------------


def write_something_else(fs: SimulatedFileSystem, _: pytest.MonkeyPatch) -> None:
    """Known only to the disk, until somebody reads what is really there."""

    def rot(call: Call) -> None:
        if call.name == "drop_cache":
            fs._tree.file(call.path).live[200] ^= 1

    fs.faults[:] = [rot]


def write_a_wrong_digest(_: SimulatedFileSystem, patch: pytest.MonkeyPatch) -> None:
    finish = SnapshotWriter.finish
    patch.setattr(SnapshotWriter, "finish", lambda self, digest: finish(self, digest + 1))


def report_another_footer(_: SimulatedFileSystem, patch: pytest.MonkeyPatch) -> None:
    finish = SnapshotWriter.finish
    patch.setattr(SnapshotWriter, "finish", lambda self, digest: structs.replace(finish(self, digest), entry_count=99))


def write_rows_in_disorder(_: SimulatedFileSystem, patch: pytest.MonkeyPatch) -> None:
    finish = SnapshotWriter.finish

    def reverse_and_finish(self: SnapshotWriter, digest: int) -> object:
        self._rows.reverse()
        return finish(self, digest)

    patch.setattr(SnapshotWriter, "finish", reverse_and_finish)


@pytest.mark.parametrize(
    "fault", [write_something_else, write_a_wrong_digest, report_another_footer, write_rows_in_disorder]
)
def test_what_does_not_read_back_is_a_failure_and_no_damage(
    fs: SimulatedFileSystem,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[SimulatedFileSystem, pytest.MonkeyPatch], None],
) -> None:
    """Nothing that was durable has changed: the file named would otherwise be set aside."""
    fault(fs, monkeypatch)
    with pytest.raises(SnapshotFailedError):
        fold(fs, request(8, 22))
    fs.remove(OUTPUT)
    failure = failure_of(fs, request(8, 22))
    assert (failure.damaged, failure.errno) == (None, None)
    assert OUTPUT.name in failure.reason


def test_damage_in_the_base_comes_out_as_such(fs: SimulatedFileSystem) -> None:
    damage(fs, path_of("snapshot 8"), 140)
    with pytest.raises(DamagedError):
        fold(fs, request(8, 22))
