"""A nursery whose failure is one error again, for callers that handle errors by their class."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def open_tasks() -> AsyncIterator[trio.Nursery]:
    """As ``trio.open_nursery``; where tasks fail, the first of their errors is raised instead of a group.

    The tasks of the engine and the server fail for one reason at a time: the first error cancels the others.
    """
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from error.__cause__
