"""What the tests of the engine share: a log that waits and fails as it is told, and a committer at work on it."""

import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar, cast

import trio
from trio.testing import wait_all_tasks_blocked

from synap.codec import decode_events
from synap.commands import Command, Kind, Set, Write
from synap.committer import Committer
from synap.errors import LogFailedError, SynapError
from synap.events import Event
from synap.keyspace import UNLIMITED, Keyspace, Limits, Memory, MemoryLimit
from synap.radix import new_tree
from synap.wal.interface import Batch, Frame
from synap.wal.memory import MemoryLog

T = TypeVar("T")

NOW = 1_700_000_000_000


class GateLog:
    """A ``MemoryLog`` whose appends wait while the gate is shut.

    The errors in ``failures`` are raised by the next appends, one each; ``attempts`` counts all that were begun, and
    ``states`` are those that they were decided at.
    """

    def __init__(self) -> None:
        self.failures: list[BaseException] = []
        self.attempts = 0
        self.states: list[bytes] = []
        self.closed = False
        self._memory = MemoryLog()
        self._gate = trio.Event()
        self._gate.set()

    def shut(self) -> None:
        self._gate = trio.Event()

    def release(self) -> None:
        self._gate.set()

    def batches(self) -> list[list[Event]]:
        """The events of each frame."""
        return [decode_events(frame.payload) for frame in self.read(self.first_seq)]

    @property
    def first_seq(self) -> int:
        return self._memory.first_seq

    @property
    def last_seq(self) -> int:
        return self._memory.last_seq

    async def append(self, batch: Batch) -> int:
        self.attempts += 1
        self.states.append(batch.state)
        await self._gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        return await self._memory.append(batch)

    def read(self, from_seq: int) -> Iterator[Frame]:
        return self._memory.read(from_seq)

    async def trim(self, below_seq: int) -> None:
        await self._memory.trim(below_seq)

    async def upkeep(self) -> None:
        await self._memory.upkeep()

    async def close(self) -> None:
        self.closed = True
        await self._memory.close()


class Sent:
    """A command on its way. ``outcome`` is the list of its result or error, empty while it waits."""

    def __init__(self, command: Command[object]) -> None:
        self.command = command
        self.outcome: list[object] = []
        self.scope = trio.CancelScope()

    @property
    def error(self) -> type[BaseException] | None:
        """The class of the error; None where there is a result, or nothing yet."""
        return type(self.outcome[0]) if self.outcome and isinstance(self.outcome[0], BaseException) else None

    async def go(self, execute: Callable[[Command[object]], Awaitable[object]]) -> None:
        with self.scope:
            try:
                self.outcome.append(await execute(self.command))
            except (SynapError, MemoryError, AssertionError, OSError) as error:
                self.outcome.append(error)


async def send(
    nursery: trio.Nursery, execute: Callable[[Command[object]], Awaitable[object]], *commands: Command[object]
) -> list[Sent]:
    """Send commands, in this order, and wait until nothing more happens."""
    sent = []
    for command in commands:
        each = Sent(command)
        sent.append(each)
        nursery.start_soon(each.go, execute)
        # Tasks that are started together begin in any order.
        await wait_all_tasks_blocked()
    return sent


def outcomes(sent: list[Sent]) -> list[list[object]]:
    return [each.outcome for each in sent]


def set_text(key: bytes, value: bytes = b"v", ttl_ms: int | None = None, *, only_if_absent: bool = False) -> Set:
    return Set(key=key, kind=Kind.TEXT, value=value, ttl_ms=ttl_ms, only_if_absent=only_if_absent)


async def inline(call: Callable[[], T]) -> T:
    """A hop to no thread, for disks that answer at once."""
    await trio.lowlevel.checkpoint()
    return call()


LOG_FAILED = LogFailedError("fdatasync", Path("x.wal"), OSError(errno.EIO, "Input/output error"))


class Bench:
    """A committer at work on a gate log, and the commands that were sent to it."""

    def __init__(self, nursery: trio.Nursery, limit: MemoryLimit = UNLIMITED) -> None:
        self.log = GateLog()
        self.keyspace = Keyspace(new_tree())
        self.memory = Memory(self.keyspace, limit)
        self.now_ms = NOW
        self.committer = Committer(self.keyspace, self.log, lambda: self.now_ms, Limits(), memory=self.memory)
        self.scope = trio.CancelScope()
        self.ended: BaseException | None = None
        self._nursery = nursery

    async def run(self) -> None:
        with self.scope:
            try:
                await self.committer.run()
            except Exception as error:  # noqa: BLE001  # whatever ended it is what the tests ask for
                self.ended = error

    async def send(self, *commands: Write[object]) -> list[Sent]:
        async def submit(command: Command[object]) -> object:
            return await self.committer.submit(cast("Write[object]", command))

        return await send(self._nursery, submit, *commands)

    async def release(self) -> None:
        self.log.release()
        await wait_all_tasks_blocked()

    async def held_up(self) -> Sent:
        """Shut the gate before a first command; whatever is sent from now on gathers behind it."""
        self.log.shut()
        (first,) = await self.send(set_text(b"first"))
        return first

    def view(self) -> dict[bytes, bytes]:
        """What a reader sees."""
        return {item[0]: item[2] for item in self.keyspace.tree.items()}


@asynccontextmanager
async def at_work(nursery: trio.Nursery, limit: MemoryLimit = UNLIMITED) -> AsyncIterator[Bench]:
    """A bench whose committer runs, until the end of the test."""
    bench = Bench(nursery, limit)
    nursery.start_soon(bench.run)
    yield bench
    bench.log.release()
    nursery.cancel_scope.cancel()
