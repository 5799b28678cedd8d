"""Commits per second, in process: no HTTP, real disk. How much group commit gives, in each fsync mode.

For each mode, 1, 32 and 256 writers set sessions of 300 bytes as fast as each is answered. The figures are medians of
alternating rounds, so that a slow moment of the machine hits all of them alike; the ratios are what to look at.
"""

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import trio

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
VALUE_BYTES = 300


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
                with _temporary_directory(options.directory) as directory:
                    rate = trio.run(_measure, directory, mode, writers, options.seconds)
                rates.setdefault((mode, writers), []).append(rate)
    _report(rates)


@contextmanager
def _temporary_directory(parent: Path | None) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="synap-bench-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path)


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
    key = b"session:%032x" % random.getrandbits(128)
    return Set(key=key, kind=Kind.TEXT, value=session_value(random), ttl_ms=3_600_000)


def session_value(random: Random) -> bytes:
    """300 bytes that compress as JSON sessions do: names, and an id and a token that are random."""
    start = b'{"user_id":%d,"roles":["admin","editor"],"csrf":"%064x","locale":"en-GB","cart":[' % (
        random.randrange(10**9),
        random.getrandbits(256),
    )
    return start.ljust(VALUE_BYTES - 1, b" ") + b"]"


def _report(rates: dict[tuple[FsyncMode, int], list[float]]) -> None:
    print(f"{'fsync':>10} {'writers':>8} {'commits/s':>10} {'min':>8} {'max':>8} {'times one writer':>17}")
    for (mode, writers), measured in rates.items():
        median = statistics.median(measured)
        ratios = [each / one for each, one in zip(measured, rates[mode, 1], strict=True)]
        print(
            f"{mode:>10} {writers:>8} {median:>10,.0f} {min(measured):>8,.0f} {max(measured):>8,.0f}"
            f" {statistics.median(ratios):>17.1f}"
        )


if __name__ == "__main__":
    main()
