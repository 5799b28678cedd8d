"""When a snapshot is due and which ones are kept, at and around every boundary."""

from pathlib import Path

import pytest

from synap.snapshot.policy import Since, SnapshotInfo, SnapshotOptions, is_due, kept

MIB = 1024 * 1024
OPTIONS = SnapshotOptions(log_max_bytes=64 * MIB, events_max=1000, age_max_s=60.0)
NOTHING_YET = Since(events=1, log_bytes=1, age_s=0.0)


def snapshot(seq: int, *, entries: int = 0, size_bytes: int = 0, wall_ms: int = 0) -> SnapshotInfo:
    return SnapshotInfo(Path(f"{seq}.snap"), seq, entries, size_bytes, created_ms=wall_ms + 5, wall_ms=wall_ms)


# --- when one is due -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "due"),
    [
        (Since(events=1, log_bytes=64 * MIB - 1, age_s=59.9), False),
        (Since(events=1, log_bytes=64 * MIB, age_s=0.0), True),
        (Since(events=999, log_bytes=1, age_s=0.0), False),
        (Since(events=1000, log_bytes=1, age_s=0.0), True),
        (Since(events=1, log_bytes=1, age_s=59.9), False),
        (Since(events=1, log_bytes=1, age_s=60.0), True),
        (Since(events=0, log_bytes=1000 * MIB, age_s=1e9), False),
        (Since(events=1, log_bytes=1, age_s=-5.0), False),
    ],
)
@pytest.mark.parametrize("newest", [None, snapshot(7)], ids=["the first", "a later one"])
def test_log_events_or_age(since: Since, newest: SnapshotInfo | None, due: bool) -> None:
    """Any of them is enough; without an event since the last, there is nothing to take."""
    assert is_due(since, newest, OPTIONS) == due


@pytest.mark.parametrize(
    ("since", "due"),
    [
        (Since(events=1, log_bytes=64 * MIB, age_s=0.0), False),
        (Since(events=1, log_bytes=500 * MIB - 1, age_s=0.0), False),
        (Since(events=1, log_bytes=500 * MIB, age_s=0.0), True),
        (Since(events=1000, log_bytes=1, age_s=0.0), False),
        (Since(events=4_999, log_bytes=1, age_s=0.0), False),
        (Since(events=5_000, log_bytes=1, age_s=0.0), True),
        (Since(events=1, log_bytes=1, age_s=60.0), True),
    ],
)
def test_a_large_store_waits_for_half_of_what_it_has(since: Since, due: bool) -> None:
    """But never longer than the age allows."""
    newest = snapshot(7, entries=10_000, size_bytes=1000 * MIB)
    assert is_due(since, newest, OPTIONS) == due


def test_a_small_store_does_not_wait_for_less() -> None:
    assert not is_due(NOTHING_YET, snapshot(7, entries=1, size_bytes=1), OPTIONS)


# --- which are kept --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep_count", "seqs", "left", "below_seq"),
    [
        (2, [], [], None),
        (2, [8], [8], None),
        (2, [8, 16], [8, 16], 9),
        (2, [8, 16, 24], [16, 24], 17),
        (2, [8, 16, 24, 32], [24, 32], 25),
        (1, [], [], None),
        (1, [8], [8], 9),
        (1, [8, 16], [16], 17),
        (3, [8, 16], [8, 16], None),
        (3, [8, 16, 24], [8, 16, 24], 9),
        (3, [0, 8, 16, 24], [8, 16, 24], 9),
    ],
)
def test_the_last_ones_and_the_log_since_the_oldest_of_them(
    keep_count: int, seqs: list[int], left: list[int], below_seq: int | None
) -> None:
    """As long as there are fewer, the log stays whole: any one but one may turn out to be damaged."""
    options = SnapshotOptions(keep_count=keep_count)
    found, below = kept([snapshot(seq) for seq in seqs], 0, options)
    assert ([each.seq for each in found], below) == (left, below_seq)


HOUR_MS = 3_600_000
AT_HOURS = [snapshot(8 * (hour + 1), wall_ms=hour * HOUR_MS) for hour in range(6)]
"""Snapshots of 8, 16, ... 48; the first at hour 0, the last at hour 5."""


@pytest.mark.parametrize(
    ("now_ms", "hours", "left", "below_seq"),
    [
        # Nothing is old enough: all of the log may be asked for.
        (5 * HOUR_MS, 6, [8, 16, 24, 32, 40, 48], None),
        (5 * HOUR_MS, 5.001, [8, 16, 24, 32, 40, 48], None),
        # The one at or before the horizon, and all that are further apart than a quarter of the time.
        (5 * HOUR_MS, 5, [8, 16, 24, 32, 40, 48], 9),
        (5 * HOUR_MS, 4.5, [8, 16, 24, 32, 40, 48], 9),
        (5 * HOUR_MS, 3, [24, 32, 40, 48], 25),
        (5 * HOUR_MS, 2, [32, 40, 48], 33),
        # The horizon lies among the last two, or behind them.
        (5 * HOUR_MS, 1, [40, 48], 41),
        (5 * HOUR_MS, 0.001, [40, 48], 41),
        (99 * HOUR_MS, 1, [40, 48], 41),
        (5 * HOUR_MS, 0, [40, 48], 41),
    ],
)
def test_with_a_retention_time_the_state_at_every_moment_within_it_can_be_found(
    now_ms: int, hours: float, left: list[int], below_seq: int | None
) -> None:
    options = SnapshotOptions(keep_count=2, retention_s=hours * 3600)
    found, below = kept(AT_HOURS, now_ms, options)
    assert ([each.seq for each in found], below) == (left, below_seq)


@pytest.mark.parametrize("every_ms", [HOUR_MS // 12, HOUR_MS, 5 * HOUR_MS, 7 * HOUR_MS, 30 * HOUR_MS])
def test_over_the_days_neither_log_nor_snapshots_become_more(every_ms: int) -> None:
    """Of a day's retention, whatever comes between two snapshots: the oldest one is replaced in time."""
    day_ms = 24 * HOUR_MS
    options = SnapshotOptions(keep_count=2, retention_s=day_ms / 1000)
    snapshots: list[SnapshotInfo] = []
    for number in range(1, 15 * day_ms // every_ms):
        now_ms = number * every_ms
        snapshots, below_seq = kept([*snapshots, snapshot(number, wall_ms=now_ms)], now_ms, options)
        assert len(snapshots) <= 12
        assert [each.seq for each in snapshots[-2:]] == [each for each in (number - 1, number) if each > 0]
        if below_seq is None:
            assert now_ms - snapshots[0].wall_ms < day_ms
        else:
            assert below_seq == snapshots[0].seq + 1
            assert day_ms <= now_ms - snapshots[0].wall_ms <= max(1.25 * day_ms, day_ms + every_ms)


def test_a_retention_time_does_not_do_with_fewer_snapshots() -> None:
    options = SnapshotOptions(keep_count=2, retention_s=1)
    assert kept([snapshot(8)], 99 * HOUR_MS, options) == ([snapshot(8)], None)


def test_what_is_kept_is_kept_when_asked_again() -> None:
    for retention_s in (0, 3600, 7200, 4 * 3600, 99 * 3600):
        options = SnapshotOptions(keep_count=2, retention_s=retention_s)
        once = kept(AT_HOURS, 5 * HOUR_MS, options)
        assert kept(once[0], 5 * HOUR_MS, options) == once
