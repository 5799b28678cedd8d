"""A client that sends exactly what it is told: no path is normalised, no header added but what HTTP needs."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import h11
import trio

LIMIT_S = 20.0
"""How long an answer may take on a busy machine before the test gives up."""

JSON = {"content-type": "application/json"}


class Reply(NamedTuple):
    """A response as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)

    def field(self, name: str) -> object:
        told = self.json
        assert isinstance(told, dict), told
        return told[name]


class Connection:
    """One kept-alive connection. ``stream`` is there for bytes that are no request."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=1_000_000)

    async def request(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request and read its response."""
        fields = {"host": "synap", **(headers or {})}
        if body is not None:
            fields["content-length"] = str(len(body))
        head = h11.Request(method=method, target=target, headers=list(fields.items()))
        sent = self._http.send(head) or b""
        sent += self._http.send(h11.Data(data=body or b"")) or b""
        sent += self._http.send(h11.EndOfMessage()) or b""
        await self.stream.send_all(sent)
        reply = await self._reply()
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return reply

    async def _reply(self) -> Reply:
        head = await self._event()
        assert isinstance(head, h11.Response), head
        body = bytearray()
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            assert isinstance(event, h11.Data), event
            body += event.data
        headers = {name.decode(): value.decode() for name, value in head.headers}
        return Reply(head.status_code, headers, bytes(body))

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self.stream.receive_some(65_536))
        return event


class Client:
    """Requests over one connection, opened anew whenever the server closed it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection: Connection | None = None

    async def request(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request and read its response."""
        with trio.fail_after(LIMIT_S):
            if self._connection is None:
                self._connection = Connection(await trio.open_tcp_stream("127.0.0.1", self.port))
            reply = await self._connection.request(method, target, body, headers)
            if reply.headers.get("connection") == "close":
                await self.aclose()
            return reply

    async def get(self, target: str, **headers: str) -> Reply:
        return await self.request("GET", target, headers=headers)

    async def delete(self, target: str) -> Reply:
        return await self.request("DELETE", target)

    async def post(self, target: str, body: object = None) -> Reply:
        """Send a body as JSON; bytes as they are, declared as JSON; None as no body at all."""
        if body is None:
            return await self.request("POST", target)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.request("POST", target, content, JSON)

    async def set(self, key: str, value: object, **fields: object) -> Reply:
        reply = await self.post("/kv/set", {"key": key, "value": value, **fields})
        assert reply.status == 200, reply
        return reply

    async def raw(self, sent: bytes, *, end: bool = False) -> bytes:
        """Everything that the server answers to bytes until it closes; ``end`` says that no more will come."""
        async with self.connected() as stream:
            with trio.fail_after(LIMIT_S):
                await stream.send_all(sent)
                if end:
                    await stream.send_eof()
                return b"".join([part async for part in stream])

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[trio.SocketStream]:
        """A connection of its own, for bytes that are no request."""
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            yield stream

    async def is_ready(self) -> bool:
        return (await self.get("/ready")).status == 200

    async def aclose(self) -> None:
        if self._connection is not None:
            await trio.aclose_forcefully(self._connection.stream)
            self._connection = None


async def read_until(stream: trio.SocketStream, ending: bytes) -> bytes:
    """What the server sends up to and with ``ending``, or all of it where that does not come."""
    received = b""
    with trio.fail_after(LIMIT_S):
        while not received.endswith(ending) and (part := await stream.receive_some()):
            received += part
    return received


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return when the awaited condition holds; fail after the limit."""
    with trio.fail_after(LIMIT_S):
        while not await condition():  # noqa: ASYNC110  # there is nothing to wait for but answers
            await trio.sleep(0.005)


def refusal(reply: Reply) -> tuple[int, object, object]:
    """Status, type and field of an error, after a look at what every error must have."""
    told = reply.json
    assert isinstance(told, dict), told
    assert told["code"] == reply.status
    assert len(str(told["error"])) > len("too short to help"), told
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    assert ("outcome" in told) == (reply.status >= 500), "a 5xx says whether the write may have happened"
    return reply.status, told["type"], told.get("field")
