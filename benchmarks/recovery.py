"""Recovery from the log alone: events per second, and the memory of a session.

Writes a log of 1,000,000 sessions (40-byte keys, 300-byte values, with a TTL) in batches, then recovers it in a process
of its own, as a server does at start, and reads off how long that took and how much memory it needed.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import trio

from benchmarks.figures import show_table, spread
from benchmarks.processes import environment, resident_bytes
from benchmarks.sessions import KEY_BYTES, VALUE_BYTES, logins, temporary_directory, wall_ms, write_log
from synap.datadir import open_data_directory
from synap.fs import RealFileSystem
from synap.radix import IMPLEMENTATION
from synap.recovery import recover


class Recovered(NamedTuple):
    """One recovery: what there was in the end, what it was made of, and the memory that it added."""

    sessions: int
    events: int
    seconds: float
    memory_bytes: int


def main() -> None:
    """Print the medians as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000, help="entries in the log (default 1,000,000)")
    parser.add_argument("--batch", type=int, default=64, help="events in a batch (default 64)")
    parser.add_argument("--rounds", type=int, default=3, help="recoveries (default 3)")
    parser.add_argument(
        "--directory", type=Path, default=None, help="where to write (default: the temporary directory)"
    )
    parser.add_argument("--recover", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.recover is not None:
        _recover(options.recover)
        return
    with temporary_directory(options.directory) as directory:
        now_ms = wall_ms()
        trio.run(write_log, directory, logins(options.sessions, now_ms, options.batch), now_ms)
        results = [recover_in_child(directory) for _ in range(options.rounds)]
    sizes = f"{options.sessions:,} sessions, {options.batch} events a batch"
    print(f"tree {IMPLEMENTATION}, {sizes}, rounds: {options.rounds}\n")
    memory = [each.memory_bytes / each.sessions for each in results]
    rates = spread([each.events / each.seconds for each in results])
    beside = spread([each - KEY_BYTES - VALUE_BYTES for each in memory])
    show_table(
        ["from the log alone", "median (lowest to highest)"],
        [
            ["events a second", rates],
            ["memory a session, bytes", spread(memory)],
            ["of that not key or value, bytes", beside],
        ],
    )


def recover_in_child(directory: Path) -> Recovered:
    """Recover the directory in a process of its own, which has nothing else in its memory."""
    command = [sys.executable, "-m", "benchmarks.recovery", "--recover", str(directory)]
    sessions, events, seconds, memory_bytes = subprocess.run(
        command, env=environment(), check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()
    return Recovered(int(sessions), int(events), float(seconds), int(memory_bytes))


def _recover(path: Path) -> None:
    """What ``recover_in_child`` reads."""
    directory = open_data_directory(RealFileSystem(), path, now_ms=wall_ms())
    before = resident_bytes()
    started_s = time.perf_counter()
    keyspace, _, report = recover(directory, lambda _: None)
    seconds = time.perf_counter() - started_s
    print(len(keyspace.tree), report.events, seconds, resident_bytes() - before)


if __name__ == "__main__":
    main()
