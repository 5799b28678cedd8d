"""The connections of a client: one pool for all threads that block, and one for each event loop.

A connection of asyncio or trio belongs to the loop it was made in, and a client belongs to none: it may be made at
import time, used in one loop after the other, or in several threads at once. So each loop gets a pool with its first
call, and the pool ends with the loop. That a loop ends, nobody is told, except the asynchronous generators that it
started: both libraries close what is left of those as the last thing they do (``shutdown_asyncgens`` of asyncio, the
end of ``trio.run``). A pool is kept by such a generator.

A process that forks must not share connections with its child, or each would read the other's answers: the pool of
the threads is made anew where the process is another one.
"""

import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable

import httpx

from synap_sdk._shells import loops
from synap_sdk._shells.options import Settings
from synap_sdk.errors import ClientClosed


class ThreadPool:
    """The connections of all threads. ``given`` is a transport to use instead."""

    def __init__(self, settings: Settings, given: httpx.BaseTransport | None) -> None:
        self._settings = settings
        self._given = given
        self._lock = threading.Lock()
        self._made: tuple[int, httpx.BaseTransport] | None = None
        self._closed = False

    def transport(self) -> httpx.BaseTransport:
        """What sends a request. Raises ``ClientClosed``."""
        with self._lock:
            if self._closed:
                raise ClientClosed("the client was closed before")
            process = os.getpid()
            if self._made is None or self._made[0] != process:
                self._made = process, self._given or self._make()
            return self._made[1]

    def close(self) -> None:
        """Close all connections; calls that are under way may break."""
        with self._lock:
            self._closed = True
            made, self._made = self._made, None
        if made is not None:
            made[1].close()

    def _make(self) -> httpx.BaseTransport:
        made = httpx.HTTPTransport(verify=self._settings.verify, limits=self._settings.limits, trust_env=False)
        # A client that was made at import time is never closed by anybody; the sockets then end with it, quietly.
        weakref.finalize(self, made.close)
        return made


class LoopPools:
    """The connections of each event loop. ``given`` is a transport to use instead."""

    def __init__(self, settings: Settings, given: httpx.AsyncBaseTransport | None) -> None:
        self._settings = settings
        self._given = given
        self._kept: dict[object, AsyncGenerator[httpx.AsyncBaseTransport]] = {}
        self._transports: dict[object, httpx.AsyncBaseTransport] = {}
        self._closed = False

    async def transport(self) -> httpx.AsyncBaseTransport:
        """What sends a request in the loop of the caller. Raises ``ClientClosed``."""
        if self._closed:
            raise ClientClosed("the client was closed before")
        loop = loops.current()
        found = self._transports.get(loop)
        if found is None:
            self._forget_closed_loops()
            # Until the next line has run no other task does: the generator gives its first value without waiting.
            self._kept[loop] = kept = _keep(self._given or self._make(), lambda: self._forget(loop))
            self._transports[loop] = found = await anext(kept)
        return found

    async def aclose(self) -> None:
        """Close the connections of this loop; those of others end with their loops."""
        self._closed = True
        kept = self._kept.get(loops.current())
        if kept is not None:
            await kept.aclose()

    def _make(self) -> httpx.AsyncBaseTransport:
        return httpx.AsyncHTTPTransport(verify=self._settings.verify, limits=self._settings.limits, trust_env=False)

    def _forget(self, loop: object) -> None:
        self._transports.pop(loop, None)
        self._kept.pop(loop, None)

    def _forget_closed_loops(self) -> None:
        """Whoever closes a loop of asyncio by hand may leave its generators open."""
        for loop in [each for each in list(self._kept) if loops.is_over(each)]:
            self._forget(loop)


async def _keep(
    transport: httpx.AsyncBaseTransport, forget: Callable[[], None]
) -> AsyncGenerator[httpx.AsyncBaseTransport]:
    """Hold a transport until the client is closed, or the loop ends."""
    try:
        yield transport
    finally:
        forget()
        await transport.aclose()
