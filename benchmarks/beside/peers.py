"""What Synap is compared with over a network: Redis on a port, and webdis, which puts HTTP in front of it."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from benchmarks.beside.bench import Bench, needed
from benchmarks.processes import START_MAX_S, Program, ProgramError, running
from benchmarks.redis_server import SOCKET, Kept, Redis, serving_redis
from benchmarks.sessions import session_key

SYNCED = ("--appendfsync", "always")
"""Redis answers a write when it is on the disk, as Synap does by default."""


class Port(NamedTuple):
    """Redis, with the port that it listens on."""

    redis: Redis
    number: int


class Webdis(NamedTuple):
    """webdis, with its port and the processes that it takes: itself and Redis."""

    port: int
    pids: tuple[int, int]


@contextmanager
def redis_on_port(bench: Bench, directory: Path, kept: Kept, *options: str) -> Iterator[Port]:
    """As ``serving_redis``, on a free port of the loopback interface."""
    port = free_port()
    with serving_redis(needed(bench.tools.redis, "redis-server"), directory, kept, *options, port=port) as redis:
        yield Port(redis, port)


@contextmanager
def webdis(bench: Bench, redis: Redis, directory: Path, *, threads: int) -> Iterator[Webdis]:
    """A webdis in front of the Redis that has this directory, with as many threads that serve requests.

    It is set up as it is fastest: each thread has one connection to Redis, over a Unix socket.
    """
    executable, port = needed(bench.tools.webdis, "webdis"), free_port()
    settings = {
        "redis_host": str(directory / SOCKET),
        "redis_port": 0,
        "http_host": "127.0.0.1",
        "http_port": port,
        "threads": threads,
        "pool_size": 1,
        "daemonize": False,
        "verbosity": 0,
        "logfile": "/dev/null",
    }
    file = bench.place()
    file.write_text(json.dumps(settings), encoding="utf-8")
    with running([executable, str(file)]) as program:
        _wait_for_port(program, port)
        check_session(port, "/GET/", 0)
        yield Webdis(port, (program.pid, redis.program.pid))


def free_port() -> int:
    """A port of the loopback interface that nobody has, for a program that cannot choose one itself."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def check_session(port: int, path: str, number: int) -> None:
    """Ask for a session. Raises ``ProgramError`` where the answer does not have its value."""
    connection = HTTPConnection("127.0.0.1", port, timeout=START_MAX_S)
    connection.request("GET", path + session_key(number).decode("ascii"))
    body = connection.getresponse().read().decode()
    connection.close()
    if "user_id" not in body:
        raise ProgramError(f"session {number:,} is not there: {body}")


def _wait_for_port(program: Program, port: int) -> None:
    """Wait for a program that does not say when it is ready."""
    until_s = time.monotonic() + START_MAX_S
    while time.monotonic() < until_s:
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise ProgramError(f"nobody listens on the port of webdis:\n{''.join(program.lines)}")
