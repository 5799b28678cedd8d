"""Bodies that come piece by piece: as fast as they are taken, and not asked for any longer than somebody takes them."""

from collections.abc import AsyncGenerator

import pytest
import structlog
import trio
from trio.testing import wait_all_tasks_blocked

from synap.protocol.http.message import Stream
from synap.server.asgi import App
from synap.server.exchange import Exchange
from tests.server.test_asgi import Conversation, DictService, exchange

BACKUP = b"/admin/backup"


class Streaming(DictService):
    """A service whose backup is a stream that notes what becomes of it."""

    def __init__(self, *chunks: bytes | Exception, size_bytes: int | None = None) -> None:
        super().__init__()
        self.closed = 0
        self.taken = 0
        self._chunks = chunks
        self._size_bytes = size_bytes

    async def backup(self) -> Stream:
        return Stream(self._produce(), self._size_bytes, self._close)

    def _close(self) -> None:
        self.closed += 1

    async def _produce(self) -> AsyncGenerator[bytes, None]:
        for chunk in self._chunks:
            await trio.lowlevel.checkpoint()
            if isinstance(chunk, Exception):
                raise chunk
            self.taken += 1
            yield chunk


async def test_every_piece_is_sent_and_the_end() -> None:
    service = Streaming(b"one", b"two", size_bytes=6)
    sent = await exchange(App(Exchange(service)), "GET", BACKUP, b"", headers=())
    start = sent.sent[0]
    assert start["type"] == "http.response.start"
    assert (b"content-length", b"6") in start["headers"]
    bodies = [event for event in sent.sent if event["type"] == "http.response.body"]
    assert [(event["body"], event["more_body"]) for event in bodies] == [(b"one", True), (b"two", True), (b"", False)]
    assert (service.closed, service.observed) == (1, [("GET", BACKUP.decode(), 200)])


async def test_a_head_takes_nothing() -> None:
    service = Streaming(b"one", size_bytes=3)
    sent = await exchange(App(Exchange(service)), "HEAD", BACKUP, b"", headers=())
    assert (sent.status, sent.body, service.taken, service.closed) == (200, b"", 0, 1)


async def test_a_client_that_leaves_is_sent_no_more() -> None:
    service = Streaming(*[b"piece"] * 10_000)
    await exchange(App(Exchange(service)), "GET", BACKUP, b"", None, headers=())
    assert service.taken < 10_000
    assert service.closed == 1


async def test_an_error_in_the_middle_breaks_the_connection_off_and_is_logged() -> None:
    service = Streaming(b"one", OSError(5, "/secret"))
    with structlog.testing.capture_logs() as logged, pytest.raises(OSError, match="secret"):
        await exchange(App(Exchange(service)), "GET", BACKUP, b"", headers=())
    (line,) = logged
    assert (line["event"], line["route"], line["error"]) == ("request failed", BACKUP.decode(), "OSError")
    assert "secret" not in str(line)
    assert service.closed == 1


async def test_over_http_2_there_are_no_streams() -> None:
    """Nothing there would slow the server down to the pace of its client."""
    service = Streaming(b"one")
    asked = Conversation("GET", BACKUP, (), [b""])
    asked.scope["http_version"] = "2"  # type: ignore[typeddict-unknown-key]  # it is an HTTP scope
    await App(Exchange(service))(asked.scope, asked.receive, asked.send)
    assert (asked.status, asked.told["type"], service.taken, service.closed) == (505, "http_version", 0, 1)


async def test_a_client_that_takes_its_time_sets_the_pace(nursery: trio.Nursery) -> None:
    service = Streaming(*[b"piece"] * 100)
    asked = Conversation("GET", BACKUP, (), [b""])
    asked.scope["http_version"] = "1.1"  # type: ignore[typeddict-unknown-key]
    gate = trio.Semaphore(0)

    async def send(event: object) -> None:
        await gate.acquire()

    nursery.start_soon(App(Exchange(service)), asked.scope, asked.receive, send)
    for count in range(5):
        await wait_all_tasks_blocked()
        assert service.taken <= count + 1
        gate.release()
    nursery.cancel_scope.cancel()
