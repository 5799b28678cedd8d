"""A crash at every system call, and an error from every system call, while the store is made, opened, written, closed.

For each kind of call the n-th one is the last (or fails), for n = 1, 2, ... until a run gets through. After each, the
directory must recover to exactly the state after some request, the last acknowledged one or the one under way; twice
to the same; and then take another write.
"""

import itertools
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from synap.datadir import open_data_directory
from synap.errors import DataDirectoryError
from synap.events import EntrySet
from synap.fs import RealFileSystem
from synap.keyspace import Keyspace
from synap.radix import new_tree
from synap.recovery import recover
from synap.wal.format import FRAME_MAGIC
from tests.process import driver
from tests.process.driver import SCENARIOS, pair
from tests.process.expectation import now_ms
from tests.process.harness import clean_environment
from tests.process.tracing import Tracer

pytestmark = [pytest.mark.process, pytest.mark.strace, pytest.mark.usefixtures("strace")]

CHANGING = ("openat", "write", "pwrite64", "fdatasync", "fsync", "rename", "unlink", "ftruncate", "mkdir")
"""The calls between which the disk may find itself when the process ends."""

READING = ("pread64", "fadvise64", "flock", "close", "getdents64")

EXIT_CODES = frozenset({71, 73, 74, 77})
"""How a start or a log that failed may end."""

MOST_CALLS = 200


class Case(NamedTuple):
    """A scenario on a directory that ``prepare`` made; ``seq`` is the last event in it."""

    prepare: Callable[["Driver", Path], None]
    scenario: str
    seq: int


class Run(NamedTuple):
    """What came of it: the last event that was acknowledged (0: none), how it ended, what it said about that."""

    acknowledged: int
    status: int
    failure: str


class Driver:
    """See ``driver.py``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own command line
            [sys.executable, "-m", driver.__name__],
            cwd=Path(__file__).parents[2],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def run(self, scenario: str, directory: Path, call: str = "", fault: str = "", sabotage: str = "") -> Run:
        self._say(f"run {scenario} {directory} {sabotage}".rstrip())
        pid = int(self._hear("pid"))
        if not call:
            return self._finish()
        with Tracer(pid, call, f"{call}:{fault}"):
            return self._finish()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _finish(self) -> Run:
        self._say("go")
        acknowledged, failure = 0, ""
        while True:
            word, _, rest = self._read().partition(" ")
            if word == "ack":
                acknowledged = int(rest)
            elif word == "failed":
                failure = rest
            else:
                assert word == "ended"
                return Run(acknowledged, int(rest), failure)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")

    def _hear(self, word: str) -> str:
        found, _, rest = self._read().partition(" ")
        assert found == word
        return rest

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")


@pytest.fixture(scope="module")
def forks() -> Iterator[Driver]:
    with closing(Driver()) as forks:
        yield forks


# --- directories to begin with ---------------------------------------------------------------------------


def nothing(_: Driver, __: Path) -> None:
    """A first start."""


def interrupted(forks: Driver, directory: Path) -> None:
    """A first start that left its temporary files."""
    assert forks.run("write", directory, "rename", "signal=KILL:when=1").status == -signal.SIGKILL
    assert (directory / "STORE.tmp").exists()


def closed(forks: Driver, directory: Path) -> None:
    """A store that was stopped, with five events."""
    assert forks.run("write", directory).status == 0


def torn(forks: Driver, directory: Path) -> None:
    """A store that was interrupted in the middle of its fifth event."""
    closed(forks, directory)
    (segment,) = (directory / "wal").iterdir()
    content = segment.read_bytes()
    segment.write_bytes(content[: content.rindex(FRAME_MAGIC) - 16])


CASES = {
    "first start": Case(nothing, "write", 0),
    "start": Case(closed, "open", 5),
    "rotation": Case(closed, "rotate", 5),
    "torn tail": Case(torn, "write", 4),
    "second first start": Case(interrupted, "write", 0),
}


# --- what must hold --------------------------------------------------------------------------------------


def digest_at(seq: int) -> int:
    """The digest of the state after the events up to ``seq``, which are the same in every run."""
    keyspace = Keyspace(new_tree())
    for number in range(1, seq + 1):
        entry = pair(number)
        keyspace.apply(number, EntrySet(entry.key, entry.kind, entry.value, None))
    return keyspace.digest


def recovered(directory: Path) -> tuple[int, int]:
    """The last event that is recovered, and the digest."""
    keyspace = Keyspace(new_tree())
    with closing(open_data_directory(RealFileSystem(), directory, now_ms=now_ms())) as opened:
        recover(opened, keyspace, lambda _: None)
    return keyspace.seq, keyspace.digest


def check(forks: Driver, directory: Path, allowed: set[int]) -> None:
    seq, digest = recovered(directory)
    assert seq in allowed
    assert digest == digest_at(seq)
    assert recovered(directory) == (seq, digest)
    assert forks.run("open", directory) == Run(seq + 1, 0, "")
    assert recovered(directory) == (seq + 1, digest_at(seq + 1))


def after_each_request(case: Case) -> list[int]:
    return list(itertools.accumulate(SCENARIOS[case.scenario].requests, initial=case.seq))


class Harness(NamedTuple):
    """Runs a case again and again, each time from the same beginning."""

    forks: Driver
    case: Case
    start: Path
    directory: Path

    def runs(self, call: str, fault: str, sabotage: str = "") -> Iterator[Run]:
        """The runs in which the first, second, ... call is hit, up to the one in which there is none left."""
        for number in range(1, MOST_CALLS):
            shutil.rmtree(self.directory, ignore_errors=True)
            if self.start.exists():
                shutil.copytree(self.start, self.directory)
            run = self.forks.run(self.case.scenario, self.directory, call, f"{fault}:when={number}", sabotage)
            yield run
            if run == Run(after_each_request(self.case)[-1], 0, ""):
                return
        raise AssertionError(f"more than {MOST_CALLS} times {call}")


@pytest.fixture(params=CASES)
def harness(forks: Driver, request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    return prepared(forks, CASES[request.param], tmp_path)


def prepared(forks: Driver, case: Case, place: Path) -> Harness:
    case.prepare(forks, place / "start")
    return Harness(forks, case, place / "start", place / "data")


def check_crashes(harness: Harness, call: str, sabotage: str = "") -> int:
    """The number of crashes."""
    boundaries = after_each_request(harness.case)
    crashes = 0
    for run in harness.runs(call, "signal=KILL", sabotage):
        if run.status == 0:
            break
        assert run.status == -signal.SIGKILL
        crashes += 1
        acknowledged = max(run.acknowledged, harness.case.seq)
        under_way = next((seq for seq in boundaries if seq > acknowledged), acknowledged)
        check(harness.forks, harness.directory, {acknowledged, under_way})
    return crashes


# --- the tests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CHANGING)
def test_a_crash_at_every_call(harness: Harness, call: str) -> None:
    crashes = check_crashes(harness, call)
    assert crashes > 0 or call in {"unlink", "ftruncate", "mkdir"}


@pytest.mark.parametrize(
    ("call", "error"), [*itertools.product(CHANGING, ["EIO", "ENOSPC"]), *itertools.product(READING, ["EIO"])]
)
def test_an_error_from_every_call(harness: Harness, call: str, error: str) -> None:
    """The store ends with an exit code and a sentence, or does without the write; either way nothing is lost."""
    for run in harness.runs(call, f"error={error}"):
        assert run.status == 0 or (run.status in EXIT_CODES and run.failure)
        acknowledged = max(run.acknowledged, harness.case.seq)
        most = acknowledged + max(SCENARIOS[harness.case.scenario].requests)
        check(harness.forks, harness.directory, set(range(acknowledged, most + 1)))


@pytest.mark.parametrize(
    ("sabotage", "case", "call"),
    [("acknowledge-first", "start", "write"), ("rename-by-copying", "first start", "write")],
)
def test_a_sabotaged_store_is_caught(forks: Driver, tmp_path: Path, sabotage: str, case: str, call: str) -> None:
    harness = prepared(forks, CASES[case], tmp_path)
    with pytest.raises((AssertionError, DataDirectoryError)):
        check_crashes(harness, call, sabotage)
