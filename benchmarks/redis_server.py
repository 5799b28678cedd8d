"""Redis, to compare with: `redis-server` on a socket in its own directory, and on a port only if one is asked for.

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
SOCKET = "redis.sock"
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

    def info(self, name: str) -> str:
        """The value of a line of ``INFO``. Raises ``RedisError`` where there is none of that name."""
        self.connection.sendall(_command(b"INFO"))
        lines = receive_reply(self.connection).decode().splitlines()
        for line in lines:
            if line.startswith(f"{name}:"):
                return line.partition(":")[2]
        raise RedisError(f"INFO has no {name}")

    def store(self, sessions: Iterable[Session], now_ms: int) -> None:
        """Set all these, to end when their time from ``now_ms`` on is over."""
        for group in _groups(sessions, _PIPELINE):
            commands = [set_command(each, now_ms) for each in group]
            self.connection.sendall(b"".join(commands))
            if set(self._lines(len(group))) != {b"+OK"}:
                raise RedisError("a session was not stored")

    def _lines(self, count: int) -> list[bytes]:
        data = b""
        while data.count(b"\r\n") < count:
            data += _more(self.connection)
        lines = data.removesuffix(b"\r\n").split(b"\r\n")
        if lines[0].startswith(b"-"):
            raise RedisError(lines[0].decode())
        return lines


@contextmanager
def serving_redis(executable: str, directory: Path, kept: Kept, *options: str, port: int = 0) -> Iterator[Redis]:
    """Redis on what there is in the directory, with more ``options``; ended at the end. Port 0 is none."""
    directory.mkdir(exist_ok=True)
    path = directory / SOCKET
    command = [executable, "--bind", "127.0.0.1", "--port", str(port), "--unixsocket", str(path)]
    command += ["--dir", str(directory), "--save", "", *kept.value, *options]
    with running(command) as program, socket.socket(socket.AF_UNIX) as connection:
        program.wait_for(_READY)
        connection.connect(str(path))
        redis = Redis(program, connection, 0.0)
        if (said := redis.call("PING")) != b"+PONG":
            raise RedisError(said.decode())
        yield redis._replace(start_s=time.monotonic() - program.started_s)


def set_command(session: Session, now_ms: int) -> bytes:
    """Set a session, to end when its time from ``now_ms`` on is over."""
    return _command(b"SET", session.key, session.value, b"PXAT", b"%d" % (now_ms + session.lasts_ms))


def get_command(key: bytes) -> bytes:
    """Get a value."""
    return _command(b"GET", key)


def receive_reply(connection: socket.socket) -> bytes:
    """A reply that is a line (with its sign), or one value of known length (without its head).

    Raises ``RedisError`` where it is an error, or the connection is closed.
    """
    data = _more(connection)
    while (end := data.find(b"\r\n")) < 0:
        data += _more(connection)
    if data.startswith(b"-"):
        raise RedisError(data[:end].decode())
    if not data.startswith(b"$") or data.startswith(b"$-1"):
        return data[:end]
    size = end + 2 + int(data[1:end]) + 2
    while len(data) < size:
        data += _more(connection)
    return data[end + 2 : size - 2]


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise RedisError("it closed the connection")
    return data


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


def _groups(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group
