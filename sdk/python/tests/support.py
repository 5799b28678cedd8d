"""What the client's tests share: every kind of client, a clock that only they move, a server that is a function."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeAlias

import httpx
import trio

from synap_sdk import AsyncClient, Client, SynapClient

URL = "http://synap.test:15500"

Handler: TypeAlias = Callable[[httpx.Request], httpx.Response]


class ManualClock:
    """Time that passes when somebody sleeps, or when a test says so; ``slept`` are the sleeps."""

    def __init__(self, chance: float = 1.0) -> None:
        self.time_s = 1000.0
        self.slept: list[float] = []
        self._chance = chance

    def now_s(self) -> float:
        return self.time_s

    def chance(self) -> float:
        return self._chance

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time_s += seconds

    async def sleep_in_loop(self, seconds: float) -> None:
        self.sleep(seconds)


class Flavour:
    """A kind of client, and the world it is used in."""

    def __init__(self, name: str, make: Callable[..., Any], start: Callable[[Callable[[], Any]], Any] | None) -> None:
        self.name = name
        self._make = make
        self._start = start

    @property
    def is_async(self) -> bool:
        return self._start is not None

    def client(self, url: str = URL, handler: Handler | None = None, **options: Any) -> Any:
        """A client, of the function that answers in place of a server if there is one."""
        if handler is not None:
            options["transport"] = httpx.MockTransport(handler)
        return self._make(url, **options)

    def call(self, client: Any, operate: Callable[[Any], Any]) -> Any:
        """What an operation on the client gives, in this world."""
        if self._start is None:
            return operate(client)

        async def awaited() -> Any:
            return await operate(client)

        return self._start(awaited)

    def first(self, count: int, client: Any, iterate: Callable[[Any], Any]) -> list[Any]:
        """The first ``count`` of what is iterated over; fewer where it ends. What can be closed is."""
        if self._start is None:
            return _first(count, iterate(client))

        async def awaited() -> list[Any]:
            return await _first_awaited(count, iterate(client))

        found: list[Any] = self._start(awaited)
        return found


def _first(count: int, iterator: Iterator[Any]) -> list[Any]:
    found = list(islice(iterator, count))
    if hasattr(iterator, "close"):
        iterator.close()
    return found


async def _first_awaited(count: int, iterator: AsyncIterator[Any]) -> list[Any]:
    found: list[Any] = []
    while len(found) < count and (each := await anext(iterator, None)) is not None:
        found.append(each)
    if hasattr(iterator, "aclose"):
        await iterator.aclose()
    return found


def _in_asyncio(function: Callable[[], Any]) -> Any:
    return asyncio.run(function())


FLAVOURS = [
    Flavour("Client", Client, None),
    Flavour("AsyncClient in asyncio", AsyncClient, _in_asyncio),
    Flavour("AsyncClient in trio", AsyncClient, trio.run),
    Flavour("SynapClient in a script", SynapClient, None),
    Flavour("SynapClient in asyncio", SynapClient, _in_asyncio),
    Flavour("SynapClient in trio", SynapClient, trio.run),
]


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """A response of the server in JSON."""
    return httpx.Response(
        status, headers={"content-type": "application/json", **(headers or {})}, content=json.dumps(body).encode()
    )


def refuse(status: int, kind: str, headers: Mapping[str, str] | None = None, **fields: object) -> httpx.Response:
    """An error of the server."""
    return answer({"error": "a sentence", "code": status, "type": kind, **fields}, status, headers)


class Script:
    """A server that gives its answers in turn; an exception is raised instead. ``seen`` are the requests.

    ``clock`` passes so many seconds with each request as ``takes_s`` says.
    """

    def __init__(
        self, *answers: httpx.Response | Exception, clock: ManualClock | None = None, takes_s: float = 0.0
    ) -> None:
        self._answers = iter(answers)
        self._clock = clock
        self._takes_s = takes_s
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if self._clock is not None:
            self._clock.time_s += self._takes_s
        given = next(self._answers)
        if isinstance(given, Exception):
            raise given
        return given
