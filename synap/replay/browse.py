"""The events of a log that are wanted, found batch by batch, also while it grows."""

from collections.abc import Callable, Iterator

import msgspec

from synap.errors import TrimmedAwayError
from synap.events import Event
from synap.recovery import events_of
from synap.replay.follow import LogFollower
from synap.replay.points import Point, TimePoint
from synap.replay.selection import Range, Selection
from synap.replay.source import Source


class Selected(msgspec.Struct, frozen=True, gc=False):
    """The wanted events of a batch, with their numbers; all logged at ``time_ms``."""

    time_ms: int
    events: list[tuple[int, Event]]


def selected_events(
    follower: LogFollower,
    selection: Selection,
    within: Range,
    *,
    on_gap: Callable[[TrimmedAwayError], None],
    wait: Callable[[], bool],
) -> Iterator[Selected]:
    """What is wanted of what the follower finds.

    ``on_gap`` is told of events that are gone; it goes on behind them. ``wait`` is asked at the end of the log whether
    to look again. Raises ``DamagedError`` or ``NewerFormatError``.
    """
    while True:
        try:
            for frame in follower.frames():
                part = within.part_of(frame)
                if part.start < part.stop and selection.may_be_in(frame.payload):
                    events = events_of(frame, follower.path)[part]
                    yield Selected(frame.wall_ms, selection.of(frame.first_seq + part.start, events))
                if within.is_over_after(frame):
                    return
        except TrimmedAwayError as gone:
            on_gap(gone)
            follower.skip_to(gone.first_seq)
            continue
        if not wait():
            return


def first_to_read(source: Source, start: Point | None) -> int:
    """The event to begin to read at, so that all from the point on is seen."""
    if start is None:
        return min(source.segment_seqs(), default=1)
    return source.seq_before(start.time_ms) if isinstance(start, TimePoint) else max(1, start.seq)
