"""A power cut before every call that changes a file, on real file systems; ``cases`` says what must hold after each.

On a file system without a journal a name is durable only by the fsync of its directory. With a journal, any fsync of
any file also makes durable what was done to names before it, so there a missing one could never be noticed.
"""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from synap.errors import DataDirectoryError
from tests.process.cases import CASES, EXIT_CODES, MOST_CALLS, Case, check_interrupted
from tests.process.disks import WITHOUT_JOURNAL, LoopDisk, loop_disk
from tests.process.forks import Driver, Run
from tests.process.shim import Shim

pytestmark = [pytest.mark.process, pytest.mark.mount]


class Harness(NamedTuple):
    """Runs a case on a disk again and again, each time from the same beginning."""

    forks: Driver
    disk: LoopDisk
    shim: Shim

    def cut_at_every_call(self, case: Case, sabotage: str = "") -> int:
        """Cut the power before the first, second, ... call, and check; return how many there were."""
        start = self.disk.place / "start"
        case.prepare(self.forks, start)
        for number in range(1, MOST_CALLS):
            run = self._run(case, start, number, sabotage)
            if not self.shim.done():
                assert run.status == 0
                return number - 1
            assert run.status in EXIT_CODES
            self.shim.disarm()
            self.disk.restart()
            check_interrupted(self.forks, case, self._directory, run)
        raise AssertionError(f"more than {MOST_CALLS} calls")

    def _run(self, case: Case, start: Path, number: int, sabotage: str) -> Run:
        shutil.rmtree(self._directory, ignore_errors=True)
        if start.exists():
            shutil.copytree(start, self._directory)
        self.disk.remount()
        self.shim.arm("any", "cut", first=number)
        return self.forks.run(case.scenario, self._directory, sabotage=sabotage)

    @property
    def _directory(self) -> Path:
        return self.disk.place / "data"


@pytest.fixture
def harness(shim_library: Path, kind: str, tmp_path: Path) -> Iterator[Harness]:
    place = tmp_path / "disk"
    shim = Shim(shim_library, place, tmp_path)
    with loop_disk(kind, place) as disk, closing(Driver(shim.environment)) as forks:
        yield Harness(forks, disk, shim)


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        *itertools.product(["ext4", "xfs", WITHOUT_JOURNAL], ["first start", "rotation"]),
        ("ext4", "torn tail"),
    ],
)
def test_a_power_cut_at_every_call(harness: Harness, case: str) -> None:
    assert harness.cut_at_every_call(CASES[case]) > 10


@pytest.mark.parametrize(
    ("kind", "sabotage", "case"),
    [
        ("ext4", "no-sync", "first start"),
        ("xfs", "acknowledge-first", "rotation"),
        (WITHOUT_JOURNAL, "no-directory-sync", "first start"),
    ],
)
def test_a_sabotaged_store_is_caught(harness: Harness, sabotage: str, case: str) -> None:
    with pytest.raises((AssertionError, DataDirectoryError)):
        harness.cut_at_every_call(CASES[case], sabotage)
