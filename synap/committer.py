"""Group commit: the one task through which every write goes, in order.

The committer takes whatever waits, decides each command against the state and what the batch has decided before it,
makes the batch's events durable with one append, applies them, and only then answers. While one batch is being
written, the next gathers; no clock is waited for, only a few rounds of the event loop (``_gather``).

Answers wait for the append even where a command wrote nothing: a refusal ("the key exists") may rest on something that
the same batch is only about to make durable, and nobody may see that before a crash could no longer take it back.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice
from time import perf_counter
from typing import Generic, TypeVar

import msgspec
import trio

from synap import commands
from synap.codec import encode_events
from synap.commands import Write
from synap.errors import (
    CommandError,
    DiskFullError,
    LogFailedError,
    MemoryLimitError,
    NotReadyError,
    OverloadedError,
    TooLargeError,
)
from synap.feed import Committed
from synap.keyspace import Keyspace, Limits, Memory, Overlay, Room, state_bytes
from synap.wal.interface import Batch, Log

R = TypeVar("R")
T = TypeVar("T")

BATCH_FULL_KEYS = 1024
"""A batch takes no further command from here on. Deciding and applying a key takes some 10 us; more of them in one go
would hold up the readers."""

BATCH_FULL_BYTES = 4 * 1024 * 1024
"""Nor from here on. With the largest command on top it is still below a frame's limit."""

GATHER_ROUNDS = 3
"""Of the event loop, between two commits: one to send the answers, one to hear of what they bring, and one to read it.
Some 20 us each where there is nothing to do."""

COMMAND_MAX_BYTES = 48 * 1024 * 1024
"""Twelve times a full batch, one and a half times the largest request: only a program that has the store in its own
process could send more, and no frame would hold it."""

QUEUE_MAX_COMMANDS = 10_000
"""One waiting write for every connection there can be."""

QUEUE_MAX_BYTES = 128 * 1024 * 1024
"""Keys and values that may wait in memory while the disk is slow."""

_OF_ONE_KEY = (commands.Set, commands.GetTouch)
"""What nearly all writes are. A tuple: every command is compared with it."""

_EVENT_BYTES = 32
"""What type, kind, deadline and lengths take in the log, at most."""

_INTEGER_BYTES = 20
"""The digits of 64 bits, and a sign."""


class Pending(msgspec.Struct, Generic[R], eq=False):
    """A command that waits, and what becomes of it; ``began_s`` is the ``perf_counter`` at which it came.

    ``on_done`` is called once, when the outcome is there, from the middle of a commit: it must not raise, and not take
    long. Until then, ``result`` and ``error`` are what was decided, and count when the batch is durable.
    """

    command: Write[R]
    on_done: Callable[["Pending[R]"], None]
    began_s: float
    key_count: int
    size_bytes: int
    result: R | None = None
    error: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Answer with an error."""
        self.error = error
        self.on_done(self)

    def outcome(self) -> R:
        """The result, once ``on_done`` was called. Raises what ``Committer.submit`` does."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # it is there, where there is no error


class Committer:
    """See the module. ``keyspace`` is changed by nobody else while ``run`` runs; ``publish`` hears of every batch.

    ``memory`` is the keyspace's; without it there is no limit. ``failure`` is the log's, once it failed;
    ``writing_since`` is the ``trio.current_time`` at which the append under way began, None where there is none.
    """

    def __init__(
        self,
        keyspace: Keyspace,
        log: Log,
        now_ms: Callable[[], int],
        limits: Limits,
        publish: Callable[[Committed], None] = lambda _: None,
        *,
        memory: Memory | None = None,
    ) -> None:
        assert keyspace.seq == log.last_seq
        self.failure: LogFailedError | None = None
        self.writing_since: float | None = None
        self._keyspace = keyspace
        self._log = log
        self._now_ms = now_ms
        self._limits = limits
        self._publish = publish
        self._memory = Memory(keyspace) if memory is None else memory
        self._queue: deque[Pending[object]] = deque()
        self._queued_bytes = 0
        self._wakeup = trio.Event()
        self._idle = trio.Event()
        self._turn = trio.Lock()
        # All of ``run``, shielded while it appends: to make a scope for each append takes several times as long.
        self._scope = trio.CancelScope()
        self._answered = 0
        self._accepts = True
        self._ended = False

    @property
    def waiting(self) -> int:
        """The number of commands that wait for their batch."""
        return len(self._queue)

    async def submit(self, command: Write[R]) -> R:
        """Have a command decided and made durable, and return its result.

        Cancelling stops the waiting; the command may be carried out all the same. Raises ``CommandError`` (refused),
        ``UnavailableError`` (surely not carried out) or ``LogFailedError`` (nobody knows).
        """
        if self._ended:
            # Who was cancelled together with the store shall hear of that, and not of this.
            await trio.lowlevel.checkpoint_if_cancelled()
        done = trio.Event()
        pending = self.begin(command, lambda _: done.set())
        await done.wait()
        return pending.outcome()

    def begin(self, command: Write[R], on_done: Callable[[Pending[R]], None]) -> Pending[R]:
        """As ``submit``, for who does not wait; see ``Pending``. Raises where the command is not even taken."""
        if not self._accepts:
            raise self._not_ready()
        key_count, size_bytes = _extent(command)
        if size_bytes > COMMAND_MAX_BYTES:
            raise TooLargeError("batch", size_bytes, COMMAND_MAX_BYTES)
        if len(self._queue) >= QUEUE_MAX_COMMANDS or self._queued_bytes + size_bytes > QUEUE_MAX_BYTES:
            raise OverloadedError(f"{len(self._queue):,} writes are waiting for the disk; nothing was written")
        if not self._queue:
            self._wakeup.set()
        pending = Pending(command, on_done, perf_counter(), key_count, size_bytes)
        self._queue.append(pending)  # type: ignore[arg-type]  # each result goes back to where its command came from
        self._queued_bytes += size_bytes
        return pending

    async def between_commits(self, act: Callable[[bytes], Awaitable[T]]) -> T:
        """Carry out ``act`` while no batch is on its way, so that state and log are at one number; what it returns.

        It is given the digest of that state. Whoever wants to commit waits meanwhile, so it must be short; to those who
        ask whether the disk hangs, it counts as an append.
        """
        async with self._turn:
            self.writing_since = trio.current_time()
            try:
                return await act(state_bytes(self._keyspace.digest))
            finally:
                self.writing_since = None
                self._idle.set()

    async def drain(self) -> None:
        """Accept no more commands, and return when the last one is answered."""
        self._accepts = False
        while (self._queue or self.writing_since is not None) and not self._ended:
            if self._idle.is_set():
                self._idle = trio.Event()
            await self._idle.wait()

    async def run(self) -> None:
        """Commit batches until cancelled; whoever still waits then, or comes later, gets a ``NotReadyError``.

        Raises ``LogFailedError`` when the log can no longer be trusted. Can be run once.
        """
        try:
            with self._scope:
                while True:
                    await self._run_once()
        finally:
            self._end()

    async def _run_once(self) -> None:
        """Wait until there is something to commit, and for the turn, and commit a batch."""
        if self._queue:
            await self._gather()
        else:
            self._idle.set()
            self._wakeup = trio.Event()
            await self._wakeup.wait()
        await self._take_turn()
        try:
            await self._commit()
        finally:
            self._turn.release()

    async def _gather(self) -> None:
        """Let others have their turns until all are back who were just answered, or no more of them come.

        They mostly write again at once. If those who wait were committed before these are heard, there would be two
        groups for ever, and twice as many commits, each half as large. Nothing else here lets the readers in, or a
        cancellation, while there is always more to write.
        """
        all_back = min(len(self._queue) + self._answered, BATCH_FULL_KEYS)
        before, rounds = 0, 0
        while rounds == 0 or (len(self._queue) < all_back and (rounds < GATHER_ROUNDS or before < len(self._queue))):
            before, rounds = len(self._queue), rounds + 1
            await trio.lowlevel.checkpoint()

    def fail(self, failure: LogFailedError) -> None:
        """Take no more commands because of the log's failure, wherever it showed, and answer those that wait."""
        self.failure = failure
        self._end()

    def _end(self) -> None:
        """Answer those that wait: they were not written, and never will be."""
        self._ended = True
        self._accepts = False
        while self._queue:
            self._queue.popleft().fail(self._not_ready())
        self._queued_bytes = 0
        self._idle.set()

    def _not_ready(self) -> NotReadyError:
        if self.failure is not None:
            return NotReadyError("the log failed and the server is going down; nothing was written")
        return NotReadyError("the server is shutting down; nothing was written")

    async def _take_turn(self) -> None:
        """Wait for whoever acts between commits; where that is nobody, without giving way to other tasks."""
        try:
            self._turn.acquire_nowait()
        except trio.WouldBlock:
            await self._turn.acquire()

    async def _commit(self) -> None:
        """Take a batch from the queue and see it through."""
        overlay = Overlay(self._keyspace, self._now_ms())
        taken: list[Pending[object]] = []
        try:
            is_last_left = self._decide_batch(overlay, taken)
            if overlay.events:
                await self._append(overlay)
        except Exception as error:
            # Whatever it was, nobody may be told that the write happened. (What is no Exception ends the process, and
            # with it whoever waits.)
            for pending in taken:
                pending.fail(error)
            # Nor has anything been evicted for anybody.
            self._memory.promised = None
            if not isinstance(error, DiskFullError):
                raise
        else:
            if is_last_left:
                self._put_back(taken.pop())
            self._answered = len(taken)
            for pending in taken:
                pending.on_done(pending)

    def _decide_batch(self, overlay: Overlay, taken: list[Pending[object]]) -> bool:
        """Decide what waits; whether the last one of ``taken`` is left to the next batch, see ``Room.decide``."""
        room = Room(self._memory, overlay)
        self._foresee()
        key_count = 0
        while self._queue and overlay.size_bytes < BATCH_FULL_BYTES and key_count < BATCH_FULL_KEYS:
            pending = self._queue.popleft()
            self._queued_bytes -= pending.size_bytes
            taken.append(pending)
            key_count += pending.key_count
            try:
                pending.result = room.decide(pending.command, self._limits)
            except (CommandError, MemoryLimitError) as refusal:
                pending.error = refusal
            if room.full:
                assert overlay.events, "what is decided again, is decided by another state"
                return True
        return False

    def _foresee(self) -> None:
        """Tell the tree of the keys that the batch will look at: it fetches them side by side, where they lie far."""
        if len(self._queue) > 1:
            batch = (pending.command for pending in islice(self._queue, BATCH_FULL_KEYS))
            self._keyspace.tree.foresee([command.key for command in batch if isinstance(command, _OF_ONE_KEY)])

    def _put_back(self, pending: Pending[object]) -> None:
        """Let a command be the next one again."""
        self._queue.appendleft(pending)
        self._queued_bytes += pending.size_bytes

    async def _append(self, overlay: Overlay) -> None:
        events = overlay.events
        state = state_bytes(self._keyspace.digest)
        batch = Batch(encode_events(events), len(events), self._keyspace.seq, overlay.now_ms, state)
        self.writing_since = trio.current_time()
        try:
            # Once begun, the append is waited for: its outcome decides what the state is.
            self._scope.shield = True
            first_seq = await self._log.append(batch)
        except LogFailedError as failure:
            self.failure = failure
            self._accepts = False
            raise
        finally:
            self._scope.shield = False
            self.writing_since = None
        assert first_seq == self._keyspace.seq + 1, "the overlay gave versions that the log does not"
        self._memory.apply_all(first_seq, events)
        self._publish(Committed(first_seq, overlay.now_ms, events, overlay.size_bytes))


def _extent(command: Write[R]) -> tuple[int, int]:
    """How many keys a command names, and how many bytes it brings along: at most what its events take in the log.

    Setting a key may take two events, because an entry that is due is ended first. What a key holds already, and an
    append or a rename writes once more, is not among the bytes: it does not wait in the queue, and with the largest
    value a batch still fits its frame.
    """
    # Nearly all are of this type, and a pattern takes several times as long to look at it.
    if type(command) is commands.Set:
        return 1, _bytes_to_set(command.key, command.value)
    match command:
        case commands.Append(key, value) | commands.SetRange(key=key, value=value):
            return 1, _bytes_to_set(key, value)
        case commands.Increment(key):
            return 1, _bytes_to_set(key, b"") + _INTEGER_BYTES
        case commands.SetMany(pairs):
            return len(pairs), sum(_bytes_to_set(pair.key, pair.value) for pair in pairs)
        case commands.Rename(key, destination) | commands.Copy(key, destination):
            return 2, _bytes_to_set(destination, b"") + _bytes_to_remove(key)
        case commands.DeleteMany(keys):
            return len(keys), sum(map(_bytes_to_remove, keys))
        case (
            commands.GetTouch(key)
            | commands.GetDelete(key)
            | commands.Delete(key)
            | commands.DeletePrefix(key)
            | commands.Expire(key)
            | commands.Persist(key)
        ):
            return 1, _bytes_to_remove(key)
        case commands.Flush():
            return 1, _bytes_to_remove(b"")
        case commands.PurgeExpired(limit) | commands.Evict(limit):
            # It brings no bytes along, and sees to it itself that its events are not too large.
            return limit, 0
    raise AssertionError(f"no extent for {command}")


def _bytes_to_set(key: bytes, value: bytes) -> int:
    return 2 * (len(key) + _EVENT_BYTES) + len(value)


def _bytes_to_remove(key: bytes) -> int:
    return len(key) + _EVENT_BYTES
