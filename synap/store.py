"""The store: one keyspace, the log behind it, and the tasks that keep them together. What a front end talks to."""

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TypeVar

import structlog
import trio

from synap.archive import Archive
from synap.clock import Clock, LogClock
from synap.commands import Command, Keys, Query, RandomKey, Write
from synap.committer import Committer, Pending
from synap.counts import OperationCounts
from synap.datadir import DataDirectory
from synap.errors import CommandError, LogFailedError, SnapshotsOffError
from synap.evictor import run_evictor
from synap.expirer import run_expirer
from synap.feed import Feed, Reader
from synap.fold_process import fold_in_child
from synap.keyspace import UNLIMITED, Keyspace, Limits, Memory, MemoryLimit, answer, state_bytes
from synap.radix import new_tree
from synap.recovery import RecoveryReport, recover
from synap.slowlog import SlowCommand, Slowlog
from synap.snapshot.policy import SnapshotInfo, SnapshotOptions
from synap.snapshotter import BetweenCommits, Fold, Snapshotter
from synap.tasks import open_tasks
from synap.telemetry import Metrics, OperationMetrics
from synap.wal.interface import Log
from synap.wal.local import FsyncMode, Hop, LocalLog, LogOptions, random_u32, thread_hop
from synap.wal.memory import MemoryLog
from synap.walks import matching_keys, random_key

# What it takes to open a store, and nothing of what a store is made of: front ends import from nowhere below.
__all__ = [
    "FsyncMode",
    "Limits",
    "LogOptions",
    "MemoryLimit",
    "OperationCounts",
    "Pending",
    "Reader",
    "SlowCommand",
    "Slowlog",
    "SnapshotInfo",
    "SnapshotOptions",
    "Store",
    "open_memory_store",
    "open_store",
]

R = TypeVar("R")

_logger = structlog.get_logger()

DEFAULT_SNAPSHOTS = SnapshotOptions()

STALLED_AFTER_S = 1.0
"""An append that takes longer means that the disk hangs, and readiness says so."""


class Store:
    """See the module. ``run`` must be running for writes to be carried out and for entries to be purged."""

    def __init__(
        self,
        keyspace: Keyspace,
        log: Log,
        clock: LogClock,
        limits: Limits,
        metrics: Metrics,
        *,
        snapshotting: Callable[[BetweenCommits], Snapshotter] | None = None,
        random_u32: Callable[[], int] = random_u32,
        slowlog: Slowlog | None = None,
        memory_limit: MemoryLimit = UNLIMITED,
    ) -> None:
        self.keyspace = keyspace
        self.log = log
        self.counts = OperationCounts()
        self.slowlog = Slowlog() if slowlog is None else slowlog
        self.expired_keys = 0
        self._clock = clock
        self._limits = limits
        self._metrics = metrics
        self._random_u32 = random_u32
        self._operation_metrics = _MetricsOfTypes(metrics)
        self.feed = Feed(log)
        self.memory = Memory(keyspace, memory_limit, random_u32, self._on_memory_limit)
        self._note_read = self.memory.read if self.memory.observes_reads else None
        self._committer = Committer(keyspace, log, clock.now_ms, limits, self.feed.publish, memory=self.memory)
        self._snapshotter = snapshotting(self._committer.between_commits) if snapshotting is not None else None

    async def run(self) -> None:
        """Commit, expire, keep the log up and take snapshots, until cancelled. Raises ``LogFailedError``."""
        try:
            async with open_tasks() as nursery:
                nursery.start_soon(self._committer.run)
                nursery.start_soon(self.log.upkeep)
                if self._snapshotter is not None:
                    nursery.start_soon(self._snapshotter.run)
                nursery.start_soon(run_expirer, self.keyspace, self._committer, self._clock.now_ms, self._on_expired)
                if self.memory.order is not None:
                    nursery.start_soon(run_evictor, self.memory, self._committer)
        except LogFailedError as failure:
            self._committer.fail(failure)
            raise

    async def drain(self) -> None:
        """Accept no more writes, and return when those that wait are answered. ``run`` must still be running."""
        await self._committer.drain()
        self.let_followers_go()

    def let_followers_go(self) -> None:
        """Tell those who follow the feed that there is no more, once they have heard everything until now."""
        self.feed.close()

    async def close(self) -> None:
        """End the log cleanly. ``run`` must have ended. Raises ``LogFailedError``."""
        await self.log.close()

    async def take_snapshot(self) -> SnapshotInfo:
        """A snapshot that holds all that was acknowledged before; see ``Snapshotter.take``."""
        if self._snapshotter is None:
            raise SnapshotsOffError("nothing is kept on disk, so there are no snapshots")
        return await self._snapshotter.take()

    async def archive(self) -> Archive:
        """All that was acknowledged before, as a tar file that is yet to be read, and must be closed.

        Raises ``SnapshotsOffError`` where nothing is kept, ``DiskFullError``, ``LogFailedError`` or ``OSError``.
        """
        if self._snapshotter is None:
            raise SnapshotsOffError("nothing is kept on disk, so there is nothing to back up")
        return await self._snapshotter.archive()

    def follow(self, prefix: bytes, after_seq: int | None) -> Reader:
        """One who follows the changes under a prefix after an event (None: from now on); see ``feed.Reader``."""
        return Reader(self.feed, prefix, after_seq)

    @property
    def snapshots(self) -> tuple[SnapshotInfo, ...]:
        """The snapshots that a start would use, oldest first."""
        return () if self._snapshotter is None else self._snapshotter.snapshots

    async def execute(self, command: Command[R]) -> R:
        """Carry out a command: a query at once, a write through the committer (see ``Committer.submit``)."""
        started_s = perf_counter()
        try:
            result = await self._execute(command)
        except BaseException as error:
            self._failed(command, error, started_s)
            raise
        self._done(command, result, started_s)
        return result

    def look(self, query: Query[R]) -> R:
        """Carry out a query that is no ``Walk``, as ``execute`` does, without waiting."""
        started_s = perf_counter()
        try:
            result: R = answer(query, self.keyspace, self._clock.now_ms(), self._limits)
        except BaseException as error:
            self._failed(query, error, started_s)
            raise
        self._done(query, result, started_s)
        return result

    def begin(self, command: Write[R], on_done: Callable[[Pending[R]], None]) -> None:
        """Carry out a write, as ``execute`` does, for who does not wait: ``finish`` gives the result once it is done.

        ``on_done`` is called once, from the middle of a commit: it must not raise, and not take long. Raises where the
        command is not even taken.
        """
        try:
            self._committer.begin(command, on_done)
        except Exception as error:
            # It took no time: what is not taken is refused at once.
            self._failed(command, error, perf_counter())
            raise

    def finish(self, pending: Pending[R]) -> R:
        """The result of a write that was begun, and is done. Raises as ``execute``."""
        if pending.error is not None:
            self._failed(pending.command, pending.error, pending.began_s)
        result = pending.outcome()
        self._done(pending.command, result, pending.began_s)
        return result

    def _done(self, command: Command[R], result: R, started_s: float) -> None:
        """Count a command that was carried out."""
        self.counts.count(command, result)
        if self._note_read is not None:
            self._note_read(command, result)
        metrics = self._operation_metrics[type(command)]
        metrics.ok.value += 1
        took_s = perf_counter() - started_s
        metrics.seconds.observe(took_s)
        if took_s >= self.slowlog.threshold_s:
            self.slowlog.add(command, took_s, self._clock.now_ms())

    def _failed(self, command: Command[R], error: BaseException, started_s: float) -> None:
        """Count a command that was refused, or failed."""
        metrics = self._operation_metrics[type(command)]
        (metrics.refused if isinstance(error, CommandError) else metrics.failed).inc()
        took_s = perf_counter() - started_s
        metrics.seconds.observe(took_s)
        if took_s >= self.slowlog.threshold_s:
            self.slowlog.add(command, took_s, self._clock.now_ms())

    def now_ms(self) -> int:
        """Log time, ms since the epoch: what deadlines are compared with."""
        return self._clock.now_ms()

    @property
    def seq(self) -> int:
        """The sequence number of the last event."""
        return self.keyspace.seq

    @property
    def memory_bytes(self) -> int:
        """What keys, values, their tree and the order of eviction occupy."""
        return self.memory.used_bytes

    @property
    def memory_limit(self) -> MemoryLimit:
        """How much that may be, and what goes where it is not enough."""
        return self.memory.limit

    @property
    def evicted_keys(self) -> int:
        """How many entries were evicted since the store was opened."""
        return self.memory.evicted_keys

    @property
    def log_bytes(self) -> int:
        """The length of the log on the disk."""
        return self.log.bytes_from(self.log.first_seq) if isinstance(self.log, LocalLog) else 0

    @property
    def segment_count(self) -> int:
        """The number of segments of the log on the disk."""
        return len(self.log.segment_seqs) if isinstance(self.log, LocalLog) else 0

    @property
    def snapshot_failure(self) -> str | None:
        """Why the last snapshot that was tried is not there; None where it is."""
        return None if self._snapshotter is None else self._snapshotter.failure

    def key_count(self) -> int:
        """The number of live entries."""
        return self.keyspace.count(b"", self._clock.now_ms())

    def obstacles(self) -> list[str]:
        """Why writes cannot be carried out now, in words; empty where they can."""
        found = []
        if self._committer.failure is not None:
            # Anybody may ask for readiness; where the files lie, stands in the log of the program.
            found.append(f"log failed: {self._committer.failure.call} gave an error, the server is going down")
        if isinstance(self.log, LocalLog) and self.log.full:
            found.append("disk full: writes are refused, reads go on")
        since = self._committer.writing_since
        if since is not None and trio.current_time() - since > STALLED_AFTER_S:
            found.append(f"disk stalled: {self._committer.waiting:,} writes are waiting")
        return found

    async def _execute(self, command: Command[R]) -> R:
        if isinstance(command, Write):
            return await self._committer.submit(command)
        if isinstance(command, Keys):
            # The result of each is that of its type.
            return await matching_keys(self.keyspace, command, self._clock.now_ms)  # type: ignore[return-value]
        if isinstance(command, RandomKey):
            return await random_key(self.keyspace, self._clock.now_ms, self._random_u32)  # type: ignore[return-value]
        assert isinstance(command, Query)
        result: R = answer(command, self.keyspace, self._clock.now_ms(), self._limits)
        return result

    def _on_memory_limit(self) -> None:
        limit = self.memory.limit
        if self.memory.order is None:
            event = "the memory limit is reached; writes that need more are refused"
        else:
            event = "the memory limit is reached; entries are evicted from now on"
        _logger.warning(event, max_bytes=limit.max_bytes, eviction_policy=limit.policy_name)

    def _on_expired(self, count: int) -> None:
        self.expired_keys += count
        self._metrics.expired_keys.inc(count)


class _MetricsOfTypes(dict[type[object], OperationMetrics]):
    """The metrics of each type of command, made when the first of them is counted."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def __missing__(self, command_type: type[object]) -> OperationMetrics:
        made = self[command_type] = OperationMetrics(self._metrics, command_type.__name__.lower())
        return made


def open_store(
    directory: DataDirectory,
    clock: Clock,
    *,
    options: LogOptions,
    snapshots: SnapshotOptions = DEFAULT_SNAPSHOTS,
    limits: Limits,
    metrics: Metrics,
    on_progress: Callable[[float], None] = lambda _: None,
    random_u32: Callable[[], int] = random_u32,
    hop: Hop | None = None,
    fold: Fold = fold_in_child,
    slowlog: Slowlog | None = None,
    memory_limit: MemoryLimit = UNLIMITED,
) -> tuple[Store, RecoveryReport]:
    """Recover what is in the directory and continue its log. Blocks on the disk.

    Raises a ``DataDirectoryError`` where the directory cannot be read, ``DiskFullError``, ``LogFailedError`` or
    ``OSError`` where it cannot be written.
    """
    keyspace, end, report = recover(directory, on_progress)
    log_clock = _log_clock(clock, end.wall_ms, metrics)
    log = LocalLog(
        directory.fs,
        directory.wal_directory,
        directory.store_id,
        end,
        now_ms=log_clock.now_ms,
        options=options,
        metrics=metrics,
        state=state_bytes(keyspace.digest),
        random_u32=random_u32,
        hop=hop,
    )
    snapshotting = partial(
        Snapshotter,
        directory,
        log,
        now_ms=log_clock.now_ms,
        options=snapshots,
        metrics=metrics,
        random_u32=random_u32,
        fold=fold,
        hop=thread_hop if hop is None else hop,
    )
    store = Store(
        keyspace,
        log,
        log_clock,
        limits,
        metrics,
        snapshotting=snapshotting,
        random_u32=random_u32,
        slowlog=slowlog,
        memory_limit=memory_limit,
    )
    return store, report


def open_memory_store(
    clock: Clock,
    *,
    limits: Limits,
    metrics: Metrics,
    slowlog: Slowlog | None = None,
    memory_limit: MemoryLimit = UNLIMITED,
) -> Store:
    """A store that keeps nothing over its end."""
    log_clock, log = _log_clock(clock, 0, metrics), MemoryLog(kept=False)
    return Store(Keyspace(new_tree()), log, log_clock, limits, metrics, slowlog=slowlog, memory_limit=memory_limit)


def _log_clock(clock: Clock, floor_ms: int, metrics: Metrics) -> LogClock:
    def on_step(step_ms: int) -> None:
        metrics.clock_steps.inc()
        _logger.warning("the wall clock was set; sessions go on by elapsed time", step_ms=step_ms)

    behind_ms = floor_ms - clock.wall_ms()
    if behind_ms > 0:
        _logger.warning("the wall clock is behind the log; time goes on from the log's", behind_ms=behind_ms)
    return LogClock(clock, floor_ms, on_step)
