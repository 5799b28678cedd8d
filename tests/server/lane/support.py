"""A listener with a fast lane, an exchange and a store in memory, whose log waits and fails as a test wants it."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import trio

from synap.clock import LogClock, SystemClock
from synap.keyspace import Keyspace, Limits
from synap.radix import new_tree
from synap.server.asgi import App
from synap.server.authentication import Authentication
from synap.server.exchange import Exchange
from synap.server.lane.door import Lane
from synap.server.lane.passage import Passage, State
from synap.server.listener import Listener, bind
from synap.server.service import StoreService
from synap.store import Store
from synap.telemetry import Metrics
from tests.engine import GateLog
from tests.server.lane.corpus import post, request

LIMIT_S = 20.0
"""How long anything may take on a busy machine before a test gives up."""

CLOSE = b"connection: close"


class House:
    """Both doors, what is behind them, and how to come in."""

    def __init__(self, listener: Listener, lane: Lane, store: Store, log: GateLog, port: int) -> None:
        self.listener = listener
        self.lane = lane
        self.store = store
        self.log = log
        self.port = port

    @property
    def passages(self) -> list[Passage]:
        """The connections in the lane."""
        return list(self.lane._passages.values())

    @property
    def states(self) -> list[State]:
        """What they wait for."""
        return [passage._state for passage in self.passages]

    @property
    def handed_over(self) -> int:
        """The connections at the other door."""
        return len(self.listener._streams)

    @property
    def places(self) -> int:
        """The connections that count against the limit, at either door or on their way between."""
        return self.listener._open

    @asynccontextmanager
    async def connected(self, sent: bytes = b"", small: bool = False) -> AsyncIterator["Caller"]:
        """A client that has sent something; a ``small`` one lets the server send little before it reads."""
        socket = trio.socket.socket()
        if small:
            socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
        await socket.connect(("127.0.0.1", self.port))
        stream = trio.SocketStream(socket)
        async with stream:
            await stream.send_all(sent)
            yield Caller(stream)

    async def talk(self, sent: bytes) -> bytes:
        """Everything that is answered until the server closes."""
        async with self.connected(sent) as caller:
            return await caller.read_all()

    async def until_state(self, *states: State) -> None:
        """Wait until the connections in the lane are in these states."""
        await until(lambda: sorted(each.value for each in self.states) == sorted(each.value for each in states))

    def is_empty(self) -> bool:
        """Whether nothing is kept of any connection."""
        return not (self.lane._passages or list(self.lane.patience) or self.handed_over or self.places)


class Caller:
    """The client's side of a connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream

    async def read_answers(self, count: int = 1) -> list[bytes]:
        """As many answers that have bodies; only the bodies."""
        received = bytearray()
        with trio.fail_after(LIMIT_S):
            while len(found := bodies(bytes(received))) < count:
                part = await self.stream.receive_some()
                assert part, f"closed after {bytes(received[-500:])!r}"
                received += part
        assert len(found) == count
        return found

    async def read_all(self) -> bytes:
        """Everything until the server closes, which it must."""
        received = bytearray()
        # The socket is broken where the server closed it over what it had not read.
        with trio.fail_after(LIMIT_S), contextlib.suppress(trio.BrokenResourceError):
            while part := await self.stream.receive_some():
                received += part
        return bytes(received)

    async def reset(self) -> None:
        """Leave without a goodbye."""
        self.stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await self.stream.aclose()


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; fail after a while, which passes also where the clock of a test stands still."""
    give_up_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < give_up_s, "it does not come true"
        await trio.to_thread.run_sync(time.sleep, 0.002)


@asynccontextmanager
async def open_house(
    authentication: Authentication | None = None,
    *,
    max_connections: int = 1000,
    body_max_bytes: int = 10 * 1024 * 1024,
    loaded: bool = True,
) -> AsyncIterator[House]:
    """Both doors on a port of their own; in the end nothing may be left of any connection."""
    sockets = bind("127.0.0.1", 0)
    log, metrics = GateLog(), Metrics()
    store = Store(Keyspace(new_tree()), log, LogClock(SystemClock(), 0, lambda _: None), Limits(), metrics)
    service = StoreService(metrics)
    if loaded:
        service.attach(store, 0.0)
    exchange = Exchange(service, authentication)
    lane = Lane(exchange, time.time, body_max_bytes)
    app = App(exchange, body_max_bytes=body_max_bytes)
    listener = Listener(app, sockets, max_connections, lane)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.run)
        nursery.start_soon(store.run)
        house = House(listener, lane, store, log, cast("int", sockets[0].getsockname()[1]))
        yield house
        log.release()
        await until(house.is_empty)
        nursery.cancel_scope.cancel()


def set_request(key: str, value: object = 1, *fields: bytes) -> bytes:
    return post(b"/kv/set", {"key": key, "value": value}, *fields)


def get_request(key: str, *fields: bytes) -> bytes:
    return request(b"GET", b"/kv/get/" + key.encode(), *fields)


def bodies(answers: bytes) -> list[bytes]:
    """The bodies of answers that are complete, told apart by their lengths."""
    found, at = [], 0
    while (end := answers.find(b"\r\n\r\n", at)) >= 0:
        length = answers.find(b"content-length: ", at, end)
        assert length >= 0, answers[at:end]
        at = end + 4 + int(answers[length + 16 :].partition(b"\r")[0])
        if at > len(answers):
            break
        found.append(answers[end + 4 : at])
    return found
