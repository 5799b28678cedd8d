"""Points of the log, as they are typed: a sequence number, or a time.

As of a *number* means: after that event, looked at at its time. As of a *time* means: after the last event that is not
later, looked at at that time: what is due by then is absent.
"""

import re
from datetime import datetime
from typing import TypeAlias

import msgspec

from synap.errors import ReplayError
from synap.replay.text import iso, printable
from synap.wal.interface import Frame

_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_RELATIVE = re.compile(r"-(\d{1,12}(?:\.\d{1,6})?)([smhd])")
_UNIX = re.compile(r"@(\d{1,13}(?:\.\d{1,9})?)")
_SEQ = re.compile(r"\d{1,20}")


class SeqPoint(msgspec.Struct, frozen=True):
    """After the event ``seq``; 0 is before the first."""

    seq: int

    def includes(self, seq: int, time_ms: int) -> bool:  # noqa: ARG002  # both kinds of points are asked alike
        """Whether an event with this number, logged at this time, is not behind the point."""
        return seq <= self.seq

    def count_in(self, frame: Frame) -> int:
        """How many of a batch's events are not behind the point."""
        return max(0, min(frame.count, self.seq + 1 - frame.first_seq))

    def count_from(self, frame: Frame) -> int:
        """How many of a batch's events are not before the point."""
        return max(0, min(frame.count, frame.first_seq + frame.count - self.seq))

    def is_reached(self, seq: int) -> bool:
        """Whether every event behind this one is behind the point."""
        return seq >= self.seq

    def __str__(self) -> str:
        return f"seq {self.seq}"


class TimePoint(msgspec.Struct, frozen=True):
    """After the last event that was logged at ``time_ms`` (ms since the epoch) or before."""

    time_ms: int

    def includes(self, seq: int, time_ms: int) -> bool:  # noqa: ARG002  # as in ``SeqPoint``
        """Whether an event with this number, logged at this time, is not behind the point."""
        return time_ms <= self.time_ms

    def count_in(self, frame: Frame) -> int:
        """How many of a batch's events are not behind the point."""
        return frame.count if frame.wall_ms <= self.time_ms else 0

    def count_from(self, frame: Frame) -> int:
        """How many of a batch's events are not before the point."""
        return frame.count if frame.wall_ms >= self.time_ms else 0

    def is_reached(self, seq: int) -> bool:  # noqa: ARG002  # as in ``SeqPoint``
        """Whether every event behind this one is behind the point: another one may be of the same time."""
        return False

    def __str__(self) -> str:
        return iso(self.time_ms)


Point: TypeAlias = SeqPoint | TimePoint


def parse_point(text: str, now_ms: int) -> Point:
    """The point that somebody typed; ``now_ms`` is the time of typing. Raises ``ReplayError``."""
    if _SEQ.fullmatch(text):
        return SeqPoint(int(text))
    if text == "now":
        return TimePoint(now_ms)
    if found := _RELATIVE.fullmatch(text):
        return TimePoint(max(0, now_ms - round(float(found[1]) * _UNITS_MS[found[2]])))
    if found := _UNIX.fullmatch(text):
        return TimePoint(round(float(found[1]) * 1000))
    try:
        moment = datetime.fromisoformat(text)
        # Without a zone it is local time, which is what this makes of it.
        return TimePoint(max(0, round(moment.timestamp() * 1000)))
    except (ValueError, OverflowError, OSError):
        raise ReplayError(
            f"{printable(text)} is no point: a sequence number, a time such as 2026-11-24T10:00:00Z, -2h, now, or "
            "@1764000000 was expected"
        ) from None
