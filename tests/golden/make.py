"""Makes a golden directory: ``python -m tests.golden.make DIRECTORY``. Run once for each format version, never again.

Everything the format knows is in it: each kind of event and of value, deadlines past and to come, two snapshots, sealed
segments of several epochs, a tick, and a last segment whose writer was killed in the middle of a frame.
"""

import sys
from pathlib import Path
from random import Random

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from synap.clock import ManualClock
from synap.commands import Delete, DeletePrefix, Expire, Kind, Pair, Persist, Set, SetMany
from synap.datadir import open_data_directory
from synap.fs import RealFileSystem
from synap.keyspace import Limits
from synap.snapshot.fold import FoldFailure, FoldReport, FoldRequest, carry_out
from synap.store import LogOptions, Store, open_store
from synap.tasks import open_tasks
from synap.telemetry import Metrics

SEED = 1
MINUTE_MS = 60_000
TORN_BYTES = 25
"""What is missing of the last frame."""


async def fold_here(request: FoldRequest) -> FoldReport | FoldFailure:
    await trio.lowlevel.checkpoint()
    return carry_out(RealFileSystem(), request)


async def live(path: Path, clock: ManualClock, rng: Random, number: int) -> None:
    """One run of a store, the third of which ends in a kill."""
    directory = open_data_directory(RealFileSystem(), path, now_ms=clock.wall_ms(), random_bytes=rng.randbytes)
    store, _ = open_store(
        directory,
        clock,
        options=LogOptions(segment_max_bytes=1200),
        limits=Limits(),
        metrics=Metrics(),
        random_u32=lambda: rng.getrandbits(32),
        fold=fold_here,
    )
    async with open_tasks() as tasks:
        tasks.start_soon(store.run)
        await write(store, rng, number)
        clock.advance(MINUTE_MS)
        await trio.sleep(MINUTE_MS / 1000)
        await wait_all_tasks_blocked()
        if number < 3:
            await store.take_snapshot()
        await store.execute(Set(key=b"last", kind=Kind.TEXT, value=b"of run %d" % number))
        tasks.cancel_scope.cancel()
    if number < 3:
        await store.close()
    directory.close()


async def write(store: Store, rng: Random, number: int) -> None:
    for user in range(8):
        key = b"session:%d:%d" % (number, user)
        await store.execute(Set(key=key, kind=Kind.TEXT, value=rng.randbytes(60).hex().encode(), ttl_ms=3_600_000))
    await store.execute(
        SetMany(
            (
                Pair("session:ü".encode(), Kind.JSON, b'{"n": 1.50}', 90 * MINUTE_MS),
                Pair(b"bytes", Kind.BYTES, bytes(range(256))),
                Pair(b"empty", Kind.TEXT, b""),
            )
        )
    )
    await store.execute(Set(key=b"brief:%d" % number, kind=Kind.TEXT, value=b"x", ttl_ms=1_000))
    await store.execute(Expire(b"session:%d:1" % number, 2 * 3_600_000))
    await store.execute(Persist(b"session:%d:2" % number))
    await store.execute(Delete(b"session:%d:3" % number))
    await store.execute(DeletePrefix(b"session:%d:" % (number - 1)))


def main() -> None:
    path = Path(sys.argv[1])
    clock, rng = ManualClock(), Random(SEED)
    for number in (1, 2, 3):
        trio.run(live, path, clock, rng, number, clock=MockClock(autojump_threshold=0.01))
        clock.advance(MINUTE_MS)
    last = max((path / "wal").iterdir())
    last.write_bytes(last.read_bytes()[:-TORN_BYTES])


if __name__ == "__main__":
    main()
