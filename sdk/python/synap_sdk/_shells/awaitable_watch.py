"""The awaited side of a watch: it connects, reads, and waits as the feed says."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Self

import httpx

from synap_sdk._core.call import Call
from synap_sdk._core.changes import Change
from synap_sdk._core.feed import Feed
from synap_sdk._shells import loops
from synap_sdk._shells.options import Settings
from synap_sdk._shells.pools import LoopPools
from synap_sdk._shells.wire import Timeouts, failure, from_httpx, to_httpx
from synap_sdk.errors import Disconnected, SynapError


class AsyncWatch(AsyncIterator[Change]):
    """The changes as they happen. ``aclose`` it, or leave its ``async with``, and its connection is free again.

    A cancelled iteration loses nothing: the next one goes on where it was.
    """

    def __init__(
        self, run: Callable[[Call[int]], Coroutine[Any, Any, int]], feed: Feed, settings: Settings, pools: LoopPools
    ) -> None:
        self._run, self._feed, self._settings, self._pools = run, feed, settings, pools
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._pending: deque[Change] = deque()
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def __anext__(self) -> Change:
        if self._feed.needs_position:
            await self._run(self._feed.loaded_call())
            self._feed.begin_after(await self._run(self._feed.position_call()))
        while not (self._pending or self._closed):
            await self._advance()
        if self._closed:
            raise StopAsyncIteration
        return self._pending.popleft()

    async def aclose(self) -> None:
        """End the watch."""
        self._closed = True
        await self._hang_up()

    async def _advance(self) -> None:
        """Take one more chunk; where there is none, hang up and wait before the next try."""
        clock = self._settings.clock
        try:
            self._pending.extend(self._feed.received(await self._chunk()))
        except SynapError as error:
            await self._hang_up()
            wait_s = self._feed.wait_after(error, clock.now_s(), clock.chance())
            if wait_s is None:
                self._closed = True
                raise
            await clock.sleep_in_loop(wait_s)

    async def _chunk(self) -> bytes:
        line = self._feed.request().line
        try:
            if self._chunks is None:
                await self._open()
            assert self._chunks is not None
            chunk = await anext(self._chunks, None)
        except httpx.RequestError as cause:
            raise failure(line, cause, repeatable=True) from cause
        if chunk is None:
            raise Disconnected("the server ended the feed", request=line)
        return chunk

    async def _open(self) -> None:
        patience, clock = self._settings.patience, self._settings.clock
        self._feed.connecting(clock.now_s())
        timeouts = Timeouts(lambda: patience.connect_timeout_s, self._feed.read_timeout_s)
        sent = to_httpx(self._feed.request(), self._settings.target, timeouts)
        self._response = await (await self._pools.transport()).handle_async_request(sent)
        body = b"" if self._response.status_code == 200 else await self._response.aread()
        self._feed.opened(from_httpx(self._response, body))
        self._chunks = self._response.aiter_bytes()

    async def _hang_up(self) -> None:
        response, self._response = self._response, None
        chunks, self._chunks = self._chunks, None
        if response is None:
            return
        try:
            if chunks is not None:
                await loops.abandon(chunks)
        finally:
            await response.aclose()
