"""One client that waits for each answer before it asks again: GET and SET, Synap over REST, Redis over its protocol.

The client is this program, on plain sockets. It reads an answer of either just far enough to know that it is whole;
what that and two system calls take in Python is part of every figure. Both answer a write when it is on the disk.
"""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from random import Random
from typing import NamedTuple

from benchmarks.beside.bench import Bench, on_cores
from benchmarks.beside.figure import Figure, Goal
from benchmarks.beside.peers import SYNCED, redis_on_port
from benchmarks.figures import percentile
from benchmarks.load import Rates, read_request, receive, write_request
from benchmarks.processes import ProgramError, serving
from benchmarks.redis_server import Kept, get_command, receive_reply, set_command
from benchmarks.sessions import session, session_key, wall_ms

_OURS = "Synap"
_PEER = "Redis"
_SHARES = {"p50": 0.50, "p99": 0.99}
_GOAL = Goal(at_most=1.0, of_ours=True)


class _Client(NamedTuple):
    """Something to ask again and again: what makes a request, and what waits for its answer."""

    connection: socket.socket
    make_request: Callable[[Random], bytes]
    wait: Callable[[socket.socket], None]


def measure(bench: Bench) -> list[Figure]:
    """Four figures: the median and the 99th percentile of both."""
    latencies: dict[tuple[str, str], list[list[float]]] = {}
    with ExitStack() as stack:
        with on_cores(bench.server_cores):
            ours = stack.enter_context(serving(bench.copy_of_synap()))
            peer = stack.enter_context(redis_on_port(bench, bench.place(), Kept.AOF, *SYNCED))
        peer.redis.store(map(session, range(bench.sessions)), wall_ms())
        http, resp = (stack.enter_context(_connect(port)) for port in (ours.port, peer.number))
        stack.enter_context(on_cores(bench.load_cores))
        rates = Rates(bench.sessions, reads=0, writes=0, pairs=1)
        clients = {
            ("GET", _OURS): _Client(http, lambda random: read_request(rates, random), _wait_for_http),
            ("GET", _PEER): _Client(resp, lambda random: get_command(_any_key(bench, random)), _wait_for_reply),
            ("SET", _OURS): _Client(http, lambda random: write_request(rates, random), _wait_for_http),
            ("SET", _PEER): _Client(resp, lambda random: _set_command(bench, random), _wait_for_reply),
        }
        for turn in range(bench.runs):
            for name, client in clients.items():
                latencies.setdefault(name, []).append(_latencies_ms(client, bench.settings.seconds / 2, turn))
    return [_figure(bench, kind, share, latencies) for kind in ("GET", "SET") for share in _SHARES]


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _latencies_ms(client: _Client, seconds: float, seed: int) -> list[float]:
    random = Random(seed)
    taken_ms = []
    until_s = time.perf_counter() + seconds
    while time.perf_counter() < until_s:
        request = client.make_request(random)
        started_s = time.perf_counter()
        client.connection.sendall(request)
        client.wait(client.connection)
        taken_ms.append((time.perf_counter() - started_s) * 1000)
    return taken_ms


def _wait_for_http(connection: socket.socket) -> None:
    if (status := receive(connection)) != 200:
        raise ProgramError(f"Synap answered with {status}")


def _wait_for_reply(connection: socket.socket) -> None:
    if receive_reply(connection) == b"$-1":
        raise ProgramError("Redis lacks a session")


def _any_key(bench: Bench, random: Random) -> bytes:
    return session_key(random.randrange(bench.sessions))


def _set_command(bench: Bench, random: Random) -> bytes:
    return set_command(session(random.getrandbits(64))._replace(key=_any_key(bench, random)), wall_ms())


def _figure(bench: Bench, kind: str, share: str, latencies: dict[tuple[str, str], list[list[float]]]) -> Figure:
    ours, peer = (tuple(percentile(run, _SHARES[share]) for run in latencies[kind, side]) for side in (_OURS, _PEER))
    runs = ", ".join(f"{len(run):,}" for run in latencies[kind, _OURS])
    return Figure(
        name=f"round trip of one client, {kind}, {share}",
        unit="ms",
        ours_name=f"Synap, {kind}, {share}",
        ours=ours,
        peer_name=f"Redis, {kind}, {share}",
        peer=peer,
        goal=_GOAL,
        settings=bench.settings,
        plot="round-trips",
        form=".3f",
        notes=(f"{kind} by one client, requests to Synap in each run: {runs}.",) if share == "p50" else (),
    )
