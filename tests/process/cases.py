"""What a store is made to go through, call by call, and what must be left of it.

A case is a directory to begin with and a scenario of ``driver.py`` to carry out there. Whatever happens to that, the
directory must recover to exactly the state after some request, the last acknowledged one or the one under way; twice
to the same; and then take another write.
"""

import itertools
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from synap.datadir import open_data_directory
from synap.events import EntrySet
from synap.fs import RealFileSystem
from synap.keyspace import Keyspace
from synap.radix import new_tree
from synap.recovery import recover
from synap.wal.format import FRAME_MAGIC
from tests.process.driver import SCENARIOS, pair
from tests.process.expectation import now_ms
from tests.process.forks import Driver, Run

EXIT_CODES = frozenset({71, 73, 74, 77})
"""How a start or a log that failed may end."""

MOST_CALLS = 200
"""More than any case makes of one kind."""


class Case(NamedTuple):
    """A scenario on a directory that ``prepare`` made; ``seq`` is the last event in it."""

    prepare: Callable[[Driver, Path], None]
    scenario: str
    seq: int


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
    with closing(open_data_directory(RealFileSystem(), directory, now_ms=now_ms())) as opened:
        keyspace, _, _ = recover(opened, lambda _: None)
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


def check_interrupted(forks: Driver, case: Case, directory: Path, run: Run) -> None:
    """After a crash: all that was acknowledged, and of the request under way all or nothing."""
    acknowledged = max(run.acknowledged, case.seq)
    under_way = next((seq for seq in after_each_request(case) if seq > acknowledged), acknowledged)
    check(forks, directory, {acknowledged, under_way})
