"""The service behind the REST API: the store once it is there, and the truth about the server before and after."""

from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import UTC, datetime
from time import monotonic
from typing import TypeVar

import trio

import synap
from synap.commands import Command, Query, Write
from synap.config import Settings
from synap.errors import NotReadyError
from synap.protocol.http.info import Info
from synap.protocol.http.message import Stream
from synap.protocol.http.service import (
    Begun,
    Exposition,
    Health,
    Operations,
    Readiness,
    SlowEntries,
    SlowEntry,
    Snapshot,
    Stats,
)
from synap.server.info import gather
from synap.server.metrics import exposition, resident_bytes
from synap.store import Reader, SlowCommand, SnapshotInfo, Store
from synap.tally import Count, Distribution
from synap.telemetry import Metrics

R = TypeVar("R")


class StoreService:
    """See ``protocol.http.service.Service``. Starts without a store; ``attach`` gives it one.

    ``settings`` and ``port`` are what ``/info`` tells.
    """

    def __init__(self, metrics: Metrics, settings: Settings | None = None, port: int = 0) -> None:
        self._recovered = 0.0
        self._recovery_s = 0.0
        self._metrics = metrics
        self._settings = Settings() if settings is None else settings
        self._port = port
        self._store: Store | None = None
        self._draining = False
        self._observed: dict[tuple[str, str, int], tuple[Count, Distribution]] = {}
        self._started_s = monotonic()

    @property
    def loaded(self) -> bool:
        """Whether there is a store."""
        return self._store is not None

    def report_progress(self, share: float) -> None:
        """Say how much of the log recovery has read, 0 to 1."""
        self._recovered = share

    def attach(self, store: Store, recovery_s: float) -> None:
        """From now on commands are carried out."""
        self._store = store
        self._recovery_s = recovery_s

    def drain(self) -> None:
        """Say that the server is about to stop; what is under way goes on, and who only follows is let go."""
        self._draining = True
        if self._store is not None:
            self._store.let_followers_go()

    async def execute(self, command: Command[R]) -> R:
        """See ``Service``."""
        return await self._loaded_store().execute(command)

    def look(self, query: Query[R]) -> R:
        """See ``Service``."""
        return self._loaded_store().look(query)

    def begin(self, command: Write[R], on_done: Callable[[Begun[R]], None]) -> None:
        """See ``Service``."""
        if self._store is None:
            raise self._loading()
        self._store.begin(command, on_done)

    def result(self, begun: Begun[R]) -> R:
        """See ``Service``."""
        assert self._store is not None, "who has begun a write, had a store"
        return self._store.finish(begun)  # type: ignore[arg-type]  # nobody but the store makes any

    async def take_snapshot(self) -> Snapshot:
        """See ``Service``."""
        return _shown(await self._loaded_store().take_snapshot())

    def follow(self, prefix: bytes, after_seq: int | None) -> Reader:
        """See ``Service``."""
        return self._loaded_store().follow(prefix, after_seq)

    async def backup(self) -> Stream:
        """See ``Service``."""
        archive = await self._loaded_store().archive()
        return Stream(_read_in_thread(archive.chunks()), archive.size_bytes, archive.close)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """See ``Service``. None while the store is loading."""
        return tuple(map(_shown, self._store.snapshots)) if self._store is not None else ()

    def health(self) -> Health:
        """See ``Service``."""
        return Health("healthy", "synap", synap.__version__, self._uptime_s())

    def readiness(self) -> Readiness:
        """See ``Service``."""
        if self._store is None:
            return Readiness(
                ready=False,
                waiting_for=(f"recovery: {self._recovered:.0%} of the log read",),
                recovery_percent=round(100 * self._recovered, 1),
            )
        obstacles = (*self._store.obstacles(), *(["draining: the server is shutting down"] if self._draining else []))
        return Readiness(ready=not obstacles, waiting_for=obstacles)

    def stats(self) -> Stats:
        """See ``Service``. Zeros while the store is loading."""
        store, policy = self._store, self._settings.kv_store.eviction_policy
        if store is None:
            return Stats(0, 0, resident_bytes(), policy, Operations(0, 0, 0, 0, 0), 0.0, 0, 0, self._uptime_s())
        counts = store.counts
        return Stats(
            total_keys=store.key_count(),
            memory_bytes=store.memory_bytes,
            total_memory_bytes=resident_bytes(),
            eviction_policy=store.memory_limit.policy_name,
            operations=Operations(counts.gets, counts.sets, counts.dels, counts.hits, counts.gets - counts.hits),
            hit_rate=counts.hits / counts.gets if counts.gets else 0.0,
            seq=store.seq,
            expired_keys=store.expired_keys,
            uptime_secs=self._uptime_s(),
            evicted_keys=store.evicted_keys,
            max_memory_bytes=store.memory_limit.max_bytes,
        )

    def info(self) -> Info:
        """See ``Service``."""
        return gather(
            self._settings,
            self._port,
            self._store,
            stats=self.stats(),
            snapshots=self.snapshots(),
            recovery_s=self._recovery_s,
        )

    def slowlog(self, count: int) -> SlowEntries:
        """See ``Service``. None while the store is loading."""
        if self._store is None:
            return SlowEntries((), 0)
        return SlowEntries(tuple(map(_slow, self._store.slowlog.latest(count))), len(self._store.slowlog))

    async def clear_slowlog(self) -> int:
        """See ``Service``."""
        return self._loaded_store().slowlog.clear()

    def metrics(self) -> Exposition:
        """See ``Service``."""
        body, content_type = exposition(self._metrics, self._store, self._recovery_s)
        return Exposition(body, content_type)

    def observe(self, method: str, route: str, status: int, duration_s: float) -> None:
        """See ``Service``."""
        observed = self._observed.get((method, route, status))
        if observed is None:
            count = self._metrics.http_requests.labels(method, route, str(status))
            observed = count, self._metrics.http_request_seconds.labels(method, route)
            self._observed[method, route, status] = observed
        count, seconds = observed
        count.value += 1
        seconds.observe(duration_s)

    def _loaded_store(self) -> Store:
        if self._store is None:
            raise self._loading()
        return self._store

    def _loading(self) -> NotReadyError:
        return NotReadyError(f"the store is loading ({self._recovered:.0%}); nothing was written")

    def _uptime_s(self) -> int:
        return int(monotonic() - self._started_s)


async def _read_in_thread(chunks: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Chunks whose reading blocks on the disk."""
    while (chunk := await trio.to_thread.run_sync(next, chunks, None)) is not None:
        yield chunk


def _slow(command: SlowCommand) -> SlowEntry:
    return SlowEntry(command.id, command.time_ms // 1000, command.duration_us, command.command, command.args)


def _shown(snapshot: SnapshotInfo) -> Snapshot:
    created = datetime.fromtimestamp(snapshot.created_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return Snapshot(
        path=str(snapshot.path),
        size_bytes=snapshot.size_bytes,
        created_at=created.replace("+00:00", "Z"),
        seq=snapshot.seq,
        entries=snapshot.entries,
    )
