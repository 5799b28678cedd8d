"""Connections: kept, pipelined, slow, broken, too many; and what is no HTTP/1.1 request with a body of known length."""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from synap.config import Settings
from synap.server import listener, run
from synap.server.asgi import App
from tests.contract.client import LIMIT_S, Client, read_until, wait_until
from tests.contract.conftest import make_settings

SET = b'{"key":"a","value":"b"}'
SET_HEAD = b"POST /kv/set HTTP/1.1\r\nhost: synap\r\ncontent-type: application/json\r\n"
SET_REQUEST = SET_HEAD + b"content-length: %d\r\n\r\n" % len(SET) + SET


def get(target: str, *headers: str) -> bytes:
    return "\r\n".join((f"GET {target} HTTP/1.1", "host: synap", *headers, "", "")).encode()


async def value_of_a(client: Client) -> object:
    return (await client.get("/kv/get/a")).json


# --- kept and shared -------------------------------------------------------------------------------------


async def test_a_connection_is_kept(client: Client) -> None:
    async with client.connected() as stream:
        for _ in range(3):
            await stream.send_all(SET_REQUEST)
            assert b'"written":true' in await read_until(stream, b"}")
            await stream.send_all(get("/kv/get/a"))
            assert (await read_until(stream, b'"b"')).startswith(b"HTTP/1.1 200")


async def test_an_error_does_not_cost_the_connection(client: Client) -> None:
    async with client.connected() as stream:
        for refused in (get("/nowhere"), get("/kv/set"), SET_REQUEST.replace(b'"a"', b'"" ')):
            await stream.send_all(refused)
            assert (await read_until(stream, b"}")).startswith(b"HTTP/1.1 4")
        await stream.send_all(get("/kv/get/a"))
        assert (await read_until(stream, b"null")).startswith(b"HTTP/1.1 200")


async def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    answers = await client.raw(SET_REQUEST + get("/kv/get/a") + get("/kv/exists/a", "connection: close"))
    parts = answers.split(b"HTTP/1.1 200 \r\n")[1:]
    assert [part.partition(b"\r\n\r\n")[2] for part in parts] == [
        b'{"success":true,"key":"a","written":true,"version":1}',
        b'"b"',
        b'{"exists":true}',
    ]


async def test_a_request_may_come_byte_by_byte(client: Client) -> None:
    async with client.connected() as stream:
        for byte in SET_REQUEST:
            await stream.send_all(bytes([byte]))
        assert b'"written":true' in await read_until(stream, b"}")


async def test_ten_clients_at_once(client: Client) -> None:
    async def use(name: str) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{client.port}", verify=False) as own:  # noqa: S501
            for n in range(20):
                assert (await own.post("/kv/set", json={"key": f"{name}:{n}", "value": n})).json()["written"]
                assert (await own.get(f"/kv/get/{name}:{n}")).json() == n

    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(use, f"client-{number}")
    assert (await client.get("/kv/count")).json == {"count": 200}


async def test_http_2_without_tls(client: Client) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{client.port}", http1=False, http2=True) as own:
        assert (await own.post("/kv/set", json={"key": "a/b", "value": "c"})).json()["version"] == 1
        read = await own.get("/kv/get/a%2Fb")
        assert (read.http_version, read.json(), read.headers["etag"]) == ("HTTP/2", "c", '"1"')


# --- other ways to send a request ------------------------------------------------------------------------


async def test_http_1_0(client: Client) -> None:
    await client.set("a", "b")
    answer = await client.raw(b"GET /kv/get/a HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b'\r\n\r\n"b"')


async def test_an_absolute_target(client: Client) -> None:
    await client.set("a", "b")
    assert (await client.raw(get("http://synap:15500/kv/get/a", "connection: close"))).endswith(b'"b"')


async def test_a_client_that_says_no_more_but_still_listens(client: Client) -> None:
    assert b'"written":true' in await client.raw(SET_REQUEST, end=True)


async def test_expect_100_continue(client: Client) -> None:
    async with client.connected() as stream:
        await stream.send_all(SET_HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(SET))
        assert (await read_until(stream, b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        await stream.send_all(SET)
        assert b'"written":true' in await read_until(stream, b"}")


async def test_a_chunked_body(client: Client) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in SET) + b"0\r\n\r\n"
    answer = await client.raw(SET_HEAD + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n" + chunks)
    assert b'"written":true' in answer
    assert await value_of_a(client) == "b"


async def test_a_body_where_none_is_needed(client: Client) -> None:
    await client.set("a", "b")
    assert (await client.request("GET", "/kv/get/a", b"ignored")).json == "b"
    assert (await client.request("POST", "/kv/persist/a", b"ignored")).status == 200


# --- broken ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        SET_HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        SET_HEAD + b"content-length: -1\r\n\r\n{}",
        SET_HEAD + b"transfer-encoding: gzip\r\n\r\n{}",
    ],
    ids=lambda sent: repr(sent[-24:]),
)
async def test_what_is_no_request_is_refused_and_ends_the_connection(client: Client, sent: bytes) -> None:
    answer = await client.raw(sent, end=True)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501"))
    assert b"connection: close" in answer.lower()
    assert (await client.get("/health")).status == 200


async def test_both_lengths_are_not_taken_for_two_requests(client: Client) -> None:
    """A length and chunks: whoever sits in front may believe the other one, and smuggle a request."""
    inner = get("/kv/get/a")
    head = SET_HEAD + b"content-length: %d\r\ntransfer-encoding: chunked\r\n\r\n" % (5 + len(inner))
    answer = await client.raw(head + b"0\r\n\r\n" + inner)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("size", [300_000, 3_000_000])
async def test_a_flood_of_headers(client: Client, size: int) -> None:
    async with client.connected() as stream:
        received = b""
        try:
            await stream.send_all(b"GET /health HTTP/1.1\r\nhost: a\r\n")
            for number in range(size // 1000):
                await stream.send_all(b"x-%d: %b\r\n" % (number, b"f" * 990))
            received = await stream.receive_some()
        except trio.BrokenResourceError:
            pass  # cut off before it could read why
    assert received.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400")) or not received
    assert (await client.get("/health")).status == 200


async def test_a_client_that_leaves_within_its_body(client: Client) -> None:
    async with client.connected() as stream:
        await stream.send_all(SET_REQUEST[:-1])
    assert (await client.get("/kv/stats")).field("seq") == 0
    await client.raw(SET_REQUEST[:-1], end=True)
    assert (await client.get("/kv/stats")).field("seq") == 0


async def test_a_client_that_leaves_without_its_answer(client: Client) -> None:
    async with client.connected() as stream:
        await stream.send_all(SET_REQUEST)

    async def is_there() -> bool:
        return await value_of_a(client) == "b"

    await wait_until(is_there)


async def test_a_websocket_is_refused(client: Client) -> None:
    upgrade = ("connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13")
    answer = await client.raw(get("/kv/get/a", *upgrade, "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="), end=True)
    assert answer.startswith(b"HTTP/1.1 403")


# --- slow, and too many ----------------------------------------------------------------------------------


class TestSlowBodies:
    """With little patience."""

    @pytest.fixture
    def settings(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
        monkeypatch.setattr("synap.server.asgi._OVERTAKE_S", 0.05)
        monkeypatch.setattr(run, "App", partial(App, body_timeout_s=0.05))
        return make_settings(tmp_path / "data")

    async def test_a_body_that_does_not_come(self, client: Client) -> None:
        answer = await client.raw(SET_REQUEST[:-1])
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408")
        told = json.loads(body)
        assert (told["code"], told["type"], told["field"]) == (408, "request_timeout", "body")


class TestTooManyConnections:
    """With room for two."""

    @pytest.fixture
    def settings(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
        # Whoever is refused has the time to send what it began, also on a busy machine.
        monkeypatch.setattr(listener, "REFUSAL_MAX_S", LIMIT_S)
        return make_settings(tmp_path / "data", max_connections=2)

    @pytest.fixture
    async def crowded(self, client: Client) -> AsyncIterator[Client]:
        """The client's own connection and another one take all the room."""
        await client.get("/health")
        async with client.connected() as stream:
            await stream.send_all(get("/health"))
            await read_until(stream, b"}")
            yield client

    async def test_one_more_is_told_so(self, crowded: Client) -> None:
        for _ in range(20):
            answer = await crowded.raw(get("/health"), end=True)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503")
            assert b"\r\nRetry-After: 1" in head
            told = json.loads(body)
            assert (told["code"], told["type"], told["outcome"]) == (503, "too_many_connections", "not_written")

    async def test_one_more_is_told_so_without_waiting_for_its_request(self, crowded: Client) -> None:
        async with crowded.connected() as stream:
            assert (await read_until(stream, b"}")).startswith(b"HTTP/1.1 503")

    async def test_one_more_may_send_a_large_body(self, crowded: Client) -> None:
        large = SET_HEAD + b"content-length: 1000000\r\n\r\n" + b"v" * 1_000_000
        assert (await crowded.raw(large, end=True)).startswith(b"HTTP/1.1 503")

    async def test_there_is_room_again_when_one_leaves(self, crowded: Client) -> None:
        await crowded.aclose()

        async def is_let_in() -> bool:
            return (await crowded.raw(get("/health", "connection: close"))).startswith(b"HTTP/1.1 200")

        await wait_until(is_let_in)
