"""``backup`` as a command: what it says, and how it ends."""

import json
from pathlib import Path

import pytest

from synap.errors import DamagedError
from synap.fs import RealFileSystem
from synap.replay.copying import backup
from synap.replay.invocation import Invocation
from synap.replay.verify import verify

from .build import SNAPSHOT, DataDir, flip, put


@pytest.fixture(autouse=True)
def _full(data: DataDir) -> None:
    data.live(put("a"), SNAPSHOT, put("b"), SNAPSHOT, put("c"))


def carried_out(data: DataDir, to: Path, *, as_json: bool = False) -> int:
    invocation = Invocation(data.path, as_json=as_json)
    return invocation.carry_out(backup, destination=to)


def test_a_copy(data: DataDir, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert carried_out(data, tmp_path / "copy") == 0
    out, err = capfd.readouterr()
    assert err == ""
    first, second = out.splitlines()
    assert first.startswith(f"{tmp_path}/copy is a copy of the store ")
    assert "2 segments, 2 snapshots" in first
    assert second.startswith("up to seq 3 (")
    copy, original = verify(RealFileSystem(), tmp_path / "copy"), verify(RealFileSystem(), data.path)
    assert (copy.found, copy.digest) == ([], original.digest)


def test_as_json_and_with_a_damaged_snapshot(data: DataDir, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flip(data.snapshots[1], 200)
    assert carried_out(data, tmp_path / "copy", as_json=True) == 0
    out, err = capfd.readouterr()
    record = json.loads(out)
    assert (record["last_seq"], record["snapshots"], len(record["damaged"])) == (3, [1], 1)
    assert "a snapshot was left out: damaged at seq 2" in err


def test_damage(data: DataDir, tmp_path: Path) -> None:
    flip(data.segments[-1], 210)
    with pytest.raises(DamagedError):
        carried_out(data, tmp_path / "copy")
    assert not (tmp_path / "copy" / "STORE").exists()
