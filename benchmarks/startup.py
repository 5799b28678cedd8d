"""Starting with 1,000,000 sessions: from a snapshot, and from the log alone; Redis with the same from RDB and AOF.

Every store starts several times, in turn. Loading is what recovery takes in a process that does nothing else, and for
Redis what it says itself; the start is all that passes until a server, started as a process, answers. All files may be
in the page cache, for all alike.
"""

import argparse
import shutil
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import trio

from benchmarks.figures import MIB, show_table, spread
from benchmarks.processes import ProgramError, ask, resident_bytes, serving
from benchmarks.recovery import recover_in_child
from benchmarks.redis_server import Kept, serving_redis
from benchmarks.sessions import logins, session, temporary_directory, wall_ms, write_log
from synap.radix import IMPLEMENTATION

_REDIS = "redis-server"


class Start(NamedTuple):
    """One start: seconds of loading, seconds until it answered, bytes of memory for the data."""

    loading_s: float
    start_s: float
    memory_bytes: int


class Store(NamedTuple):
    """One of those that start."""

    name: str
    start: Callable[[], Start]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000, help="how many there are (default 1,000,000)")
    parser.add_argument("--batch", type=int, default=64, help="events in a batch of the log (default 64)")
    parser.add_argument("--rounds", type=int, default=3, help="starts of each (default 3)")
    parser.add_argument(
        "--directory", type=Path, default=None, help="where to write (default: the temporary directory)"
    )
    options = parser.parse_args()
    redis = shutil.which(_REDIS)
    with temporary_directory(options.directory) as directory:
        now_ms = wall_ms()
        stores = _prepare_synap(directory, options.sessions, options.batch, now_ms)
        reference = stores[0].name
        if redis is not None:
            redis_stores = _prepare_redis(redis, directory, options.sessions, now_ms)
            reference = redis_stores[0].name
            stores += redis_stores
        starts: dict[str, list[Start]] = {}
        for _ in range(options.rounds):
            for store in stores:
                starts.setdefault(store.name, []).append(store.start())
    print(f"tree {IMPLEMENTATION}, {options.sessions:,} sessions, rounds: {options.rounds}\n")
    _report(starts, options.sessions, reference)
    if redis is None:
        print(f"\nThere is no {_REDIS} on this machine, so there is nothing to compare with.")


# --- Synap -----------------------------------------------------------------------------------------------


def _prepare_synap(directory: Path, sessions: int, batch_events: int, now_ms: int) -> list[Store]:
    log, snapshot = directory / "log", directory / "snapshot"
    trio.run(write_log, log, logins(sessions, now_ms, batch_events), now_ms)
    shutil.copytree(log, snapshot)
    with serving(snapshot) as server:
        ask(server.port, "POST", "/snapshot")
    return [
        Store("Synap, from a snapshot", partial(_start_synap, snapshot, sessions)),
        Store("Synap, from the log alone", partial(_start_synap, log, sessions)),
    ]


def _start_synap(directory: Path, sessions: int) -> Start:
    recovered = recover_in_child(directory)
    if recovered.sessions != sessions:
        raise ProgramError(f"of {sessions:,} sessions, Synap has {recovered.sessions:,}")
    with serving(directory) as server:
        ask(server.port, "GET", "/ready")
        return Start(recovered.seconds, server.start_s, recovered.memory_bytes)


# --- Redis -----------------------------------------------------------------------------------------------


def _prepare_redis(executable: str, directory: Path, sessions: int, now_ms: int) -> list[Store]:
    stores = []
    for kept in Kept:
        place = directory / kept.name
        with serving_redis(executable, place, kept) as redis:
            empty_bytes = resident_bytes(redis.program.pid)
            redis.store(map(session, range(sessions)), now_ms)
            if kept is Kept.RDB:
                redis.call("SAVE")
        start = partial(_start_redis, executable, place, kept, sessions, empty_bytes)
        stores.append(Store(f"Redis, from {kept.name}", start))
    return stores


def _start_redis(executable: str, place: Path, kept: Kept, sessions: int, empty_bytes: int) -> Start:
    with serving_redis(executable, place, kept) as redis:
        if (said := redis.call("DBSIZE")) != b":%d" % sessions:
            raise ProgramError(f"of {sessions:,} sessions, Redis has {said.decode()}")
        return Start(redis.loading_s, redis.start_s, resident_bytes(redis.program.pid) - empty_bytes)


# --- reporting -------------------------------------------------------------------------------------------


def _report(starts: dict[str, list[Start]], sessions: int, reference: str) -> None:
    unit_s = statistics.median(start.loading_s for start in starts[reference])
    rows = []
    for name, measured in starts.items():
        loading_s = statistics.median(start.loading_s for start in measured)
        rows.append(
            [
                name,
                spread([start.loading_s for start in measured], ".2f"),
                f"{sessions / loading_s:,.0f}",
                f"{loading_s / unit_s:.2f}",
                spread([start.start_s for start in measured], ".2f"),
                f"{statistics.median(start.memory_bytes for start in measured) / MIB:,.0f}",
            ]
        )
    head = ["", "loading, s", "sessions a second", f"loading, times that of {reference}", "until it answers, s"]
    show_table([*head, "memory added, MiB"], rows)


if __name__ == "__main__":
    main()
