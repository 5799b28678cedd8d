"""The feed: what happened to the store after some number, for readers who come and go and resume.

A reader has nothing but a number, that of the last event it saw. What comes next it finds among the batches that were
committed last, which are kept once for everybody, or, where it is further behind, in the log. So nothing is buffered
for a reader, however slow it is, and it resumes after a restart without a gap and without a repeat. Nobody sees an
event before it is durable: a batch comes in here when it was applied.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec
import trio

from synap.errors import InvalidValueError, TrimmedError
from synap.events import DeadlineSet, EntryDeleted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.recovery import events_of
from synap.results import Change
from synap.wal.interface import Frame, Log
from synap.wal.local import Hop

RECENT_MAX_EVENTS = 20_000
RECENT_MAX_BYTES = 16 * 1024 * 1024
"""What is kept for all readers together: some seconds of a busy store."""

_LOG = Path("the log")
"""What is named where a batch makes no sense; the log has checked the bytes, and knows no path that is of use here."""

_FRAMES_AT_ONCE = 64
"""What is read from the log in one hop to a thread: as many batches as a reader can be sent in one piece."""


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

    def __init__(self, log: Log, hop: Hop) -> None:
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
        """The batches that hold the events after this number; None where those that are kept do not reach so far."""
        if not self._recent or self._recent[0].first_seq > after_seq + 1:
            return None
        found = []
        for batch in reversed(self._recent):
            if batch.last_seq <= after_seq:
                break
            found.append(batch)
        return found[::-1]

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
                await self._feed.wait_beyond(self.seq)
                batches = self._feed.recent(self.seq)
                if batches is None:
                    batches = await self._feed.hop(self._read_log)
                else:
                    self._frames = None
                found = [change for batch in batches for change in self._changes_of(batch)]
                if batches:
                    self.seq = batches[-1].last_seq
                if found:
                    return found
                await trio.lowlevel.checkpoint()
        return []

    def _read_log(self) -> list[Committed]:
        """The next batches from the log; none at its end. Blocks on the disk."""
        log = self._feed.log
        try:
            if self._frames is None:
                self._frames = log.read(self.seq + 1)
            frames = list(islice(self._frames, _FRAMES_AT_ONCE))
        except ValueError:
            self._check_reach()
            raise
        if not frames:
            self._frames = None
        return [Committed(each.first_seq, each.wall_ms, events_of(each, _LOG)) for each in frames]

    def _check_reach(self) -> None:
        if self.seq + 1 < self._feed.first_seq:
            raise TrimmedError(self.seq, self._feed.first_seq)

    def _changes_of(self, batch: Committed) -> Iterator[Change]:
        for seq, event in enumerate(batch.events, batch.first_seq):
            if seq > self.seq and _concerns(event, self._prefix):
                yield _change(seq, batch.wall_ms, event)


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
        case PrefixDeleted(prefix):
            return Change(seq, time_ms, "removed", "prefix_deleted", prefix=prefix)
    raise AssertionError(f"no change for {event}")
