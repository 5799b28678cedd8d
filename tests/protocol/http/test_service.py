"""What a wish is answered with: commands by ``execute``, questions at once, errands when they are done."""

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar, cast

from synap.commands import Command, Count, Query, Write
from synap.protocol.http.info import Info
from synap.protocol.http.message import Stream
from synap.protocol.http.service import (
    Begun,
    Errand,
    Exposition,
    Follower,
    Health,
    Operations,
    Question,
    Readiness,
    Service,
    SlowEntries,
    Snapshot,
    Stats,
    answer,
)

R = TypeVar("R")

SNAPSHOT = Snapshot("/data/snapshot/7.snap", 5, "2024-01-01T00:00:00.000Z", 7, 3)


async def nothing() -> AsyncGenerator[bytes, None]:
    return
    yield b""


class Constant:
    """A service that says the same to everything, to see who is asked."""

    async def execute(self, command: Command[R]) -> R:
        assert command == Count(b"a")
        return cast("R", 42)

    def look(self, query: Query[R]) -> R:
        raise AssertionError(f"nobody asks {query} without waiting")

    def begin(self, command: Write[R], on_done: Callable[[Begun[R]], None]) -> None:
        raise AssertionError(f"nobody begins {command}", on_done)

    def result(self, begun: Begun[R]) -> R:
        raise AssertionError(f"nobody began {begun.command}")

    async def take_snapshot(self) -> Snapshot:
        return SNAPSHOT

    async def backup(self) -> Stream:
        return Stream(nothing(), 0)

    def follow(self, prefix: bytes, after_seq: int | None) -> Follower:
        raise AssertionError(f"nobody follows {prefix!r} after {after_seq}")

    def snapshots(self) -> tuple[Snapshot, ...]:
        return (SNAPSHOT,)

    def health(self) -> Health:
        return Health("healthy", "synap", "0", 0)

    def readiness(self) -> Readiness:
        return Readiness(True)

    def stats(self) -> Stats:
        return Stats(0, 0, 0, "none", Operations(0, 0, 0, 0, 0), 0.0, 0, 0, 0)

    def info(self) -> Info:
        return Info()

    def slowlog(self, count: int) -> SlowEntries:
        return SlowEntries((), count)

    async def clear_slowlog(self) -> int:
        return 0

    def metrics(self) -> Exposition:
        return Exposition(b"", "text/plain")

    def observe(self, method: str, route: str, status: int, duration_s: float) -> None:
        raise AssertionError(method, route, status, duration_s)


async def test_answer() -> None:
    service: Service = Constant()
    assert await answer(service, Count(b"a")) == 42
    assert await answer(service, Question(lambda asked: asked.health())) == service.health()
    assert await answer(service, Question(lambda asked: asked.readiness())) == service.readiness()
    assert await answer(service, Question(lambda asked: asked.stats())) == service.stats()
    assert await answer(service, Question(lambda asked: asked.metrics())) == service.metrics()
    assert await answer(service, Question(lambda asked: asked.snapshots())) == (SNAPSHOT,)
    assert await answer(service, Errand(lambda asked: asked.take_snapshot())) == SNAPSHOT
