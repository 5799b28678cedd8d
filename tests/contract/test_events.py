"""GET /events: watching over real sockets, as a stream and by asking again and again."""

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from synap import feed
from tests.contract.client import LIMIT_S, Client, refusal
from tests.contract.conftest import make_settings, served


class Watcher:
    """A connection that follows the stream, read event for event."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._received = b""

    async def head(self) -> str:
        return (await self._until(b"\r\n\r\n")).decode().lower()

    async def block(self) -> dict[str, str]:
        """The fields of the next block; what stands behind a colon alone is a comment."""
        text = await self._until(b"\n\n")
        lines = [line for line in text.decode().replace("\r\n", "\n").split("\n") if ": " in line]
        return dict(line.split(": ", 1) for line in lines)

    async def event(self) -> dict[str, object]:
        """The next change; its id is its number."""
        while "data" not in (block := await self.block()):
            pass
        change = json.loads(block["data"])
        assert block["id"] == str(change["seq"])
        assert isinstance(change, dict)
        return change

    async def _until(self, ending: bytes) -> bytes:
        with trio.fail_after(LIMIT_S):
            while ending not in self._received:
                part = await self._stream.receive_some()
                assert part, "the server closed the stream"
                self._received += part
        found, self._received = self._received.split(ending, 1)
        return found

    async def rest(self) -> bytes:
        """What else comes until the stream ends, though the connection may be used again."""
        return await self._until(b"\r\n0\r\n\r\n")

    async def end(self) -> bytes:
        """What else comes until the server closes."""
        with trio.fail_after(LIMIT_S):
            return self._received + b"".join([part async for part in self._stream])


@asynccontextmanager
async def watching(client: Client, target: str, *headers: str) -> AsyncIterator[Watcher]:
    async with client.connected() as stream:
        fields = "".join(f"{each}\r\n" for each in ("Host: synap", *headers))
        await stream.send_all(f"GET {target} HTTP/1.1\r\n{fields}\r\n".encode())
        yield Watcher(stream)


async def test_every_change_is_told_with_its_cause(client: Client) -> None:
    async with watching(client, "/events?prefix=s:&values=true") as watcher:
        head = await watcher.head()
        assert head.startswith("http/1.1 200")
        assert "content-type: text/event-stream" in head
        assert "cache-control: no-store" in head
        assert (await watcher.block())["id"] == "0"
        await client.set("s:1", "text", ttl=60)
        await client.set("other", 1)
        await client.set("s:2", {"a": 1})
        await client.post("/kv/expire/s:1", {"ttl": 90})
        await client.delete("/kv/del/s:1")
        await client.delete("/kv/keys?prefix=s:")
        told = [await watcher.event() for _ in range(5)]
    assert [(each["seq"], each["type"], each["cause"], each["key"]) for each in told] == [
        (1, "set", "set", "s:1"),
        (3, "set", "set", "s:2"),
        (4, "deadline", "deadline_set", "s:1"),
        (5, "removed", "deleted", "s:1"),
        (6, "removed", "prefix_deleted", None),
    ]
    assert (told[0]["value"], told[1]["value"], told[4]["prefix"]) == ("text", {"a": 1}, "s:")
    assert told[0]["version"] == 1
    assert told[2]["deadline_ms"] == int(str(told[0]["deadline_ms"])) + 30_000 + (
        int(str(told[2]["time_ms"])) - int(str(told[0]["time_ms"]))
    )


async def test_values_are_told_only_if_asked_for(client: Client) -> None:
    await client.set("a", "secret")
    async with watching(client, "/events?after=0") as watcher:
        await watcher.head()
        assert "value" not in await watcher.event()


async def test_an_expiry_is_told(client: Client) -> None:
    async with watching(client, "/events") as watcher:
        await watcher.head()
        await client.set("brief", "x", expiry={"type": "milliseconds", "value": 1})
        assert [(await watcher.event())["cause"] for _ in range(2)] == ["set", "expired"]


async def test_a_watcher_goes_on_after_the_last_event_it_had(client: Client) -> None:
    for number in range(5):
        await client.set(f"k{number}", number)
    async with watching(client, "/events?after=3") as watcher:
        await watcher.head()
        assert [(await watcher.event())["seq"] for _ in range(2)] == [4, 5]
    # What a browser sends by itself counts more than the address that it was given at first.
    async with watching(client, "/events?after=0", "Last-Event-ID: 4") as watcher:
        await watcher.head()
        assert (await watcher.event())["seq"] == 5


async def test_asking_again_and_again(client: Client) -> None:
    await client.set("a", 1)
    first = await client.get("/events?after=0&wait=0")
    assert [each["seq"] for each in first.json["events"]] == [1]  # type: ignore[index]  # an object, by contract
    assert first.field("seq") == 1
    assert (await client.get("/events?after=1&wait=0")).json == {"events": [], "seq": 1}
    heard: list[object] = []

    async def wait() -> None:
        other = Client(client.port)
        heard.append((await other.get("/events?after=1&wait=15")).json)
        await other.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(0.05)
        assert heard == []
        await client.set("b", 2)
    assert [each["key"] for each in heard[0]["events"]] == ["b"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/events?after=1000", (400, "invalid_value", "after")),
        ("/events?after=-1", (400, "invalid_parameter", "after")),
        ("/events?after=x", (400, "invalid_parameter", "after")),
        ("/events?wait=61", (400, "invalid_parameter", "wait")),
        ("/events?values=yes", (400, "invalid_parameter", "values")),
    ],
)
async def test_what_is_refused(client: Client, target: str, expected: tuple[int, str, str]) -> None:
    assert refusal(await client.get(target)) == expected


async def test_a_stream_has_a_head_of_its_own(client: Client) -> None:
    reply = await client.request("HEAD", "/events")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")
    assert (await client.post("/events")).status == 405


@pytest.mark.parametrize("request_line", ["HEAD /events", "GET /admin/backup"])
async def test_the_last_stream_of_a_connection_closes_it(client: Client, request_line: str) -> None:
    sent = f"{request_line} HTTP/1.1\r\nhost: synap\r\nconnection: close\r\n\r\n".encode()
    assert (await client.raw(sent)).startswith(b"HTTP/1.1 200 ")


async def test_too_long_ago_is_gone_with_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "RECENT_MAX_EVENTS", 1)
    settings = make_settings(tmp_path / "data")
    async with served(settings) as client:
        for number in range(4):
            await client.set("k", number)
            if number < 3:
                assert (await client.post("/snapshot")).status == 200
        gone = await client.get("/events?after=0&wait=0")
        assert refusal(gone) == (410, "trimmed", "after")
        assert gone.field("earliest_seq") == 3
        assert (await client.get("/events?after=2&wait=0")).status == 200


async def test_a_watcher_that_leaves_or_dawdles_hurts_nobody(client: Client) -> None:
    async with watching(client, "/events?after=0&values=true"), watching(client, "/events?after=0") as left:
        await left.head()
        for number in range(20):
            await client.set(f"k{number}", "x" * 100_000)
    assert (await client.get("/kv/count")).json == {"count": 20}


async def test_watchers_are_let_go_when_the_server_stops(tmp_path: Path) -> None:
    async with served(make_settings(tmp_path / "data")) as client, watching(client, "/events") as watcher:
        await watcher.head()
        await client.set("a", 1)
        assert (await watcher.event())["seq"] == 1
        os.kill(os.getpid(), signal.SIGTERM)
        assert b"data:" not in await watcher.end()
