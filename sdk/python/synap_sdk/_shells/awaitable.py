"""``AsyncClient``: calls that are awaited, in asyncio and trio. Bound to no event loop (see ``pools``)."""

from contextlib import aclosing
from typing import Self, TypeVar, Unpack

import httpx

from synap_sdk._core.call import Call
from synap_sdk._core.feed import Feed
from synap_sdk._core.message import Request, Response
from synap_sdk._core.refusal import answer
from synap_sdk._core.retry import Attempts
from synap_sdk._shells import loops
from synap_sdk._shells.awaitable_watch import AsyncWatch
from synap_sdk._shells.kv import AwaitableKV
from synap_sdk._shells.options import Options, settings
from synap_sdk._shells.pools import LoopPools
from synap_sdk._shells.wire import Collected, Timeouts, failure, from_httpx, to_httpx
from synap_sdk.errors import SynapError

R = TypeVar("R")

GRACE_S = 0.1
"""After the deadline, before a try is cut off: a phase that takes too long says which one it was, a cut does not."""


class AsyncClient:
    """A client of the server at ``base_url``, for asyncio and trio; the options are those of ``Options``.

    Nothing is sent before the first call. ``transport`` replaces the connections, for tests.
    Raises ``InvalidArgument`` for an address or credentials that cannot be.
    """

    def __init__(
        self, base_url: str, *, transport: httpx.AsyncBaseTransport | None = None, **options: Unpack[Options]
    ) -> None:
        self._settings = settings(base_url, **options)
        self._pools = LoopPools(self._settings, transport)
        self.kv = AwaitableKV(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings.target.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of this event loop; those of others end with their loops.

        A call afterwards raises ``ClientClosed``, in every loop.
        """
        await self._pools.aclose()

    def watch(self, prefix: str = "", *, after: int | None = None, values: bool = False) -> AsyncWatch:
        """As ``Client.watch``, for ``async for``."""
        feed = Feed(prefix, after, values=values, patience=self._settings.patience)
        return AsyncWatch(self.run, feed, self._settings, self._pools)

    async def run(self, call: Call[R]) -> R:
        """Carry out a call, with the tries that it may have. Raises ``SynapError``."""
        clock = self._settings.clock
        attempts = Attempts(self._settings.patience, clock.now_s(), repeatable=call.repeatable)
        while True:
            try:
                return answer(call, await self._exchange(call.request, attempts, repeatable=call.repeatable))
            except SynapError as error:
                wait_s = attempts.wait_after(error, clock.now_s(), clock.chance())
                if wait_s is None:
                    raise
            await clock.sleep_in_loop(wait_s)

    async def _exchange(self, request: Request, attempts: Attempts, *, repeatable: bool) -> Response:
        """One try: a request sent, and its response read whole."""
        clock = self._settings.clock

        def remaining_s() -> float:
            return attempts.remaining_s(clock.now_s())

        timeouts = Timeouts(lambda: attempts.connect_timeout_s(clock.now_s()), remaining_s)
        sent = to_httpx(request, self._settings.target, timeouts)
        transport = await self._pools.transport()

        async def exchange() -> Response:
            async with aclosing(await transport.handle_async_request(sent)) as response:
                body, chunks = Collected(remaining_s), response.aiter_bytes()
                try:
                    async for chunk in chunks:
                        body.add(chunk)
                except httpx.RequestError:
                    await loops.abandon(chunks)
                    raise
                return from_httpx(response, body.body)

        try:
            return await loops.within(remaining_s() + GRACE_S, exchange)
        except (httpx.RequestError, TimeoutError) as cause:
            raise failure(request.line, cause, repeatable=repeatable) from cause
