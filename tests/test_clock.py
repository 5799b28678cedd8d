"""Log time: never back, never far from elapsed time, and honest about what it did not believe."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synap.clock import STEP_TOLERANCE_MS, LogClock, ManualClock, SystemClock

T0 = 1_700_000_000_000
HOUR_MS = 3_600_000


class Watched:
    """A log clock over a manual one, and the steps it reported."""

    def __init__(self, floor_ms: int = 0) -> None:
        self.source = ManualClock(T0)
        self.steps: list[int] = []
        self.clock = LogClock(self.source, floor_ms, self.steps.append)

    def after(self, ms: int) -> int:
        """The log's time when so much time has passed."""
        self.source.advance(ms)
        return self.clock.now_ms()


def test_time_passes() -> None:
    watched = Watched()
    assert [watched.after(ms) for ms in (0, 1, 0, HOUR_MS)] == [T0, T0 + 1, T0 + 1, T0 + 1 + HOUR_MS]
    assert watched.steps == []


# --- small steps are followed ----------------------------------------------------------------------------


@pytest.mark.parametrize("step_ms", [1, 500, STEP_TOLERANCE_MS])
def test_a_small_step_forward_is_followed(step_ms: int) -> None:
    watched = Watched()
    watched.source.step_wall(step_ms)
    assert watched.after(10) == T0 + 10 + step_ms
    assert watched.steps == []


@pytest.mark.parametrize("step_ms", [1, 500, STEP_TOLERANCE_MS])
def test_a_small_step_back_is_waited_for(step_ms: int) -> None:
    watched = Watched()
    watched.source.step_wall(-step_ms)
    assert watched.after(0) == T0
    assert watched.after(step_ms - 1) == T0
    assert watched.after(2) == T0 + 1
    assert watched.steps == []


def test_a_wall_clock_that_drifts_is_followed() -> None:
    """By a tenth too fast and by a tenth too slow, which is far more than any real one."""
    for drift_ms in (100, -100):
        watched = Watched()
        for _ in range(1000):
            watched.source.step_wall(drift_ms)
            watched.after(1000)
        assert watched.clock.now_ms() == watched.source.wall_ms()
        assert watched.steps == []


# --- large steps are not ---------------------------------------------------------------------------------


@pytest.mark.parametrize("step_ms", [STEP_TOLERANCE_MS + 1, HOUR_MS, -STEP_TOLERANCE_MS - 1, -HOUR_MS])
def test_a_large_step_is_reported_once_and_not_followed(step_ms: int) -> None:
    watched = Watched()
    watched.source.step_wall(step_ms)
    assert [watched.after(ms) for ms in (0, 10, HOUR_MS)] == [T0, T0 + 10, T0 + 10 + HOUR_MS]
    assert watched.steps == [step_ms]


def test_a_step_that_is_taken_back_is_reported_and_the_wall_followed_again() -> None:
    watched = Watched()
    watched.source.step_wall(HOUR_MS)
    assert watched.after(10) == T0 + 10
    watched.source.step_wall(-HOUR_MS + 3)
    assert watched.after(10) == T0 + 23
    assert watched.steps == [HOUR_MS, -HOUR_MS]


def test_each_further_step_is_reported() -> None:
    watched = Watched()
    for step_ms in (HOUR_MS, 5000, -20_000):
        watched.source.step_wall(step_ms)
        watched.after(10)
    # Beside a step that was not followed, small ones are neither news nor followed.
    watched.source.step_wall(STEP_TOLERANCE_MS)
    assert watched.after(10) == T0 + 40
    assert watched.steps == [HOUR_MS, 5000, -20_000]


def test_slow_drift_beside_an_unfollowed_step_is_reported_when_it_has_become_large() -> None:
    watched = Watched()
    watched.source.step_wall(HOUR_MS)
    watched.after(0)
    for _ in range(3 * STEP_TOLERANCE_MS + 3):
        watched.source.step_wall(1)
        watched.after(1)
    assert watched.steps == [HOUR_MS, *[STEP_TOLERANCE_MS + 1] * 3]


# --- starting --------------------------------------------------------------------------------------------


def test_time_begins_at_the_wall_clock_where_that_is_ahead_of_the_log() -> None:
    watched = Watched(T0 - HOUR_MS)
    assert watched.after(0) == T0
    assert watched.steps == []


def test_a_wall_clock_behind_the_log_is_no_step_and_time_goes_on_from_the_log() -> None:
    watched = Watched(T0 + HOUR_MS)
    assert [watched.after(ms) for ms in (0, 10, 5000)] == [T0 + HOUR_MS + ms for ms in (0, 10, 5010)]
    assert watched.steps == []


def test_a_wall_clock_that_catches_up_with_the_log_is_followed_again() -> None:
    watched = Watched(T0 + HOUR_MS)
    watched.source.step_wall(HOUR_MS)
    assert watched.after(10) == T0 + HOUR_MS + 10
    assert watched.steps == [HOUR_MS]
    watched.source.step_wall(500)
    assert watched.after(10) == T0 + HOUR_MS + 520
    assert watched.steps == [HOUR_MS]


def test_a_wall_clock_a_little_behind_the_log_is_waited_for() -> None:
    watched = Watched(T0 + 300)
    assert [watched.after(ms) for ms in (0, 200, 200)] == [T0 + 300, T0 + 300, T0 + 400]
    assert watched.steps == []


def test_a_suspended_machine_lets_sessions_age() -> None:
    """Elapsed time counts the suspension (see the next test), so the jump of the wall clock is confirmed by it."""
    watched = Watched()
    assert watched.after(8 * HOUR_MS) == T0 + 8 * HOUR_MS
    assert watched.steps == []


def test_the_system_clock_counts_suspended_time() -> None:
    clock = SystemClock()
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    between = clock.monotonic_ms()
    assert before <= between <= time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    before = time.time_ns() // 1_000_000
    assert before <= clock.wall_ms()


# --- whatever happens ------------------------------------------------------------------------------------

_steps = st.integers(-5000, 5000) | st.integers(-HOUR_MS, HOUR_MS) | st.just(0)
_times = st.integers(0, 50) | st.integers(0, 2 * STEP_TOLERANCE_MS) | st.just(HOUR_MS)


@settings(deadline=None)
@given(st.integers(-HOUR_MS, HOUR_MS) | st.integers(-5000, 5000), st.lists(st.tuples(_steps, _times), max_size=30))
def test_time_never_goes_back_and_keeps_to_elapsed_time(floor_ms: int, schedule: list[tuple[int, int]]) -> None:
    watched = Watched(T0 + floor_ms)
    begun = last = watched.clock.now_ms()
    assert begun == max(T0, T0 + floor_ms)
    for step_ms, elapsed_ms in schedule:
        watched.source.step_wall(step_ms)
        now_ms = watched.after(elapsed_ms)
        assert now_ms >= last
        # A correction is followed as far as it is small.
        assert abs(now_ms - last - elapsed_ms) <= STEP_TOLERANCE_MS
        last = now_ms


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-HOUR_MS, HOUR_MS), _times), max_size=30))
def test_what_was_reported_tells_how_far_the_wall_is_away(schedule: list[tuple[int, int]]) -> None:
    watched = Watched()
    for step_ms, elapsed_ms in schedule:
        watched.source.step_wall(step_ms)
        now_ms = watched.after(elapsed_ms)
        assert abs(watched.source.wall_ms() - now_ms - sum(watched.steps)) <= STEP_TOLERANCE_MS
