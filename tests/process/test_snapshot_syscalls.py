"""A crash at every system call of a snapshot, and an error from each: while the log is rotated, folded, trimmed.

The beginning is a store with two snapshots, so that the third lets the first one go, and several segments with it.
Whatever happens, both the newest snapshot and the one before it lead to the state that was acknowledged.
"""

import itertools
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from synap.errors import DataDirectoryError
from tests.process.cases import EXIT_CODES, MOST_CALLS, digest_at
from tests.process.expectation import LostError, read_state
from tests.process.forks import Driver, Run

pytestmark = [pytest.mark.process, pytest.mark.strace, pytest.mark.usefixtures("strace")]

EVENTS = 3
"""How many the scenario writes before its snapshot."""

CHANGING = ("openat", "write", "fdatasync", "fsync", "rename", "unlink")


class Harness(NamedTuple):
    """Takes a snapshot again and again, each time from the same beginning."""

    forks: Driver
    start: Path
    data: Path

    def runs(self, call: str, fault: str, sabotage: str = "") -> Iterator[Run]:
        """The runs in which the first, second, ... call is hit."""
        for number in range(1, MOST_CALLS):
            shutil.rmtree(self.data, ignore_errors=True)
            shutil.copytree(self.start, self.data)
            run = self.forks.run("snapshot", self.data, call, f"{fault}:when={number}", sabotage)
            if not run.hit:
                assert run == Run(9, 0, "", snapshot=9)
                assert names(self.data) == (snapshots(6, 9), segments(7, 9, 10))
                return
            yield run
        raise AssertionError(f"more than {MOST_CALLS} times {call}")

    def check(self) -> None:
        """All is there, by two ways at least; and the next snapshot finds nothing in its way."""
        ways, keyspace = read_state(self.data)
        assert (keyspace.seq, keyspace.digest) == (9, digest_at(9))
        assert ways >= 2
        assert self.forks.run("snapshot", self.data) == Run(12, 0, "", snapshot=12)
        ways, keyspace = read_state(self.data)
        assert (keyspace.seq, keyspace.digest, ways) == (12, digest_at(12), 2)
        assert not [name for name in names(self.data)[0] if name.endswith(".tmp")]

    def check_crashes(self, call: str, sabotage: str = "") -> int:
        """The number of crashes."""
        crashes = 0
        for run in self.runs(call, "signal=KILL", sabotage):
            assert (run.status, run.acknowledged) == (-signal.SIGKILL, 9)
            crashes += 1
            self.check()
        return crashes


def snapshots(*seqs: int) -> list[str]:
    return [f"{seq:020d}.snap" for seq in seqs]


def segments(*seqs: int) -> list[str]:
    return [f"{seq:020d}.wal" for seq in seqs]


def names(data: Path) -> tuple[list[str], list[str]]:
    """The files with the snapshots, and with the log."""
    found = [sorted(path.name for path in (data / place).iterdir()) for place in ("snapshot", "wal")]
    return found[0], found[1]


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """The beginning is a store that was stopped, with two snapshots and the segments since the first."""
    place = tmp_path_factory.mktemp("snapshots")
    with closing(Driver()) as forks:
        for seq in (EVENTS, 2 * EVENTS):
            assert forks.run("snapshot", place / "start") == Run(seq, 0, "", snapshot=seq)
        assert names(place / "start") == (snapshots(3, 6), segments(4, 6, 7))
        yield Harness(forks, place / "start", place / "data")


@pytest.mark.parametrize("call", CHANGING)
def test_a_crash_at_every_call(harness: Harness, call: str) -> None:
    assert harness.check_crashes(call) > 0


@pytest.mark.parametrize(
    ("call", "error"),
    [
        *itertools.product(
            ["openat", "write", "fdatasync", "fsync", "rename", "unlink", "pread64", "fadvise64"], ["EIO"]
        ),
        *itertools.product(["write", "fdatasync", "rename"], ["ENOSPC"]),
    ],
)
def test_an_error_from_every_call(harness: Harness, call: str, error: str) -> None:
    """There is no snapshot then, or the store ends with a sentence; either way nothing is lost, nor in the way."""
    hit = 0
    for run in harness.runs(call, f"error={error}"):
        hit += 1
        assert run.acknowledged == 9
        assert run.status == 0 or (run.status in EXIT_CODES and run.failure)
        harness.check()
    assert hit > 0


@pytest.mark.parametrize(
    ("sabotage", "evidence"), [("trim-first", "no way"), ("rename-by-copying", "damaged|not there|header")]
)
def test_a_sabotaged_store_is_caught(harness: Harness, sabotage: str, evidence: str) -> None:
    with pytest.raises((LostError, DataDirectoryError), match=evidence):
        harness.check_crashes("write", sabotage)
