"""A store within a memory limit: what reads save from eviction, what a start makes of a lower limit, what is told."""

import pytest
import structlog
import trio
from trio.testing import MockClock

from synap.clock import ManualClock
from synap.commands import Delete, Exists, Get, GetMany, GetTouch, Kind, Pair, Set, SetMany
from synap.errors import ConfigError, MemoryLimitError
from synap.keyspace import room as room_module
from synap.keyspace.room import SLACK_BYTES
from synap.results import Change
from synap.store import Limits, MemoryLimit, Store, open_memory_store
from synap.telemetry import Metrics

from .engine import NOW, set_text
from .machine import Machine, running

MIB = 1024 * 1024
HOUR_MS = 3_600_000
VALUE = bytes(100_000)
SESSIONS = tuple(b"session:%d" % number for number in range(8))


def machine_with(policy: str, max_bytes: int = MIB) -> Machine:
    machine = Machine()
    machine.memory_limit = MemoryLimit(max_bytes, policy)
    return machine


async def fill(store: Store) -> None:
    """Eight sessions, each of about a tenth of the limit."""
    pairs = [Pair(key, Kind.BYTES, VALUE, HOUR_MS) for key in SESSIONS]
    await store.execute(SetMany(tuple(pairs)))


async def alive(store: Store) -> set[bytes]:
    return {key for key in (*SESSIONS, b"new") if await store.execute(Exists(key))}


@pytest.mark.parametrize("policy", ["lru", "volatile-lru", "lfu", "volatile-lfu"])
async def test_what_is_read_stays(policy: str) -> None:
    async with machine_with(policy).life() as store:
        await fill(store)
        await store.execute(Get(SESSIONS[0]))
        await store.execute(GetMany((SESSIONS[1], b"missing", SESSIONS[2])))
        # It moves the deadline by too little to be worth an event, and is a read all the same.
        before = store.seq
        await store.execute(GetTouch(SESSIONS[3], HOUR_MS + 5))
        assert store.seq == before
        await store.execute(Exists(SESSIONS[4]))
        await store.execute(Set(key=b"new", kind=Kind.BYTES, value=3 * VALUE))
        assert await alive(store) == {*SESSIONS, b"new"} - {SESSIONS[4]}
        assert store.evicted_keys == 1
        assert store.memory_bytes < MIB


async def test_nothing_is_ever_evicted_by_default() -> None:
    with structlog.testing.capture_logs() as logs:
        async with machine_with("none").life() as store:
            await fill(store)
            for _ in range(3):
                with pytest.raises(MemoryLimitError):
                    await store.execute(Set(key=b"new", kind=Kind.BYTES, value=5 * VALUE))
            assert await alive(store) == set(SESSIONS)
            assert store.obstacles() == []
            await store.execute(Delete(SESSIONS[0]))
            await store.execute(Set(key=b"new", kind=Kind.BYTES, value=2 * VALUE))
    (told,) = [line for line in logs if "memory limit" in line["event"]]
    assert told == {
        "event": "the memory limit is reached; writes that need more are refused",
        "log_level": "warning",
        "max_bytes": MIB,
        "eviction_policy": "none",
    }


async def test_an_eviction_is_told_as_such() -> None:
    with structlog.testing.capture_logs() as logs:
        async with machine_with("allkeys-lru").life() as store:
            reader = store.follow(b"", None)
            await fill(store)
            await store.execute(Set(key=b"new", kind=Kind.TEXT, value=4 * VALUE))
            changes = await reader.next(1.0)
            while changes[-1].key != b"new":
                changes += await reader.next(1.0)
    assert changes[len(SESSIONS) : -1] == [
        Change(9, NOW, "removed", "evicted", key=SESSIONS[0]),
        Change(10, NOW, "removed", "evicted", key=SESSIONS[1]),
    ]
    assert [line["event"] for line in logs if "memory limit" in line["event"]] == [
        "the memory limit is reached; entries are evicted from now on"
    ]


async def test_the_state_is_recovered_with_its_evictions() -> None:
    machine = machine_with("lru")
    async with machine.life() as store:
        await fill(store)
        await store.execute(Set(key=b"new", kind=Kind.BYTES, value=5 * VALUE))
        left, digest, used = await alive(store), store.keyspace.digest, store.memory_bytes
        assert len(left) < len(SESSIONS)
        await store.take_snapshot()
        await store.execute(Set(key=b"new", kind=Kind.BYTES, value=5 * VALUE))
    async with machine.life() as store:
        assert machine.report is not None
        assert machine.report.strange_seqs == ()
        assert await alive(store) == left
        assert store.memory_bytes == used
        assert store.keyspace.digest != digest, "the new one has another version"


async def test_a_lower_limit_is_seen_to_after_the_start(autojump_clock: MockClock) -> None:
    machine = machine_with("none")
    async with machine.life() as store:
        await fill(store)
    machine.memory_limit = MemoryLimit(MIB // 2, "lru")
    async with machine.life() as store:
        assert store.memory_bytes > MIB // 2, "all is loaded"
        await trio.sleep(0.1)
        assert store.memory_bytes <= MIB // 2
        assert await alive(store) == set(SESSIONS[-store.key_count() :]), "what was written first is gone"
        assert store.evicted_keys == len(SESSIONS) - store.key_count()
    machine.memory_limit = MemoryLimit(MIB // 4)
    async with machine.life() as store:
        left = await alive(store)
        await trio.sleep(0.1)
        with pytest.raises(MemoryLimitError):
            await store.execute(set_text(b"new"))
        await store.execute(set_text(SESSIONS[-1], b"smaller"))
        assert await alive(store) == left


async def test_a_large_write_is_the_first_after_a_start_with_a_lower_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """It pays for itself, in several batches, and not for what is over the limit as well."""
    monkeypatch.setattr(room_module, "EVICTIONS_MAX", 2)
    machine = machine_with("none", 8 * MIB)
    async with machine.life() as store:
        await store.execute(Set(key=b"permanent", kind=Kind.BYTES, value=20 * VALUE))
        await fill(store)
    machine.memory_limit = MemoryLimit(MIB, "volatile-lru")
    async with machine.life() as store:
        before = store.memory_bytes
        assert before > 2 * MIB
        written = await store.execute(Set(key=b"new", kind=Kind.BYTES, value=5 * VALUE))
        assert written.written
        assert await alive(store) == {*SESSIONS[5:], b"new"}
        assert store.memory_bytes <= before
        assert store.evicted_keys == 5
        with pytest.raises(MemoryLimitError):
            await store.execute(Set(key=b"newer", kind=Kind.BYTES, value=5 * VALUE))
        assert store.evicted_keys == 5, "nothing goes in vain"


async def test_a_store_in_memory_has_a_limit_too() -> None:
    limit = MemoryLimit(SLACK_BYTES + 10_000, "allkeys-random")
    store = open_memory_store(ManualClock(NOW), limits=Limits(), metrics=Metrics(), memory_limit=limit)
    async with running(store):
        for number in range(100):
            await store.execute(set_text(b"%d" % number, bytes(500)))
    assert store.memory_limit == limit
    assert store.evicted_keys == 100 - store.key_count()
    assert 5 < store.key_count() < 20


async def test_the_limit_means_all_that_is_counted() -> None:
    async with machine_with("volatile-random").life() as store:
        await fill(store)
        assert store.memory_bytes == store.keyspace.tree.memory_bytes + sum(map(store.memory.weight, SESSIONS)) - sum(
            map(store.keyspace.tree.entry_bytes, SESSIONS)
        )


def test_a_wrong_policy_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no eviction policy 'x'"):
        machine_with("x").open()
