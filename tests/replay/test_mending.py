"""``repair`` as a command: says what is lost before it does anything, asks, and keeps what it gives up."""

import io
import json
import sys
from pathlib import Path

import pytest
from msgspec import structs

from synap.datadir import open_data_directory
from synap.fs import RealFileSystem
from synap.repair import RepairPlan
from synap.replay.mending import describe

from .build import SNAPSHOT, T0_MS, DataDir, contents, flip, put
from .conftest import Run


@pytest.fixture(autouse=True)
def _damaged(data: DataDir) -> None:
    """Segments 3 to 4, and 5 to 6; snapshots at 2 and 4; what event 5 did is damaged."""
    data.live(put("a"), put("b"), SNAPSHOT, put("c"), put("d"), SNAPSHOT, put("e"), put("f"))
    flip(data.segments[1], 210)


def test_repair(run: Run, data: DataDir) -> None:
    assert run("verify").code == 2
    outcome = run("repair", "--truncate-at", "5", "--yes")
    assert (outcome.code, outcome.err) == (0, "")
    said, kept, end = outcome.out.splitlines()
    assert said.startswith("every event after seq 4 is given up: whatever there was, for none can be told of (")
    assert said.endswith(" bytes: the end of 00000000000000000005.wal).")
    assert kept == f"kept {data.path}/quarantine/00000000000000000005.wal.128.tail"
    assert end == "The log now ends at seq 4."
    assert run("verify", "--json").total["last_seq"] == 4
    data.live(put("g"))
    assert run("verify", "--json").total["last_seq"] == 5


def test_snapshots_are_named_as_well(run: Run, data: DataDir) -> None:
    outcome = run("repair", "--truncate-at", "4", "--yes", "--json")
    [record] = outcome.records
    assert (record["last_seq"], record["lost_from_seq"], record["lost_to_seq"]) == (3, 4, 4)
    assert record["more_unknown"] is True
    snapshot, segment, tail = [Path(path).name for path in record["kept"]]
    assert (snapshot, segment) == ("00000000000000000004.snap", "00000000000000000005.wal")
    assert tail.startswith("00000000000000000003.wal.")
    assert record["lost_bytes"] == sum(Path(path).stat().st_size for path in record["kept"])


def test_it_asks_first(run: Run, data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(data.path)
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    outcome = run("repair", "--truncate-at", "5")
    assert outcome.code == 1
    assert "Go on?" in outcome.out
    changed = {name for name, content in contents(data.path).items() if content != before[name]}
    assert changed <= {"LOCK"}


def test_with_json_the_question_is_not_among_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    outcome = run("repair", "--truncate-at", "5", "--json")
    assert (outcome.code, "Go on?" in outcome.err) == (0, True)
    assert json.loads(outcome.out)["last_seq"] == 4


def test_not_while_a_server_has_it(run: Run, data: DataDir) -> None:
    held = open_data_directory(RealFileSystem(), data.path, now_ms=T0_MS)
    outcome = run("repair", "--truncate-at", "5", "--yes")
    held.close()
    assert (outcome.code, "is in use by the server with pid" in outcome.err) == (75, True)


def test_no_store_is_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run("repair", "--truncate-at", "5", "--yes", path=tmp_path / "empty").code == 66
    assert list((tmp_path / "empty").iterdir()) == []


def test_what_cannot_be_repaired(run: Run) -> None:
    outcome = run("repair", "--truncate-at", "6", "--yes")
    assert outcome.code == 64
    assert outcome.err.startswith("synap: the log is damaged before seq 6 already")
    assert run("repair", "--truncate-at", "0").code == 2


PLAN = RepairPlan(
    last_seq=6,
    segment=Path("7.wal"),
    offset=128,
    cut_bytes=2000,
    removed=(Path("9.wal"),),
    snapshots=(Path("8.snap"),),
    successor=None,
    lost_bytes=3000,
    known_seq=9,
    more_unknown=False,
)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "every event after seq 6 is given up: seq 7 to 9 (3,000 bytes: "),
        ({}, "bytes: the end of 7.wal, 9.wal, snapshot 8.snap)."),
        ({"known_seq": 7, "removed": (), "snapshots": ()}, "seq 7 (3,000 bytes: the end of 7.wal)."),
        ({"more_unknown": True}, "seq 7 to 9, and whatever came after (3,000"),
        ({"known_seq": 6, "more_unknown": True}, "whatever there was, for none can be told of (3,000"),
        ({"known_seq": 6}, "there is none (3,000"),
        ({"segment": None, "cut_bytes": 0, "removed": ()}, "bytes: snapshot 8.snap)."),
        ({"cut_bytes": 0, "removed": (), "snapshots": (), "lost_bytes": 0}, "(0 bytes: no file)."),
        ({"last_seq": 0}, "every event is given up, and the store will be empty: seq 1 to 9 (3,000"),
    ],
)
def test_the_plan_in_words(changes: dict[str, object], sentence: str) -> None:
    assert sentence in describe(structs.replace(PLAN, **changes))
