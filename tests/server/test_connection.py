"""What a connection costs once its client has left, or does not read."""

import contextlib
import socket

import h2.connection
import httpx
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from synap.server import connection as connection_module
from synap.server import listener as listener_module
from synap.server.listener import Listener
from tests.server.support import GET, Door, listening, read_all, read_answer, until


def streams(listener: Listener) -> int:
    """The connections that count against the limit."""
    return len(listener._streams)


@pytest.mark.parametrize("sent", [b"", GET, GET[:10]], ids=["nothing", "a request", "half a request"])
async def test_a_client_that_left_is_forgotten_at_once(sent: bytes) -> None:
    """Not only when the time for its next request is over."""
    app = Door()
    app.open.set()
    async with listening(app) as server:
        stream = await server.connect()
        await stream.send_all(sent)
        if sent == GET:
            assert (await read_answer(stream)).endswith(b"done")
        await until(lambda: streams(server.listener) == 1)
        await stream.aclose()
        await until(lambda: streams(server.listener) == 0)


async def test_a_client_that_left_before_its_answer() -> None:
    app = Door()
    async with listening(app) as server:
        stream = await server.ask()
        await until(lambda: app.entered == 1)
        await stream.aclose()
        app.open.set()
        await until(lambda: streams(server.listener) == 0)


@pytest.mark.parametrize("sent", [b"", GET[:-2], GET], ids=["nothing", "half a head", "a request"])
async def test_an_idle_client_is_closed(mock_clock: MockClock, sent: bytes) -> None:
    """Also one that sends its head so slowly that it never ends."""
    app = Door()
    app.open.set()
    async with listening(app) as server:
        stream = await server.connect()
        await stream.send_all(sent)
        if sent == GET:
            assert (await read_answer(stream)).endswith(b"done")
        await until(lambda: streams(server.listener) == 1)
        await wait_all_tasks_blocked()
        mock_clock.jump(listener_module.KEEP_ALIVE_S)
        assert await read_all(stream) == b""


async def test_a_client_of_http_2_that_left() -> None:
    app = Door()
    app.open.set()
    async with listening(app) as server:
        async with httpx.AsyncClient(http1=False, http2=True) as client:
            assert (await client.get(f"http://127.0.0.1:{server.port}/a")).text == "done"
            assert streams(server.listener) == 1
        await until(lambda: streams(server.listener) == 0)


@pytest.mark.parametrize("opened", [True, False], ids=["while it is sent", "before it is there"])
async def test_a_client_of_http_2_that_left_before_its_answer(opened: bool) -> None:
    """Also where the answer is longer than what it may send, so that it waits for room."""
    app = Door(b"v" * 1_000_000)
    if opened:
        app.open.set()
    async with listening(app) as server:
        for asked in range(3, 18, 3):
            stream = await server.connect()
            client = h2.connection.H2Connection()
            client.initiate_connection()
            for number in (1, 3, 5):
                fields = [(":method", "GET"), (":path", "/a"), (":scheme", "http"), (":authority", "a")]
                client.send_headers(number, fields, end_stream=True)
            await stream.send_all(client.data_to_send())
            await until(lambda: app.entered == asked)  # noqa: B023  # awaited here and now
            await stream.aclose()
        app.open.set()
        await until(lambda: streams(server.listener) == 0)


async def test_a_client_that_is_reset() -> None:
    app = Door()
    async with listening(app) as server:
        stream = await server.ask()
        await until(lambda: app.entered == 1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
        stream.socket.close()
        app.open.set()
        await until(lambda: streams(server.listener) == 0)


async def test_a_client_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "STALLED_AFTER_S", 0.1)
    app = Door(b"v" * 30_000_000)
    app.open.set()
    async with listening(app) as server:
        stream = await server.ask()
        await until(lambda: app.entered == 1)
        await until(lambda: streams(server.listener) == 0)
        received = b""
        with trio.fail_after(10), contextlib.suppress(trio.BrokenResourceError):
            async for part in stream:
                received += part
        assert 0 < len(received) < 30_000_000
        await stream.aclose()


async def test_a_client_that_reads_slowly_gets_everything(mock_clock: MockClock) -> None:
    """The time allowed is for each part, not for the whole."""
    app = Door(b"v" * 8_000_000)
    app.open.set()
    async with listening(app) as server, await server.ask() as stream:
        received = 0
        while received < 8_000_000:
            received += len(part := await stream.receive_some(250_000))
            assert part, "the server gave up"
            await wait_all_tasks_blocked()
            mock_clock.jump(connection_module.STALLED_AFTER_S / 20)
        assert trio.current_time() > connection_module.STALLED_AFTER_S
