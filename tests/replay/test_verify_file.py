"""One file by itself: a segment, a snapshot or a STORE, without the directory that it belongs to."""

from pathlib import Path

import pytest

from synap.errors import NewerFormatError, NotOursError
from synap.fs import read_all
from synap.replay.findings import Verdict
from synap.replay.verify import verify
from tests.replay.test_verify import paddings, scene, snap, wal
from tests.test_backup import replace
from tests.wal.build import DATA, Forge, disk_of


@pytest.mark.parametrize("name", [wal(9), wal(17), wal(23), snap(8), snap(16), "STORE"])
def test_a_single_file(name: str) -> None:
    made = scene()
    path = DATA / name
    whole = read_all(made.fs, path)
    assert verify(made.fs, path).found == []
    for place in sorted(set(range(8, len(whole), 3)) - (paddings(whole) if path.suffix == ".wal" else set())):
        replace(made.fs, path, whole[:place] + bytes([whole[place] ^ 0x80]) + whole[place + 1 :])
        try:
            findings = verify(made.fs, path)
        except NewerFormatError:
            assert place == 9
            continue
        assert [each.path for each in findings.found] == [path], place
        assert findings.exit_code == 2, place


def test_what_a_single_file_holds_is_counted() -> None:
    made = scene()
    segment, snapshot = verify(made.fs, made.segment(17)), verify(made.fs, made.snapshot_path(16))
    assert (segment.segments, segment.events, segment.last_seq) == (1, 6, 22)
    assert (snapshot.snapshots, snapshot.last_seq, snapshot.digest) == (1, 16, made.states[16])


def test_a_single_segment_with_an_event_of_a_newer_version() -> None:
    segment = Forge().batch(b"\x81\x82\x18\x63\x41a", 1)
    with pytest.raises(NewerFormatError, match="seq 1: events of type 99") as caught:
        verify(disk_of({segment.path: bytes(segment.data)}), segment.path)
    assert caught.value.exit_code == 76


def test_a_single_segment_may_end_torn_but_not_behind_its_seal() -> None:
    made = scene()
    for name, verdict in ((wal(17), Verdict.TORN), (wal(23), Verdict.TORN)):
        whole = read_all(made.fs, DATA / name)
        replace(made.fs, DATA / name, whole[:-20])
        assert [each.verdict for each in verify(made.fs, DATA / name).found] == [verdict]
    replace(made.fs, DATA / wal(9), read_all(made.fs, DATA / wal(9)) + b"SYNF")
    assert verify(made.fs, DATA / wal(9)).exit_code == 2


@pytest.mark.parametrize("name", [wal(17), snap(16)])
def test_a_single_file_under_another_name(name: str) -> None:
    made = scene()
    data = read_all(made.fs, DATA / name)
    fs = disk_of({Path("/x") / f"{Path(name).name}.1": data, Path("/x") / f"7{Path(name).suffix}": data})
    aside = verify(fs, Path("/x") / f"{Path(name).name}.1")
    assert [each.verdict for each in aside.found] == [Verdict.NOTE]
    assert (aside.exit_code, aside.segments + aside.snapshots) == (0, 1)
    renamed = verify(fs, Path("/x") / f"7{Path(name).suffix}")
    assert (renamed.exit_code, len(renamed.found)) == (2, 1)


def test_any_other_file_is_not_ours() -> None:
    with pytest.raises(NotOursError, match="is no segment, no snapshot and no STORE"):
        verify(disk_of({Path("/x/notes.txt"): b"hello"}), Path("/x/notes.txt"))
