"""What a log is. ``LocalLog`` and ``MemoryLog`` pass one conformance suite (``tests/wal/conformance.py``).

Five verbs (append, read, trim, first and last number, close) and one background task. The log gives the sequence
numbers; whoever appends says after which number the batch was decided, and the log refuses it if somebody else was
faster. That is all a replicated log would need to stand here.
"""

from collections.abc import Iterator
from typing import Protocol

import msgspec


class Batch(msgspec.Struct, frozen=True):
    """What one commit makes durable.

    ``payload`` holds ``count`` (1 or more) events in a form the log does not know; they were decided against the
    state at ``after_seq``, at ``now_ms`` (log time, ms since the epoch, never less than the batch before). ``state`` is
    the digest of that state, 16 bytes, for logs that keep it where they begin a new piece.
    """

    payload: bytes
    count: int
    after_seq: int
    now_ms: int
    state: bytes = bytes(16)


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A batch as it is read back: the events ``first_seq`` to ``first_seq + count - 1``, committed at ``wall_ms``."""

    first_seq: int
    count: int
    wall_ms: int
    payload: bytes


class Log(Protocol):
    """An ordered record of batches, each of which is there whole or not at all."""

    @property
    def first_seq(self) -> int:
        """The first event that can still be read; ``last_seq + 1`` where there is none."""
        ...

    @property
    def last_seq(self) -> int:
        """The last event that was appended, 0 before the first."""
        ...

    async def append(self, batch: Batch) -> int:
        """Append a batch and return the sequence number of its first event.

        Must not return until the batch is as durable as the log's fsync mode promises, and must not be called again
        before it returned. Raises ``LogConflictError`` or ``DiskFullError`` (nothing was appended, the log goes on)
        or ``LogFailedError`` (nobody knows; the log refuses everything from now on).
        """
        ...

    def read(self, from_seq: int) -> Iterator[Frame]:
        """The batches that hold the events from ``from_seq`` on, in order; the first may begin before it.

        Raises ``ValueError`` where ``from_seq`` is less than ``first_seq``, ``DamagedError`` where bytes that were
        appended have changed.
        """
        ...

    async def trim(self, below_seq: int) -> None:
        """Forget events below ``below_seq``, as far as whole units of storage allow; oldest first."""
        ...

    async def upkeep(self) -> None:
        """The log's background work, until cancelled. Raises ``LogFailedError`` as ``append`` does."""
        ...

    async def close(self) -> None:
        """Make everything durable and end the log cleanly."""
        ...
