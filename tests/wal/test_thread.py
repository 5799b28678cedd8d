"""The log's own thread: what comes back from it, what cancelling and interrupting do, and when it ends."""

import gc
import signal
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from synap.wal.thread import OwnThread

ENDS_WITHIN_S = 10


@pytest.fixture
def own() -> Iterator[OwnThread]:
    thread = OwnThread()
    yield thread
    thread.end()


def ended(thread: threading.Thread) -> bool:
    thread.join(ENDS_WITHIN_S)
    return not thread.is_alive()


class Gate:
    """A call that lasts until it is let go."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()
        self.ended = False

    def __call__(self) -> str:
        self.begun.set()
        assert self.open.wait(ENDS_WITHIN_S)
        self.ended = True
        return "through"


async def test_results_come_back_from_one_thread_that_is_not_the_loops(own: OwnThread) -> None:
    threads = [await own(threading.current_thread) for _ in range(3)]
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()
    assert await own(lambda: 7) == 7


@pytest.mark.parametrize("error", [OSError(28, "no room"), SystemExit(3), KeyboardInterrupt()], ids=repr)
async def test_errors_come_back_and_the_thread_goes_on(own: OwnThread, error: BaseException) -> None:
    def fail() -> None:
        raise error

    before = await own(threading.current_thread)
    with pytest.raises(type(error)) as caught:
        await own(fail)
    assert caught.value is error
    assert await own(threading.current_thread) is before


async def test_calls_are_carried_out_one_after_the_other_as_they_came(own: OwnThread) -> None:
    order: list[int] = []
    gate = Gate()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(own, gate)
        await wait_all_tasks_blocked()
        for number in range(5):
            nursery.start_soon(own, _noting(order, number))
            await wait_all_tasks_blocked()
        assert order == []
        gate.open.set()
    assert order == [0, 1, 2, 3, 4]


def _noting(order: list[int], number: int) -> Callable[[], None]:
    return lambda: order.append(number)


async def test_the_loop_goes_on_meanwhile(own: OwnThread) -> None:
    gate = Gate()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(own, gate)
        await trio.to_thread.run_sync(gate.begun.wait, ENDS_WITHIN_S)
        assert not gate.ended
        gate.open.set()
    assert gate.ended


async def test_once_begun_a_call_is_waited_for_whoever_is_cancelled(own: OwnThread) -> None:
    gate = Gate()
    results: list[str] = []

    async def call() -> None:
        results.append(await own(gate))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        await trio.to_thread.run_sync(gate.begun.wait, ENDS_WITHIN_S)
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await wait_all_tasks_blocked()
            assert results == []
            gate.open.set()
    assert (gate.ended, results) == (True, ["through"])


async def test_who_is_cancelled_before_begins_nothing(own: OwnThread) -> None:
    called: list[int] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        await own(lambda: called.append(1))
    assert scope.cancelled_caught
    await own(lambda: None)
    assert called == []


def test_an_interrupt_comes_after_the_call_and_not_in_between() -> None:
    own, finished = OwnThread(), threading.Event()

    def call() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        finished.wait(0.1)
        finished.set()

    with pytest.raises(KeyboardInterrupt):
        trio.run(own, call)
    assert finished.is_set()
    own.end()


def test_it_serves_one_loop_after_the_other() -> None:
    own = OwnThread()
    assert trio.run(own, threading.current_thread) is trio.run(own, threading.current_thread)
    own.end()


async def test_it_ends_when_it_is_told_to_and_another_call_begins_another(own: OwnThread) -> None:
    own.end()
    first = await own(threading.current_thread)
    own.end()
    own.end()
    assert ended(first)
    assert await own(threading.current_thread) is not first


async def test_it_ends_with_its_owner() -> None:
    own = OwnThread()
    thread = await own(threading.current_thread)
    del own
    gc.collect()
    assert ended(thread)


async def test_an_idle_thread_keeps_nothing_of_what_it_did(own: OwnThread) -> None:
    batch = Gate()
    batch.open.set()
    gone = weakref.ref(batch)
    await own(batch)
    # What the thread still has on its stack as it reports back is gone when it takes up the next call.
    await own(lambda: None)
    del batch
    gc.collect()
    assert gone() is None
