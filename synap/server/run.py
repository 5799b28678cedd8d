"""The server as a whole: in which order it starts, what ends it, in which order it stops.

Start: the data directory's lock, then the port (so that a second server learns who has the directory), then recovery
in a thread while ``/ready`` already answers, then the store's tasks. Stop (SIGTERM, SIGINT): readiness says so, no new
connections, requests under way finish, waiting writes are committed, the log is sealed. A second signal ends it at
once.

When the log fails, nothing is finished or sealed: whoever waits is told so, and the process ends with the failure's
exit code, so that a supervisor starts it anew and recovery reads what the disk really holds.
"""

import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from time import time

import structlog
import trio

import synap
from synap.clock import SystemClock
from synap.config import KvStoreSettings, PersistenceSettings, Settings
from synap.datadir import DataDirectory, Places, explained, open_data_directory
from synap.errors import LogFailedError
from synap.fs import RealFileSystem
from synap.radix import IMPLEMENTATION
from synap.recovery import RecoveryReport
from synap.server.asgi import App
from synap.server.authentication import Authentication
from synap.server.descriptors import room_for_connections
from synap.server.exchange import Exchange
from synap.server.lane.door import Lane
from synap.server.listener import Listener, bind, is_loopback, url_of
from synap.server.loading_bar import loading_bar
from synap.server.service import StoreService
from synap.store import (
    FsyncMode,
    Limits,
    LogOptions,
    MemoryLimit,
    Slowlog,
    SnapshotOptions,
    Store,
    open_memory_store,
    open_store,
)
from synap.tasks import open_tasks
from synap.telemetry import Metrics

FAILURE_GRACE_S = 1.0
"""After the log failed, how long the answers that say so have to leave."""

DRAIN_MAX_S = 3.0
"""How long waiting writes may take at the end. With the connections' grace, less than the ten seconds promised."""

HANG_MAX_S = 1.0
"""After the signal that means "at once", how long the disk may take to answer."""

EXIT_FORCED = 130

_MIB = 1024 * 1024

_logger = structlog.get_logger("synap.server")


async def serve(settings: Settings, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
    """Serve until told to stop. Raises the ``SynapError`` that keeps the server from starting or from going on.

    Started by a nursery, it reports its URL as soon as it listens; the store may still be loading then.
    """
    directory = open_directory(settings)
    try:
        sockets = bind(settings.server.host, settings.server.port)
        task_status.started(url_of(sockets[0]))
        await _Server(settings, directory, sockets).run()
    finally:
        if directory is not None:
            directory.close()


def open_directory(settings: Settings) -> DataDirectory | None:
    """The data directory, locked; None where nothing is to be kept. Raises ``DataDirectoryError``."""
    persistence = settings.persistence
    if not (persistence.enabled and persistence.wal.enabled):
        return None
    return open_data_directory(
        RealFileSystem(),
        Path(persistence.directory),
        now_ms=SystemClock().wall_ms(),
        places=Places(persistence.wal.directory, persistence.snapshot.path),
    )


def _snapshot_options(persistence: PersistenceSettings) -> SnapshotOptions:
    snapshot = persistence.snapshot
    return SnapshotOptions(
        enabled=snapshot.enabled,
        automatic=snapshot.auto_snapshot,
        log_max_bytes=snapshot.log_size_mb * _MIB,
        events_max=snapshot.operation_threshold,
        age_max_s=snapshot.interval_secs,
        keep_count=snapshot.keep_count,
        retention_s=persistence.wal.retention_secs,
    )


def _memory_limit(kv_store: KvStoreSettings) -> MemoryLimit:
    limit = MemoryLimit(kv_store.max_memory_mb * _MIB if kv_store.max_memory_mb else None, kv_store.eviction_policy)
    if limit.evicts and limit.max_bytes is None:
        _logger.warning("there is an eviction policy, but no kv_store.max_memory_mb, so nothing is ever evicted")
    return limit


def _max_connections(wanted: int) -> int:
    room = room_for_connections(wanted)
    if room < wanted:
        _logger.warning("fewer connections than configured: file descriptors are limited (ulimit -n)", connections=room)
    return room


def _exchange(settings: Settings, service: StoreService, sockets: list[socket.socket], metrics: Metrics) -> Exchange:
    """The service for those who may come in; with a warning where that is everybody, and not of this machine only."""
    origins = frozenset(origin.encode() for origin in settings.server.cors_origins)
    if settings.authentication.enabled:
        authentication = Authentication(settings.authentication, SystemClock(), metrics)
        for name in authentication.expired():
            _logger.warning("an API key has expired", name=name)
        for name in authentication.short():
            _logger.warning(
                "an API key is so short that it may be guessed; synap new-api-key makes a long one", name=name
            )
        return Exchange(service, authentication, origins)
    if all(is_loopback(each) for each in sockets):
        hosts = frozenset(name.lower() for name in settings.server.allowed_hosts)
        return Exchange(service, origins=origins, hosts=hosts)
    _logger.warning(
        "anybody who reaches this address may read and change everything; enable authentication in the settings, or "
        "listen on 127.0.0.1",
        host=settings.server.host,
    )
    return Exchange(service, origins=origins)


class _Server:
    """One run of the server, from bound sockets to the end."""

    def __init__(self, settings: Settings, directory: DataDirectory | None, sockets: list[socket.socket]) -> None:
        self._settings = settings
        self._directory = directory
        self._metrics = Metrics()
        self._address = url_of(sockets[0])
        self._service = StoreService(self._metrics, settings, sockets[0].getsockname()[1])
        exchange = _exchange(settings, self._service, sockets, self._metrics)
        app = App(exchange, body_max_bytes=settings.server.max_body_size_bytes)
        lane = Lane(exchange, time, settings.server.max_body_size_bytes) if settings.server.fast_lane else None
        self._listener = Listener(app, sockets, _max_connections(settings.server.max_connections), lane)
        self._stop = trio.Event()
        self._show_progress: Callable[[float], None] = lambda _: None
        self._forced_end = threading.Timer(HANG_MAX_S, os._exit, [EXIT_FORCED])
        self._forced_end.daemon = True

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            self._forced_end.cancel()

    async def _run(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with open_tasks() as nursery:
                nursery.start_soon(self._obey, signals, nursery.cancel_scope)
                nursery.start_soon(self._listener.run)
                store = await self._load()
                try:
                    await self._run_store(store)
                except LogFailedError as failure:
                    _logger.critical(
                        "the log failed; ending, so that recovery reads what the disk holds", why=str(failure)
                    )
                    # Also where a second signal comes meanwhile: the exit code has to say what happened.
                    with trio.CancelScope(shield=True):
                        await trio.sleep(FAILURE_GRACE_S)
                    raise
                nursery.cancel_scope.cancel()

    async def _obey(self, signals: AsyncIterator[int], everything: trio.CancelScope) -> None:
        """Stop at the first signal; at the second, or while there is no store yet, at once."""
        async for number in signals:
            if self._service.loaded and not self._stop.is_set():
                _logger.info("stopping", signal=signal.Signals(number).name)
                self._stop.set()
                continue
            _logger.warning("ending at once", signal=signal.Signals(number).name)
            everything.cancel()
            # A call to the disk that hangs cannot be cancelled. The process may end under it, as it may at any time.
            self._forced_end.start()
            return

    async def _load(self) -> Store:
        kv_store = self._settings.kv_store
        clock = SystemClock()
        limits = Limits(value_max_bytes=kv_store.max_value_size_bytes, flush_allowed=kv_store.allow_flush_commands)
        if self._directory is None:
            store = open_memory_store(
                clock,
                limits=limits,
                metrics=self._metrics,
                slowlog=self._slowlog(),
                memory_limit=_memory_limit(kv_store),
            )
            self._service.attach(store, recovery_s=0.0)
            greeting = f"Synap {synap.__version__} serves {self._address}; nothing is kept over its end"
            _logger.warning(greeting)
            return store
        with loading_bar() as show:
            self._show_progress = show
            store, report = await trio.to_thread.run_sync(partial(self._open_store, self._directory, clock, limits))
        self._service.attach(store, report.duration_s)
        self._announce(store, report)
        return store

    def _slowlog(self) -> Slowlog:
        kv_store = self._settings.kv_store
        return Slowlog(kv_store.slowlog_threshold_ms, kv_store.slowlog_max_entries)

    def _open_store(self, directory: DataDirectory, clock: SystemClock, limits: Limits) -> tuple[Store, RecoveryReport]:
        wal = self._settings.persistence.wal
        options = LogOptions(FsyncMode(wal.fsync_mode), wal.fsync_interval_ms, wal.max_size_mb * _MIB)
        with explained(directory.path):
            return open_store(
                directory,
                clock,
                options=options,
                snapshots=_snapshot_options(self._settings.persistence),
                limits=limits,
                metrics=self._metrics,
                on_progress=self._report_progress,
                slowlog=self._slowlog(),
                memory_limit=_memory_limit(self._settings.kv_store),
            )

    def _report_progress(self, share: float) -> None:
        """Called in recovery's thread; ends it where the server was told to stop meanwhile."""
        self._service.report_progress(share)
        self._show_progress(share)
        trio.from_thread.check_cancelled()

    async def _run_store(self, store: Store) -> None:
        async with open_tasks() as tasks:
            tasks.start_soon(store.run)
            await self._stop.wait()
            self._service.drain()
            await self._listener.stop()
            await self._listener.finished.wait()
            with trio.move_on_after(DRAIN_MAX_S):
                await store.drain()
            tasks.cancel_scope.cancel()
        await store.close()
        _logger.info("stopped; everything is on the disk", seq=store.seq)

    def _announce(self, store: Store, report: RecoveryReport) -> None:
        if report.torn_copy is not None:
            self._metrics.torn_tails.inc()
            _logger.warning(
                "the last write before the stop was never finished (nor acknowledged); it was cut off the log",
                torn_bytes=report.torn_bytes,
                copy=str(report.torn_copy),
            )
        for damage, saved in report.set_aside:
            _logger.error(
                "a snapshot is damaged; an older one and the log took its place, and it was set aside",
                why=str(damage),
                now=str(saved),
            )
        for seq in report.strange_seqs:
            self._metrics.strange_states.inc()
            _logger.error(
                "the log makes another state than its writer was at; what the log says is what was acknowledged, but "
                "the memory of that process, or its program, had a fault",
                seq=seq,
            )
        settings = self._settings.persistence
        greeting = (
            f"Synap {synap.__version__} serves {self._address}: data in {settings.directory}, "
            f"fsync {settings.wal.fsync_mode}, {store.key_count():,} keys recovered in {report.duration_s:.2f} s"
        )
        _logger.info(
            greeting,
            snapshot_seq=report.snapshot_seq,
            events=report.events,
            segments=report.segments,
            log_bytes=report.log_bytes,
            clean_stop=report.clean,
            radix=IMPLEMENTATION,
        )
