"""A store that lives and dies on a simulated disk, and whoever watches that it keeps its promises.

A world goes through several lives. In each, the store is opened, hurt by at most one kind of fault, given random
commands (some at once, so that they share a commit), snapshots and random time, and then ends: cleanly, by SIGKILL, by
a power cut, or by the fault. Every fold is a process of its own, and half of them are killed. The watcher keeps the
list of states the store went through; what the next life recovers must be one of them, not older than the last one that
was acknowledged.

Where memory is limited, what goes for a command is part of what the command does: the watcher hears of it as it is
decided, and takes it out of its own state before the command.
"""

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import ClassVar, TypeVar

import trio
import trio.testing
from trio._core import _run as trio_internals

from synap.clock import ManualClock
from synap.commands import Expire, GetTouch, Persist, Set, SetMany, Write
from synap.datadir import open_data_directory
from synap.errors import (
    CommandError,
    DataDirectoryUnusableError,
    DiskFullError,
    LogFailedError,
    MemoryLimitError,
    SnapshotError,
    UnavailableError,
)
from synap.events import EntryEvicted, Event
from synap.keyspace import Keyspace, Limits, Memory, Overlay, Room
from synap.keyspace.eviction import Policy
from synap.keyspace.order import UseOrder
from synap.radix import new_tree
from synap.recovery import load_snapshot, replay
from synap.snapshot.fold import FoldFailure, FoldReport, FoldRequest, carry_out
from synap.snapshot.reader import SnapshotReader
from synap.store import MemoryLimit, SnapshotOptions, Store, open_store
from synap.tasks import open_tasks
from synap.telemetry import Metrics
from synap.testing import Call, CrashAt, FailAt, Fault, ShortWrites, SimulatedCrash, SimulatedFileSystem
from synap.wal.local import FsyncMode, LogOptions
from tests.simulation.model import UNKNOWN, Model, Value
from tests.simulation.wishes import KEYS, random_command

T = TypeVar("T")

DATA = Path("/data")
SEGMENT_BYTES = 2_000
"""So small that a life rotates several times."""

SNAPSHOTS = SnapshotOptions(events_max=15, age_max_s=5.0)
"""So early that a life may see several."""


def deadline_bytes() -> int:
    """What the tree takes for the first deadline there is."""
    tree = new_tree()
    tree.put(b"", 0, b"", None, 1)
    without = tree.memory_bytes
    tree.set_deadline(b"", 2**50)
    return tree.memory_bytes - without


LIMITS_BYTES = [None, 1_200, 2_500, 4_800, 5_500, 6_500, 8_000]
"""Room for no entry that is new, for one or two, for some, for all."""

DEADLINE_BYTES = deadline_bytes() + UseOrder().weight(max(KEYS, key=len))
"""What a new deadline may take: a place in the order by deadline, and one in an order of eviction."""

EVICTED_WITHIN_MS = 100
"""What is over the limit is gone after so long."""

_FAILING = ("datasync", "write", "sync_directory", "rename", "truncate", "close", "create", "remove", "read")
_METRICS = Metrics()


class BrokenPromiseError(AssertionError):
    """The store broke a promise."""


class PowerCut(BaseException):
    """The machine stops here."""


class FoldKilled(BaseException):
    """The process of a fold ends here; the store goes on."""


class WatchedRoom(Room):
    """A room that tells what is evicted for each command, and who finds none; to be put in the committer's place."""

    decided: ClassVar[list[tuple[Write[object], list[bytes]]]] = []
    refused: ClassVar[list[Write[object]]] = []

    def __init__(self, memory: Memory, overlay: Overlay) -> None:
        super().__init__(memory, overlay)
        self._events = overlay.events

    def decide(self, command: Write[T], limits: Limits) -> T | None:
        before = len(self._events)
        try:
            result = super().decide(command, limits)
        except MemoryLimitError:
            self.refused.append(command)
            raise
        gone = [event.key for event in self._events[before:] if isinstance(event, EntryEvicted)]
        assert not (gone and self.full), "so few keys go at once"
        if gone:
            self.decided.append((command, gone))
        return result

    @classmethod
    def forget(cls) -> None:
        """Tell only of what comes from here on."""
        cls.decided.clear()
        cls.refused.clear()


class World:
    """One seeded history. ``believed`` is the fsync mode whose promises are checked (another one is a sabotage).

    ``limited`` gives each life a memory limit of its own, which needs a ``WatchedRoom``.
    """

    def __init__(
        self,
        seed: int,
        mode: FsyncMode,
        *,
        believed: FsyncMode | None = None,
        sabotage: tuple[Fault, ...] = (),
        limited: bool = False,
    ) -> None:
        self.rng = Random(seed)
        self.clock = ManualClock()
        self.fs = SimulatedFileSystem()
        self.fs.make_directory(Path("/"))
        self.mode = mode
        self.believed = believed or mode
        self.sabotage = sabotage
        self.limited = limited
        self.evicted: list[bytes] = []
        self.time = trio.testing.MockClock()
        # The states since the last recovery, oldest first; the store may come back in any from `surely` on after a
        # power cut, from `acknowledged` on after the end of the process alone.
        self.states = [Model()]
        self.acknowledged = 0
        self.surely = 0
        self.digests: dict[int, int] = {}
        self.unsynced_may_be_gone = False
        self.may_write_anything = False

    def run(self, lives: int) -> None:
        """Live through the history; raises ``BrokenPromiseError`` (or another assertion) where a promise is broken."""
        for _ in range(lives):
            self._one_life()
        self.fs.faults[:] = self.sabotage
        self._in_trio(self._open_and_check)

    # --- lives -------------------------------------------------------------------------------------------

    def _one_life(self) -> None:
        self.fs.faults[:] = [*self.sabotage, *self._random_faults()]
        capacity = self.rng.random() < 0.1
        self.may_write_anything = not (self.fs.faults or capacity)
        if capacity:
            self.fs.capacity_bytes = self.rng.randrange(500, 6_000)
        try:
            self._in_trio(self._live)
        except (SimulatedCrash, PowerCut):
            self._end(power_cut=True)
        except (LogFailedError, DataDirectoryUnusableError, OSError, DiskFullError):
            # A disk that fails may lose what was only written, even if nobody pulls the plug.
            self._end(power_cut=self.rng.random() < 0.5, disk_failed=True)
        else:
            self._end(power_cut=self.rng.random() < 0.3)
        self.fs.capacity_bytes = None
        self.may_write_anything = False

    def _end(self, *, power_cut: bool, disk_failed: bool = False) -> None:
        self.unsynced_may_be_gone = power_cut or disk_failed
        if power_cut:
            self.fs.crash(self.rng)
        else:
            self.fs.kill()
        if self.rng.random() < 0.3:
            self.clock.step_wall(self.rng.choice([-7_200_000, -3_000, 3_000, 7_200_000]))
        self.clock.advance(self.rng.choice([0, 10, 3_000]))

    def _in_trio(self, main: Callable[[], object]) -> None:
        """Run a task such that the seed decides everything, the order of trio's tasks included."""
        trio_internals._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
        trio_internals._r.seed(self.rng.getrandbits(32))
        try:
            trio.run(main, clock=self.time)  # type: ignore[arg-type]
        except BaseExceptionGroup as group:
            error: BaseException = group
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from None

    async def _open_and_check(self) -> None:
        store = self._open()
        self._check_recovered(store)

    async def _live(self) -> None:
        store = self._open()
        self._check_recovered(store)
        async with open_tasks() as tasks:
            tasks.start_soon(store.run)
            for _ in range(self.rng.randrange(1, 10)):
                await self._step(store)
            ending = self.rng.random()
            if ending < 0.3:
                raise PowerCut
            if ending < 0.6:
                await store.drain()
            tasks.cancel_scope.cancel()
        if ending < 0.6:
            await store.close()
            self.surely = self.acknowledged

    def _open(self) -> Store:
        directory = open_data_directory(self.fs, DATA, now_ms=self.clock.wall_ms(), random_bytes=self.rng.randbytes)
        options = LogOptions(self.mode, fsync_interval_ms=10, segment_max_bytes=SEGMENT_BYTES)
        store, _ = open_store(
            directory,
            self.clock,
            options=options,
            limits=Limits(),
            metrics=_METRICS,
            random_u32=lambda: self.rng.getrandbits(32),
            snapshots=SNAPSHOTS,
            hop=_inline,
            fold=self._fold,
            memory_limit=self._random_limit() if self.limited else MemoryLimit(),
        )
        self._watch_evictions(store.memory)
        return store

    def _random_limit(self) -> MemoryLimit:
        return MemoryLimit(self.rng.choice(LIMITS_BYTES), self.rng.choice(list(Policy)))

    def _watch_evictions(self, memory: Memory) -> None:
        WatchedRoom.forget()
        apply_all = memory.apply_all

        def watched(first_seq: int, events: Sequence[Event]) -> None:
            apply_all(first_seq, events)
            self.evicted += [event.key for event in events if isinstance(event, EntryEvicted)]

        memory.apply_all = watched

    async def _fold(self, request: FoldRequest) -> FoldReport | FoldFailure:
        """A fold as a process: whatever it does to the disk before it is killed, stays."""
        await trio.lowlevel.checkpoint()
        left = self.rng.randrange(1, 60) if self.rng.random() < 0.5 else 0

        def kill(_: Call) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise FoldKilled

        self.fs.faults.append(kill)
        try:
            return carry_out(self.fs, request)
        except FoldKilled:
            return FoldFailure("killed")
        finally:
            self.fs.faults.remove(kill)

    def _random_faults(self) -> list[Fault]:
        kind = self.rng.random()
        if kind < 0.35:
            return [CrashAt(self.rng.randrange(1, 150), self.rng)]
        if kind < 0.55:
            number = self.rng.choice([errno.EIO, errno.ENOSPC])
            place = self.rng.choice(["wal/*", "wal/*", "wal/*", "snapshot/*", None])
            return [FailAt(self.rng.choice(_FAILING), self.rng.randrange(1, 30), number, place)]
        if kind < 0.65:
            return [ShortWrites(self.rng, "*.wal")]
        return []

    # --- a life's steps ----------------------------------------------------------------------------------

    async def _step(self, store: Store) -> None:
        choice = self.rng.random()
        if choice < 0.6:
            await self._burst(store)
        elif choice < 0.75:
            with suppress(SnapshotError, UnavailableError, LogFailedError):
                await store.take_snapshot()
        elif choice < 0.95:
            await self._let_time_pass(store, self.rng.choice([1, 15, 120, 1_000, 6_000]))
        else:
            self.clock.step_wall(self.rng.choice([-60_000, -500, 500, 60_000]))
        self._check_reads(store)

    async def _let_time_pass(self, store: Store, ms: int) -> None:
        acknowledged = self.acknowledged
        if self.limited:
            # Who has not begun to wait is not woken by the time.
            await trio.testing.wait_all_tasks_blocked()
        evicted_before = len(self.evicted)
        self.clock.advance(ms)
        self.time.jump(ms / 1000)
        try:
            await trio.testing.wait_all_tasks_blocked()
        except BaseException:
            self._note_excess_that_may_be_gone()
            raise
        self._note_excess(self.evicted[evicted_before:])
        if ms > EVICTED_WITHIN_MS and self.may_write_anything:
            self._check_no_excess(store)
        if self.believed is FsyncMode.PERIODIC and ms > 10:
            self.surely = max(self.surely, acknowledged)

    def _note_excess(self, gone: list[bytes]) -> None:
        """Time has passed, and the evictor has taken what was over the limit."""
        WatchedRoom.forget()
        if gone:
            self.states.append(self.states[-1].without(gone))
            self.acknowledged = len(self.states) - 1
            if self.believed is FsyncMode.ALWAYS:
                self.surely = self.acknowledged

    def _note_excess_that_may_be_gone(self) -> None:
        for _, gone in WatchedRoom.decided:
            self.states.append(self.states[-1].without(gone))
        WatchedRoom.forget()

    async def _burst(self, store: Store) -> None:
        """Some commands at once; then the states they lead to, in the order in which they were sent."""
        sent: list[tuple[Write[object], list[object]]] = []
        now_ms = store.now_ms()
        used_before = store.memory_bytes

        async def send(command: Write[object]) -> None:
            outcome: list[object] = []
            sent.append((command, outcome))
            try:
                outcome.append(await store.execute(command))
            except (CommandError, UnavailableError, LogFailedError) as error:
                outcome.append(error)

        try:
            async with trio.open_nursery() as nursery:
                for _ in range(self.rng.randrange(1, 6)):
                    nursery.start_soon(send, self._random_command(now_ms))
        finally:
            evicted_for = {id(command): gone for command, gone in WatchedRoom.decided}
            refused = set(map(id, WatchedRoom.refused))
            WatchedRoom.forget()
            for command, outcome in sent:
                if id(command) not in refused:
                    self._note(command, outcome, now_ms, evicted_for.get(id(command), []))
        deadlines = sum(isinstance(command, GetTouch | Expire | Persist | Set | SetMany) for command, _ in sent)
        self._check_memory(store, used_before, deadlines)
        self.digests[store.keyspace.seq] = store.keyspace.digest

    def _note(self, command: Write[object], outcome: list[object], now_ms: int, gone: list[bytes]) -> None:
        state = self.states[-1].without(gone)
        if outcome and isinstance(outcome[0], UnavailableError):
            return
        if not outcome or isinstance(outcome[0], LogFailedError):
            state.carry_out(command, now_ms, lambda: UNKNOWN)
            self.states.append(state)
            return
        self.states.append(state.after(command, outcome[0], now_ms))
        self.acknowledged = len(self.states) - 1
        if self.believed is FsyncMode.ALWAYS:
            self.surely = self.acknowledged

    def _random_command(self, now_ms: int) -> Write[object]:
        # What was written without telling its version is at none of these, so asking for one of them is surely refused.
        versions = [value.version for value in self.states[-1].entries.values() if value.version != UNKNOWN]
        return random_command(self.rng, now_ms, versions)

    # --- the watcher -------------------------------------------------------------------------------------

    def _check_reads(self, store: Store) -> None:
        """No reader sees more or less than what was acknowledged."""
        now_ms = store.now_ms()
        acknowledged = self.states[self.acknowledged].view(now_ms)
        if _view(store.keyspace, now_ms) != _strip(acknowledged):
            raise BrokenPromiseError("a reader does not see what was acknowledged, or sees more")
        if (count := store.keyspace.count(b"", now_ms)) != len(acknowledged):
            raise BrokenPromiseError(f"count says {count} of {len(acknowledged)}")

    def _check_memory(self, store: Store, used_before: int, deadlines: int) -> None:
        """No write makes the store larger than it may be; deadlines may move, and take their places all the same."""
        limit = store.memory_limit.max_bytes
        if limit is not None and store.memory_bytes > max(limit, used_before) + deadlines * DEADLINE_BYTES:
            raise BrokenPromiseError(f"{store.memory_bytes} bytes are taken, {limit} may be; before, {used_before}")

    def _check_no_excess(self, store: Store) -> None:
        """The evictor has been there."""
        memory = store.memory
        if memory.excess_bytes and memory.order is not None and next(memory.order.victims(), None) is not None:
            raise BrokenPromiseError(f"{memory.excess_bytes} bytes are over the limit, and something could go")

    def _check_recovered(self, store: Store) -> None:
        now_ms = store.now_ms()
        recovered = _view(store.keyspace, now_ms)
        least = self.surely if self.unsynced_may_be_gone else self.acknowledged
        found = [
            index
            for index in range(len(self.states) - 1, least - 1, -1)
            if _strip(self.states[index].view(now_ms)) == recovered
        ]
        if not found:
            raise BrokenPromiseError(
                f"recovered {recovered}, which is none of the states {least} to {len(self.states) - 1}:"
                f" {[_strip(state.view(now_ms)) for state in self.states[least:]]}"
            )
        self._check_digest(store)
        self._start_over(store.keyspace)

    def _check_digest(self, store: Store) -> None:
        """The digest is what it was when the store was alive at that number, and what reading the log again gives."""
        seq, digest = store.keyspace.seq, store.keyspace.digest
        if self.digests.get(seq, digest) != digest:
            raise BrokenPromiseError(f"the digest at seq {seq} is another than before")
        faults, self.fs.faults = self.fs.faults, []  # the watcher's own calls are not hurt
        for start in self._starts(store):
            replay(store.log.read(start.seq + 1), start, DATA)
            if (start.seq, start.digest) != (seq, digest):
                raise BrokenPromiseError("reading snapshot and log a second time gives another state")
        self.fs.faults = faults
        self.digests = {number: value for number, value in self.digests.items() if number <= seq}

    def _starts(self, store: Store) -> Iterator[Keyspace]:
        """The states from which the log must lead to the present one."""
        for info in store.snapshots:
            with closing(SnapshotReader(self.fs, info.path)) as snapshot:
                yield load_snapshot(snapshot)
        if store.log.first_seq == 1:
            yield Keyspace(new_tree())
        elif not store.snapshots:
            raise BrokenPromiseError("the log was trimmed, and there is no snapshot")

    def _start_over(self, keyspace: Keyspace) -> None:
        entries = {key: Value(*fields) for key, fields in ((item[0], item[1:]) for item in keyspace.tree.items())}
        self.states = [Model(entries)]
        self.acknowledged = self.surely = 0


def _view(keyspace: Keyspace, now_ms: int) -> dict[bytes, tuple[int, bytes, int | None]]:
    return {
        key: (kind, value, deadline_ms)
        for key, kind, value, deadline_ms, _ in keyspace.tree.items()
        if deadline_ms is None or deadline_ms > now_ms
    }


def _strip(view: dict[bytes, Value]) -> dict[bytes, tuple[int, bytes, int | None]]:
    """Without versions, which the model does not know of every entry."""
    return {key: value[:3] for key, value in view.items()}


async def _inline(call: Callable[[], T]) -> T:
    """A hop to no thread: the simulated disk answers at once."""
    await trio.lowlevel.checkpoint()
    return call()
