"""A crash at every system call, and an error from every system call, while the store is made, opened, written, closed.

For each kind of call the n-th one is the last (or fails), for n = 1, 2, ... until a run gets through. What must hold
after each stands in ``cases``.
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
from tests.process.cases import CASES, EXIT_CODES, MOST_CALLS, Case, after_each_request, check, check_interrupted
from tests.process.driver import SCENARIOS
from tests.process.forks import Driver, Run

pytestmark = [pytest.mark.process, pytest.mark.strace, pytest.mark.usefixtures("strace")]

CHANGING = ("openat", "write", "pwrite64", "fdatasync", "fsync", "rename", "unlink", "ftruncate", "mkdir")
"""The calls between which the disk may find itself when the process ends."""

READING = ("pread64", "fadvise64", "flock", "close", "getdents64")


@pytest.fixture(scope="module")
def forks() -> Iterator[Driver]:
    with closing(Driver()) as forks:
        yield forks


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
            if run._replace(hit=False) == Run(after_each_request(self.case)[-1], 0, ""):
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
    crashes = 0
    for run in harness.runs(call, "signal=KILL", sabotage):
        if run.status == 0:
            break
        assert run.status == -signal.SIGKILL
        crashes += 1
        check_interrupted(harness.forks, harness.case, harness.directory, run)
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
