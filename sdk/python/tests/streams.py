"""Feeds for tests: events as bytes, and responses that stream them."""

import json
from collections.abc import AsyncIterator, Iterator

import anyio
import httpx

from support import answer


def event(seq: int, key: str = "k", **fields: object) -> bytes:
    """An event as the server sends it."""
    data = {"seq": seq, "type": "set", "key": key, "cause": "client", "version": seq, "deadline_ms": None, **fields}
    return f"id: {seq}\ndata: {json.dumps(data)}\n\n".encode()


HEARTBEAT = b": heartbeat\n\n"


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Chunks, then the end: nothing more, an exception, or, for those who await, silence."""

    def __init__(self, *chunks: bytes, end: Exception | None = None, silent: bool = False) -> None:
        self._chunks, self._end, self._silent = chunks, end, silent
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        assert not self._silent, "a test that blocks would never end"
        if self._end is not None:
            raise self._end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            await anyio.lowlevel.checkpoint()
            yield chunk
        if self._silent:
            await anyio.sleep_forever()
        if self._end is not None:
            raise self._end

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def feed(*chunks: bytes, end: Exception | None = None, silent: bool = False) -> httpx.Response:
    """A response of ``GET /events``."""
    stream = Stream(*chunks, end=end, silent=silent)
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)


class Events:
    """A store with a feed: ``seq`` is its last event's number; feeds and errors are given out in turn."""

    def __init__(self, *answers: httpx.Response | Exception, seq: int = 0) -> None:
        self._answers = iter(answers)
        self._seq = seq
        self.asked: list[str] = []
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.raw_path.decode())
        if request.url.path == "/kv/count":
            return answer({"count": 0})
        if request.url.path == "/kv/stats":
            return answer({"seq": self._seq})
        self.requests.append(request)
        given = next(self._answers)
        if isinstance(given, Exception):
            raise given
        return given
