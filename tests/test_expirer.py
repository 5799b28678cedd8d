"""What is due is gone within 100 ms, whatever else goes on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from synap import committer as committer_module
from synap.commands import GetTouch, PurgeExpired
from synap.committer import Committer
from synap.errors import DiskFullError, LogFailedError
from synap.events import EntryExpired, EntrySet
from synap.expirer import BATCH_KEYS, INTERVAL_S, run_expirer
from synap.keyspace import Keyspace, Limits
from synap.radix import new_tree

from .engine import NOW, GateLog, set_text

WITHIN_S = 0.1


class Bench:
    """A committer and an expirer in a time that jumps."""

    def __init__(self) -> None:
        self.log = GateLog()
        self.keyspace = Keyspace(new_tree())
        self.committer = Committer(self.keyspace, self.log, self.now_ms, Limits())
        self.purges: list[int] = []

    def now_ms(self) -> int:
        return NOW + round(trio.current_time() * 1000)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.committer.run)
            nursery.start_soon(run_expirer, self.keyspace, self.committer, self.now_ms, self.purges.append)

    def fill(self, count: int, deadline_ms: int) -> None:
        """Entries as recovery would bring them back."""
        assert self.log.last_seq == 0
        self.log._memory._last_seq = count
        self.log._memory._first_seq = count + 1
        for seq in range(1, count + 1):
            self.keyspace.apply(seq, EntrySet(b"%d" % seq, 0, b"", deadline_ms))

    def frames(self) -> list[int]:
        return [frame.count for frame in self.log.read(self.log.first_seq)]


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.run)
        try:
            yield nursery
        finally:
            bench.log.release()
            nursery.cancel_scope.cancel()


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_entries_leave_within_100_ms_of_their_deadlines_and_not_before(
    bench: Bench, autojump_clock: MockClock, seed: int
) -> None:
    random = Random(seed)

    async def live_and_die(key: bytes) -> None:
        ttl_ms = random.randrange(2, 3000)
        await trio.sleep(random.random())
        await bench.committer.submit(set_text(key, b"", ttl_ms))
        await trio.sleep(ttl_ms / 1000 - 0.001)
        assert bench.keyspace.tree.get(key) is not None
        await trio.sleep(0.001 + WITHIN_S)
        assert bench.keyspace.tree.get(key) is None

    async with running(bench), trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(live_and_die, b"%d" % number)
    assert sum(bench.purges) == 100
    assert sum(isinstance(event, EntryExpired) for batch in bench.log.batches() for event in batch) == 100


async def test_where_nothing_is_due_nothing_is_logged(bench: Bench, autojump_clock: MockClock) -> None:
    bench.fill(10, NOW + 3_600_000)
    async with running(bench):
        await trio.sleep(60)
    assert (bench.log.attempts, bench.purges) == (0, [])


async def test_very_many_due_entries_leave_in_batches(bench: Bench, autojump_clock: MockClock) -> None:
    bench.fill(5_500, NOW)
    async with running(bench):
        await trio.sleep(WITHIN_S)
    assert len(bench.keyspace.tree) == 0
    assert bench.frames() == bench.purges == [BATCH_KEYS] * 5 + [500]


async def test_others_get_their_turn_between_purges(bench: Bench, autojump_clock: MockClock) -> None:
    bench.fill(5_000, NOW)
    bench.log.shut()
    async with running(bench) as nursery:
        await trio.sleep(1.5 * INTERVAL_S)
        for number in range(50):
            nursery.start_soon(bench.committer.submit, set_text(b"new:%d" % number))
        await wait_all_tasks_blocked()
        bench.log.release()
        await trio.sleep(WITHIN_S)
    # The purge that was under way, then the writes that came, then the rest.
    assert bench.frames()[0] == BATCH_KEYS
    assert bench.frames()[1] in {50, 50 + BATCH_KEYS}
    assert len(bench.keyspace.tree) == 50


async def test_a_touch_in_time_keeps_an_entry(bench: Bench, autojump_clock: MockClock) -> None:
    async with running(bench):
        await bench.committer.submit(set_text(b"a", b"", 1000))
        for _ in range(20):
            await trio.sleep(0.9)
            assert await bench.committer.submit(GetTouch(b"a", 1000))
    assert bench.purges == []


async def test_a_full_disk_delays_and_does_not_end_it(bench: Bench, autojump_clock: MockClock) -> None:
    bench.fill(3, NOW)
    bench.log.failures = [DiskFullError("no room")] * 10
    async with running(bench):
        await trio.sleep(9 * INTERVAL_S)
        assert (len(bench.keyspace.tree), bench.purges) == (3, [])
        await trio.sleep(1)
    assert (len(bench.keyspace.tree), bench.purges, bench.log.attempts) == (0, [3], 11)


async def test_a_full_queue_delays_and_does_not_end_it(
    bench: Bench, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.fill(3, NOW)
    async with running(bench):
        with monkeypatch.context() as patch:
            patch.setattr(committer_module, "QUEUE_MAX_COMMANDS", 0)
            await trio.sleep(1)
            assert bench.log.attempts == 0
        await trio.sleep(WITHIN_S)
    assert bench.purges == [3]


async def test_it_waits_on_while_the_store_drains(bench: Bench, autojump_clock: MockClock) -> None:
    bench.fill(1, NOW + 500)
    async with running(bench):
        await bench.committer.drain()
        await trio.sleep(1)
    assert (bench.purges, len(bench.keyspace.tree)) == ([], 1)


async def test_a_purge_that_comes_too_late_for_all_is_not_repeated_at_once(
    bench: Bench, autojump_clock: MockClock
) -> None:
    """Its batch may have dealt with all that was due."""
    bench.fill(2, NOW)
    bench.log.shut()
    async with running(bench) as nursery:
        submit = bench.committer.submit
        for command in (set_text(b"other"), set_text(b"1"), set_text(b"2")):
            nursery.start_soon(submit, command)
            await wait_all_tasks_blocked()
        await trio.sleep(1.5 * INTERVAL_S)
        assert bench.committer.waiting == 3
        bench.log.release()
        await wait_all_tasks_blocked()
        assert bench.purges == [0]
        await trio.sleep(1)
    assert bench.purges == [0]
    assert [type(event) for event in bench.log.batches()[1]] == [EntryExpired, EntrySet, EntryExpired, EntrySet]


async def test_a_log_that_failed_ends_it(bench: Bench, autojump_clock: MockClock) -> None:
    bench.fill(1, NOW)
    failure = LogFailedError("write", Path("x.wal"), OSError(5, "Input/output error"))
    bench.log.failures = [failure]
    with pytest.RaisesGroup(LogFailedError, LogFailedError):
        await bench.run()
    assert bench.purges == []


async def test_a_purge_is_a_command_like_any_other(bench: Bench, autojump_clock: MockClock) -> None:
    bench.fill(3, NOW)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.committer.run)
        assert await bench.committer.submit(PurgeExpired(2)) == 2
        assert await bench.committer.submit(PurgeExpired(2)) == 1
        assert await bench.committer.submit(PurgeExpired(2)) == 0
        nursery.cancel_scope.cancel()
    assert bench.frames() == [2, 1]
