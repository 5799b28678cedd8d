"""``MemoryLog``: a log that ends with the process. For stores that are told to keep nothing, and for tests."""

from collections.abc import Iterator

import trio

from synap.errors import LogConflictError
from synap.wal.interface import Batch, Frame


class MemoryLog:
    """See ``interface.Log``. ``kept`` False gives numbers and forgets the batches at once."""

    def __init__(self, *, kept: bool = True) -> None:
        self._kept = kept
        self._frames: list[Frame] = []
        self._first_seq = 1
        self._last_seq = 0

    @property
    def first_seq(self) -> int:
        """See ``Log``."""
        return self._first_seq

    @property
    def last_seq(self) -> int:
        """See ``Log``."""
        return self._last_seq

    async def append(self, batch: Batch) -> int:
        """See ``Log``."""
        await trio.lowlevel.checkpoint()
        if batch.after_seq != self._last_seq:
            raise LogConflictError(batch.after_seq, self._last_seq)
        first_seq = self._last_seq + 1
        self._last_seq += batch.count
        if self._kept:
            self._frames.append(Frame(first_seq, batch.count, batch.now_ms, batch.payload))
        else:
            self._first_seq = self._last_seq + 1
        return first_seq

    def read(self, from_seq: int) -> Iterator[Frame]:
        """See ``Log``."""
        if from_seq < self._first_seq:
            raise ValueError(f"seq {from_seq} was trimmed; the log begins at {self._first_seq}")
        return iter([frame for frame in self._frames if frame.first_seq + frame.count > from_seq])

    async def trim(self, below_seq: int) -> None:
        """See ``Log``. The unit is the batch."""
        await trio.lowlevel.checkpoint()
        self._frames = [frame for frame in self._frames if frame.first_seq + frame.count > below_seq]
        self._first_seq = self._frames[0].first_seq if self._frames else self._last_seq + 1

    async def upkeep(self) -> None:
        """See ``Log``. There is nothing to keep up."""
        await trio.sleep_forever()

    async def close(self) -> None:
        """See ``Log``. There is nothing to keep."""
        await trio.lowlevel.checkpoint()
