"""What each case is given: how often and how long it measures, on which cores, and stores that have the sessions."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeAlias

import trio

from benchmarks.beside.figure import Figure, Settings
from benchmarks.processes import ProgramError, ask, serving
from benchmarks.redis_server import Kept, serving_redis
from benchmarks.sessions import logins, session, session_key, wall_ms, write_log

Cores: TypeAlias = frozenset[int]

_BATCH = 1000


class Tools(NamedTuple):
    """The programs of others; whatever is missing is None, and what needs it is left out."""

    redis: str | None
    redis_benchmark: str | None
    webdis: str | None
    wrk: str | None
    py_spy: str | None


class MissingError(Exception):
    """A program that a case cannot do without is not on this machine."""


class Bench:
    """Given to every case. ``profiles`` is where profiles of the server go, None where none are wanted."""

    def __init__(
        self, directory: Path, tools: Tools, *, runs: int, settings: Settings, profiles: Path | None = None
    ) -> None:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise ProgramError("the servers need one core, and whatever loads them another; there is only one")
        self.tools = tools
        self.runs = runs
        self.settings = settings
        self.profiles = profiles
        self.server_cores: Cores = frozenset(cores[:1])
        self.load_cores: Cores = frozenset(cores[1:2])
        self.both_cores: Cores = self.server_cores | self.load_cores
        self._founded = directory / "founded"
        self._case = directory / "case"
        self._founded.mkdir()
        self._case.mkdir()
        self._places = 0

    @property
    def sessions(self) -> int:
        """How many there are in a store."""
        return self.settings.sessions

    def place(self) -> Path:
        """A path that nobody has yet, for this case."""
        self._places += 1
        return self._case / str(self._places)

    def clean(self) -> None:
        """Remove what the last case left."""
        shutil.rmtree(self._case)
        self._case.mkdir()

    def copy_of_synap(self) -> Path:
        """A data directory with all sessions in a snapshot, for one server alone."""
        return Path(shutil.copytree(self.synap_data, self.place()))

    @cached_property
    def synap_data(self) -> Path:
        """As ``copy_of_synap``, for several, one after the other, that write nothing."""
        path, now_ms = self._founded / "synap", wall_ms()
        trio.run(write_log, path, logins(self.sessions, now_ms, _BATCH), now_ms)
        with serving(path) as server:
            ask(server.port, "POST", "/snapshot")
        return path

    @cached_property
    def keys_file(self) -> Path:
        """The keys of all sessions, one behind the other."""
        path = self._founded / "keys"
        path.write_bytes(b"".join(map(session_key, range(self.sessions))))
        return path

    @cached_property
    def redis_data(self) -> Path:
        """A directory of Redis with the same sessions in an RDB file."""
        path = self._founded / "redis"
        with serving_redis(needed(self.tools.redis, "redis-server"), path, Kept.RDB) as redis:
            redis.store(map(session, range(self.sessions)), wall_ms())
            redis.call("SAVE")
        return path


Case: TypeAlias = Callable[[Bench], list[Figure]]


def needed(program: str | None, name: str) -> str:
    """The program. Raises ``MissingError`` where there is none."""
    if program is None:
        raise MissingError(f"there is no {name} on this machine")
    return program


@contextmanager
def on_cores(cores: Cores) -> Iterator[None]:
    """Have this thread, and whatever is started meanwhile for good, run on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def move(pid: int, cores: Cores) -> None:
    """Have a process run on these cores from now on, with all its threads."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)
