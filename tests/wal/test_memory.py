"""``MemoryLog``: the conformance suite, and what it forgets."""

from pathlib import Path

import pytest

from synap.wal.interface import Log
from synap.wal.memory import MemoryLog

from .conformance import LogConformance, fill


class TestMemoryLog(LogConformance):
    def open_log(self, place: Path) -> Log:  # noqa: ARG002  # it needs none
        return MemoryLog()


async def test_trimming_is_by_batches() -> None:
    log = MemoryLog()
    await fill(log, 2, 3, 1)
    await log.trim(4)
    assert log.first_seq == 3
    await log.trim(7)
    assert (log.first_seq, log.last_seq) == (7, 6)


async def test_a_log_that_keeps_nothing_only_counts() -> None:
    log = MemoryLog(kept=False)
    await fill(log, 2, 3)
    assert (log.first_seq, log.last_seq) == (6, 5)
    assert list(log.read(6)) == []
    with pytest.raises(ValueError, match="begins at 6"):
        log.read(5)
