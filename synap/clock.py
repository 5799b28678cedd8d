"""Time: where it is read, and how the log's time is made of it.

Two sources, one for the wall and one for elapsed time, both in ms. Nothing else in Synap reads a clock, and
whatever depends on time gets ``now_ms`` as an argument.

``LogClock`` turns a source into the time that deadlines are compared with and that stands in the log:

* It never goes back, also not over a restart: it starts at the last time that was logged, if that is later.
* It runs with the monotonic clock. The wall clock corrects it only by small steps (NTP's); a step that the
  monotonic clock does not confirm ends no session early and gives none a second life. Such a step is counted
  and reported, and time goes on as if it had not happened, until the next start.
"""

import time
from collections.abc import Callable
from typing import Protocol

STEP_TOLERANCE_MS = 1_000
"""A difference between wall and monotonic time up to this is a correction to follow; over it, a step to distrust.
NTP slews below half a second and steps above it; a session does not care about a second."""


class Clock(Protocol):
    """A source of time."""

    def wall_ms(self) -> int:
        """Milliseconds since the epoch, as the machine believes; may jump either way."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since some moment; never jumps, and counts the time the machine was suspended."""
        ...


class SystemClock:
    """The machine's clocks."""

    def wall_ms(self) -> int:
        """See ``Clock``."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """See ``Clock``. Boot time rather than monotonic time: after a suspend, sessions have aged."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class ManualClock:
    """A clock for tests: moves only when it is told to."""

    def __init__(self, wall_ms: int = 1_700_000_000_000) -> None:
        self._wall_ms = wall_ms
        self._monotonic_ms = 0

    def wall_ms(self) -> int:
        """See ``Clock``."""
        return self._wall_ms

    def monotonic_ms(self) -> int:
        """See ``Clock``."""
        return self._monotonic_ms

    def advance(self, ms: int) -> None:
        """Let time pass."""
        self._wall_ms += ms
        self._monotonic_ms += ms

    def step_wall(self, ms: int) -> None:
        """Set the wall clock forward or back, without time passing."""
        self._wall_ms += ms


class LogClock:
    """Time that never goes back and does not believe every step of the wall clock."""

    def __init__(self, source: Clock, floor_ms: int, on_step: Callable[[int], None]) -> None:
        """Start at the wall clock, or at ``floor_ms`` (the last time that was logged) if that is later.

        ``on_step`` is called with the size of each step of the wall clock that is not followed, in ms.
        """
        self._source = source
        self._on_step = on_step
        self._last_ms = max(source.wall_ms(), floor_ms)
        self._last_monotonic_ms = source.monotonic_ms()
        self._known_offset_ms = source.wall_ms() - self._last_ms

    def now_ms(self) -> int:
        """The log's time, ms since the epoch; never less than at the call before."""
        wall_ms, monotonic_ms = self._source.wall_ms(), self._source.monotonic_ms()
        expected_ms = self._last_ms + (monotonic_ms - self._last_monotonic_ms)
        offset_ms = wall_ms - expected_ms
        if abs(offset_ms) <= STEP_TOLERANCE_MS:
            expected_ms = max(wall_ms, self._last_ms)
            offset_ms = 0
        if abs(offset_ms - self._known_offset_ms) > STEP_TOLERANCE_MS:
            self._on_step(offset_ms - self._known_offset_ms)
            self._known_offset_ms = offset_ms
        self._last_ms, self._last_monotonic_ms = expected_ms, monotonic_ms
        return expected_ms
