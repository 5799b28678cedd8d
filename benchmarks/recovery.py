"""Recovery from the log alone: events per second, and the memory of a session.

Writes a log of 1,000,000 sessions (40-byte keys, 300-byte values, with a TTL) in batches, then recovers it in a process
of its own, as a server does at start, and reads off how long that took and how much memory it needed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import trio

from benchmarks.commits import session_value
from synap.clock import SystemClock
from synap.codec import encode_events
from synap.datadir import open_data_directory
from synap.events import EntrySet
from synap.fs import RealFileSystem
from synap.keyspace import Keyspace, Limits
from synap.radix import IMPLEMENTATION, new_tree
from synap.recovery import recover
from synap.store import open_store
from synap.telemetry import Metrics
from synap.wal.interface import Batch
from synap.wal.local import FsyncMode, LogOptions

KEY_BYTES = 40
ENTRY_BYTES = KEY_BYTES + 300
MIB = 1024 * 1024


def main() -> None:
    """Print one line for each recovery, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000, help="entries in the log (default 1,000,000)")
    parser.add_argument("--batch", type=int, default=64, help="events in a batch (default 64)")
    parser.add_argument("--rounds", type=int, default=3, help="recoveries (default 3)")
    parser.add_argument("--recover", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.recover is not None:
        _recover(options.recover)
        return
    with tempfile.TemporaryDirectory(prefix="synap-bench-") as name:
        trio.run(_write_log, Path(name), options.sessions, options.batch)
        command = [sys.executable, "-m", "benchmarks.recovery", "--recover", name]
        lines = [
            subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(options.rounds)
        ]
    results = [tuple(map(float, line.split())) for line in lines]
    rates = [events / seconds for events, seconds, _ in results]
    per_session = [resident / events for events, _, resident in results]
    print(
        f"tree {IMPLEMENTATION}, {options.sessions:,} sessions, {options.batch} events a batch, {options.rounds} rounds"
    )
    print(f"recovery: {statistics.median(rates):,.0f} events/s ({min(rates):,.0f} to {max(rates):,.0f})")
    memory = statistics.median(per_session)
    print(f"memory:   {memory:,.0f} bytes a session, {memory - ENTRY_BYTES:,.0f} of them not key or value")


async def _write_log(path: Path, sessions: int, batch_events: int) -> None:
    clock = SystemClock()
    directory = open_data_directory(RealFileSystem(), path, now_ms=clock.wall_ms())
    options = LogOptions(FsyncMode.NEVER)
    store, _ = open_store(directory, clock, options=options, limits=Limits(), metrics=Metrics())
    random = Random(1)
    while (seq := store.log.last_seq) < sessions:
        now_ms = store.now_ms()
        events = [
            EntrySet(
                b"session:%032x" % random.getrandbits(128),
                0,
                session_value(random),
                now_ms + random.randrange(3_600_000),
            )
            for _ in range(min(batch_events, sessions - seq))
        ]
        await store.log.append(Batch(encode_events(events), len(events), seq, now_ms))
    await store.close()
    directory.close()


def _recover(path: Path) -> None:
    """Recover, and print events, seconds and the bytes of memory it added."""
    directory = open_data_directory(RealFileSystem(), path, now_ms=SystemClock().wall_ms())
    keyspace = Keyspace(new_tree())
    before = _resident_bytes()
    started_s = time.perf_counter()
    _, report = recover(directory, keyspace, lambda _: None)
    print(report.events, time.perf_counter() - started_s, _resident_bytes() - before)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
