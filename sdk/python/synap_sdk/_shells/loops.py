"""asyncio and trio: which of them runs here, and what the client asks of it.

trio is never imported here, only found if whoever runs it has imported it: the client depends on httpx alone.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import httpx

T = TypeVar("T")


def in_trio() -> bool:
    """Whether the caller is a task of trio."""
    trio = sys.modules.get("trio")
    if trio is None:
        return False
    try:
        trio.lowlevel.current_task()
    except (RuntimeError, AttributeError):
        # There is none; or another thread is just importing trio.
        return False
    return True


def in_asyncio() -> bool:
    """Whether an event loop of asyncio runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def is_running() -> bool:
    """Whether the caller runs in an event loop, and so must not block."""
    return in_trio() or in_asyncio()


def current() -> object:
    """The event loop of the caller: an object that no other loop, before or after, is equal to."""
    if in_trio():
        return sys.modules["trio"].lowlevel.current_trio_token()
    return asyncio.get_running_loop()


def is_over(loop: object) -> bool:
    """Whether a loop of asyncio was closed. A run of trio has nothing to ask; see ``pools``."""
    return isinstance(loop, asyncio.AbstractEventLoop) and loop.is_closed()


async def sleep(seconds: float) -> None:
    """Let others run for so long."""
    if in_trio():
        await sys.modules["trio"].sleep(seconds)
    else:
        await asyncio.sleep(seconds)


async def within(seconds: float, function: Callable[[], Awaitable[T]]) -> T:
    """What the function gives, unless that takes longer. Raises ``TimeoutError``."""
    if not in_trio():
        async with asyncio.timeout(seconds):
            return await function()
    with sys.modules["trio"].move_on_after(seconds):
        return await function()
    raise TimeoutError


async def abandon(chunks: AsyncIterator[bytes]) -> None:
    """Let go of a stream that is not read to its end: the next read is cancelled.

    That ends every asynchronous generator between here and the socket, each by an exception. Just dropped, each would
    be something that trio warns of.
    """
    with suppress(TimeoutError, httpx.RequestError):
        while await within(0, lambda: anext(chunks, None)) is not None:
            pass
