"""Seeded histories of a log that is killed and loses power, anywhere, again and again.

Whatever happens, the log starts; what it holds is a prefix of what was written, in that order; and it is at least as
long as what was promised: in mode ``always`` every acknowledged batch, in ``periodic`` and ``never`` every batch that
was synced; where only the process died, every acknowledged batch in each mode.

``Machine`` is the checker. The negative controls at the end sabotage the log and demand that it notices.
"""

import errno
from collections.abc import Callable
from math import inf
from random import Random

import pytest

from synap.errors import (
    DamagedError,
    DataDirectoryUnusableError,
    DiskFullError,
    LogFailedError,
    NewerFormatError,
    NotOursError,
)
from synap.testing import CrashAt, FailAt, LyingSync, ShortWrites, SimulatedCrash, SimulatedFileSystem
from synap.wal.interface import Batch
from synap.wal.local import FsyncMode, LocalLog, LogOptions
from synap.wal.writer import SegmentWriter

from .build import Started, Ticking, events, start

SEEDS = 250
LIVES = 4


class ViolationError(Exception):
    """A promise was broken."""


class Machine:
    """A disk, what was written to a log on it, and how much of that the log has promised to keep.

    ``acknowledged`` counts the batches that the next start must find, ``promised`` those that must be there even after
    a power cut. ``promises`` is the mode whose promises are checked: the log's own, unless a control pretends another.
    """

    def __init__(self, seed: str, mode: FsyncMode, promises: FsyncMode | None = None) -> None:
        self.rng = Random(seed)
        self.fs = SimulatedFileSystem()
        self.promises = promises or mode
        self.options = LogOptions(mode, segment_max_bytes=self.rng.choice((700, 3000, 1 << 20)))
        self.clock = Ticking()
        self.written: list[tuple[int, bytes]] = []
        self.acknowledged = self.promised = 0

    async def run(self) -> None:
        """Live and die, and start a last time."""
        for _ in range(LIVES):
            await self.live()
        self.start()

    async def live(self) -> None:
        """From a start to an end that is one of many."""
        lasting = list(self.fs.faults)
        self.fs.faults.append(CrashAt(self.rng.choice((self.rng.randint(1, 25), self.rng.randint(1, 120))), self.rng))
        self.fs.faults += self._errors()
        try:
            log = self.start().log
            await self._write(log)
            if self.rng.random() < 0.3:
                await log.close()
                self.promised = len(self.written)
        except SimulatedCrash:
            pass
        except (LogFailedError, DiskFullError, DataDirectoryUnusableError, OSError):
            # What was acknowledged and not synced may have gone with the failed sync.
            self.acknowledged = self.promised
        self.fs.faults[:] = lasting
        if self.rng.random() < 0.6:
            self.fs.crash(self.rng)
            self.acknowledged = self.promised
        else:
            self.fs.kill()

    def start(self) -> Started:
        """Start, and compare what is there with what must be. Raises ``ViolationError``, or an error of the disk."""
        try:
            begun = start(self.fs, self.rng, self.options, now_ms=self.clock)
        except (DamagedError, NotOursError, NewerFormatError) as error:
            raise ViolationError(f"it does not start: {error}\n{self.fs.history()}") from error
        found = list(events(begun.frames))
        if found != self.written[: len(found)]:
            raise ViolationError(f"not a prefix of what was written\n{self.fs.history()}")
        if len(found) < self.acknowledged:
            raise ViolationError(f"{self.acknowledged} acknowledged, {len(found)} there\n{self.fs.history()}")
        self.written = found
        # What a start has shown stays: the last segment was synced before it was read.
        self.acknowledged = self.promised = len(found)
        return begun

    def _errors(self) -> list[Callable[..., int | None]]:
        rng = self.rng
        match rng.randrange(6):
            case 0:
                return [FailAt("datasync", rng.randint(3, 12), rng.choice((errno.EIO, errno.ENOSPC)))]
            case 1:
                return [ShortWrites(rng), FailAt("write", rng.randint(4, 20), errno.ENOSPC, "*.wal.tmp")]
            case 2:
                return [ShortWrites(rng)]
            case _:
                return []

    async def _write(self, log: LocalLog) -> None:
        for _ in range(self.rng.randint(1, 12)):
            if self.rng.random() < 0.25:
                await self.keep_up(log)
                continue
            payload = self.rng.randbytes(self.rng.choice((0, 10, 300, 1500)))
            self.written.append((log.last_seq + 1, payload))
            try:
                await log.append(Batch(payload, self.rng.randint(1, 3), log.last_seq, self.clock()))
            except DiskFullError:
                self.written.pop()
                continue
            self.acknowledged = len(self.written)
            self._note_promises(log)

    async def keep_up(self, log: LocalLog) -> None:
        """What ``upkeep`` does once the interval and the idleness have passed."""
        if self.options.fsync_mode is FsyncMode.PERIODIC:
            # Not left to the tick: on a full disk there is none.
            await log._sync_if_needed()
        log._last_write_s = -inf
        await log._keep_up()
        self._note_promises(log, kept_up=True)

    def _note_promises(self, log: LocalLog, *, kept_up: bool = False) -> None:
        if self.promises is FsyncMode.ALWAYS or (kept_up and self.promises is FsyncMode.PERIODIC):
            self.promised = self.acknowledged
        before_segment = sum(seq < log._segment.header.first_seq for seq, _ in self.written)
        self.promised = max(self.promised, before_segment)


@pytest.mark.parametrize("mode", FsyncMode)
async def test_what_was_promised_is_there_after_any_crash(mode: FsyncMode, seed: int) -> None:
    for number in range(SEEDS):
        machine = Machine(f"{seed} {number}", mode)
        try:
            await machine.run()
        except ViolationError as violation:
            pytest.fail(f"--seed {seed}, history {number}: {violation}")


@pytest.mark.parametrize("mode", FsyncMode)
async def test_every_call_of_one_history_is_crashed_at(mode: FsyncMode, seed: int) -> None:
    """Start, rotate, tick, close: the crash comes at the first mutating call, the second, and so on to the end."""

    async def history(machine: Machine) -> None:
        log = machine.start().log
        for payload in (b"a" * 500, b"b", b"c" * 700, b"d"):
            machine.written.append((log.last_seq + 1, payload))
            await log.append(Batch(payload, 1, log.last_seq, machine.clock()))
            machine.acknowledged = len(machine.written)
            machine._note_promises(log)
        await machine.keep_up(log)
        await log.close()
        machine.promised = len(machine.written)

    for nth in range(1, 200):
        for outcome in range(4):
            machine = Machine(f"{seed} {nth} {outcome}", mode)
            machine.options = LogOptions(mode, segment_max_bytes=300)
            machine.fs.faults.append(CrashAt(nth, machine.rng))
            try:
                await history(machine)
            except SimulatedCrash:
                pass
            else:
                assert nth > 40
                return
            machine.fs.faults.clear()
            machine.fs.crash(machine.rng)
            machine.acknowledged = machine.promised
            machine.start()
    raise AssertionError("the history never came to its end")


# --- negative controls ----------------------------------------------------------------------------------------


async def violations(make: Callable[[str], Machine], histories: int = 150) -> int:
    """How many histories break a promise."""
    broken = 0
    for number in range(histories):
        try:
            await make(f"control {number}").run()
        except ViolationError:
            broken += 1
    return broken


def lying(name: str, pattern: str) -> Callable[[str], Machine]:
    def make(seed: str) -> Machine:
        machine = Machine(seed, FsyncMode.ALWAYS)
        machine.fs.faults.append(LyingSync(name, pattern))
        return machine

    return make


async def test_the_checker_notices_when_fsync_is_left_out() -> None:
    """A segment's file keeps the temporary name that it was opened under; under its own, recovery syncs it."""
    assert await violations(lying("datasync", "*.wal.tmp")) > 20


async def test_the_checker_notices_when_recovery_leaves_out_fsync() -> None:
    assert await violations(lying("datasync", "*.wal")) > 5


async def test_the_checker_notices_when_the_directory_fsync_is_left_out() -> None:
    assert await violations(lying("sync_directory", "wal")) > 20


async def test_the_checker_notices_when_the_data_directory_fsync_is_left_out() -> None:
    assert await violations(lying("sync_directory", "data")) > 5


async def test_the_checker_notices_an_acknowledgement_before_the_fsync() -> None:
    assert await violations(lambda seed: Machine(seed, FsyncMode.NEVER, FsyncMode.ALWAYS)) > 20
    assert await violations(lambda seed: Machine(seed, FsyncMode.PERIODIC, FsyncMode.ALWAYS)) > 20


async def test_the_checker_notices_a_fsync_that_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def sync(self: SegmentWriter) -> None:
        try:
            self._file.datasync()
        except OSError:
            self._file.datasync()
        self.durable_seq = self.next_seq - 1

    monkeypatch.setattr(SegmentWriter, "sync", sync)
    assert await violations(lambda seed: Machine(seed, FsyncMode.ALWAYS)) > 3


async def test_the_checker_notices_when_the_cache_is_trusted_after_an_unclean_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("synap.wal.reader.LogReader._sync", lambda *_: None)
    assert await violations(lambda seed: Machine(seed, FsyncMode.ALWAYS)) > 3


async def test_the_checker_notices_when_an_old_segment_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of cutting off a torn tail, leave it where it is and go on behind it."""
    monkeypatch.setattr("tests.wal.build.cut_tail", lambda *_: None)
    assert await violations(lambda seed: Machine(seed, FsyncMode.ALWAYS)) > 3
