"""Programs as processes of their own: started, listened to, looked at in /proc, ended by their own id."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

START_MAX_S = 300.0
"""A start may have to read millions of sessions on a busy machine."""

STOP_MAX_S = 60.0

ANSWER_MAX_S = 600.0
"""A snapshot is answered when it is durable."""

_SLOWING = frozenset({"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"})
"""Variables that are common in containers, and make every Python slower: they are not what is measured."""

_KIB = 1024
_ANNOUNCEMENT = re.compile(r"serves http://127\.0\.0\.1:(\d+)")


class ProgramError(Exception):
    """A program ended, or kept silent, instead of doing what was expected of it."""


class Program:
    """A running program, and the ``lines`` that it has written so far."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        self.started_s = time.monotonic()
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            command,
            env={**environment(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def wait_for(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """The first place in its output that matches. Raises ``ProgramError`` where it ends, or says nothing of it."""
        with self._news:
            self._news.wait_for(lambda: self._ended or self._search(pattern), START_MAX_S)
            found = self._search(pattern)
        if found is None:
            raise ProgramError(f"nothing like {pattern.pattern!r} in:\n{''.join(self.lines[-20:])}")
        return found

    def stop(self) -> None:
        """Ask it to end, wait for that, and insist if it takes too long."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_MAX_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _search(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        return next((found for line in self.lines if (found := pattern.search(line))), None)


class Server(NamedTuple):
    """A running Synap; ``start_s`` is the time from its start as a process until it served."""

    program: Program
    port: int
    start_s: float


@contextmanager
def running(command: Sequence[str], **variables: str) -> Iterator[Program]:
    """The program, with these variables in its environment; it is ended at the end."""
    program = Program(command, variables)
    try:
        yield program
    finally:
        program.stop()


@contextmanager
def serving(data: Path, *options: str) -> Iterator[Server]:
    """A server on a free port, as it is by default, except that it takes snapshots only when it is asked for one.

    ``options`` are more of its command line.
    """
    command = [sys.executable, "-m", "synap", "serve", "--port", "0", "--data-dir", str(data), *options]
    with running(command, SYNAP_PERSISTENCE__SNAPSHOT__AUTO_SNAPSHOT="false") as program:
        port = int(program.wait_for(_ANNOUNCEMENT)[1])
        yield Server(program, port, time.monotonic() - program.started_s)


def ask(port: int, method: str, path: str) -> str:
    """The body of a server's answer to a request without one. Raises ``ProgramError`` where it is not 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=ANSWER_MAX_S)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    if response.status != 200:
        raise ProgramError(f"{method} {path} was answered with {response.status}: {body}")
    return body


def environment() -> dict[str, str]:
    """Ours, without settings of Synap (except for the choice of the tree)."""
    return {
        name: value
        for name, value in os.environ.items()
        if name == "SYNAP_RADIX" or not (name.startswith("SYNAP_") or name in _SLOWING)
    }


# --- what they take --------------------------------------------------------------------------------------


def processor_s(pid: int) -> float:
    """The processor time that a process has taken so far, in all its threads."""
    # The name in brackets may hold anything; what follows are numbers (proc_pid_stat(5), fields 14 and 15).
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int | str = "self") -> int:
    """The memory that a process occupies now. Raises ``OSError`` where there is none of that id any more."""
    return _status(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """The most that it has occupied since it runs its program. Raises as ``resident_bytes``."""
    return _status(pid, "VmHWM")


def child_of(pid: int, program: str) -> int | None:
    """The process that was started by this one and has ``program`` in its command line."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in children.read_text(encoding="ascii").split():
                # Before it runs its own program, a child has its parent's command line, and its parent's memory.
                if program.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    return int(child)
        except OSError:
            continue
    return None


def _status(pid: int | str, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * _KIB
    raise ProcessLookupError(f"process {pid} has no memory any more")
