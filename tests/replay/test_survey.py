"""The survey beside a server that trims, removes snapshots and writes: none of that is damage."""

from pathlib import Path

import pytest

from synap.datadir import Places
from synap.replay.render import Meter
from synap.replay.source import open_source
from synap.replay.survey import Survey, survey

from .build import CRASH, SNAPSHOT, DataDir, put
from .test_asof import once
from .test_follow import MeddlingFileSystem


@pytest.mark.parametrize("suffix", [".wal", ".snap"])
def test_what_is_taken_away_meanwhile(data: DataDir, suffix: str) -> None:
    data.live(put("a"), SNAPSHOT, put("b"), SNAPSHOT, put("c"), CRASH)
    fs = MeddlingFileSystem()
    source = open_source(fs, data.path, Places())
    fs.before = once(
        lambda: data.live(put("d"), SNAPSHOT, put("e"), SNAPSHOT, put("f"), CRASH, keep=1),
        lambda path: path.suffix == suffix,
    )
    found = survey(source, Meter())
    assert (found.damages, found.torn) == ([], None)
    assert found.census is not None
    assert (found.census.seq, found.census.keys) == (6, 6)
    assert found.last is not None
    assert found.last[0] == 6


def test_a_tail_that_moves_at_every_look(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server under load: something is always half written."""
    data.live(*(put(f"k{number}", "v" * 50) for number in range(20)), CRASH)
    path = data.segments[0]
    content = path.read_bytes()
    known = [300]
    path.write_bytes(content[: known[0]])

    def meanwhile(_: float) -> None:
        known[0] += 150
        path.write_bytes(content[: known[0]])

    monkeypatch.setattr("synap.replay.survey.time.sleep", meanwhile)
    found = survey(open_source(MeddlingFileSystem(), data.path, Places()), Meter())
    assert (found.damages, found.torn) == ([], None)


def test_how_far_it_has_got(data: DataDir) -> None:
    data.live(*(put(f"k{number}") for number in range(5)), SNAPSHOT, *(put("x") for _ in range(5)))
    read: list[int] = []

    class Counting(Meter):
        def add(self, read_bytes: int) -> None:
            read.append(read_bytes)

    look = Survey(open_source(MeddlingFileSystem(), data.path, Places()), Counting())
    look.look()
    files: list[Path] = [*data.segments, *data.snapshots]
    total = sum(path.stat().st_size for path in files)
    assert 0.6 * total < sum(read) <= total
