"""ASGI applications and connections for the tests of what lies between a socket and an application."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

from synap.server.listener import Listener, bind

LIMIT_S = 20.0
"""How long anything may take on a busy machine before a test gives up."""

GET = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n"


class Door:
    """An application whose answers wait until it is opened; ``entered`` are the requests so far."""

    def __init__(self, body: bytes = b"done") -> None:
        self.body = body
        self.entered = 0
        self.open = trio.Event()
        self.fails = False

    async def __call__(self, _: Scope, __: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self.entered += 1
        await self.open.wait()
        if self.fails:
            raise ValueError("secret")
        length = (b"content-length", b"%d" % len(self.body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class Listening:
    """A listener that runs, and how to reach it."""

    def __init__(self, listener: Listener, port: int) -> None:
        self.listener = listener
        self.port = port

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    async def ask(self) -> trio.SocketStream:
        """A connection over which a request was sent."""
        stream = await self.connect()
        await stream.send_all(GET)
        return stream


@asynccontextmanager
async def listening(app: Door, max_connections: int = 10) -> AsyncIterator[Listening]:
    """The application behind a listener on a port of its own, stopped at the end if it was not before."""
    sockets = bind("127.0.0.1", 0)
    port = cast("int", sockets[0].getsockname()[1])
    listener = Listener(app, sockets, max_connections)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.run)
        yield Listening(listener, port)
        nursery.cancel_scope.cancel()


async def read_answer(stream: trio.SocketStream) -> bytes:
    """One answer of an open ``Door``, or a refusal."""
    received = b""
    with trio.fail_after(LIMIT_S):
        while not received.endswith((b"done", b"}")) and (part := await stream.receive_some()):
            received += part
    return received


async def read_all(stream: trio.SocketStream) -> bytes:
    """Everything until the server closes, which it must."""
    async with stream:
        with trio.fail_after(LIMIT_S):
            return b"".join([part async for part in stream])


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; fail after a while, which passes also where the clock of a test stands still."""
    give_up_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < give_up_s, "it does not come true"
        await trio.to_thread.run_sync(time.sleep, 0.005)
