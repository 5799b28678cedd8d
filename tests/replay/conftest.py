"""What the tests of the offline tool share: a data directory, and the command line in this process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from synap.replay.cli import app
from synap.replay.exits import run as run_to_the_end

from .build import DataDir


class Outcome(NamedTuple):
    """What a run left behind. ``records`` are the objects of its JSON lines."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def total(self) -> dict[str, Any]:
        """What the last JSON line says of the others."""
        last = self.records[-1]
        assert last.keys() == {"total"}
        total: dict[str, Any] = last["total"]
        return total


Run = Callable[..., Outcome]


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return DataDir(tmp_path / "data")


@pytest.fixture
def run(data: DataDir, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command on the data directory in this process, which takes Python's own time of starting away."""

    def run(*arguments: str, path: Path | None = None) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            run_to_the_end(app, "replay", [str(path or data.path), *arguments])
        out, err = capfd.readouterr()
        code = caught.value.code
        assert code is None or isinstance(code, int)
        assert "Traceback" not in err
        return Outcome(code or 0, out, err)

    return run
