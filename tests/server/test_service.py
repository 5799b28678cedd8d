"""The service before it has a store, with one, and when it is about to lose it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from synap.clock import ManualClock
from synap.commands import Delete, Exists, Get, GetMany, Kind, Pair, Set, SetMany
from synap.config import KvStoreSettings, Settings
from synap.errors import LogFailedError, NotReadyError
from synap.protocol.http.service import Operations, SlowEntries, SlowEntry, Snapshot
from synap.server.service import StoreService
from synap.store import Limits, MemoryLimit, Store, open_memory_store
from synap.telemetry import Metrics
from tests.machine import Machine, running

SET = Set(key=b"a", kind=Kind.TEXT, value=b"b")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def service(metrics: Metrics) -> StoreService:
    return StoreService(metrics)


@pytest.fixture
async def store(metrics: Metrics) -> AsyncIterator[Store]:
    """A store that runs, in memory."""
    store = open_memory_store(ManualClock(), limits=Limits(), metrics=metrics)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run)
        yield store
        nursery.cancel_scope.cancel()


async def test_loading(service: StoreService) -> None:
    service.report_progress(0.42)
    assert not service.loaded
    with pytest.raises(NotReadyError, match=r"the store is loading \(42%\); nothing was written"):
        await service.execute(SET)
    ready = service.readiness()
    assert (ready.ready, ready.recovery_percent) == (False, 42.0)
    assert ready.waiting_for == ("recovery: 42% of the log read",)
    assert service.health().status == "healthy", "it is alive, and must not be killed for loading"
    stats = service.stats()
    assert (stats.total_keys, stats.memory_bytes, stats.seq, stats.hit_rate) == (0, 0, 0, 0.0)
    assert stats.total_memory_bytes > 0
    assert b"synap_process_memory_bytes" in service.metrics().body
    assert b"synap_kv_keys" not in service.metrics().body


async def test_with_a_store(service: StoreService, store: Store) -> None:
    service.attach(store, recovery_s=1.5)
    assert service.loaded
    assert service.readiness().ready
    assert (await service.execute(SET)).version == 1
    found = await service.execute(Get(b"a"))
    assert found is not None
    assert found.value == b"b"
    assert b"\nsynap_recovery_seconds 1.5\n" in service.metrics().body


async def test_snapshots() -> None:
    machine = Machine()
    service = StoreService(machine.metrics)
    assert service.snapshots() == ()
    with pytest.raises(NotReadyError, match="the store is loading"):
        await service.take_snapshot()
    async with machine.life() as store:
        service.attach(store, 0.0)
        assert service.snapshots() == ()
        await service.execute(SET)
        machine.clock.advance(1234)
        taken = await service.take_snapshot()
        (info,) = store.snapshots
        path = "/data/snapshot/00000000000000000001.snap"
        assert taken == Snapshot(path, info.size_bytes, "2023-11-14T22:13:21.234Z", seq=1, entries=1)
        assert service.snapshots() == (taken,)


async def test_stats(service: StoreService, store: Store) -> None:
    service.attach(store, 0.0)
    assert service.stats().hit_rate == 0.0, "without a read there is nothing to divide by"
    pair = Pair(b"c", Kind.TEXT, b"d")
    await service.execute(SET)
    await service.execute(SetMany((pair, Pair(b"e", Kind.TEXT, b"f"))))
    await service.execute(Set(key=b"a", kind=Kind.TEXT, value=b"x", only_if_absent=True))
    await service.execute(Get(b"a"))
    await service.execute(GetMany((b"a", b"missing", b"missing")))
    await service.execute(Exists(b"a"))
    await service.execute(Delete(b"c"))
    await service.execute(Delete(b"c"))
    stats = service.stats()
    assert stats.operations == Operations(gets=4, sets=3, dels=1, hits=2, misses=2)
    assert (stats.hit_rate, stats.total_keys, stats.seq, stats.expired_keys) == (0.5, 2, 4, 0)
    assert 0 < stats.memory_bytes < stats.total_memory_bytes


async def test_slow_commands(service: StoreService, store: Store) -> None:
    assert service.slowlog(10) == SlowEntries((), 0), "none while the store is loading"
    with pytest.raises(NotReadyError):
        await service.clear_slowlog()
    service.attach(store, 0.0)
    for number in range(3):
        store.slowlog.add(Get(b"%d" % number), 0.025, 1_700_000_000_999)
    shown = service.slowlog(2)
    assert [entry.args for entry in shown.entries] == [("2",), ("1",)]
    assert shown.entries[0] == SlowEntry(3, 1_700_000_000, 25_000, "get", ("2",))
    assert shown.total == 3
    assert (await service.clear_slowlog(), service.slowlog(10).total) == (3, 0)


async def test_a_memory_limit(service: StoreService, metrics: Metrics) -> None:
    limit = MemoryLimit(20_000, "allkeys-lru")
    store = open_memory_store(ManualClock(), limits=Limits(), metrics=metrics, memory_limit=limit)
    async with running(store):
        service.attach(store, 0.0)
        for number in range(10):
            await service.execute(Set(key=b"%d" % number, kind=Kind.BYTES, value=bytes(4000)))
    stats = service.stats()
    assert (stats.eviction_policy, stats.max_memory_bytes) == ("allkeys-lru", 20_000)
    assert stats.evicted_keys == 10 - stats.total_keys > 0
    text = service.metrics().body.decode()
    assert f"\nsynap_evicted_keys_total {stats.evicted_keys}.0\n" in text
    assert "\nsynap_kv_max_memory_bytes 20000.0\n" in text


async def test_a_policy_is_told_while_the_store_is_loading(metrics: Metrics) -> None:
    settings = Settings(kv_store=KvStoreSettings(max_memory_mb=1, eviction_policy="lfu"))
    assert StoreService(metrics, settings).stats().eviction_policy == "lfu"


async def test_draining(service: StoreService, store: Store) -> None:
    service.attach(store, 0.0)
    service.drain()
    ready = service.readiness()
    assert (ready.ready, ready.waiting_for) == (False, ("draining: the server is shutting down",))
    assert (await service.execute(SET)).written, "what is under way is still carried out"
    await store.drain()
    with pytest.raises(NotReadyError, match="shutting down; nothing was written"):
        await service.execute(SET)
    assert await service.execute(Get(b"a")) is not None


async def test_a_failed_log(service: StoreService, store: Store) -> None:
    service.attach(store, 0.0)
    store._committer.fail(LogFailedError("fdatasync", Path("x.wal"), OSError(5, "Input/output error")))
    ready = service.readiness()
    assert ready.waiting_for == ("log failed: fdatasync gave an error, the server is going down",)
    with pytest.raises(NotReadyError, match="the log failed"):
        await service.execute(SET)
    assert service.health().status == "healthy"


def test_requests_are_counted(service: StoreService) -> None:
    service.observe("GET", "/kv/get/{key}", 200, 0.003)
    service.observe("GET", "/kv/get/{key}", 200, 0.3)
    text = service.metrics().body.decode()
    assert 'synap_http_requests_total{method="GET",route="/kv/get/{key}",status="200"} 2.0' in text
    assert 'synap_http_request_duration_seconds_sum{method="GET",route="/kv/get/{key}"} 0.303' in text
    assert 'synap_http_request_duration_seconds_bucket{le="0.005",method="GET",route="/kv/get/{key}"} 1.0' in text
    assert service.metrics().content_type.startswith("text/plain; version=")
