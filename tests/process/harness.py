"""A server as a process of its own: started, talked to, hurt, and buried.

A server is only ever waited for by events: a line of its log, its end, an answer. Every wait has a limit, and a
process that outlives its test is killed by its pid.
"""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote

import pytest

from synap.wal.format import FRAME_MAGIC

START_LIMIT_S = 20.0
"""How long a start may take on a busy machine before the test gives up."""

STOP_LIMIT_S = 10.0
"""What is promised for a stop."""

_ANNOUNCEMENT = re.compile(r"serves http://127\.0\.0\.1:(\d+)")

MODULE = ("-m", "synap")
"""The arguments of Python that start the server."""


class StartError(Exception):
    """The server ended instead of serving."""


class Server:
    """One run of ``python -m synap serve`` on a free port; as a context manager it is started, and killed at the end.

    ``launcher`` are the arguments of Python that stand for ``-m synap``; ``prefix`` is a command to run all this with.
    ``environment`` comes on top of what the tests run in, without the variables of Synap. ``doomed`` is set before
    something is done to it after which no client may wonder that it gets no answer, or an error.
    """

    def __init__(
        self,
        data: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        launcher: Sequence[str] = MODULE,
        prefix: Sequence[str] = (),
    ) -> None:
        self.data = data
        self.port = 0
        self.doomed = False
        self.lines: list[str] = []
        self._command = command_line(data, *options, launcher=launcher, prefix=prefix)
        self._environment = clean_environment(environment)
        self._news = threading.Condition()
        self._ended = False

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_until_serving()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process, without waiting for anything."""
        self._process = subprocess.Popen(  # noqa: S603  # our own command line
            self._command,
            env=self._environment,
            cwd=self.data.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_until_serving(self) -> None:
        """Return when the announcement was made. Raises ``StartError``."""
        self.port = int(self.wait_for(_ANNOUNCEMENT)[1])

    def wait_for(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """The first place in the server's log that matches. Raises ``StartError`` where it ends before that."""
        with self._news:
            arrived = self._news.wait_for(lambda: self._ended or self._search(pattern), START_LIMIT_S)
            found = self._search(pattern)
        if found is None:
            raise StartError(f"{'ended' if arrived else 'silent'}, without {pattern.pattern!r}:\n{self.output}")
        return found

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """All that the server wrote to standard error so far."""
        return "".join(self.lines)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def client(self, timeout_s: float = 20.0) -> "Client":
        return Client(self.port, timeout_s)

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.doomed = True
        self._process.kill()
        self.exit_code()

    def stop(self) -> int:
        """SIGTERM, and the exit code; it must come within the promised time."""
        self.send_signal(signal.SIGTERM)
        return self.exit_code(STOP_LIMIT_S)

    def exit_code(self, limit_s: float = START_LIMIT_S) -> int:
        """Wait for the end; negative for a signal."""
        code = self._process.wait(limit_s)
        self._reader.join()
        return code

    def close(self) -> None:
        """Kill the process if it still runs."""
        if self.running:
            self._process.kill()
        self.exit_code()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _search(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        return next((found for line in self.lines if (found := pattern.search(line))), None)


def unused_port() -> int:
    """A port that nobody listens on, and none of those that the system gives out: another process may ask for one."""
    while True:
        # Below ip_local_port_range, see ip(7).
        port = 10_000 + secrets.randbelow(20_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def command_line(data: Path, *options: str, launcher: Sequence[str] = MODULE, prefix: Sequence[str] = ()) -> list[str]:
    """What starts a server on a free port; later options win."""
    return [*prefix, sys.executable, *launcher, "serve", "--port", "0", "--data-dir", str(data), *options]


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the tests without Synap's own variables, and with ``extra``."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SYNAP_")}
    return {**ours, **(extra or {})}


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command that is expected to end by itself."""
    return subprocess.run(  # noqa: S603  # our own command line
        command, env=clean_environment(environment), capture_output=True, text=True, timeout=START_LIMIT_S, check=False
    )


class Reply(NamedTuple):
    """A response; ``body`` is what its JSON means."""

    status: int
    headers: Mapping[str, str]
    body: object

    def field(self, name: str) -> object:
        assert isinstance(self.body, dict), self
        return self.body[name]


class Client:
    """One kept-alive connection. Raises ``OSError`` or ``http.client.HTTPException`` where the server is gone."""

    def __init__(self, port: int, timeout_s: float) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def request(self, method: str, path: str, body: object = None) -> Reply:
        self.send(method, path, body)
        return self.receive()

    def send(self, method: str, path: str, body: object = None) -> None:
        """The first half of a request; ``receive`` is the second."""
        if body is None:
            self._connection.request(method, path)
        else:
            self._connection.request(method, path, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def receive(self) -> Reply:
        response = self._connection.getresponse()
        content = response.read()
        return Reply(response.status, dict(response.headers.items()), json.loads(content) if content else None)

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        self._connection.request("GET", "/metrics")
        lines = self._connection.getresponse().read().decode().splitlines()
        return next(float(line.removeprefix(f"{name} ")) for line in lines if line.startswith(f"{name} "))

    def set(self, key: str, value: object, **fields: object) -> Reply:
        return self.request("POST", "/kv/set", {"key": key, "value": value, **fields})

    def get(self, key: str) -> object:
        return self.request("GET", f"/kv/get/{quote(key, safe='')}").body

    def set_all(self, pairs: Mapping[str, str]) -> None:
        """Set every pair and have each acknowledged."""
        for key, value in pairs.items():
            reply = self.set(key, value)
            assert reply.status == 200, reply

    def get_all(self, keys: Sequence[str]) -> dict[str, object]:
        """What is under the keys, as far as there is something."""
        values = self.request("POST", "/kv/mget", {"keys": list(keys)}).field("values")
        assert isinstance(values, list)
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}


def wait_until(condition: Callable[[], bool], limit_s: float = START_LIMIT_S) -> bool:
    """Ask again and again, for what gives no sign of its own; whether it came true in time."""
    deadline_s = time.monotonic() + limit_s
    while not (holds := condition()) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return holds


def contents(directory: Path) -> dict[str, bytes]:
    """Every name below a directory and its bytes, except for the lock's, which name the last process that looked."""
    paths = [path for path in directory.rglob("*") if path.name != "LOCK"]
    files = {str(path.relative_to(directory)): path.read_bytes() for path in paths if path.is_file()}
    return files | {f"{path.relative_to(directory)}/": b"" for path in paths if path.is_dir()}


def active_segment(data: Path) -> Path:
    """The segment that a server writes to."""
    return max((data / "wal").glob("*.wal"))


def has_ticked(data: Path) -> bool:
    """Whether a server that wrote one batch, and is idle since, has written all that it will."""
    return active_segment(data).read_bytes().count(FRAME_MAGIC) == 2


@contextmanager
def small_disk(place: Path, size: str, *options: str) -> Iterator[Path]:
    """A file system of this size at ``place``. Skips the test where that is not allowed."""
    place.mkdir()
    mounted = run(["mount", "-t", "tmpfs", "-o", ",".join((f"size={size}", *options)), "tmpfs", str(place)])
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here (it takes root): {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        assert run(["umount", str(place)]).returncode == 0


def fill(path: Path) -> None:
    """Make a file that takes all the room that is left."""
    with path.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return
