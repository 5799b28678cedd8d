"""The feed: every change once and in order, from wherever a reader begins, and nothing that is not durable."""

from collections.abc import Awaitable, Callable
from random import Random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from synap import feed
from synap.clock import LogClock, ManualClock
from synap.commands import Delete, DeletePrefix, Expire, Kind, Pair, Set, SetMany
from synap.errors import InvalidValueError, TrimmedError
from synap.feed import Reader
from synap.keyspace import Keyspace, Limits
from synap.radix import new_tree
from synap.results import Change
from synap.store import Store, open_memory_store
from synap.telemetry import Metrics
from synap.wal.memory import MemoryLog
from tests.engine import NOW, GateLog, set_text

SOON_S = 5.0


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
async def store(log: MemoryLog, nursery: trio.Nursery) -> Store:
    return running(log, nursery)


def running(log: MemoryLog | GateLog, nursery: trio.Nursery) -> Store:
    clock = LogClock(ManualClock(NOW), 0, lambda _: None)
    keyspace = Keyspace(new_tree())
    keyspace.seq = log.last_seq
    made = Store(keyspace, log, clock, Limits(), Metrics())
    nursery.start_soon(made.run)
    return made


async def told(reader: Reader, count: int) -> list[Change]:
    """As many changes as are expected, and none on top."""
    found: list[Change] = []
    while len(found) < count:
        found += await reader.next(SOON_S)
    assert len(found) == count
    return found


async def test_a_reader_hears_of_every_change_with_its_cause(store: Store) -> None:
    reader = store.follow(b"", None)
    await store.execute(set_text(b"a", b"1", ttl_ms=5000))
    await store.execute(Expire(b"a", 7000))
    await store.execute(Delete(b"a"))
    await store.execute(set_text(b"s:1"))
    await store.execute(DeletePrefix(b"s:"))
    assert await told(reader, 5) == [
        Change(1, NOW, "set", "set", key=b"a", kind=0, value=b"1", version=1, deadline_ms=NOW + 5000),
        Change(2, NOW, "deadline", "deadline_set", key=b"a", deadline_ms=NOW + 7000),
        Change(3, NOW, "removed", "deleted", key=b"a"),
        Change(4, NOW, "set", "set", key=b"s:1", kind=0, value=b"v", version=4),
        Change(5, NOW, "removed", "prefix_deleted", prefix=b"s:"),
    ]
    assert reader.seq == 5


async def test_the_end_of_a_life_is_told_as_such(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    clock = ManualClock(NOW)
    store = open_memory_store(clock, limits=Limits(), metrics=Metrics())
    nursery.start_soon(store.run)
    reader = store.follow(b"", None)
    await store.execute(set_text(b"brief", ttl_ms=100))
    clock.advance(100)
    assert [change.cause for change in await told(reader, 2)] == ["set", "expired"]


async def test_only_what_is_under_the_prefix(store: Store) -> None:
    reader = store.follow(b"s:1", None)
    for key in (b"s:1", b"s:2", b"s:11", b"t"):
        await store.execute(set_text(key))
    for prefix in (b"s:2", b"s:11", b"s"):
        await store.execute(DeletePrefix(prefix))
    changes = await told(reader, 4)
    assert [change.key or change.prefix for change in changes] == [b"s:1", b"s:11", b"s:11", b"s"]
    assert reader.seq == 7


async def test_a_reader_that_waits_is_woken(store: Store, nursery: trio.Nursery) -> None:
    reader = store.follow(b"", None)
    heard: list[Change] = []

    async def wait() -> None:
        heard.extend(await reader.next(SOON_S))

    nursery.start_soon(wait)
    await wait_all_tasks_blocked()
    assert heard == []
    await store.execute(set_text(b"a"))
    await wait_all_tasks_blocked()
    assert [change.seq for change in heard] == [1]


async def test_nothing_in_time_is_nothing(store: Store, autojump_clock: MockClock) -> None:
    reader = store.follow(b"x", None)
    await store.execute(set_text(b"a"))
    assert await reader.next(3.0) == []
    assert reader.seq == 1
    await store.execute(set_text(b"x"))
    assert [change.key for change in await reader.next(3.0)] == [b"x"]


async def test_nobody_hears_of_what_is_not_durable(nursery: trio.Nursery) -> None:
    log = GateLog()
    store = running(log, nursery)
    reader = store.follow(b"", None)
    log.shut()
    nursery.start_soon(store.execute, set_text(b"a"))
    await wait_all_tasks_blocked()
    assert store.feed.last_seq == 0
    log.release()
    assert [change.key for change in await told(reader, 1)] == [b"a"]


# --- beginning somewhere ---------------------------------------------------------------------------------


async def test_a_reader_begins_within_a_batch(store: Store) -> None:
    pairs = tuple(Pair(b"%d" % number, Kind.TEXT, b"") for number in range(5))
    await store.execute(SetMany(pairs))
    reader = store.follow(b"", 2)
    assert [change.seq for change in await told(reader, 3)] == [3, 4, 5]


async def test_what_is_no_longer_at_hand_is_read_from_the_log(
    log: MemoryLog, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "RECENT_MAX_EVENTS", 4)
    store = running(log, nursery)
    for number in range(200):
        await store.execute(set_text(b"%d" % number))
    for after in (0, 1, 137, 195, 196, 199):
        reader = store.follow(b"", after)
        assert [change.seq for change in await told(reader, 200 - after)] == list(range(after + 1, 201))


async def test_a_reader_goes_on_after_a_restart(log: MemoryLog, nursery: trio.Nursery) -> None:
    first = running(log, nursery)
    for key in (b"a", b"b", b"c"):
        await first.execute(set_text(key))
    await first.drain()
    second = running(log, nursery)
    reader = second.follow(b"", 1)
    assert [change.seq for change in await told(reader, 2)] == [2, 3]
    await second.execute(set_text(b"d"))
    assert [change.seq for change in await told(reader, 1)] == [4]


async def test_too_long_ago_is_said_with_what_there_is(log: MemoryLog, nursery: trio.Nursery) -> None:
    first = running(log, nursery)
    for number in range(6):
        await first.execute(set_text(b"%d" % number))
    await log.trim(4)
    await first.drain()
    second = running(log, nursery)
    with pytest.raises(TrimmedError) as caught:
        second.follow(b"", 2)
    assert (caught.value.after_seq, caught.value.earliest_seq) == (2, 4)
    assert [change.seq for change in await told(second.follow(b"", 3), 3)] == [4, 5, 6]


async def test_a_reader_that_the_trimming_overtakes_is_told(
    log: MemoryLog, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "RECENT_MAX_EVENTS", 2)
    store = running(log, nursery)
    reader = store.follow(b"", 0)
    for number in range(10):
        await store.execute(set_text(b"%d" % number))
    await log.trim(8)
    with pytest.raises(TrimmedError):
        await reader.next(SOON_S)


async def test_the_future_is_refused(store: Store) -> None:
    with pytest.raises(InvalidValueError, match="seq 0"):
        store.follow(b"", 1)


async def test_a_store_that_keeps_nothing_has_what_is_at_hand(nursery: trio.Nursery) -> None:
    store = running(MemoryLog(kept=False), nursery)
    for key in (b"a", b"b"):
        await store.execute(set_text(key))
    assert [change.seq for change in await told(store.follow(b"", 0), 2)] == [1, 2]


# --- the end ---------------------------------------------------------------------------------------------


async def test_readers_are_let_go_when_the_store_drains(store: Store, nursery: trio.Nursery) -> None:
    reader = store.follow(b"", None)
    await store.execute(Set(key=b"a", kind=Kind.TEXT, value=b""))
    await store.drain()
    assert [change.seq for change in await reader.next(SOON_S)] == [1]
    assert reader.ended
    assert await reader.next(SOON_S) == []


# --- all together ----------------------------------------------------------------------------------------


async def test_readers_of_every_pace_hear_the_same(
    log: MemoryLog, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(feed, "RECENT_MAX_EVENTS", 8)
    store = running(log, nursery)
    rng = Random(seed)
    total = 400

    async def write() -> None:
        while store.seq < total:
            pairs = tuple(Pair(b"%d" % rng.randrange(50), Kind.TEXT, b"") for _ in range(rng.randrange(1, 5)))
            await store.execute(SetMany(pairs))

    def follower(pause: Callable[[], Awaitable[None]], heard: list[int]) -> Callable[[], Awaitable[None]]:
        async def follow() -> None:
            reader = store.follow(b"", 0)
            while reader.seq < total:
                heard.extend(change.seq for change in await reader.next(SOON_S))
                await pause()

        return follow

    async def dawdle() -> None:
        for _ in range(rng.randrange(30)):
            await trio.lowlevel.checkpoint()

    heard: list[list[int]] = [[] for _ in range(4)]
    async with trio.open_nursery() as tasks:
        tasks.start_soon(write)
        for number, each in enumerate(heard):
            tasks.start_soon(follower(trio.lowlevel.checkpoint if number < 2 else dawdle, each))
    for each in heard:
        assert each[:total] == list(range(1, total + 1))
