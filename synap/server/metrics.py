"""The metrics as Prometheus scrapes them: what was counted (``telemetry``), and what is read off the store just now."""

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

import synap
from synap.radix import IMPLEMENTATION
from synap.store import Store
from synap.telemetry import Metrics

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def exposition(metrics: Metrics, store: Store | None, recovery_s: float) -> tuple[bytes, str]:
    """The text and its content type; without a store, what can be said without one."""
    gauges = CollectorRegistry()
    gauges.register(_Gauges(store, recovery_s))
    return generate_latest(metrics.registry) + generate_latest(gauges), CONTENT_TYPE_LATEST


def resident_bytes() -> int:
    """The memory of this process that is in RAM."""
    return process_memory()[1]


def process_memory() -> tuple[int, int]:
    """Virtual and resident size in bytes, from Linux's ``/proc`` (proc_pid_statm(5))."""
    virtual, resident, *_ = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(virtual) * _PAGE_BYTES, int(resident) * _PAGE_BYTES


class _Gauges(Collector):
    def __init__(self, store: Store | None, recovery_s: float) -> None:
        self._store = store
        self._recovery_s = recovery_s

    def collect(self) -> Iterator[Metric]:
        virtual, resident = process_memory()
        memory = GaugeMetricFamily("synap_process_memory_bytes", "Memory of the process", labels=["type"])
        memory.add_metric(["virtual"], virtual)
        memory.add_metric(["resident"], resident)
        yield memory
        build = GaugeMetricFamily("synap_build_info", "What is running", labels=["version", "radix"])
        build.add_metric([synap.__version__, IMPLEMENTATION], 1)
        yield build
        if self._store is not None:
            yield from self._of_store(self._store)

    def _of_store(self, store: Store) -> Iterator[Metric]:
        yield GaugeMetricFamily("synap_kv_keys", "Live entries", value=store.key_count())
        yield GaugeMetricFamily(
            "synap_kv_memory_bytes", "Memory of entries, tree and order of eviction", value=store.memory_bytes
        )
        if store.memory_limit.max_bytes is not None:
            max_bytes = store.memory_limit.max_bytes
            yield GaugeMetricFamily("synap_kv_max_memory_bytes", "What they may take", value=max_bytes)
        evicted = store.evicted_keys
        yield CounterMetricFamily("synap_evicted_keys", "Entries removed because memory was needed", value=evicted)
        yield GaugeMetricFamily("synap_wal_seq", "Sequence number of the last event", value=store.seq)
        yield from _of_disk(store)
        yield GaugeMetricFamily("synap_recovery_seconds", "Time the last recovery took", value=self._recovery_s)


def _of_disk(store: Store) -> Iterator[Metric]:
    yield GaugeMetricFamily("synap_wal_disk_bytes", "Length of all segments of the log", value=store.log_bytes)
    if store.snapshots:
        newest = store.snapshots[-1]
        age_s = (store.now_ms() - newest.created_ms) / 1000
        yield GaugeMetricFamily("synap_snapshot_age_seconds", "Time since the last snapshot was taken", value=age_s)
        yield GaugeMetricFamily("synap_snapshot_seq", "Last event in the last snapshot", value=newest.seq)
        yield GaugeMetricFamily("synap_snapshot_bytes", "Length of the last snapshot", value=newest.size_bytes)
