"""Redis, as far as a comparison needs it: a server of its own, without a network, and its protocol (RESP 2)."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

EXECUTABLE = shutil.which("redis-server")

START_MAX_S = 30.0


class Refusal(NamedTuple):
    """An error that Redis answered with."""

    text: str


Reply: TypeAlias = "bytes | int | list[Reply] | Refusal | None"


class Redis:
    """A connection to a running server."""

    def __init__(self, connection: socket.socket, stream: BinaryIO) -> None:
        self._connection = connection
        self._stream = stream

    def ask(self, *words: str | bytes | int) -> Reply:
        """Send a command and read its reply."""
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        body = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        self._connection.sendall(b"*%d\r\n%b" % (len(parts), body))
        return self._read()

    def _read(self) -> Reply:
        line = self._stream.readline().removesuffix(b"\r\n")
        kind, rest = line[:1], line[1:]
        match kind:
            case b":":
                return int(rest)
            case b"+":
                return rest
            case b"-":
                return Refusal(rest.decode())
            case b"$":
                return None if rest == b"-1" else self._stream.read(int(rest) + 2)[:-2]
            case b"*":
                return [self._read() for _ in range(int(rest))]
        raise AssertionError(f"not RESP 2: {line!r}")


@contextmanager
def serving_redis() -> Iterator[Redis]:
    """A server on a socket in a directory of its own, which is gone afterwards, as the server is."""
    assert EXECUTABLE is not None
    # Not where pytest puts its directories: the path of a socket has a hundred bytes at most.
    with tempfile.TemporaryDirectory(prefix="synap-redis-") as directory:
        path = Path(directory) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(path), "--dir", directory, "--save", "", "--appendonly", "no"]
        process = subprocess.Popen([EXECUTABLE, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        try:
            with _connected(process, path) as connection, connection.makefile("rb") as stream:
                yield Redis(connection, stream)
        finally:
            process.terminate()
            process.wait()


def _connected(process: subprocess.Popen[bytes], path: Path) -> socket.socket:
    give_up_s = time.monotonic() + START_MAX_S
    connection = socket.socket(socket.AF_UNIX)
    while time.monotonic() < give_up_s and process.poll() is None:
        with suppress(FileNotFoundError, ConnectionRefusedError):
            connection.connect(str(path))
            return connection
        time.sleep(0.01)
    connection.close()
    raise AssertionError(f"redis-server did not start; it ended with {process.poll()}")
