"""``SynapClient``: one client for both worlds, as the examples use it."""

from collections.abc import Awaitable
from typing import Any, Self, TypeVar, Unpack

import httpx

from synap_sdk._core.call import Call
from synap_sdk._core.scan import Pages
from synap_sdk._shells import loops
from synap_sdk._shells.awaitable import AsyncClient
from synap_sdk._shells.kv import EitherKV
from synap_sdk._shells.options import Options
from synap_sdk._shells.scans import AwaitableScan, blocking_scan
from synap_sdk._shells.sync import Client

R = TypeVar("R")


class SynapClient:
    """A client of the server at ``base_url``; the options are those of ``Options``.

    Inside a running event loop, of asyncio or trio, a call gives something to await; elsewhere the same call simply
    runs. It is decided at each call, so a client can be made at import time and used everywhere::

        client = SynapClient("http://localhost:15500")
        client.kv.set("session:123", data, ttl=3600)              # in a script
        await client.kv.set("session:123", data, ttl=3600)        # in a coroutine

    A type checker cannot know which it is, so it gets ``Any``; ``Client`` and ``AsyncClient`` are typed. ``transport``
    replaces the connections, for tests. Raises ``InvalidArgument`` for an address or credentials that cannot be.
    """

    def __init__(
        self,
        base_url: str,
        *,
        transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
        **options: Unpack[Options],
    ) -> None:
        blocking = transport if isinstance(transport, httpx.BaseTransport) else None
        awaitable = transport if isinstance(transport, httpx.AsyncBaseTransport) else None
        self._transport = transport
        self._blocking = Client(base_url, transport=blocking, **options)
        self._awaitable = AsyncClient(base_url, transport=awaitable, **options)
        self.kv = EitherKV(self)

    def __repr__(self) -> str:
        return repr(self._blocking).replace("Client", "SynapClient", 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._blocking.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def close(self) -> Any:
        """Close the connections, those of the event loop too if this is called in one and awaited."""
        return self.aclose() if loops.is_running() else self._blocking.close()

    async def aclose(self) -> None:
        """Close the connections of the caller's event loop, and those outside of any."""
        self._blocking.close()
        await self._awaitable.aclose()

    def watch(self, prefix: str = "", *, after: int | None = None, values: bool = False) -> Any:
        """As ``Client.watch``; for ``async for`` inside an event loop, and for ``for`` elsewhere."""
        client = self._awaitable if loops.is_running() else self._blocking
        return client.watch(prefix, after=after, values=values)

    def run(self, call: Call[R]) -> Awaitable[R] | R:
        """Carry out a call, or give what does when it is awaited. Raises ``SynapError``."""
        return self._awaitable.run(call) if loops.is_running() else self._blocking.run(call)

    def scan(self, pages: Pages) -> Any:
        """Go through pages."""
        if loops.is_running():
            return AwaitableScan(self._awaitable.run, pages)
        return blocking_scan(self._blocking.run, pages)
