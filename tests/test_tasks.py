"""One error instead of a group, and the right one."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from synap.tasks import open_tasks


class StopItError(BaseException):
    """As serious as a KeyboardInterrupt."""


async def fail(error: BaseException) -> None:
    await trio.sleep(1)
    raise error


async def fail_when_cancelled(error: Exception) -> None:
    try:
        await trio.sleep_forever()
    finally:
        raise error


async def together(*tasks: Callable[[], Awaitable[object]]) -> None:
    async with open_tasks() as nursery:
        for task in tasks:
            nursery.start_soon(task)
        await trio.sleep(2)


async def test_tasks_that_succeed(autojump_clock: MockClock) -> None:
    await together(trio.lowlevel.checkpoint, trio.lowlevel.checkpoint)


async def test_the_error_of_a_task(autojump_clock: MockClock) -> None:
    cause = OSError("the cause")
    error = ValueError("it")
    error.__cause__ = cause
    with pytest.raises(ValueError, match="it") as caught:
        await together(trio.sleep_forever, lambda: fail(error))
    assert caught.value is error
    assert error.__cause__ is cause


async def test_the_error_of_the_body(autojump_clock: MockClock) -> None:
    async def body() -> None:
        async with open_tasks() as tasks:
            tasks.start_soon(trio.sleep_forever)
            await fail(KeyError("it"))

    with pytest.raises(KeyError, match="it"):
        await body()


async def test_the_first_of_several(autojump_clock: MockClock) -> None:
    with pytest.raises(ValueError, match="first"):
        await together(lambda: fail_when_cancelled(KeyError("second")), lambda: fail(ValueError("first")))


async def test_groups_within_groups(autojump_clock: MockClock) -> None:
    async def nested() -> None:
        async with trio.open_nursery() as outer, trio.open_nursery() as inner:
            outer.start_soon(trio.sleep_forever)
            inner.start_soon(fail, ValueError("deep"))

    with pytest.raises(ValueError, match="deep"):
        await together(nested)


async def test_what_is_no_exception_is_not_grouped_either(autojump_clock: MockClock) -> None:
    with pytest.raises(StopItError):
        await together(lambda: fail(StopItError()))


async def test_a_cancellation_from_outside_goes_outside() -> None:
    with trio.CancelScope() as scope:
        async with open_tasks() as tasks:
            tasks.start_soon(trio.sleep_forever)
            tasks.start_soon(trio.sleep_forever)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_an_error_counts_more_than_a_cancellation_that_came_with_it() -> None:
    async def cancelled_from_outside() -> None:
        with trio.CancelScope() as scope:
            async with open_tasks() as tasks:
                tasks.start_soon(trio.sleep_forever)
                tasks.start_soon(fail_when_cancelled, ValueError("not lost"))
                tasks.start_soon(trio.sleep_forever)
                await wait_all_tasks_blocked()
                scope.cancel()
                await trio.sleep_forever()

    for _ in range(20):  # trio decides which of them ends first
        with pytest.raises(ValueError, match="not lost"):
            await cancelled_from_outside()


async def test_cancelling_the_tasks_is_no_error() -> None:
    async with open_tasks() as tasks:
        tasks.start_soon(trio.sleep_forever)
        tasks.cancel_scope.cancel()
