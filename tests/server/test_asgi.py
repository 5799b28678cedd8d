"""The ASGI application, driven in memory where time is simulated, and through hypercorn where sockets matter.

The service behind it keeps a dict: what is tested is how requests come in and responses go out.
"""

import gzip
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar, cast

import httpx
import pytest
import structlog
import trio
import trio.testing
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.typing import ASGIReceiveEvent, ASGISendEvent, Scope
from trio.testing import MockClock

from synap.commands import Command, Delete, Get, Kind, Query, Set, Write
from synap.errors import CodecError, LogFailedError, OverloadedError
from synap.protocol.http import Headers
from synap.protocol.http.info import Info
from synap.protocol.http.message import Stream
from synap.protocol.http.service import (
    Begun,
    Exposition,
    Follower,
    Health,
    Operations,
    Readiness,
    SlowEntries,
    Snapshot,
    Stats,
)
from synap.results import Found, Written
from synap.server.asgi import App
from synap.server.exchange import HEADERS_MAX_BYTES, Exchange

R = TypeVar("R")
JSON = (b"content-type", b"application/json")
Observed = tuple[str, str, int]


class DictBegun(Generic[R]):
    """A write that is done already, or will be when it is asked for."""

    def __init__(self, command: Write[R]) -> None:
        self.command = command


class DictService:
    """Answers Set, Get and Delete from a dict, unless it was told to fail."""

    def __init__(self) -> None:
        self.values: dict[bytes, Found] = {}
        self.observed: list[Observed] = []
        self.fails_with: Exception | None = None

    async def execute(self, command: Command[R]) -> R:
        await trio.lowlevel.checkpoint()
        return self._done(command)

    def look(self, query: Query[R]) -> R:
        return self._done(query)

    def begin(self, command: Write[R], on_done: Callable[[Begun[R]], None]) -> None:
        on_done(DictBegun(command))

    def result(self, begun: Begun[R]) -> R:
        return self._done(begun.command)

    def _done(self, command: Command[R]) -> R:
        if self.fails_with is not None:
            raise self.fails_with
        return cast("R", self._result(command))

    def _result(self, command: object) -> object:
        match command:
            case Set():
                self.values[command.key] = Found(command.kind, command.value, None, 1)
                return Written(True, 1)
            case Get():
                return self.values.get(command.key)
            case Delete():
                return self.values.pop(command.key, None) is not None
        raise AssertionError(command)

    async def take_snapshot(self) -> Snapshot:
        await trio.lowlevel.checkpoint()
        assert self.fails_with is not None
        raise self.fails_with

    def follow(self, prefix: bytes, after_seq: int | None) -> Follower:
        raise AssertionError(f"nobody follows {prefix!r} after {after_seq}")

    async def backup(self) -> Stream:
        raise AssertionError("nobody asked for one")

    def snapshots(self) -> tuple[Snapshot, ...]:
        return ()

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
        assert duration_s >= 0
        self.observed.append((method, route, status))


@pytest.fixture
def service() -> DictService:
    return DictService()


# --- in memory -------------------------------------------------------------------------------------------


class Conversation:
    """One request to the application, its parts given out one by one, and what it sent."""

    def __init__(self, method: str, path: bytes, headers: Headers, parts: Iterable[bytes | None]) -> None:
        self.scope = cast(
            "Scope",
            {
                "type": "http",
                "method": method,
                "raw_path": path,
                "query_string": b"",
                "headers": list(headers),
                "http_version": "1.1",
            },
        )
        self._parts = list(parts)
        self.sent: list[ASGISendEvent] = []

    async def receive(self) -> ASGIReceiveEvent:
        """The next part: bytes, or None for a disconnect; after the last, nothing ever comes."""
        if not self._parts:
            await trio.sleep(math.inf)
        part = self._parts.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(part)}

    async def send(self, event: ASGISendEvent) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(event)

    @property
    def untaken(self) -> int:
        return len(self._parts)

    @property
    def status(self) -> int:
        start = self.sent[0]
        assert start["type"] == "http.response.start"
        return start["status"]

    @property
    def body(self) -> bytes:
        return b"".join(event["body"] for event in self.sent if event["type"] == "http.response.body")

    @property
    def told(self) -> dict[str, object]:
        return cast("dict[str, object]", json.loads(self.body))


async def exchange(
    app: App, method: str, path: bytes, *parts: bytes | None, headers: Headers = (JSON,)
) -> Conversation:
    """Ask the application; the parts of a body end with b""."""
    exchange = Conversation(method, path, headers, parts)
    await app(exchange.scope, exchange.receive, exchange.send)
    return exchange


async def test_a_value_is_set_and_read(service: DictService) -> None:
    app = App(Exchange(service))
    written = await exchange(app, "POST", b"/kv/set", b'{"key":"a/b",', b'"value":"c"}', b"")
    assert (written.status, written.told) == (200, {"success": True, "key": "a/b", "written": True, "version": 1})
    read = await exchange(app, "GET", b"/kv/get/a%2Fb", b"", headers=())
    assert (read.status, read.body) == (200, b'"c"')
    assert service.observed == [("POST", "/kv/set", 200), ("GET", "/kv/get/{key}", 200)]


async def test_what_leads_nowhere_is_counted_without_its_name(service: DictService) -> None:
    app = App(Exchange(service))
    assert (await exchange(app, "GET", b"/secret", b"")).status == 404
    assert (await exchange(app, "BREW", b"/kv/set", b"")).status == 405
    assert (await exchange(app, "POST", b"/kv/set", b"{", b"")).status == 400
    assert service.observed == [("GET", "unmatched", 404), ("other", "unmatched", 405), ("POST", "/kv/set", 400)]


async def test_a_body_is_refused_by_its_declared_length(service: DictService) -> None:
    headers = (JSON, (b"content-length", b"101"))
    refused = await exchange(App(Exchange(service), body_max_bytes=100), "POST", b"/kv/set", b"", headers=headers)
    assert (refused.status, refused.told["limit"], refused.told["field"]) == (413, 100, "body")


async def test_a_body_is_refused_as_soon_as_too_much_arrived(service: DictService) -> None:
    app = App(Exchange(service), body_max_bytes=100)
    refused = await exchange(app, "POST", b"/kv/set", b"a" * 60, b"a" * 60, b"a" * 60, b"")
    assert refused.status == 413
    assert str(refused.told["error"]).startswith("body is too large: 120 bytes")
    assert refused.untaken == 0, "the rest is thrown away, so that the client comes to read the response"


async def test_a_body_of_the_largest_size_is_read(service: DictService) -> None:
    app = App(Exchange(service), body_max_bytes=100)
    body = b'{"key":"a","value":"' + b"v" * 78 + b'"}'
    assert len(body) == 100
    headers = (JSON, (b"content-length", b"100"))
    assert (await exchange(app, "POST", b"/kv/set", body, b"", headers=headers)).status == 200


async def test_a_length_that_is_no_number_is_not_believed(service: DictService) -> None:
    headers = (JSON, (b"content-length", b"-1"))
    assert (await exchange(App(Exchange(service)), "POST", b"/kv/set", b"{", b"", headers=headers)).status == 400


async def test_a_body_that_does_not_come(service: DictService, autojump_clock: MockClock) -> None:
    late = await exchange(App(Exchange(service), body_timeout_s=30), "POST", b"/kv/set", b'{"key":')
    assert (late.status, late.told["error"]) == (408, "the body did not arrive within 30 seconds")
    assert trio.current_time() == pytest.approx(35), "the body's time, and a while to see that nothing comes"
    assert late.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_all_bodies_together_have_a_limit(service: DictService, autojump_clock: MockClock) -> None:
    app = App(Exchange(service), body_timeout_s=30, bodies_max_bytes=100)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exchange, app, "POST", b"/kv/set", b"a" * 60)
        await trio.testing.wait_all_tasks_blocked()
        refused = await exchange(app, "POST", b"/kv/set", b"a" * 60, b"")
        assert (refused.status, refused.told["outcome"]) == (503, "not_written")
    body = b'{"key":"a","value":"' + b"v" * 78 + b'"}'
    assert (await exchange(app, "POST", b"/kv/set", body, b"")).status == 200, "what the slow one held is free again"


@pytest.mark.parametrize("parts", [(None,), (b'{"key":', None)])
async def test_a_client_that_leaves_before_its_body_ends(service: DictService, parts: tuple[bytes | None, ...]) -> None:
    gone = await exchange(App(Exchange(service)), "POST", b"/kv/set", *parts)
    assert (gone.sent, service.observed, service.values) == ([], [], {})


async def test_a_client_that_leaves_while_it_is_refused(service: DictService) -> None:
    gone = await exchange(App(Exchange(service)), "GET", b"/nowhere", b"part", None)
    assert gone.status == 404


async def test_headers_have_a_limit(service: DictService) -> None:
    app = App(Exchange(service))
    fits = (b"cookie", b"a" * (HEADERS_MAX_BYTES - len(b"cookie")))
    assert (await exchange(app, "GET", b"/kv/get/a", b"", headers=(fits,))).status == 200
    refused = await exchange(app, "GET", b"/kv/get/a", b"", headers=(fits, (b"a", b"")))
    assert (refused.status, refused.told["limit"]) == (431, HEADERS_MAX_BYTES)


async def test_an_error_of_the_service_is_answered(service: DictService) -> None:
    service.fails_with = OverloadedError("the write queue is full")
    refused = await exchange(App(Exchange(service)), "DELETE", b"/kv/del/a", b"")
    assert (refused.status, refused.told["outcome"]) == (503, "not_written")
    service.fails_with = LogFailedError("fdatasync", Path("wal"), OSError(5, "I/O error"))
    refused = await exchange(App(Exchange(service)), "DELETE", b"/kv/del/a", b"")
    assert (refused.status, refused.told["type"], refused.told["outcome"]) == (500, "log_failed", "unknown")


@pytest.mark.parametrize(
    ("method", "path", "outcome"), [("DELETE", b"/kv/del/a", "unknown"), ("GET", b"/kv/get/a", "not_written")]
)
@pytest.mark.parametrize("error", [ValueError("secret"), CodecError("secret")])
async def test_what_nobody_foresaw(
    service: DictService, error: Exception, method: str, path: bytes, outcome: str
) -> None:
    service.fails_with = error
    with structlog.testing.capture_logs() as lines:
        refused = await exchange(App(Exchange(service)), method, path, b"")
    assert (refused.status, refused.told["type"], refused.told["outcome"]) == (500, "internal_error", outcome)
    [line] = lines
    assert line["error"] == type(error).__name__
    assert "in _done" in line["frames"]
    assert "secret" not in str(line) + str(refused.told)


async def test_a_large_response_is_compressed_all_the_same(service: DictService) -> None:
    service.values[b"a"] = Found(Kind.TEXT, b"v" * 1_000_000, None, 1)
    read = await exchange(App(Exchange(service)), "GET", b"/kv/get/a", b"", headers=((b"accept-encoding", b"gzip"),))
    assert json.loads(gzip.decompress(read.body)) == "v" * 1_000_000


async def test_lifespan(service: DictService) -> None:
    events = [{"type": "lifespan.startup"}, {"type": "lifespan.unheard-of"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> ASGIReceiveEvent:
        return cast("ASGIReceiveEvent", events.pop(0))

    async def send(event: ASGISendEvent) -> None:
        sent.append(event["type"])

    await App(Exchange(service))(cast("Scope", {"type": "lifespan"}), receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


# --- through hypercorn -----------------------------------------------------------------------------------


@asynccontextmanager
async def served(app: App) -> AsyncIterator[str]:
    """The application behind hypercorn on a port of its own, as a base URL."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        start: Callable[..., Awaitable[object]] = partial(serve, app, config, shutdown_trigger=stop.wait)
        [url] = cast("list[str]", await nursery.start(start))
        yield url
        stop.set()


async def raw_exchange(url: str, sent: bytes) -> bytes:
    """Everything the server sends to raw bytes, until it closes."""
    host, port = url.removeprefix("http://").split(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(sent)
        with trio.fail_after(10):
            return b"".join([part async for part in stream])


async def test_requests_through_sockets(service: DictService) -> None:
    async with served(App(Exchange(service))) as url, httpx.AsyncClient(base_url=url) as client:
        written = await client.post("/kv/set", json={"key": "a+b/😀", "value": "x" * 2000})
        assert written.status_code == 200
        path = "/kv/get/a+b%2F%F0%9F%98%80"
        read = await client.get(path)
        assert read.json() == "x" * 2000
        assert read.headers["etag"] == '"1"'
        assert read.headers["content-encoding"] == "gzip"
        head = await client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        same = ("content-length", "etag", "content-type", "content-encoding", "vary", "cache-control")
        assert [head.headers[name] for name in same] == [read.headers[name] for name in same]
        assert (await client.get("/kv/get/missing")).text == "null"


async def test_a_client_reads_why_its_body_was_refused(service: DictService) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b"a" * 65_536

    async with served(App(Exchange(service))) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        for content in (b"a" * 20_000_000, chunks()):
            refused = await client.post("/kv/set", content=content, headers={"content-type": "application/json"})
            assert refused.status_code == 413
            assert refused.json()["field"] == "body"
        assert (await client.get("/health")).status_code == 200


async def test_a_client_that_goes_on_sending_is_cut_off(service: DictService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synap.server.asgi._OVERTAKE_S", 0.2)
    request = b"POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n"
    async with served(App(Exchange(service))) as url:
        response = await raw_exchange(url, request + b"a" * 1000)
        assert response.startswith(b"HTTP/1.1 404")
        assert b'"type":"unknown_route"' in response


async def test_a_websocket_is_refused(service: DictService) -> None:
    request = (
        b"GET /kv/get/a HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    async with served(App(Exchange(service))) as url:
        assert (await raw_exchange(url, request)).startswith(b"HTTP/1.1 403")
