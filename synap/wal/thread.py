"""A thread of its own for a log: the calls that block on the disk, one after the other.

``trio.to_thread`` does the same for anybody and everything: a worker from a cache, a limiter, a context, and a way back
into the loop. A log that asks for every batch pays for that with every batch, and a lone writer waits for it; here, a
call is a place in a queue, and its end a task that goes on.

The thread begins with the first call, and ends with ``end``, or with whoever owns it.
"""

import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeAlias, TypeVar, cast

import trio

T = TypeVar("T")


class _Job(Generic[T]):
    """A call, the task that waits for it, and what came of it."""

    __slots__ = ("_call", "_error", "_result", "_task", "_token")

    def __init__(self, call: Callable[[], T]) -> None:
        self._call: Callable[[], T] | None = call
        self._result: T | None = None
        self._error: BaseException | None = None
        self._task = trio.lowlevel.current_task()
        self._token = trio.lowlevel.current_trio_token()

    def carry_out(self) -> None:
        """In the thread: call, and let the task go on, whatever came of it."""
        call, self._call = self._call, None
        assert call is not None, "a job is carried out once"
        try:
            self._result = call()
        except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
            self._error = error
        # The call may hold a batch, which must not stay with an idle thread.
        del call
        # Where the loop is over, which only a fault of its own brings about, nobody waits any more.
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(trio.lowlevel.reschedule, self._task)

    def outcome(self) -> T:
        """In the task: the result. Raises what the call raised."""
        if self._error is not None:
            try:
                raise self._error
            finally:
                # The error's traceback holds this frame, and through it the job.
                del self
        return cast("T", self._result)


_Jobs: TypeAlias = "SimpleQueue[_Job[object] | None]"


class OwnThread:
    """See the module. A ``Hop`` (``local.py``), for one loop at a time."""

    def __init__(self) -> None:
        self._jobs: _Jobs | None = None
        self._finalizer: weakref.finalize[[None], OwnThread] | None = None

    @trio.lowlevel.enable_ki_protection
    async def __call__(self, call: Callable[[], T]) -> T:
        """The result of the call. Once begun, it is waited for, whoever is cancelled."""
        await trio.lowlevel.checkpoint_if_cancelled()
        job = _Job(call)
        self._begin().put(cast("_Job[object]", job))
        await trio.lowlevel.wait_task_rescheduled(_go_on_waiting)
        return job.outcome()

    def end(self) -> None:
        """Let the thread end, if there is one, after what it is doing. A later call begins another."""
        if self._finalizer is not None:
            self._finalizer()
        self._jobs = self._finalizer = None

    def _begin(self) -> _Jobs:
        """The queue of the thread, which is there from now on."""
        if self._jobs is None:
            jobs: _Jobs = SimpleQueue()
            # It knows the queue and not its owner, who could never go otherwise.
            threading.Thread(target=_work, args=(jobs,), name="synap log", daemon=True).start()
            self._jobs, self._finalizer = jobs, weakref.finalize(self, jobs.put, None)
        return self._jobs


def _work(jobs: _Jobs) -> None:
    while _carry_out_next(jobs):
        pass


def _carry_out_next(jobs: _Jobs) -> bool:
    """Carry out the next job. In a function, so that nothing of it stays while the thread waits for another."""
    job = jobs.get()
    if job is None:
        return False
    job.carry_out()
    return True


def _go_on_waiting(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED
