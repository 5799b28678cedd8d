"""Letting go of a watch: its connection is free again, and nothing is left open."""

import threading
from typing import Any

import anyio
import httpx
import pytest
import trio

from sockets import LIMIT_S, Speaker
from streams import Events, event, feed
from support import FLAVOURS, Flavour
from synap_sdk import AsyncClient, Client

IN_A_LOOP = [each for each in FLAVOURS if each.is_async]


def test_a_watch_as_a_context(flavour: Flavour) -> None:
    response = feed(event(1), event(2))
    client = flavour.client(handler=Events(response))
    if not flavour.is_async:
        with client.watch(after=0) as watch:
            assert next(watch).seq == 1
        assert list(watch) == []
    else:

        async def use(client: Any) -> None:
            async with client.watch(after=0) as watch:
                assert (await anext(watch)).seq == 1
            assert [change async for change in watch] == []

        flavour.call(client, use)
    assert response.stream.closed  # type: ignore[union-attr]


@pytest.mark.parametrize("flavour", IN_A_LOOP)
def test_a_cancelled_watch_goes_on(flavour: Flavour) -> None:
    server = Events(feed(event(1), silent=True), feed(event(1), event(2), silent=True))

    async def use(client: Any) -> list[int]:
        async with client.watch(after=0) as watch:
            seen = [(await anext(watch)).seq]
            with anyio.move_on_after(0.05):
                await anext(watch)
            seen.append((await anext(watch)).seq)
            return seen

    assert flavour.call(flavour.client(handler=server), use) == [1, 2]


OPEN_FEED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunked(*parts: bytes) -> bytes:
    return OPEN_FEED + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


def test_closing_wakes_a_thread_that_reads() -> None:
    with Speaker(chunked(event(1))) as server, Client(server.url) as client:
        watch = client.watch(after=0)
        assert next(watch).seq == 1
        ended = threading.Thread(target=lambda: list(watch))
        ended.start()
        watch.close()
        ended.join(LIMIT_S)
        assert not ended.is_alive()
        watch.close()


def test_closing_frees_the_connection() -> None:
    """The only one there is."""
    limits = httpx.Limits(max_connections=1)
    with Speaker(chunked(event(1))) as server, Client(server.url, limits=limits) as client:
        for _ in range(3):
            with client.watch(after=0) as watch:
                assert next(watch).seq == 1


def test_closing_frees_the_connection_of_a_loop(flavour: Flavour) -> None:
    if not flavour.is_async:
        return

    async def use(client: Any) -> None:
        for _ in range(3):
            async with client.watch(after=0) as watch:
                assert (await anext(watch)).seq == 1
        await client.aclose()

    with Speaker(chunked(event(1))) as server:
        flavour.call(flavour.client(server.url, limits=httpx.Limits(max_connections=1)), use)


def test_a_watch_in_a_cancelled_nursery() -> None:
    """How an application ends: everything is cancelled, and nothing is left open."""

    async def use() -> None:
        async with AsyncClient(server.url) as client, trio.open_nursery() as nursery:

            async def follow() -> None:
                async with client.watch(after=0) as watch:
                    async for change in watch:
                        assert change.seq == 1
                        nursery.cancel_scope.cancel()

            nursery.start_soon(follow)

    with Speaker(chunked(event(1))) as server:
        trio.run(use)
