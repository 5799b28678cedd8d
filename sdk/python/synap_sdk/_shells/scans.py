"""Scans: page after page, keys one by one."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Self

from synap_sdk._core.call import Call
from synap_sdk._core.results import ScanPage
from synap_sdk._core.scan import Pages


def blocking_scan(run: Callable[[Call[ScanPage]], ScanPage], pages: Pages) -> Iterator[str]:
    """The keys of all pages."""
    while (call := pages.next_call()) is not None:
        yield from pages.take(run(call))


class AwaitableScan(AsyncIterator[str]):
    """The keys of all pages, for ``async for``.

    Not an asynchronous generator: of those, trio complains where a loop is left early, though nothing is open here.
    """

    def __init__(self, run: Callable[[Call[ScanPage]], Coroutine[Any, Any, ScanPage]], pages: Pages) -> None:
        self._run = run
        self._pages = pages
        self._keys: deque[str] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while not self._keys:
            call = self._pages.next_call()
            if call is None:
                raise StopAsyncIteration
            self._keys.extend(self._pages.take(await self._run(call)))
        return self._keys.popleft()
