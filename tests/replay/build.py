"""Data directories for the offline tool to look at, written by a real store whose clock moves as it is told."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from synap.clock import ManualClock
from synap.commands import Command, Kind, Set
from synap.datadir import IN_THE_DIRECTORY, DataDirectory, Places, open_data_directory
from synap.fs import RealFileSystem
from synap.snapshot.fold import FoldFailure, FoldReport, FoldRequest, carry_out
from synap.snapshot.policy import SnapshotOptions
from synap.store import FsyncMode, Limits, LogOptions, MemoryLimit, Store, open_store
from synap.tasks import open_tasks
from synap.telemetry import Metrics
from tests.engine import inline

T0_MS = 1_764_000_000_000
T0 = "2025-11-24T16:00:00.000Z"
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS

SNAPSHOT = "snapshot"
CRASH = "crash"

Step: TypeAlias = Command[object] | int | str
"""A command to carry out, milliseconds to let pass, or one of the words above."""


class DataDir:
    """A data directory. Stores live in it one after the other; what they did is on the disk afterwards."""

    def __init__(self, path: Path, places: Places = IN_THE_DIRECTORY) -> None:
        self.path = path
        self.places = places
        self.clock = ManualClock(T0_MS)
        self.memory_limit = MemoryLimit()

    def live(self, *steps: Step, segment_bytes: int = 64 * 1024 * 1024, keep: int = 2) -> None:
        """Open the store, take these steps one after the other, and close it.

        Entries are purged by command only. With a small ``segment_bytes``, every batch has a segment of its own;
        ``keep`` snapshots are kept, and the segments since the oldest.
        """
        # What the store says of itself would stand among what the tool shows.
        with capture_logs():
            trio.run(self._live, steps, segment_bytes, keep, clock=MockClock())

    async def _live(self, steps: Iterable[Step], segment_bytes: int, keep: int) -> None:
        directory, store = self.open(segment_bytes, keep)
        crashed = False
        async with open_tasks() as tasks:
            tasks.start_soon(store.run)
            for step in steps:
                crashed = step == CRASH
                await self._take(store, step)
            tasks.cancel_scope.cancel()
        if not crashed:
            await store.close()
        directory.close()

    def open(self, segment_bytes: int, keep: int) -> tuple[DataDirectory, Store]:
        now_ms = self.clock.wall_ms()
        directory = open_data_directory(RealFileSystem(), self.path, now_ms=now_ms, places=self.places)
        store, _ = open_store(
            directory,
            self.clock,
            options=LogOptions(FsyncMode.NEVER, 10, segment_bytes),
            snapshots=SnapshotOptions(keep_count=keep),
            limits=Limits(flush_allowed=True),
            metrics=Metrics(),
            hop=inline,
            fold=_fold_here,
            memory_limit=self.memory_limit,
        )
        return directory, store

    async def _take(self, store: Store, step: Step) -> None:
        if isinstance(step, int):
            self.clock.advance(step)
        elif step == SNAPSHOT:
            await store.take_snapshot()
        elif isinstance(step, Command):
            await store.execute(step)

    @property
    def segments(self) -> list[Path]:
        return sorted((self.places.wal or self.path / "wal").glob("*.wal"))

    @property
    def snapshots(self) -> list[Path]:
        return sorted((self.places.snapshot or self.path / "snapshot").glob("*.snap"))


async def _fold_here(request: FoldRequest) -> FoldReport | FoldFailure:
    await trio.lowlevel.checkpoint()
    return carry_out(RealFileSystem(), request)


def put(key: str | bytes, value: str | bytes = "v", ttl_ms: int | None = None, kind: Kind | None = None) -> Set:
    """The command that sets a key, to text or, where the value is bytes, to bytes."""
    chosen = kind if kind is not None else Kind.BYTES if isinstance(value, bytes) else Kind.TEXT
    return Set(key=os.fsencode(key), kind=chosen, value=os.fsencode(value), ttl_ms=ttl_ms)


def flip(path: Path, offset: int) -> None:
    """Damage one byte of a file; a negative offset counts from its end."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 0xFF
    path.write_bytes(content)


def cut(path: Path, count: int) -> None:
    """Take bytes away from a file's end."""
    content = path.read_bytes()
    path.write_bytes(content[:-count])


def contents(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a directory: its bytes, and when it was changed."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
