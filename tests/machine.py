"""A machine on which a store is started, ended and started again: a simulated disk, a clock that is set by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import trio

from synap.clock import ManualClock
from synap.datadir import open_data_directory
from synap.recovery import RecoveryReport
from synap.snapshot.fold import FoldFailure, FoldReport, FoldRequest, carry_out
from synap.snapshotter import Fold
from synap.store import FsyncMode, Limits, LogOptions, MemoryLimit, SnapshotOptions, Store, open_store
from synap.tasks import open_tasks
from synap.telemetry import Metrics
from synap.testing import SimulatedFileSystem
from tests.engine import NOW, inline
from tests.wal.build import DATA

ON_REQUEST = SnapshotOptions(automatic=False)
"""Snapshots are taken where a test asks for them, and nowhere else."""


class Machine:
    """``report`` is what the last start found. ``fold`` carries out a request; a test may put another in its place."""

    def __init__(self, snapshots: SnapshotOptions = ON_REQUEST, fs: SimulatedFileSystem | None = None) -> None:
        self.fs = SimulatedFileSystem() if fs is None else fs
        self.clock = ManualClock(NOW)
        self.metrics = Metrics()
        self.snapshots = snapshots
        self.segment_max_bytes = LogOptions().segment_max_bytes
        self.memory_limit = MemoryLimit()
        self.report: RecoveryReport | None = None
        self.fold: Fold = self.fold_here
        self._rng = Random(1)

    def open(self, mode: FsyncMode = FsyncMode.ALWAYS) -> Store:
        """Start a store; it is still to be run."""
        directory = open_data_directory(self.fs, DATA, now_ms=self.clock.wall_ms(), random_bytes=self._rng.randbytes)
        store, self.report = open_store(
            directory,
            self.clock,
            options=LogOptions(mode, segment_max_bytes=self.segment_max_bytes),
            snapshots=self.snapshots,
            limits=Limits(flush_allowed=True),
            metrics=self.metrics,
            random_u32=lambda: self._rng.getrandbits(32),
            hop=inline,
            fold=self._fold,
            memory_limit=self.memory_limit,
        )
        return store

    @asynccontextmanager
    async def life(self) -> AsyncIterator[Store]:
        """A store from its start to its end, which is the end of the process: nothing is closed."""
        store = self.open()
        async with running(store):
            yield store
        self.fs.kill()

    async def fold_here(self, request: FoldRequest) -> FoldReport | FoldFailure:
        """Fold in this process, in one go."""
        await trio.lowlevel.checkpoint()
        return carry_out(self.fs, request)

    def value(self, name: str, **labels: str) -> float:
        """The sample of a metric."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    async def _fold(self, request: FoldRequest) -> FoldReport | FoldFailure:
        return await self.fold(request)


@asynccontextmanager
async def running(store: Store) -> AsyncIterator[trio.Nursery]:
    """While the body runs, the store does; its nursery is there for whoever sends commands."""
    async with open_tasks() as tasks:
        tasks.start_soon(store.run)
        yield tasks
        tasks.cancel_scope.cancel()
