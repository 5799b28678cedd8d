"""Group commit: the one task through which every write goes, in order.

The committer takes whatever waits, decides each command against the state and what the batch has decided before it,
makes the batch's events durable with one append, applies them, and only then answers. While one batch is being
written, the next gathers; nothing waits artificially.

Answers wait for the append even where a command wrote nothing: a refusal ("the key exists") may rest on something that
the same batch is only about to make durable, and nobody may see that before a crash could no longer take it back.
"""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from synap.codec import encode_events
from synap.commands import Set, SetMany, Write
from synap.errors import (
    CommandError,
    DiskFullError,
    LogFailedError,
    NotReadyError,
    OverloadedError,
)
from synap.keyspace import Keyspace, Limits, Overlay, decide
from synap.wal.interface import Batch, Log

R = TypeVar("R")

BATCH_MAX_COMMANDS = 1024
"""Deciding and applying a command takes some 10 us; more of them in one go would hold up the readers."""

BATCH_FULL_BYTES = 4 * 1024 * 1024
"""A batch takes no further command from here on. With the largest request on top it is far below a frame's limit."""

QUEUE_MAX_COMMANDS = 10_000
"""One waiting write for every connection there can be."""

QUEUE_MAX_BYTES = 128 * 1024 * 1024
"""Values that may wait in memory while the disk is slow."""


class _Pending(Generic[R]):
    """A command that waits, and what becomes of it."""

    __slots__ = ("command", "done", "error", "result", "size_bytes")

    def __init__(self, command: Write[R], size_bytes: int) -> None:
        self.command = command
        self.size_bytes = size_bytes
        self.done = trio.Event()
        self.result: R | None = None
        self.error: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Answer with an error."""
        self.error = error
        self.done.set()


class Committer:
    """See the module. ``keyspace`` is changed by nobody else while ``run`` runs.

    ``failure`` is the log's, once it failed; ``writing_since`` is the ``trio.current_time`` at which the append under
    way began, None where there is none.
    """

    def __init__(self, keyspace: Keyspace, log: Log, now_ms: Callable[[], int], limits: Limits) -> None:
        assert keyspace.seq == log.last_seq
        self.failure: LogFailedError | None = None
        self.writing_since: float | None = None
        self._keyspace = keyspace
        self._log = log
        self._now_ms = now_ms
        self._limits = limits
        self._queue: deque[_Pending[object]] = deque()
        self._queued_bytes = 0
        self._wakeup = trio.Event()
        self._idle = trio.Event()
        self._closed = False

    @property
    def waiting(self) -> int:
        """The number of commands that wait for their batch."""
        return len(self._queue)

    async def submit(self, command: Write[R]) -> R:
        """Have a command decided and made durable, and return its result.

        Cancelling stops the waiting; the command may be carried out all the same. Raises ``CommandError`` (refused),
        ``UnavailableError`` (surely not carried out) or ``LogFailedError`` (nobody knows).
        """
        pending = _Pending(command, _size_bytes(command))
        self._enqueue(pending)
        await pending.done.wait()
        if pending.error is not None:
            raise pending.error
        return pending.result  # type: ignore[return-value]  # set before done, where there is no error

    async def drain(self) -> None:
        """Accept no more commands, and return when the last one is answered."""
        self._closed = True
        while (self._queue or self.writing_since is not None) and self.failure is None:
            self._idle = trio.Event()
            await self._idle.wait()

    async def run(self) -> None:
        """Commit batches until cancelled. Raises ``LogFailedError`` when the log can no longer be trusted."""
        while True:
            if not self._queue:
                self._idle.set()
                self._wakeup = trio.Event()
                await self._wakeup.wait()
            await self._commit()

    def fail(self, failure: LogFailedError) -> None:
        """Take no more commands, and answer those that wait: they were not written, and never will be."""
        self.failure = failure
        while self._queue:
            pending = self._queue.popleft()
            pending.fail(self._not_ready())

    @staticmethod
    def _not_ready() -> NotReadyError:
        return NotReadyError("the log failed and the server is going down; nothing was written")

    def _enqueue(self, pending: _Pending[R]) -> None:
        if self.failure is not None:
            raise self._not_ready()
        if self._closed:
            raise NotReadyError("the server is shutting down; nothing was written")
        if len(self._queue) >= QUEUE_MAX_COMMANDS or self._queued_bytes + pending.size_bytes > QUEUE_MAX_BYTES:
            raise OverloadedError(f"{len(self._queue):,} writes are waiting for the disk; nothing was written")
        self._queue.append(pending)  # type: ignore[arg-type]  # each result goes back to where its command came from
        self._queued_bytes += pending.size_bytes
        self._wakeup.set()

    async def _commit(self) -> None:
        """Take a batch from the queue and see it through."""
        overlay = Overlay(self._keyspace, self._now_ms())
        taken = self._decide_batch(overlay)
        try:
            if overlay.events:
                await self._append(overlay)
        except Exception as error:
            # Whatever it was, nobody may be told that the write happened. (What is no Exception ends the process, and
            # with it whoever waits.)
            for pending in taken:
                pending.fail(error)
            if not isinstance(error, DiskFullError):
                raise
        else:
            for pending in taken:
                pending.done.set()

    def _decide_batch(self, overlay: Overlay) -> list[_Pending[object]]:
        taken: list[_Pending[object]] = []
        while self._queue and overlay.size_bytes < BATCH_FULL_BYTES and len(taken) < BATCH_MAX_COMMANDS:
            pending = self._queue.popleft()
            self._queued_bytes -= pending.size_bytes
            taken.append(pending)
            try:
                pending.result = decide(pending.command, overlay, self._limits)
            except CommandError as refusal:
                pending.error = refusal
        return taken

    async def _append(self, overlay: Overlay) -> None:
        events = overlay.events
        batch = Batch(encode_events(events), len(events), self._keyspace.seq, overlay.now_ms)
        self.writing_since = trio.current_time()
        try:
            # Once begun, the append is waited for: its outcome decides what the state is.
            with trio.CancelScope(shield=True):
                first_seq = await self._log.append(batch)
        except LogFailedError as failure:
            self.failure = failure
            raise
        finally:
            self.writing_since = None
        assert first_seq == self._keyspace.seq + 1, "the overlay gave versions that the log does not"
        for seq, event in enumerate(events, first_seq):
            self._keyspace.apply(seq, event)


def _size_bytes(command: Write[R]) -> int:
    """About what a command occupies while it waits."""
    if isinstance(command, Set):
        return len(command.key) + len(command.value)
    if isinstance(command, SetMany):
        return sum(len(pair.key) + len(pair.value) for pair in command.pairs)
    return 0
