"""GET over REST, 32 connections, sessions at random: the fast lane beside webdis and Redis, and beside hypercorn alone.

webdis and Redis are two processes, so they are measured twice: on the one core that Synap has too, and free to use both
cores, of which wrk needs one; a webdis with two threads is the faster one then. The first compares at equal cost, the
second is what somebody sees who starts them on such a machine.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial

from benchmarks.beside.bench import Bench, Cores, move, needed, on_cores
from benchmarks.beside.figure import Figure, Goal
from benchmarks.beside.generators import WARM_UP_S, Wave, reading, run_wrk
from benchmarks.beside.peers import Webdis, check_session, webdis
from benchmarks.beside.profile import profile
from benchmarks.figures import spread
from benchmarks.processes import Server, serving
from benchmarks.redis_server import Kept, Redis, serving_redis

CONNECTIONS = 32

_UNIT = "requests a second"
_PLOT = "reads"
_OURS = "Synap, one core"
_SYNAP_PATH = "/kv/get/"
_WEBDIS_PATH = "/GET/"

_Run = Callable[[float, int], Wave]
"""Load one of the servers, for so many seconds, with this seed."""


def beside_webdis(bench: Bench) -> list[Figure]:
    """Two figures, of which one has the peer on both cores."""
    with ExitStack() as stack:
        with on_cores(bench.server_cores):
            ours = stack.enter_context(serving(bench.synap_data))
            redis = stack.enter_context(_redis(bench))
            small, large = (
                stack.enter_context(webdis(bench, redis, bench.redis_data, threads=threads)) for threads in (1, 2)
            )
        runs: dict[str, _Run] = {
            _OURS: _synap(bench, ours),
            "webdis and Redis, one core": _webdis(bench, small, bench.server_cores),
            "webdis and Redis, both cores": _webdis(bench, large, bench.both_cores),
        }
        waves = _take_turns(bench, runs)
        profile(bench, ours.program.pid, "get", partial(runs[_OURS], bench.settings.seconds, 0))
    name = f"GET over REST, {CONNECTIONS} connections"
    goal = Goal(at_least=1.0, floor=0.8)
    return [_figure(bench, name, waves, peer_name, goal) for peer_name in list(runs)[1:]]


def beside_hypercorn(bench: Bench) -> list[Figure]:
    """The same application behind its two doors."""
    copy = bench.copy_of_synap()
    with ExitStack() as stack:
        with on_cores(bench.server_cores):
            lane = stack.enter_context(serving(bench.synap_data))
            alone = stack.enter_context(serving(copy, "--no-fast-lane"))
        hypercorn = "hypercorn alone, one core"
        waves = _take_turns(bench, {_OURS: _synap(bench, lane), hypercorn: _synap(bench, alone)})
    name = f"GET over REST, {CONNECTIONS} connections, the same application"
    return [_figure(bench, name, waves, hypercorn, Goal(at_least=20))]


def _take_turns(bench: Bench, runs: dict[str, _Run]) -> dict[str, list[Wave]]:
    """The waves of each, one after the other in turn; before the first turn, each gets warm."""
    for run in runs.values():
        run(WARM_UP_S, 0)
    waves: dict[str, list[Wave]] = {name: [] for name in runs}
    for turn in range(bench.runs):
        for name, run in runs.items():
            waves[name].append(run(bench.settings.seconds, turn + 1))
    return waves


def _redis(bench: Bench) -> AbstractContextManager[Redis]:
    return serving_redis(needed(bench.tools.redis, "redis-server"), bench.redis_data, Kept.RDB)


def _synap(bench: Bench, server: Server) -> _Run:
    check_session(server.port, _SYNAP_PATH, 0)
    pids, load = (server.program.pid,), reading(bench, _SYNAP_PATH)

    def run(seconds: float, seed: int) -> Wave:
        return run_wrk(bench, server.port, load, CONNECTIONS, pids, seconds=seconds, seed=seed)

    return run


def _webdis(bench: Bench, peer: Webdis, cores: Cores) -> _Run:
    load = reading(bench, _WEBDIS_PATH)

    def run(seconds: float, seed: int) -> Wave:
        for pid in peer.pids:
            move(pid, cores)
        return run_wrk(bench, peer.port, load, CONNECTIONS, peer.pids, seconds=seconds, seed=seed)

    return run


def _figure(bench: Bench, name: str, waves: dict[str, list[Wave]], peer_name: str, goal: Goal) -> Figure:
    return Figure(
        name=name,
        unit=_UNIT,
        ours_name=_OURS,
        ours=tuple(each.per_second for each in waves[_OURS]),
        peer_name=peer_name,
        peer=tuple(each.per_second for each in waves[peer_name]),
        goal=goal,
        settings=bench.settings,
        plot=_PLOT,
        notes=tuple(describe(side, waves[side]) for side in (_OURS, peer_name)),
    )


def describe(side: str, waves: Sequence[Wave]) -> str:
    """A sentence on what else was seen of these waves."""

    def of(value: Callable[[Wave], float], form: str) -> str:
        return spread([value(each) for each in waves], form)

    return (
        f"{side}: p50 {of(lambda each: each.p50_ms, '.2f')} ms, p99 {of(lambda each: each.p99_ms, '.2f')} ms; "
        f"the servers took {of(lambda each: each.servers_share, '.2f')} of a core, wrk "
        f"{of(lambda each: each.generator_share, '.2f')}; {of(lambda each: each.answer_bytes, '.0f')} bytes an answer."
    )
