"""What the REST API asks of the server behind it, and the shapes of what it gets.

A request becomes a ``Command`` on the keyspace, a ``Question`` about the server itself, or an ``Errand`` for it.
Questions are answered at once, from memory, also while the store is loading, draining or failed: that is when they are
asked. Whatever answers all three is a ``Service``; the API knows no more of the server than this file.
"""

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Generic, Protocol, TypeAlias, TypeVar

import msgspec

from synap.commands import Command, Query, Write
from synap.protocol.http.info import Info
from synap.protocol.http.message import Stream
from synap.results import Change

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


# --- what questions are answered with --------------------------------------------------------------------


class Health(msgspec.Struct, frozen=True):
    """Whether the process is alive. Any ``status`` but "healthy" is answered with 503."""

    status: str
    service: str
    version: str
    uptime_secs: int


class Readiness(msgspec.Struct, frozen=True):
    """Whether commands would be accepted now, and if not, what is waited for, in words.

    ``recovery_percent`` (0 to 100) is None when recovery is not running; ``retry_after_s`` becomes the
    Retry-After header of the 503.
    """

    ready: bool
    waiting_for: tuple[str, ...] = ()
    recovery_percent: float | None = None
    retry_after_s: int = 1


class Operations(msgspec.Struct, frozen=True):
    """How many keys were read, written and deleted since start; hits + misses = gets."""

    gets: int
    sets: int
    dels: int
    hits: int
    misses: int


class Stats(msgspec.Struct, frozen=True):
    """The state of the store in numbers.

    ``memory_bytes`` is what keys, values, their tree and the order of eviction take, ``max_memory_bytes`` what they may
    (null: no limit); ``total_memory_bytes`` is the resident set of the process; ``hit_rate`` goes from 0 to 1 (0
    before the first read); ``seq`` is the last event's. ``expired_keys`` and ``evicted_keys`` count since the start.
    """

    total_keys: int
    memory_bytes: int
    total_memory_bytes: int
    eviction_policy: str
    operations: Operations
    hit_rate: float
    seq: int
    expired_keys: int
    uptime_secs: int
    evicted_keys: int = 0
    max_memory_bytes: int | None = None


class Exposition(msgspec.Struct, frozen=True):
    """The metrics as text, in the format that ``content_type`` names."""

    body: bytes
    content_type: str


class Snapshot(msgspec.Struct, frozen=True):
    """A durable snapshot: the state after event ``seq``; ``created_at`` is UTC, as in RFC 3339."""

    path: str
    size_bytes: int
    created_at: str
    seq: int
    entries: int


class SlowEntry(msgspec.Struct, frozen=True):
    """A command that took `duration_us`; `timestamp` is when it ended, in seconds since the epoch.

    `args` are its keys, cut where they are long, and its options; of a value, only the size.
    """

    id: int
    timestamp: int
    duration_us: int
    command: str
    args: tuple[str, ...]


class SlowEntries(msgspec.Struct, frozen=True):
    """Slow commands, the newest first; `total` is how many are kept."""

    entries: tuple[SlowEntry, ...]
    total: int


class Follower(Protocol):
    """Goes through what happened, one event after the other."""

    @property
    def seq(self) -> int:
        """The last event that was told or passed over."""
        ...

    @property
    def ended(self) -> bool:
        """Whether there will be no more, because the server is shutting down."""
        ...

    async def next(self, timeout_s: float) -> list[Change]:
        """The next changes as soon as there are any; none where there were none in time. Raises ``TrimmedError``."""
        ...


# --- the service -----------------------------------------------------------------------------------------


class Begun(Protocol[R]):
    """A write that was begun. Only the service that began it knows more of it."""

    command: Write[R]


class Service(Protocol):
    """Whoever answers. Only the coroutines may wait; the rest read what is in memory."""

    async def execute(self, command: Command[R]) -> R:
        """Carry a command out. A write returns only when it is durable.

        Raises ``CommandError`` where the command is refused, ``UnavailableError`` where it may be sent
        again, ``LogFailedError`` where its outcome is unknown. Cancelling stops the waiting, not the write.
        """
        ...

    def look(self, query: Query[R]) -> R:
        """Carry out a query that is no ``Walk``, as ``execute`` does, at once."""
        ...

    def begin(self, command: Write[R], on_done: Callable[[Begun[R]], None]) -> None:
        """Carry out a write, as ``execute`` does, for who does not wait; raises where it is not even taken.

        ``on_done`` is called once, with what ``result`` needs. It must not raise, and not take long.
        """
        ...

    def result(self, begun: Begun[R]) -> R:
        """The result of a write that was begun, and is done. To be asked for once; raises as ``execute``."""
        ...

    async def take_snapshot(self) -> Snapshot:
        """A snapshot of all that was acknowledged before, once it is durable.

        Raises ``SnapshotError`` or ``UnavailableError`` where there is none, ``LogFailedError`` where the disk failed.
        """
        ...

    def follow(self, prefix: bytes, after_seq: int | None) -> Follower:
        """One who follows what happens under a prefix after an event (None: from now on).

        Raises ``TrimmedError``, ``InvalidValueError`` or ``UnavailableError``.
        """
        ...

    async def backup(self) -> Stream:
        """All that was acknowledged before, as a tar file of a data directory. Raises as ``take_snapshot``."""
        ...

    def snapshots(self) -> tuple[Snapshot, ...]:
        """The snapshots that a start would use, oldest first."""
        ...

    def health(self) -> Health:
        """Whether the process is alive."""
        ...

    def readiness(self) -> Readiness:
        """Whether commands would be accepted now."""
        ...

    def stats(self) -> Stats:
        """The state of the store in numbers."""
        ...

    def info(self) -> Info:
        """All that an operator wants to know."""
        ...

    def slowlog(self, count: int) -> SlowEntries:
        """The last commands that were slow, ``count`` at most."""
        ...

    async def clear_slowlog(self) -> int:
        """Forget the slow commands, and say how many there were."""
        ...

    def metrics(self) -> Exposition:
        """The metrics as text for Prometheus."""
        ...

    def observe(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count an answered request.

        ``route`` is the pattern of the route ("/kv/get/{key}") or "unmatched", ``method`` one of HTTP's or
        "other", so that nothing a client makes up becomes a label.
        """
        ...


class Role(IntEnum):
    """Who may have a wish granted; each role may do what those before it may."""

    PUBLIC = 0
    """Anybody, also without credentials."""
    READER = 1
    WRITER = 2
    ADMIN = 3
    """Who runs the server."""


class Question(msgspec.Struct, Generic[R_co], frozen=True):
    """Something to be asked of the service that is no command, and is answered without waiting.

    It tells of the keys ``under`` a prefix, that is, of all where it is empty.
    """

    ask: Callable[[Service], R_co]
    needs: Role = Role.ADMIN
    under: bytes = b""


class Errand(msgspec.Struct, Generic[R_co], frozen=True):
    """Something to be done by the service that changes no key, and is waited for. Otherwise as ``Question``."""

    run: Callable[[Service], Awaitable[R_co]]
    needs: Role = Role.ADMIN
    under: bytes = b""


Wish: TypeAlias = Command[R] | Question[R] | Errand[R]
"""What a request comes down to."""


async def answer(service: Service, wish: Wish[R]) -> R:
    """What comes of a wish: the result of a command, the answer to a question, the outcome of an errand."""
    if isinstance(wish, Command):
        return await service.execute(wish)
    if isinstance(wish, Errand):
        return await wish.run(service)
    return wish.ask(service)
