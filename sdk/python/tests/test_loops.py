"""Event loops: which one runs, and a client that is bound to none of them."""

import asyncio
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trio

from synap_sdk import AsyncClient, SynapClient
from synap_sdk._shells import loops
from tests.process.harness import Server

# --- which one runs ----------------------------------------------------------------------------------------


def test_outside_of_any_loop() -> None:
    assert not loops.is_running()


async def test_in_trio() -> None:
    assert loops.is_running()
    assert loops.in_trio()
    assert not await trio.to_thread.run_sync(loops.is_running), "a worker thread may block"


def test_in_asyncio() -> None:
    async def look() -> None:
        assert loops.is_running()
        assert not loops.in_trio()
        assert not await asyncio.to_thread(loops.is_running), "a worker thread may block"

    asyncio.run(look())


def test_trio_as_a_guest_of_asyncio() -> None:
    """Where both run, the task that asks decides."""

    async def guest() -> bool:
        return loops.in_trio()

    async def host() -> tuple[bool, Any]:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=asyncio.get_running_loop().call_soon_threadsafe,
            done_callback=done.set_result,
        )
        return loops.in_trio(), (await done).unwrap()

    assert asyncio.run(host()) == (False, True)


@pytest.mark.parametrize("start", [trio.run, lambda function: asyncio.run(function())])
def test_within(start: Any) -> None:
    async def late() -> None:
        with pytest.raises(TimeoutError):
            await loops.within(0.01, lambda: loops.sleep(60))
        assert await loops.within(60, quick) == "done"

    async def quick() -> str:
        return "done"

    start(late)


# --- one client in many ------------------------------------------------------------------------------------


async def set_and_get(client: Any, key: str) -> object:
    """Several at once, so that there are several connections."""
    first = await client.kv.set(key, key)
    assert first.written
    return await client.kv.get(key)


@pytest.mark.parametrize("make", [AsyncClient, SynapClient])
def test_one_loop_after_the_other(url: str, make: Any) -> None:
    client = make(url)
    for round_number in range(3):
        key = f"loop:{round_number}"
        assert asyncio.run(set_and_get(client, key)) == key
        assert trio.run(set_and_get, client, key) == key
    pools = client._awaitable._pools if isinstance(client, SynapClient) else client._pools
    assert pools._kept == {}, "each pool ended with its loop"
    gc.collect()  # A connection that was left open would be a ResourceWarning, and so an error.


@pytest.mark.parametrize("make", [AsyncClient, SynapClient])
def test_several_threads_with_loops_at_once(url: str, make: Any) -> None:
    client = make(url)
    together = threading.Barrier(4)

    def work(number: int) -> object:
        together.wait(timeout=20)
        if number % 2:
            return asyncio.run(set_and_get(client, f"thread:{number}"))
        return trio.run(set_and_get, client, f"thread:{number}")

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(4))) == [f"thread:{number}" for number in range(4)]
    gc.collect()


def test_a_script_and_loops_with_one_client(url: str) -> None:
    client = SynapClient(url)
    client.kv.set("mixed", "script")

    async def both() -> object:
        assert await client.kv.get("mixed") == "script"
        assert await loops.within(20, in_thread) == "script", "and in a worker thread it simply runs"
        return await client.kv.set("mixed", "loop")

    async def in_thread() -> object:
        return await asyncio.to_thread(client.kv.get, "mixed")

    asyncio.run(both())
    assert client.kv.get("mixed") == "loop"
    client.close()


def test_many_calls_at_once(url: str) -> None:
    client = AsyncClient(url)

    async def work() -> list[object]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(set_and_get(client, f"many:{number}")) for number in range(50)]
        return [task.result() for task in tasks]

    assert asyncio.run(work()) == [f"many:{number}" for number in range(50)]


def test_a_loop_that_is_closed_by_hand(url: str) -> None:
    """Without shutdown_asyncgens, nobody tells the pool; the next loop finds out."""
    client = AsyncClient(url)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(client.kv.count())
    (kept,) = client._pools._kept.values()
    loop.run_until_complete(kept.aclose())
    client._pools._kept[loop] = kept
    loop.close()
    assert asyncio.run(set_and_get(client, "by hand")) == "by hand"
    assert client._pools._kept == {}


def test_a_cancelled_call_leaves_a_client_that_works(url: str) -> None:
    client = AsyncClient(url)

    async def work() -> object:
        for _ in range(20):
            with trio.move_on_after(0.001):
                await client.kv.get("cancelled")
        return await set_and_get(client, "cancelled")

    assert trio.run(work) == "cancelled"


def test_a_forked_process_makes_its_own_connections(server: Server, url: str) -> None:
    """As with gunicorn --preload: what was read at import time must not be shared by the workers."""
    client = SynapClient(url)
    client.kv.set("forked", "before")
    child = os.fork()
    if child == 0:
        # Nothing but the client may run in here, and pytest must not clean up twice.
        os._exit(0 if all(client.kv.get("forked") == "before" for _ in range(20)) else 1)
    assert all(client.kv.get("forked") == "before" for _ in range(20))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    client.close()
