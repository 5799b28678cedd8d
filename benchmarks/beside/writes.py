"""SET over REST, 128 connections, at random among all sessions: in the mode ``always`` beside Redis, and ``periodic``.

Redis is loaded by redis-benchmark over its own protocol, with values of the same size and a TTL (``SETEX``), and
answers when its append-only file is on the disk. Every store is empty at first.
"""

from contextlib import ExitStack
from functools import partial

from benchmarks.beside.bench import Bench, on_cores
from benchmarks.beside.figure import Figure, Goal
from benchmarks.beside.generators import WARM_UP_S, Load, Wave, run_redis_benchmark, run_wrk, writing
from benchmarks.beside.peers import SYNCED, Port, redis_on_port
from benchmarks.beside.profile import profile
from benchmarks.beside.reads import describe
from benchmarks.processes import Server, serving
from benchmarks.redis_server import Kept

CONNECTIONS = 128

_ASKED_PER_SECOND = 44_000.0
"""What is asked for, whatever the machine. A constant, and no measurement."""

_FIRST_REQUESTS = 10_000
_UNIT = "requests a second"
_PLOT = "writes"


def always(bench: Bench) -> list[Figure]:
    """Answered when they are on the disk."""
    side, load = "Synap, always, one core", writing(bench)
    waves: list[Wave] = []
    peer: list[float] = []
    with ExitStack() as stack:
        with on_cores(bench.server_cores):
            ours = stack.enter_context(serving(bench.place()))
            redis = stack.enter_context(redis_on_port(bench, bench.place(), Kept.AOF, *SYNCED))
        _wave(bench, ours, load, WARM_UP_S)
        per_second = run_redis_benchmark(bench, redis.number, CONNECTIONS, requests=_FIRST_REQUESTS)
        for turn in range(bench.runs):
            waves.append(_wave(bench, ours, load, bench.settings.seconds, turn + 1))
            per_second = _redis(bench, redis, per_second)
            peer.append(per_second)
        profile(bench, ours.program.pid, "set", partial(_wave, bench, ours, load, bench.settings.seconds))
    redis_side = "Redis, appendfsync always, one core"
    return [_figure(bench, "always", (side, waves), (redis_side, peer), Goal(at_least=0.5))]


def periodic(bench: Bench) -> list[Figure]:
    """Answered before they are on the disk, at most the interval later."""
    side, load = "Synap, periodic, one core", writing(bench)
    with ExitStack() as stack:
        with on_cores(bench.server_cores):
            ours = stack.enter_context(serving(bench.place(), "--fsync", "periodic"))
        _wave(bench, ours, load, WARM_UP_S)
        waves = [_wave(bench, ours, load, bench.settings.seconds, turn + 1) for turn in range(bench.runs)]
    peer = [_ASKED_PER_SECOND] * bench.runs
    return [_figure(bench, "periodic", (side, waves), ("what is asked for", peer), Goal(at_least=1.0))]


def _wave(bench: Bench, server: Server, load: Load, seconds: float, seed: int = 0) -> Wave:
    pids = (server.program.pid,)
    return run_wrk(bench, server.port, load, CONNECTIONS, pids, seconds=seconds, seed=seed)


def _redis(bench: Bench, redis: Port, expected: float) -> float:
    """A run that is as long as ours, if it is as fast as expected."""
    requests = max(1, round(expected * bench.settings.seconds))
    return run_redis_benchmark(bench, redis.number, CONNECTIONS, requests=requests)


def _figure(bench: Bench, mode: str, ours: tuple[str, list[Wave]], peer: tuple[str, list[float]], goal: Goal) -> Figure:
    return Figure(
        name=f"SET over REST, `{mode}`, {CONNECTIONS} connections",
        unit=_UNIT,
        ours_name=ours[0],
        ours=tuple(each.per_second for each in ours[1]),
        peer_name=peer[0],
        peer=tuple(peer[1]),
        goal=goal,
        settings=bench.settings,
        plot=_PLOT,
        notes=(describe(*ours),),
    )
