"""The feed: what happened to the store after some number, for readers who come and go and resume.

A reader has nothing but a number, that of the last event it saw. What comes next it finds among the batches that were
committed last, which are kept once for everybody, or, where it is further behind, in the log. So nothing is buffered
for a reader, however slow it is, and it resumes after a restart without a gap and without a repeat. Nobody sees an
event before it is durable: a batch comes in here when it was applied.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import trio

from synap.errors import InvalidValueError, TrimmedError
from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.recovery import events_of
from synap.results import Change
from synap.wal.interface import Frame, Log
from synap.wal.local import Hop

T = TypeVar("T")

RECENT_MAX_EVENTS = 20_000
RECENT_MAX_BYTES = 16 * 1024 * 1024
"""What is kept for all readers together: some seconds of a busy store."""

_LOG = Path("the log")
"""What is named where a batch makes no sense; the log has checked the bytes, and knows no path that is of use here."""

PIECE_MAX_EVENTS = 500
PIECE_MAX_BYTES = 256 * 1024
"""What a reader is told at once, about; more would hold up the others."""

_CATCHING_UP = trio.CapacityLimiter(4)
"""So many read the log at the same time; after a restart, all of them may want to."""


async def read_hop(call: Callable[[], T]) -> T:
    """To a thread and back, after those who came before."""
    return await trio.to_thread.run_sync(call, limiter=_CATCHING_UP)


class Committed(msgspec.Struct, frozen=True, gc=False):
    """A batch: events with the numbers from ``first_seq`` on, committed at ``wall_ms`` (log time, ms since the epoch).

    ``size_bytes`` is about what it occupies.
    """

    first_seq: int
    wall_ms: int
    events: Sequence[Event]
    size_bytes: int = 0

    @property
    def last_seq(self) -> int:
        """The number of the last event."""
        return self.first_seq + len(self.events) - 1


class Feed:
    """See the module. ``publish`` is for the committer; whoever follows makes a ``Reader``."""

    def __init__(self, log: Log, hop: Hop = read_hop) -> None:
        self.log = log
        self.hop = hop
        self.last_seq = log.last_seq
        self.closed = False
        self._recent: deque[Committed] = deque()
        self._recent_events = self._recent_bytes = 0
        self._news = trio.Event()

    @property
    def first_seq(self) -> int:
        """The first event that can still be had."""
        return min(self.log.first_seq, self._recent[0].first_seq if self._recent else self.last_seq + 1)

    def publish(self, batch: Committed) -> None:
        """Take in a batch that was just applied."""
        self._recent.append(batch)
        self._recent_events += len(batch.events)
        self._recent_bytes += batch.size_bytes
        while self._recent_events > RECENT_MAX_EVENTS or self._recent_bytes > RECENT_MAX_BYTES:
            oldest = self._recent.popleft()
            self._recent_events -= len(oldest.events)
            self._recent_bytes -= oldest.size_bytes
        self.last_seq = batch.last_seq
        self._wake()

    def close(self) -> None:
        """There will be no more; readers that wait are let go."""
        self.closed = True
        self._wake()

    async def wait_beyond(self, seq: int) -> None:
        """Return when there is an event after this number, or when the feed is closed."""
        while self.last_seq <= seq and not self.closed:
            await self._news.wait()

    def recent(self, after_seq: int) -> list[Committed] | None:
        """The next batches after this number; None where those that are kept do not reach back so far."""
        if not self._recent or self._recent[0].first_seq > after_seq + 1:
            return None
        found: deque[Committed] = deque()
        # Most readers want the last ones only.
        for batch in reversed(self._recent):
            if batch.last_seq <= after_seq:
                break
            found.appendleft(batch)
        return _piece_of(found)

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()


class Reader:
    """One who follows the changes under ``prefix`` after ``seq``, which moves with what was told or passed over."""

    def __init__(self, feed: Feed, prefix: bytes, after_seq: int | None) -> None:
        """Begin after event ``after_seq``, or now.

        Raises ``TrimmedError`` where that is too long ago, ``InvalidValueError`` where it is yet to come.
        """
        self.seq = feed.last_seq if after_seq is None else after_seq
        self._feed = feed
        self._prefix = prefix
        self._frames: Iterator[Frame] | None = None
        self._batches: deque[Committed] = deque()
        if self.seq > feed.last_seq:
            raise InvalidValueError(f"after: the store is at seq {feed.last_seq} yet", field="after")
        self._check_reach()

    @property
    def ended(self) -> bool:
        """Whether the feed was closed, and everything was seen."""
        return self._feed.closed and self.seq >= self._feed.last_seq

    async def next(self, timeout_s: float) -> list[Change]:
        """The next changes, as soon as there are any; none where there were none in time, or the feed has ended.

        Raises ``TrimmedError`` where the log was trimmed faster than this reader reads.
        """
        with trio.move_on_after(timeout_s):
            while not self.ended:
                if not self._batches:
                    await self._feed.wait_beyond(self.seq)
                    self._batches.extend(await self._next_batches())
                if found := self._piece():
                    return found
                await trio.lowlevel.checkpoint()
        return []

    async def _next_batches(self) -> list[Committed]:
        batches = self._feed.recent(self.seq)
        if batches is None:
            return await self._feed.hop(self._read_log)
        self._frames = None
        return batches

    def _piece(self) -> list[Change]:
        """What is to be told of the batches at hand, as far as it is not too much at once."""
        found: list[Change] = []
        size_bytes = looked_at = 0
        while self._batches and looked_at < PIECE_MAX_EVENTS and size_bytes < PIECE_MAX_BYTES:
            batch = self._batches[0]
            event = batch.events[max(0, self.seq + 1 - batch.first_seq)]
            self.seq = max(self.seq + 1, batch.first_seq)
            looked_at += 1
            if _concerns(event, self._prefix):
                change = _change(self.seq, batch.wall_ms, event)
                size_bytes += len(change.value or b"")
                found.append(change)
            if self.seq == batch.last_seq:
                self._batches.popleft()
        return found

    def _read_log(self) -> list[Committed]:
        """The next batches from the log; none at its end. Blocks on the disk."""
        try:
            if self._frames is None:
                self._frames = self._feed.log.read(self.seq + 1)
            batches = _piece_of(_committed(frame) for frame in self._frames)
        except ValueError:
            self._check_reach()
            raise
        if not batches:
            self._frames = None
        return batches

    def _check_reach(self) -> None:
        if self.seq + 1 < self._feed.first_seq:
            raise TrimmedError(self.seq, self._feed.first_seq)


def _committed(frame: Frame) -> Committed:
    return Committed(frame.first_seq, frame.wall_ms, events_of(frame, _LOG), len(frame.payload))


def _piece_of(batches: Iterable[Committed]) -> list[Committed]:
    """The first batches, as many as can be told at once, about."""
    taken: list[Committed] = []
    events = size_bytes = 0
    for batch in batches:
        taken.append(batch)
        events += len(batch.events)
        size_bytes += batch.size_bytes
        if events >= PIECE_MAX_EVENTS or size_bytes >= PIECE_MAX_BYTES:
            break
    return taken


def _concerns(event: Event, prefix: bytes) -> bool:
    """Whether the event may have changed a key under the prefix."""
    if isinstance(event, PrefixDeleted):
        return event.prefix.startswith(prefix) or prefix.startswith(event.prefix)
    return event.key.startswith(prefix)


def _change(seq: int, time_ms: int, event: Event) -> Change:
    match event:
        case EntrySet(key, kind, value, deadline_ms):
            return Change(
                seq, time_ms, "set", "set", key=key, kind=kind, value=value, version=seq, deadline_ms=deadline_ms
            )
        case DeadlineSet(key, deadline_ms):
            return Change(seq, time_ms, "deadline", "deadline_set", key=key, deadline_ms=deadline_ms)
        case EntryDeleted(key):
            return Change(seq, time_ms, "removed", "deleted", key=key)
        case EntryExpired(key):
            return Change(seq, time_ms, "removed", "expired", key=key)
        case EntryEvicted(key):
            return Change(seq, time_ms, "removed", "evicted", key=key)
        case PrefixDeleted(prefix):
            return Change(seq, time_ms, "removed", "prefix_deleted", prefix=prefix)
    raise AssertionError(f"no change for {event}")
