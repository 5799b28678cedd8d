"""A nursery whose failure is one error again, for callers that handle errors by their class."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def open_tasks() -> AsyncIterator[trio.Nursery]:
    """As ``trio.open_nursery``; where tasks fail, the first of their errors is raised instead of a group.

    The tasks of the engine and the server fail for one reason at a time: the first error cancels the others. An error
    counts more than a cancellation from outside that came at the same time.
    """
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        errors = list(_leaves(group))
        error = next((error for error in errors if not isinstance(error, trio.Cancelled)), errors[0])
        raise error from error.__cause__


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error
