"""``verify`` as a command: what it shows, and how it ends."""

from pathlib import Path

import pytest

from synap.fs import RealFileSystem
from synap.replay.verify import verify

from .build import SNAPSHOT, DataDir, cut, flip, put
from .conftest import Run


@pytest.fixture(autouse=True)
def _full(data: DataDir) -> None:
    """Segments 3 to 4, and 5; snapshots at 2 and 4."""
    data.live(put("a"), put("b"), SNAPSHOT, put("c"), put("d"), SNAPSHOT, put("e", "secret"))


def test_whole(run: Run, data: DataDir) -> None:
    outcome = run("verify")
    assert (outcome.code, outcome.err) == (0, "")
    digest = verify(RealFileSystem(), data.path).digest
    assert digest is not None
    assert outcome.out.splitlines() == [
        "whole",
        "verified 2 segments with 3 events, 2 snapshots with 6 entries",
        f"up to seq 5, digest of the state {digest.to_bytes(16).hex()}",
    ]


def test_whole_as_json(run: Run) -> None:
    outcome = run("verify", "--json")
    assert outcome.code == 0
    assert outcome.total == {
        "verdict": "whole",
        "segments": 2,
        "snapshots": 2,
        "events": 3,
        "entries": 6,
        "last_seq": 5,
        "digest": outcome.total["digest"],
    }


def test_torn(run: Run, data: DataDir) -> None:
    cut(data.segments[-1], 80)
    outcome = run("verify")
    assert outcome.code == 1
    title, line, _, verdict, *_ = outcome.out.splitlines()
    assert title.split() == ["verdict", "from", "seq", "at", "byte", "file", "what"]
    assert line.split()[:4] == ["torn", "5", "128", "wal/00000000000000000005.wal"]
    assert verdict == "whole but for a torn tail"
    assert run("verify", "--json").total["verdict"] == "torn"


def test_damaged(run: Run, data: DataDir) -> None:
    flip(data.segments[0], 210)
    flip(data.snapshots[1], 200)
    (data.path / "wal" / "evil\x1b[2J.txt").touch()
    (data.path / "quarantine").mkdir()
    (data.path / "quarantine" / "x.tail").touch()
    outcome = run("verify")
    assert outcome.code == 2
    assert outcome.out.replace("\n", "").isprintable()
    assert "damaged" in outcome.out.splitlines()
    outcome = run("verify", "--json")
    assert outcome.code == 2
    *findings, total = outcome.records
    assert [(each["verdict"], Path(each["path"]).name, each.get("seq"), each.get("offset")) for each in findings] == [
        ("damaged", "evil\\x1b[2J.txt", None, None),
        ("damaged", "00000000000000000003.wal", 3, 128),
        ("damaged", "00000000000000000004.snap", 4, 128),
        ("note", "x.tail", None, None),
    ]
    assert total["total"]["verdict"] == "damaged"
    assert total["total"]["last_seq"] == 5


def test_a_damaged_end_has_no_digest(run: Run, data: DataDir) -> None:
    flip(data.segments[-1], 210)
    outcome = run("verify", "--json")
    assert (outcome.code, outcome.total["last_seq"], outcome.total["digest"]) == (2, None, None)
    assert "up to seq" not in run("verify").out


@pytest.mark.parametrize("what", ["segments", "snapshots"])
def test_one_file(run: Run, data: DataDir, what: str) -> None:
    file: Path = getattr(data, what)[0]
    assert run("verify", path=file).code == 0
    flip(file, 210)
    outcome = run("verify", path=file)
    assert outcome.code == 2
    assert str(file) in outcome.out


def test_store_alone(run: Run, data: DataDir) -> None:
    outcome = run("verify", path=data.path / "STORE")
    assert (outcome.code, outcome.out.splitlines()[0]) == (0, "whole")


@pytest.mark.parametrize(("name", "code"), [("nowhere", 73), ("notes.txt", 66), ("empty", 66)])
def test_what_is_no_data(run: Run, tmp_path: Path, name: str, code: int) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    outcome = run("verify", path=tmp_path / name)
    assert (outcome.code, outcome.out) == (code, "")
    assert len(outcome.err.splitlines()) == 1
