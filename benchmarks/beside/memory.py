"""The memory that a session occupies: what a server has more, resident, than before it was given all of them.

Synap gets them over REST (``POST /kv/mset``), 1,000 at a time, Redis over its protocol. Everything counts that the
process has: keys, values, deadlines, nodes, the headers and gaps of the allocator, and what was only needed to take the
sessions in and was not given back.
"""

import json
import socket
from collections.abc import Sequence

from benchmarks.beside.bench import Bench, needed, on_cores
from benchmarks.beside.figure import Figure, Goal
from benchmarks.figures import spread
from benchmarks.load import post, receive
from benchmarks.processes import ProgramError, ask, resident_bytes, serving
from benchmarks.redis_server import Kept, serving_redis
from benchmarks.sessions import Session, session, wall_ms

_BATCH = 1000


def measure(bench: Bench) -> list[Figure]:
    """One figure."""
    ours, peer, own = [], [], []
    for _ in range(bench.runs):
        ours.append(_synap(bench) / bench.sessions)
        resident, used = _redis(bench)
        peer.append(resident / bench.sessions)
        own.append(used / bench.sessions)
    return [
        Figure(
            name="resident memory of a session",
            unit="bytes",
            ours_name="Synap",
            ours=tuple(ours),
            peer_name="Redis",
            peer=tuple(peer),
            goal=Goal(at_most=0.9),
            settings=bench.settings,
            plot="memory",
            notes=(f"Redis by its own account (`used_memory`): {spread(own)} bytes a session.",),
        )
    ]


def _synap(bench: Bench) -> int:
    with on_cores(bench.server_cores), serving(bench.place()) as server:
        ask(server.port, "GET", "/kv/count")
        before = resident_bytes(server.program.pid)
        with socket.create_connection(("127.0.0.1", server.port)) as connection, on_cores(bench.load_cores):
            for first in range(0, bench.sessions, _BATCH):
                _store(connection, [*map(session, range(first, min(first + _BATCH, bench.sessions)))])
        if json.loads(said := ask(server.port, "GET", "/kv/count"))["count"] != bench.sessions:
            raise ProgramError(f"of {bench.sessions:,} sessions, Synap has {said}")
        return resident_bytes(server.program.pid) - before


def _store(connection: socket.socket, sessions: Sequence[Session]) -> None:
    connection.sendall(post("/kv/mset", {"pairs": [each.as_json() for each in sessions]}))
    if (status := receive(connection)) != 200:
        raise ProgramError(f"Synap answered with {status}")


def _redis(bench: Bench) -> tuple[int, int]:
    """What it has more, resident and by its own account."""
    executable = needed(bench.tools.redis, "redis-server")
    with on_cores(bench.server_cores), serving_redis(executable, bench.place(), Kept.RDB) as redis:
        before, used = resident_bytes(redis.program.pid), int(redis.info("used_memory"))
        with on_cores(bench.load_cores):
            redis.store(map(session, range(bench.sessions)), wall_ms())
        return resident_bytes(redis.program.pid) - before, int(redis.info("used_memory")) - used
