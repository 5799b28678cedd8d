"""The store without HTTP, a new process for every crash: ``python -m tests.process.driver``.

Importing takes most of the time of a start, so it is done once: this process forks one that does the work for each
line of standard input, and so hundreds of crashes take seconds.

::

    > run SCENARIO DIRECTORY [SABOTAGE]
    < pid 1234              the new process; whoever wants to trace it does so now
    > go
    < ack 1                 the write that is event 1 was acknowledged, ...
    < snapshot 1            ... the snapshot that ends with it was, too, ...
    < failed 71 sentence    ... or the store gave up with this exit code
    < ended 0               the status of the process, negative for a signal

In a scenario with a snapshot, the writes come before the pid and the ``go``: it is the snapshot that is to be traced.

The process has one thread. What the store would do in a worker thread happens in the main one, since strace counts
the system calls of each thread by itself.
"""

import os
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import trio

from synap.clock import SystemClock
from synap.commands import Kind, Pair, Set, SetMany
from synap.datadir import explained, open_data_directory
from synap.errors import DataDirectoryError, DiskFullError, LogFailedError, NotReadyError, SnapshotError
from synap.fs import RealFileSystem
from synap.keyspace import Limits
from synap.snapshot.fold import FoldFailure, FoldReport, FoldRequest, carry_out
from synap.store import Store, open_store
from synap.tasks import open_tasks
from synap.telemetry import LogFormat, Metrics, configure_logging
from synap.wal.local import LogOptions

T = TypeVar("T")

SEGMENT_MAX_BYTES = 1600
"""Room for two values."""

VALUE_BYTES = 600


class Scenario(msgspec.Struct, frozen=True):
    """``requests``: how many events each write makes, after those that are in the directory already.

    Where there is to be a ``snapshot``, it is taken afterwards.
    """

    requests: tuple[int, ...]
    segment_max_bytes: int = 1024 * 1024
    snapshot: bool = False


SCENARIOS: Mapping[str, Scenario] = {
    "write": Scenario((1, 3, 1)),
    "rotate": Scenario((1, 1, 1, 1), SEGMENT_MAX_BYTES),
    "open": Scenario((1,)),
    "snapshot": Scenario((1, 1, 1), SEGMENT_MAX_BYTES, snapshot=True),
}


def pair(seq: int) -> Pair:
    """What event ``seq`` sets, in every scenario: a key that was set before, and a value that cannot be compressed."""
    return Pair(f"key{seq % 7}".encode(), Kind.BYTES, random.Random(seq).randbytes(VALUE_BYTES))


def main() -> None:
    configure_logging("error", LogFormat.TEXT)
    for line in lines():
        match line.split(" "):
            case ["run", scenario, directory, *sabotage]:
                child = os.fork()
                if child == 0:
                    work(SCENARIOS[scenario], Path(directory), sabotage)
                _, status = os.waitpid(child, 0)
                say(f"ended {os.waitstatus_to_exitcode(status)}")


def work(scenario: Scenario, directory: Path, sabotage: list[str]) -> None:
    """Carry a scenario out and end."""
    if not scenario.snapshot:
        wait_for_go()
    for name in sabotage:
        from tests.process.saboteur import SABOTAGE  # noqa: PLC0415  # the honest runs do without

        SABOTAGE[name]()
    code = 0
    try:
        trio.run(run_store, scenario, directory)
    except (DataDirectoryError, LogFailedError) as error:
        code = error.exit_code
        say(f"failed {code} {error}")
    os._exit(code)


def wait_for_go() -> None:
    """Say who this is, and wait until everything is ready for what follows."""
    say(f"pid {os.getpid()}")
    assert next(lines()) == "go"


async def run_store(scenario: Scenario, path: Path) -> None:
    trio.to_thread.run_sync = in_this_thread  # type: ignore[assignment]
    clock = SystemClock()
    directory = open_data_directory(RealFileSystem(), path, now_ms=clock.wall_ms())
    options = LogOptions(segment_max_bytes=scenario.segment_max_bytes)
    with explained(path):
        store, _ = open_store(
            directory,
            clock,
            options=options,
            limits=Limits(),
            metrics=Metrics(),
            hop=in_this_thread,
            fold=fold_here,
        )
    async with open_tasks() as nursery:
        # Without the store's other tasks, which write when time passes, every run makes the same calls.
        nursery.start_soon(store._committer.run)
        for count in scenario.requests:
            await write(store, count)
        if scenario.snapshot:
            assert store._snapshotter is not None
            nursery.start_soon(store._snapshotter.run)
            wait_for_go()
            await take_snapshot(store)
        await store.drain()
        nursery.cancel_scope.cancel()
    await store.close()
    directory.close()


async def write(store: Store, count: int) -> None:
    """Have the next ``count`` events happen in one request. Where the disk is full, do without."""
    first = store.keyspace.seq + 1
    pairs = tuple(pair(seq) for seq in range(first, first + count))
    try:
        if count == 1:
            await store.execute(Set(key=pairs[0].key, kind=pairs[0].kind, value=pairs[0].value))
        else:
            await store.execute(SetMany(pairs))
    except DiskFullError:
        return
    say(f"ack {first + count - 1}")


async def take_snapshot(store: Store) -> None:
    """Take a snapshot. Where that fails, do without."""
    try:
        taken = await store.take_snapshot()
    except (SnapshotError, NotReadyError):
        return
    say(f"snapshot {taken.seq}")


async def fold_here(request: FoldRequest) -> FoldReport | FoldFailure:
    """Fold in this process, as the child would."""
    await trio.lowlevel.checkpoint()
    return carry_out(RealFileSystem(), request)


async def in_this_thread(call: Callable[[], T], **_: object) -> T:
    await trio.lowlevel.checkpoint()
    return call()


def lines() -> Iterator[str]:
    """Lines of standard input, none of them read before it is needed: what follows may be for another process."""
    while True:
        line = bytearray()
        while not line.endswith(b"\n"):
            byte = os.read(0, 1)
            if not byte:
                return
            line += byte
        yield line.decode().rstrip("\n")


def say(line: str) -> None:
    """Write a line, with a call that the store does not use, so that no fault hits it."""
    os.writev(1, [f"{line}\n".encode()])


if __name__ == "__main__":
    main()
