"""From one door to the other: what the lane does not take, hypercorn gets from its first byte on."""

import json
from base64 import b64encode

import h2.connection
import h2.events
import httpx
import pytest
import trio

from synap.server.lane.framing import BODY_MAX_BYTES, HEAD_MAX_BYTES
from synap.server.listener import HEAD_MAX_BYTES as OTHER_HEAD_MAX_BYTES
from tests.server.lane.corpus import JSON, post, request
from tests.server.lane.support import CLOSE, House, bodies, get_request, open_house, set_request, until

OPTIONS = request(b"OPTIONS", b"/kv/set")
LAST = get_request("a", CLOSE)
END_OF_STREAM_1 = b"\0\0\0\0\1\0\0\0\1"
"""A frame of HTTP/2: no data, the last of stream 1."""


def cut(sent: bytes, *at: int) -> list[bytes]:
    return [sent[start:end] for start, end in zip((0, *at), (*at, len(sent)), strict=True)]


async def talk_in_pieces(house: House, pieces: list[bytes]) -> bytes:
    async with house.connected() as caller:
        for piece in pieces:
            await caller.stream.send_all(piece)
            await trio.testing.wait_all_tasks_blocked()
        return await caller.read_all()


# --- order -----------------------------------------------------------------------------------------------

PIPELINE = set_request("a", 5) + get_request("a") * 40 + OPTIONS + get_request("a") + set_request("a", 6) + LAST


async def test_in_the_middle_of_a_pipeline() -> None:
    """The lane's answers first, then the other's, which serves all that follows."""
    async with open_house() as house:
        answers = await house.talk(PIPELINE)
        told = bodies(answers)
        assert [each[:11] for each in told] == [
            b'{"success":',
            *[b"5"] * 40,
            b'{"error":"O',
            b"5",
            b'{"success":',
            b"6",
        ]
        assert answers.endswith(b"Connection: close\r\n\r\n6")


async def test_at_any_byte_of_a_pipeline() -> None:
    sent = set_request("a", 5) + OPTIONS + set_request("a", 6) + LAST
    async with open_house() as house:
        for at in range(1, len(sent), 7):
            told = bodies(await talk_in_pieces(house, cut(sent, at)))
            assert [each[:4] for each in told] == [b'{"su', b'{"er', b'{"su', b"6"], at
        assert house.store.seq == 2 * len(range(1, len(sent), 7))


async def test_while_answers_are_still_to_be_sent() -> None:
    """What the lane owes goes out before anything of the other door, to a client that reads late."""
    body = b"x" * 8 * 1024 * 1024
    async with open_house() as house:
        await house.talk(request(b"PUT", b"/kv/value/huge", CLOSE, body=body))
        sent = request(b"GET", b"/kv/value/huge") + OPTIONS + LAST
        async with house.connected(sent, small=True) as caller:
            await trio.sleep(0.05)
            assert house.handed_over == 0
            first, *others = bodies(await caller.read_all())
        assert first == body
        assert [each[:4] for each in others] == [b'{"er', b"null"]


async def test_a_connection_stays_where_it_is() -> None:
    async with open_house() as house, house.connected(OPTIONS) as caller:
        await caller.read_answers()
        assert house.handed_over == 1
        for _ in range(3):
            await caller.stream.send_all(get_request("a"))
            assert await caller.read_answers() == [b"null"]
        assert (house.handed_over, house.passages) == (1, [])


async def test_behind_a_write_that_is_under_way() -> None:
    async with open_house() as house:
        house.log.shut()
        async with house.connected(set_request("a") + OPTIONS + LAST) as caller:
            await until(lambda: house.log.attempts == 1)
            assert house.handed_over == 0
            house.log.release()
            assert [each[:4] for each in bodies(await caller.read_all())] == [b'{"su', b'{"er', b"1"]


@pytest.mark.parametrize("other", [request(b"POST", b"/slowlog/clear", CLOSE), request(b"OPTIONS", b"/kv/set", CLOSE)])
async def test_a_request_that_is_the_last_is_handed_over_too(other: bytes) -> None:
    """Before it there are answers of the lane, which are not the last for that."""
    async with open_house() as house:
        for before in (get_request("a"), set_request("a"), get_request("a") * 50):
            answers = await house.talk(before + other)
            assert len(bodies(answers)) == before.count(b"HTTP/1.1") + 1
            assert answers.count(b"Connection: close") == 1


# --- sizes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "status"),
    [(HEAD_MAX_BYTES - 200, 200), (HEAD_MAX_BYTES, 200), (60 * 1024, 200), (64 * 1024, 431), (200 * 1024, 431)],
)
async def test_long_heads(size: int, status: int) -> None:
    async with open_house() as house:
        answers = await house.talk(get_request("a", b"x-a: " + b"a" * size, CLOSE))
        assert answers.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("size", [300 * 1024, 1024 * 1024])
async def test_heads_that_nobody_takes(size: int) -> None:
    """Refused, or cut off before the reason can be read; neither door keeps more than its limit."""
    async with open_house() as house, house.connected() as caller:
        assert size > OTHER_HEAD_MAX_BYTES
        try:
            await caller.stream.send_all(b"GET /kv/get/a HTTP/1.1\r\nhost: a\r\nx-a: " + b"a" * size)
            answer = await caller.read_all()
        except trio.BrokenResourceError:
            answer = b""
        assert answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400")) or not answer
        assert bodies(await house.talk(LAST)) == [b"null"]


async def test_ten_thousand_fields() -> None:
    async with open_house() as house, house.connected() as caller:
        fields = b"".join(b"x-%d: y\r\n" % number for number in range(10_000))
        await caller.stream.send_all(b"GET /kv/get/a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n" + fields + b"\r\n")
        assert (await caller.read_all()).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("size", [BODY_MAX_BYTES, BODY_MAX_BYTES + 1, 200_000])
async def test_long_bodies(size: int) -> None:
    async with open_house() as house:
        body = b"x" * size
        sent = request(b"PUT", b"/kv/value/a", body=body)
        assert (await house.talk(sent + request(b"GET", b"/kv/value/a", CLOSE))).endswith(body)
        for at in (len(sent) - size, len(sent) - size + 1, len(sent) - 1):
            assert (await talk_in_pieces(house, cut(sent + request(b"GET", b"/kv/value/a", CLOSE), at))).endswith(body)


@pytest.mark.parametrize("size", [1024, 1025, 70_000])
async def test_bodies_over_a_small_limit(size: int) -> None:
    async with open_house(body_max_bytes=1024) as house:
        told = bodies(await house.talk(request(b"PUT", b"/kv/value/a", CLOSE, body=b"x" * size)))
        assert json.loads(told[0]).get("code") == (413 if size > 1024 else None)


# --- other ways to speak ---------------------------------------------------------------------------------


async def test_expect_100_continue() -> None:
    body = b'{"key":"a","value":5}'
    head = request(b"POST", b"/kv/set", JSON, CLOSE, b"expect: 100-continue", b"content-length: %d" % len(body))
    async with open_house() as house, house.connected(set_request("a", 4) + head) as caller:
        assert len(await caller.read_answers()) == 1
        with trio.fail_after(10):
            assert (await caller.stream.receive_some()).startswith(b"HTTP/1.1 100 ")
        await caller.stream.send_all(body)
        assert b'"written":true' in await caller.read_all()


@pytest.mark.parametrize("at", [None, *range(80, 180, 9)])
async def test_a_chunked_body(at: int | None) -> None:
    chunks = b'14\r\n{"key":"a","value":5\r\n1\r\n}\r\n0\r\n\r\n'
    sent = request(b"POST", b"/kv/set", JSON, b"transfer-encoding: chunked") + chunks + LAST
    async with open_house() as house:
        told = bodies(await (house.talk(sent) if at is None else talk_in_pieces(house, cut(sent, at))))
    assert [each[:4] for each in told] == [b'{"su', b"5"]


async def test_a_hello_of_tls() -> None:
    async with open_house() as house:
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)
        assert (await house.talk(hello + b"\r\n\r\n")).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("whole", [True, False])
async def test_http_2_with_prior_knowledge(whole: bool) -> None:
    connection = h2.connection.H2Connection()
    connection.initiate_connection()
    connection.send_headers(
        1,
        [(":method", "GET"), (":path", "/kv/get/a"), (":scheme", "http"), (":authority", "synap")],
        end_stream=True,
    )
    sent = connection.data_to_send()
    events: list[h2.events.Event] = []
    async with open_house() as house, house.connected() as caller:
        for piece in [sent] if whole else cut(sent, *range(1, len(sent))):
            await caller.stream.send_all(piece)
        with trio.fail_after(10):
            while not any(isinstance(event, h2.events.StreamEnded) for event in events):
                events += connection.receive_data(await caller.stream.receive_some())
    assert b"".join(event.data for event in events if isinstance(event, h2.events.DataReceived)) == b"null"


async def test_http_2_as_a_client_speaks_it() -> None:
    async with (
        open_house() as house,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.port}", http1=False, http2=True) as client,
    ):
        written = await client.post("/kv/set", json={"key": "a", "value": 1})
        assert (written.http_version, written.json()["version"]) == ("HTTP/2", 1)


async def test_an_upgrade_to_http_2() -> None:
    settings = b64encode(bytes(6)).rstrip(b"=")
    upgrade = (b"connection: upgrade, http2-settings", b"upgrade: h2c", b"http2-settings: " + settings)
    async with open_house() as house, house.connected(request(b"GET", b"/kv/get/a", *upgrade)) as caller:
        received = b""
        with trio.fail_after(10):
            while not received.endswith(b"null" + END_OF_STREAM_1):
                received += await caller.stream.receive_some()
    assert received.startswith(b"HTTP/1.1 101 ")


async def test_a_websocket_is_refused() -> None:
    upgrade = (b"connection: upgrade", b"upgrade: websocket", b"sec-websocket-version: 13")
    async with open_house() as house:
        sent = request(b"GET", b"/kv/get/a", *upgrade, b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==")
        async with house.connected(get_request("a") + sent) as caller:
            received = b""
            with trio.fail_after(10):
                while b"HTTP/1.1 403" not in received:
                    received += await caller.stream.receive_some()
        assert received.startswith(b"HTTP/1.1 200")


async def test_a_stream_and_a_client_that_leaves_it() -> None:
    async with open_house() as house:
        async with house.connected(set_request("a") + request(b"GET", b"/events?after=0")) as caller:
            received = b""
            with trio.fail_after(10):
                while b"event:" not in received and b"data:" not in received:
                    received += await caller.stream.receive_some()
            assert house.handed_over == 1
        await until(house.is_empty)


async def test_json_over_the_lane_is_what_post_says() -> None:
    """The helpers of these tests make requests for the lane, or they would test the other door only."""
    async with open_house() as house, house.connected(post(b"/kv/mget", {"keys": ["a"]}) + set_request("a")) as caller:
        await caller.read_answers(2)
        assert (house.handed_over, len(house.passages)) == (0, 1)
