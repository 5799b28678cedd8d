"""What is over the limit goes by itself, in batches, and where it cannot go now it is tried again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from synap import evictor as evictor_module
from synap.committer import Committer
from synap.errors import DiskFullError
from synap.events import EntryEvicted, EntrySet
from synap.evictor import INTERVAL_S, run_evictor
from synap.keyspace import Keyspace, Limits, Memory, MemoryLimit
from synap.radix import new_tree

from .engine import NOW, GateLog

COUNT = 100
VALUE = bytes(500)


class Bench:
    """A store as a start leaves it that has found more than there may be, and an evictor."""

    def __init__(self, policy: str, share: float) -> None:
        self.log = GateLog()
        self.log._memory._last_seq = COUNT
        self.log._memory._first_seq = COUNT + 1
        keyspace = Keyspace(new_tree())
        for seq in range(1, COUNT + 1):
            keyspace.apply(seq, EntrySet(b"%03d" % seq, 0, VALUE, None))
        all_bytes = Memory(keyspace, MemoryLimit(10**9, policy)).used_bytes
        self.memory = Memory(keyspace, MemoryLimit(round(all_bytes * share), policy))
        self.committer = Committer(keyspace, self.log, lambda: NOW, Limits(), memory=self.memory)


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.committer.run)
        nursery.start_soon(run_evictor, bench.memory, bench.committer)
        yield
        nursery.cancel_scope.cancel()


async def test_the_oldest_go_until_it_fits(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evictor_module, "BATCH_KEYS", 20)
    bench = Bench("lru", 0.5)
    async with running(bench):
        await trio.sleep(1.5 * INTERVAL_S)
        events = [event for batch in bench.log.batches() for event in batch]
        assert events == [EntryEvicted(b"%03d" % seq) for seq in range(1, len(events) + 1)]
        assert [len(batch) for batch in bench.log.batches()] == [20, 20, len(events) - 40]
        assert 45 < len(events) < 55
        assert bench.memory.excess_bytes == 0
        assert bench.memory.used_bytes > 0.97 * (bench.memory.limit.max_bytes or 0), "and no more than that"
        await trio.sleep(10 * INTERVAL_S)
        assert bench.log.attempts == 3


async def test_where_nothing_may_go_nothing_is_logged(autojump_clock: MockClock) -> None:
    bench = Bench("volatile-lru", 0.5)
    async with running(bench):
        await trio.sleep(10 * INTERVAL_S)
        assert bench.log.attempts == 0
        assert bench.memory.excess_bytes > 0


async def test_a_full_disk_is_tried_again(autojump_clock: MockClock) -> None:
    bench = Bench("lfu", 0.5)
    bench.log.failures = [DiskFullError("no room")] * 3
    async with running(bench):
        await trio.sleep(3.5 * INTERVAL_S)
        assert (bench.log.attempts, bench.memory.evicted_keys) == (3, 0)
        await trio.sleep(INTERVAL_S)
        assert bench.memory.excess_bytes == 0
