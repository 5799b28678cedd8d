"""Redis, to compare with: `redis-server` on a socket in its own directory, and no network.

Whatever it would do in the background (saving at intervals, rewriting its append-only file) is off, so that what it
reads at start is one file of the kind that is asked for.
"""

import re
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from benchmarks.processes import Program, running
from benchmarks.sessions import Session

T = TypeVar("T")

_READY = re.compile(r"ready to accept connections")
_LOADED = re.compile(r"DB loaded from (?:disk|append only file): ([0-9.]+) seconds")
_SOCKET = "redis.sock"
_PIPELINE = 1000


class Kept(Enum):
    """How Redis keeps what it has: the options that say so."""

    RDB = ("--appendonly", "no")
    """A dump of the data."""
    AOF = ("--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--auto-aof-rewrite-percentage", "0")
    """The commands, one after the other."""


class RedisError(Exception):
    """Redis answered with an error, or with something else than was asked for."""


class Redis(NamedTuple):
    """A running Redis; ``start_s`` is the time from its start as a process until it answered."""

    program: Program
    connection: socket.socket
    start_s: float

    @property
    def loading_s(self) -> float:
        """How long it took to load its data, by its own account."""
        return float(self.program.wait_for(_LOADED)[1])

    def call(self, *words: str) -> bytes:
        """Send a command that has a reply of one line; return that. Raises ``RedisError``."""
        self.connection.sendall(_command(*[word.encode() for word in words]))
        return self._lines(1)[0]

    def store(self, sessions: Iterable[Session], now_ms: int) -> None:
        """Set all these, to end when their time from ``now_ms`` on is over."""
        for group in _groups(sessions, _PIPELINE):
            commands = [
                _command(b"SET", key, value, b"PXAT", b"%d" % (now_ms + lasts_ms)) for key, value, lasts_ms in group
            ]
            self.connection.sendall(b"".join(commands))
            if set(self._lines(len(group))) != {b"+OK"}:
                raise RedisError("a session was not stored")

    def _lines(self, count: int) -> list[bytes]:
        data = b""
        while data.count(b"\r\n") < count:
            more = self.connection.recv(65536)
            if not more:
                raise RedisError("it closed the connection")
            data += more
        lines = data.removesuffix(b"\r\n").split(b"\r\n")
        if lines[0].startswith(b"-"):
            raise RedisError(lines[0].decode())
        return lines


@contextmanager
def serving_redis(executable: str, directory: Path, kept: Kept) -> Iterator[Redis]:
    """Redis on what there is in the directory; ended at the end."""
    directory.mkdir(exist_ok=True)
    path = directory / _SOCKET
    command = [executable, "--port", "0", "--unixsocket", str(path), "--dir", str(directory), "--save", "", *kept.value]
    with running(command) as program, socket.socket(socket.AF_UNIX) as connection:
        program.wait_for(_READY)
        connection.connect(str(path))
        redis = Redis(program, connection, 0.0)
        if (said := redis.call("PING")) != b"+PONG":
            raise RedisError(said.decode())
        yield redis._replace(start_s=time.monotonic() - program.started_s)


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


def _groups(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group
