"""The metrics as a scraper reads them: names, units, types, and what must not stand in them."""

from collections.abc import AsyncIterator

import pytest
import trio
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

import synap
from synap.clock import ManualClock
from synap.commands import Get, Kind, Set
from synap.errors import InvalidTtlError
from synap.expirer import INTERVAL_S
from synap.radix import IMPLEMENTATION
from synap.server.metrics import exposition, resident_bytes
from synap.store import Limits, Store, open_memory_store
from synap.telemetry import Metrics
from tests.machine import Machine
from tests.wal.build import WAL, files_of

TYPES = {
    "synap_kv_operations": "counter",
    "synap_kv_operation_duration_seconds": "histogram",
    "synap_kv_keys": "gauge",
    "synap_kv_memory_bytes": "gauge",
    "synap_http_requests": "counter",
    "synap_http_request_duration_seconds": "histogram",
    "synap_http_authentication_failures": "counter",
    "synap_wal_fsync_duration_seconds": "histogram",
    "synap_wal_batch_events": "histogram",
    "synap_wal_bytes": "counter",
    "synap_wal_seq": "gauge",
    "synap_wal_torn_tails": "counter",
    "synap_wal_disk_bytes": "gauge",
    "synap_strange_states": "counter",
    "synap_snapshots": "counter",
    "synap_snapshot_duration_seconds": "histogram",
    "synap_recovery_seconds": "gauge",
    "synap_expired_keys": "counter",
    "synap_evicted_keys": "counter",
    "synap_clock_steps": "counter",
    "synap_process_memory_bytes": "gauge",
    "synap_build_info": "gauge",
}
GAUGES_OF_SNAPSHOTS = {
    "synap_snapshot_age_seconds": "gauge",
    "synap_snapshot_seq": "gauge",
    "synap_snapshot_bytes": "gauge",
}
"""There when there is a snapshot."""

LABELS = {"operation", "status", "method", "route", "le", "type", "version", "radix"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def store(metrics: Metrics, clock: ManualClock) -> AsyncIterator[Store]:
    store = open_memory_store(clock, limits=Limits(), metrics=metrics)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run)
        yield store
        nursery.cancel_scope.cancel()


def families(metrics: Metrics, store: Store | None) -> dict[str, Metric]:
    body, _ = exposition(metrics, store, recovery_s=0.25)
    return {family.name: family for family in text_string_to_metric_families(body.decode())}


def values(family: Metric) -> dict[tuple[str, ...], float]:
    """The samples of a family by the values of their labels, which are in the order of their names."""
    return {tuple(value for _, value in sorted(each.labels.items())): each.value for each in family.samples}


async def test_names_and_types(metrics: Metrics, store: Store) -> None:
    metrics.http_requests.labels("GET", "/health", "200").inc()
    metrics.http_request_seconds.labels("GET", "/health").observe(0.001)
    await store.execute(Set(key=b"secret", kind=Kind.TEXT, value=b"hidden"))
    found = families(metrics, store)
    assert {name: family.type for name, family in found.items()} == TYPES
    for family in found.values():
        assert family.documentation
        for sample in family.samples:
            assert set(sample.labels) <= LABELS
            assert not {"secret", "hidden"} & set(sample.labels.values())
            assert (family.type == "counter") == sample.name.endswith("_total")


async def test_what_is_read_off_the_store(metrics: Metrics, store: Store) -> None:
    await store.execute(Set(key=b"a", kind=Kind.TEXT, value=b"v" * 1000))
    await store.execute(Set(key=b"a", kind=Kind.TEXT, value=b"v" * 1000))
    found = families(metrics, store)
    assert values(found["synap_kv_keys"]) == {(): 1}
    assert values(found["synap_wal_seq"]) == {(): 2}
    assert values(found["synap_recovery_seconds"]) == {(): 0.25}
    assert values(found["synap_kv_memory_bytes"])[()] > 1000


async def test_what_is_read_off_the_disk() -> None:
    machine = Machine()
    async with machine.life() as store:
        before = families(machine.metrics, store)
        assert not {name for name in before if name.startswith("synap_snapshot_") and before[name].type == "gauge"}
        await store.execute(Set(key=b"a", kind=Kind.TEXT, value=b"v" * 1000))
        taken = await store.take_snapshot()
        await store.execute(Set(key=b"b", kind=Kind.TEXT, value=b"v"))
        machine.clock.advance(2500)
        found = families(machine.metrics, store)
        assert {name: each.type for name, each in found.items()} == TYPES | GAUGES_OF_SNAPSHOTS
        assert values(found["synap_snapshot_age_seconds"]) == {(): 2.5}
        assert values(found["synap_snapshot_seq"]) == {(): 1}
        assert values(found["synap_snapshot_bytes"]) == {(): taken.size_bytes}
        assert values(found["synap_snapshots"]) == {("ok",): 1, ("failed",): 0}
        assert values(found["synap_wal_disk_bytes"]) == {(): store.log_bytes}
        assert store.log_bytes == sum(map(len, files_of(machine.fs, WAL).values()))


async def test_what_becomes_of_commands(metrics: Metrics, store: Store) -> None:
    await store.execute(Set(key=b"a", kind=Kind.TEXT, value=b"v"))
    await store.execute(Get(b"a"))
    with pytest.raises(InvalidTtlError):
        await store.execute(Set(key=b"a", kind=Kind.TEXT, value=b"v", ttl_ms=0))
    await store.drain()
    with pytest.raises(Exception, match="shutting down"):
        await store.execute(Set(key=b"a", kind=Kind.TEXT, value=b"v"))
    operations = values(families(metrics, store)["synap_kv_operations"])
    assert {labels: count for labels, count in operations.items() if count} == {
        ("set", "ok"): 1,
        ("get", "ok"): 1,
        ("set", "refused"): 1,
        ("set", "error"): 1,
    }


async def test_expired_keys(
    metrics: Metrics, store: Store, clock: ManualClock, autojump_clock: trio.testing.MockClock
) -> None:
    await store.execute(Set(key=b"a", kind=Kind.TEXT, value=b"v", ttl_ms=1000))
    clock.advance(1000)
    assert values(families(metrics, store)["synap_kv_keys"]) == {(): 0}, "due is absent, purged or not"
    assert values(families(metrics, store)["synap_expired_keys"]) == {(): 0}
    await trio.sleep(2 * INTERVAL_S)
    assert values(families(metrics, store)["synap_expired_keys"]) == {(): 1}


def test_without_a_store(metrics: Metrics) -> None:
    found = families(metrics, None)
    assert values(found["synap_build_info"]) == {(IMPLEMENTATION, synap.__version__): 1}
    assert "synap_kv_keys" not in found


def test_memory_of_the_process(metrics: Metrics) -> None:
    memory = values(families(metrics, None)["synap_process_memory_bytes"])
    assert set(memory) == {("virtual",), ("resident",)}
    assert 10_000_000 < memory["resident",] < memory["virtual",]
    assert resident_bytes() > 10_000_000
