"""What ``/info`` tells while the store is loading, with one, where nothing is kept; over HTTP: ``tests/contract``."""

import os

import synap
from synap.config import KvStoreSettings, PersistenceSettings, ServerSettings, Settings, WalSettings
from synap.protocol.http.info import LastSnapshot, PersistenceInfo
from synap.server.service import StoreService
from tests.engine import set_text
from tests.machine import Machine

SETTINGS = Settings(
    server=ServerSettings(host="::1"),
    kv_store=KvStoreSettings(eviction_policy="lru"),
    persistence=PersistenceSettings(directory="/data", wal=WalSettings(fsync_mode="periodic")),
)


def test_while_loading() -> None:
    info = StoreService(Machine().metrics, SETTINGS, 15_500).info()
    assert (info.server.version, info.server.pid) == (synap.__version__, os.getpid())  # type: ignore[union-attr]
    assert (info.server.host, info.server.port) == ("::1", 15_500)  # type: ignore[union-attr]
    assert info.memory.used_bytes == 0  # type: ignore[union-attr]
    assert info.memory.eviction_policy == "lru"  # type: ignore[union-attr]
    assert info.keyspace.keys == 0  # type: ignore[union-attr]
    assert info.persistence == persistence()


def persistence(**told: object) -> PersistenceInfo:
    """What there is of a log without anything in it, but for what is told."""
    nothing: dict[str, object] = {
        "enabled": True,
        "fsync_mode": "periodic",
        "directory": "/data",
        "seq": 0,
        "log_bytes": 0,
        "log_segments": 0,
        "recovery_secs": 0.0,
        "snapshots": 0,
        "last_snapshot": None,
        "snapshot_error": None,
    }
    return PersistenceInfo(**{**nothing, **told})  # type: ignore[arg-type]  # by name


async def test_with_a_store() -> None:
    machine = Machine()
    service = StoreService(machine.metrics, SETTINGS, 15_500)
    async with machine.life() as store:
        service.attach(store, 1.23456)
        await store.execute(set_text(b"a", b"v" * 1000))
        taken = await service.take_snapshot()
        info = service.info()
        assert info.keyspace.keys == 1  # type: ignore[union-attr]
        assert info.memory.used_bytes == store.memory_bytes > 1000  # type: ignore[union-attr]
        assert info.stats.sets == 1  # type: ignore[union-attr]
        last = LastSnapshot(seq=1, created_at=taken.created_at, size_bytes=taken.size_bytes)
        assert info.persistence == persistence(
            seq=1, log_bytes=store.log_bytes, log_segments=2, recovery_secs=1.235, snapshots=1, last_snapshot=last
        )


def test_where_nothing_is_kept() -> None:
    for settings in (PersistenceSettings(enabled=False), PersistenceSettings(wal=WalSettings(enabled=False))):
        info = StoreService(Machine().metrics, Settings(persistence=settings)).info()
        assert info.persistence == persistence(enabled=False, fsync_mode=None, directory=None)
