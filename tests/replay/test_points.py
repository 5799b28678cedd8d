"""Points: every way to say when, and what of the log is before and behind it."""

import time
from collections.abc import Iterator

import pytest

from synap.errors import ReplayError
from synap.replay.points import Point, SeqPoint, TimePoint, parse_point
from synap.wal.interface import Frame

from .build import T0_MS

NOW = T0_MS + 500


@pytest.fixture(autouse=True)
def _in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("0", SeqPoint(0)),
        ("1234", SeqPoint(1234)),
        ("20251124", SeqPoint(20251124)),
        ("now", TimePoint(NOW)),
        ("-45s", TimePoint(NOW - 45_000)),
        ("-30m", TimePoint(NOW - 1_800_000)),
        ("-2h", TimePoint(NOW - 7_200_000)),
        ("-1d", TimePoint(NOW - 86_400_000)),
        ("-1.5h", TimePoint(NOW - 5_400_000)),
        ("-100000d", TimePoint(0)),
        ("0001-01-01T00:00:00+23:59", TimePoint(0)),
        ("@1764000000", TimePoint(T0_MS)),
        ("@1764000000.25", TimePoint(T0_MS + 250)),
        ("2025-11-24T16:00:00Z", TimePoint(T0_MS)),
        ("2025-11-24T16:00:00.123Z", TimePoint(T0_MS + 123)),
        ("2025-11-24T17:00:00+01:00", TimePoint(T0_MS)),
        ("2025-11-24T11:00:00", TimePoint(T0_MS)),
        ("2025-11-24 11:00", TimePoint(T0_MS)),
        ("2025-11-24", TimePoint(T0_MS - 11 * 3_600_000)),
    ],
)
def test_what_is_typed(text: str, point: Point) -> None:
    assert parse_point(text, NOW) == point


@pytest.mark.parametrize(
    "text", ["", "yesterday", "-2", "-2w", "-h", "2h", "+2h", "@", "@x", "2025-13-01", "1,234", "-1"]
)
def test_what_is_no_point_is_told_what_would_be(text: str) -> None:
    with pytest.raises(ReplayError, match=r"is no point: a sequence number, a time such as .* was expected"):
        parse_point(text, NOW)


def test_what_is_no_point_is_not_trusted_either() -> None:
    with pytest.raises(ReplayError) as caught:
        parse_point("\x1b[31m", NOW)
    assert "\x1b" not in str(caught.value)


FRAME = Frame(10, 5, T0_MS, b"")
"""The events 10 to 14."""


@pytest.mark.parametrize(
    ("point", "upto", "since"),
    [
        (SeqPoint(0), 0, 5),
        (SeqPoint(9), 0, 5),
        (SeqPoint(10), 1, 5),
        (SeqPoint(12), 3, 3),
        (SeqPoint(14), 5, 1),
        (SeqPoint(15), 5, 0),
        (TimePoint(T0_MS - 1), 0, 5),
        (TimePoint(T0_MS), 5, 5),
        (TimePoint(T0_MS + 1), 5, 0),
    ],
)
def test_what_of_a_batch_is_before_and_behind(point: Point, upto: int, since: int) -> None:
    assert (point.count_in(FRAME), point.count_from(FRAME)) == (upto, since)


def test_whether_a_number_is_the_last_one() -> None:
    assert SeqPoint(9).is_reached(9)
    assert not SeqPoint(9).is_reached(8)
    assert not TimePoint(T0_MS).is_reached(2**63)


def test_whether_a_snapshot_is_before() -> None:
    assert SeqPoint(9).includes(9, 2**63)
    assert not SeqPoint(9).includes(10, 0)
    assert TimePoint(9).includes(2**63, 9)
    assert not TimePoint(9).includes(0, 10)


def test_how_they_are_called() -> None:
    assert str(SeqPoint(9)) == "seq 9"
    assert str(TimePoint(T0_MS)) == "2025-11-24T16:00:00.000Z"
