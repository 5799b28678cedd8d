"""Commits per second, in process: no HTTP, real disk. How much group commit gives, in each fsync mode.

For each mode, 1, 32 and 256 writers set sessions of 300 bytes as fast as each is answered. The figures are medians of
alternating rounds, so that a slow moment of the machine hits all of them alike; the ratios are what to look at.
"""

import argparse
import statistics
from pathlib import Path
from random import Random

import trio

from benchmarks.figures import show_table
from benchmarks.sessions import session, temporary_directory
from synap.clock import SystemClock
from synap.commands import Kind, Set
from synap.datadir import open_data_directory
from synap.fs import RealFileSystem
from synap.keyspace import Limits
from synap.store import Store, open_store
from synap.tasks import open_tasks
from synap.telemetry import Metrics
from synap.wal.local import FsyncMode, LogOptions

WRITERS = (1, 32, 256)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all combinations (default 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="time of each measurement (default 1)")
    parser.add_argument(
        "--directory", type=Path, default=None, help="where to write (default: the temporary directory)"
    )
    options = parser.parse_args()
    rates: dict[tuple[FsyncMode, int], list[float]] = {}
    for _ in range(options.rounds):
        for mode in FsyncMode:
            for writers in WRITERS:
                with temporary_directory(options.directory) as directory:
                    rate = trio.run(_measure, directory, mode, writers, options.seconds)
                rates.setdefault((mode, writers), []).append(rate)
    _report(rates)


async def _measure(path: Path, mode: FsyncMode, writers: int, seconds: float) -> float:
    """Answered writes per second."""
    clock = SystemClock()
    directory = open_data_directory(RealFileSystem(), path, now_ms=clock.wall_ms())
    store, _ = open_store(directory, clock, options=LogOptions(mode), limits=Limits(), metrics=Metrics())
    done = 0

    async def write(number: int) -> None:
        nonlocal done
        random = Random(number)
        while True:
            await store.execute(_session(random))
            done += 1

    async with open_tasks() as tasks:
        tasks.start_soon(store.run)
        for number in range(writers):
            tasks.start_soon(write, number)
        await trio.sleep(seconds / 4)
        done, started_s = 0, trio.current_time()
        await trio.sleep(seconds)
        rate = done / (trio.current_time() - started_s)
        tasks.cancel_scope.cancel()
    await _close(store)
    directory.close()
    return rate


async def _close(store: Store) -> None:
    await store.close()


def _session(random: Random) -> Set:
    key, value, lasts_ms = session(random.getrandbits(64))
    return Set(key=key, kind=Kind.TEXT, value=value, ttl_ms=lasts_ms)


def _report(rates: dict[tuple[FsyncMode, int], list[float]]) -> None:
    rows = []
    for (mode, writers), measured in rates.items():
        ratios = [each / one for each, one in zip(measured, rates[mode, 1], strict=True)]
        middle, lowest, highest = statistics.median(measured), min(measured), max(measured)
        times = f"{statistics.median(ratios):.1f}" if writers > 1 else "1"
        rows.append([str(mode), str(writers), f"{middle:,.0f}", f"{lowest:,.0f}, {highest:,.0f}", times])
    show_table(["fsync", "writers", "commits a second", "lowest, highest", "times one writer"], rows)


if __name__ == "__main__":
    main()
