"""A start with all sessions: Synap from a snapshot, Redis from an RDB file, both in the page cache.

For Synap, loading is what recovery takes in a process that does nothing else, and for Redis what it says itself;
``benchmarks.startup`` says more about either.
"""

from benchmarks.beside.bench import Bench, needed, on_cores
from benchmarks.beside.figure import Figure, Goal
from benchmarks.processes import ProgramError
from benchmarks.recovery import recover_in_child
from benchmarks.redis_server import Kept, serving_redis


def measure(bench: Bench) -> list[Figure]:
    """One figure."""
    ours, peer = [], []
    for _ in range(bench.runs):
        ours.append(_synap_s(bench))
        peer.append(_redis_s(bench))
    return [
        Figure(
            name=f"loading {bench.sessions:,} sessions",
            unit="s",
            ours_name="Synap, from a snapshot",
            ours=tuple(ours),
            peer_name="Redis, from RDB",
            peer=tuple(peer),
            goal=Goal(at_most=3),
            settings=bench.settings,
            plot="loading",
            form=".2f",
        )
    ]


def _synap_s(bench: Bench) -> float:
    with on_cores(bench.server_cores):
        recovered = recover_in_child(bench.synap_data)
    if recovered.sessions != bench.sessions:
        raise ProgramError(f"of {bench.sessions:,} sessions, Synap has {recovered.sessions:,}")
    return recovered.seconds


def _redis_s(bench: Bench) -> float:
    executable = needed(bench.tools.redis, "redis-server")
    with on_cores(bench.server_cores), serving_redis(executable, bench.redis_data, Kept.RDB) as redis:
        if (said := redis.call("DBSIZE")) != b":%d" % bench.sessions:
            raise ProgramError(f"of {bench.sessions:,} sessions, Redis has {said.decode()}")
        return redis.loading_s
