"""A store as it was: a new directory holds exactly the state at the point, and a server goes on from there."""

from pathlib import Path

import pytest

from synap.datadir import IN_THE_DIRECTORY, look_at_data_directory, open_data_directory
from synap.errors import DamagedError, DataDirectoryUnusableError, ReplayError
from synap.fs import FileSystem, read_all
from synap.recovery import recover
from synap.replay.points import Point, SeqPoint, TimePoint
from synap.replay.render import Output
from synap.replay.restore import Restored, restore
from synap.replay.source import open_source
from synap.replay.verify import verify
from synap.testing import SimulatedFileSystem
from tests.stores import Scene, all_files, two_snapshots
from tests.test_backup import damage
from tests.wal.build import DATA, T0_MS

TARGET = Path("/restored")
NOW_MS = T0_MS + 50_000


def scene() -> Scene:
    """Snapshots at 8 and 16; batches of two events, 10 ms apart, up to 26."""
    return two_snapshots(SimulatedFileSystem())


def restored(fs: FileSystem, point: Point, target: Path = TARGET) -> Restored:
    return restore(open_source(fs, DATA, IN_THE_DIRECTORY), point, target, Output(), now_ms=NOW_MS)


@pytest.mark.parametrize("seq", range(8, 27))
def test_the_state_after_any_event_becomes_a_store(seq: int) -> None:
    made = scene()
    report = restored(made.fs, SeqPoint(seq))
    assert (report.moment.seq, report.store.digest) == (seq, made.states[seq])
    directory = open_data_directory(made.fs, TARGET, now_ms=T0_MS)
    keyspace, end, found = recover(directory, lambda _: None)
    assert (keyspace.seq, keyspace.digest, end.last_seq) == (seq, made.states[seq], seq)
    assert (end.wall_ms, found.strange_seqs, found.set_aside) == (report.moment.time_ms, (), ())
    assert len(keyspace.tree) == report.store.entries
    assert report.due == len(keyspace.tree.due(NOW_MS))
    assert verify(made.fs, TARGET).found == []
    assert directory.store_id == report.store.store_id != look_at_data_directory(made.fs, DATA).store_id


def test_a_time_is_the_last_event_until_then() -> None:
    made = scene()
    assert restored(made.fs, TimePoint(T0_MS + 109)).moment.seq == 20
    with pytest.raises(DataDirectoryUnusableError, match="is not empty"):
        restored(made.fs, TimePoint(T0_MS + 110))
    assert restored(made.fs, TimePoint(T0_MS + 110), Path("/other")).moment.seq == 22


def test_before_the_first_event_there_is_an_empty_store() -> None:
    made = Scene(SimulatedFileSystem()).fill(3)
    report = restored(made.fs, SeqPoint(0))
    assert (report.store.entries, report.store.digest) == (0, 0)
    directory = open_data_directory(made.fs, TARGET, now_ms=T0_MS)
    assert recover(directory, lambda _: None)[0].seq == 0


def test_a_point_that_is_not_there_makes_nothing() -> None:
    made = scene()
    for seq in (7, 27):
        with pytest.raises(ReplayError):
            restored(made.fs, SeqPoint(seq))
    assert not made.fs.exists(TARGET)


def test_what_is_damaged_behind_the_point_does_not_matter() -> None:
    made = scene()
    damage(made.fs, made.segment(23))
    assert restored(made.fs, SeqPoint(22)).store.digest == made.states[22]
    with pytest.raises(DamagedError):
        restored(made.fs, SeqPoint(26), Path("/other"))
    assert not made.fs.exists(Path("/other"))


def test_the_source_is_only_read() -> None:
    made = scene()
    before = {path: read_all(made.fs, path) for path in all_files(made.fs, DATA)}
    restored(made.fs, SeqPoint(20))
    assert {path: read_all(made.fs, path) for path in all_files(made.fs, DATA)} == before


def test_a_restored_store_can_be_restored() -> None:
    made = scene()
    restored(made.fs, SeqPoint(20))
    again = open_source(made.fs, TARGET, IN_THE_DIRECTORY)
    report = restore(again, SeqPoint(20), Path("/again"), Output(), now_ms=NOW_MS)
    assert report.store.digest == made.states[20]
    with pytest.raises(ReplayError, match="is before all that is still there"):
        restore(again, SeqPoint(19), Path("/third"), Output(), now_ms=NOW_MS)
