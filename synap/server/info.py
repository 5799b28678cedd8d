"""What ``/info`` tells: read off the store, the process and the settings at the moment of asking."""

import os
import platform
from collections.abc import Sequence

import synap
from synap.config import PersistenceSettings, Settings
from synap.protocol.http.info import (
    Info,
    KeyspaceInfo,
    LastSnapshot,
    MemoryInfo,
    PersistenceInfo,
    ServerInfo,
    StatsInfo,
)
from synap.protocol.http.service import Snapshot, Stats
from synap.radix import IMPLEMENTATION
from synap.server.metrics import process_memory
from synap.store import Store


def gather(
    settings: Settings,
    port: int,
    store: Store | None,
    *,
    stats: Stats,
    snapshots: Sequence[Snapshot],
    recovery_s: float,
) -> Info:
    """All sections; without a store, as of one that has no keys and no log. ``snapshots`` are oldest first."""
    return Info(
        server=ServerInfo(
            version=synap.__version__,
            python=platform.python_version(),
            radix=IMPLEMENTATION,
            pid=os.getpid(),
            host=settings.server.host,
            port=port,
            uptime_secs=stats.uptime_secs,
        ),
        memory=_memory(stats),
        stats=_stats(stats),
        persistence=_persistence(settings.persistence, store, snapshots, recovery_s),
        keyspace=KeyspaceInfo(stats.total_keys),
    )


def _memory(stats: Stats) -> MemoryInfo:
    virtual, resident = process_memory()
    return MemoryInfo(
        used_bytes=stats.memory_bytes,
        resident_bytes=resident,
        virtual_bytes=virtual,
        limit_bytes=stats.max_memory_bytes,
        eviction_policy=stats.eviction_policy,
    )


def _stats(stats: Stats) -> StatsInfo:
    counts = stats.operations
    return StatsInfo(
        gets=counts.gets,
        sets=counts.sets,
        dels=counts.dels,
        hits=counts.hits,
        misses=counts.misses,
        hit_rate=stats.hit_rate,
        expired_keys=stats.expired_keys,
        evicted_keys=stats.evicted_keys,
    )


def _persistence(
    persistence: PersistenceSettings, store: Store | None, snapshots: Sequence[Snapshot], recovery_s: float
) -> PersistenceInfo:
    enabled = persistence.enabled and persistence.wal.enabled
    return PersistenceInfo(
        enabled=enabled,
        fsync_mode=persistence.wal.fsync_mode if enabled else None,
        directory=persistence.directory if enabled else None,
        seq=0 if store is None else store.seq,
        log_bytes=0 if store is None else store.log_bytes,
        log_segments=0 if store is None else store.segment_count,
        recovery_secs=round(recovery_s, 3),
        snapshots=len(snapshots),
        last_snapshot=_last(snapshots[-1]) if snapshots else None,
        snapshot_error=None if store is None else store.snapshot_failure,
    )


def _last(snapshot: Snapshot) -> LastSnapshot:
    return LastSnapshot(seq=snapshot.seq, created_at=snapshot.created_at, size_bytes=snapshot.size_bytes)
