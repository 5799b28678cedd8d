"""What a wish is answered with: commands by ``execute``, questions at once."""

from typing import TypeVar, cast

from synap.commands import Command, Count
from synap.protocol.http.service import Exposition, Health, Operations, Question, Readiness, Service, Stats, answer

R = TypeVar("R")


class Constant:
    """A service that says the same to everything, to see who is asked."""

    async def execute(self, command: Command[R]) -> R:
        assert command == Count(b"a")
        return cast("R", 42)

    def health(self) -> Health:
        return Health("healthy", "synap", "0", 0)

    def readiness(self) -> Readiness:
        return Readiness(True)

    def stats(self) -> Stats:
        return Stats(0, 0, 0, "none", Operations(0, 0, 0, 0, 0), 0.0, 0, 0, 0)

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
