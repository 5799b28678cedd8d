"""Which events are wanted, asked of the event and, before it is decoded, of the whole batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.codec import encode_events
from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.replay.points import Point, SeqPoint, TimePoint
from synap.replay.selection import Range, Selection
from synap.wal.interface import Frame

EVENTS: list[Event] = [
    EntrySet(b"user:1", 0, b"v", None),
    EntrySet(b"user:12", 0, b"v", 5),
    DeadlineSet(b"user:1", 7),
    EntryDeleted(b"user:1"),
    EntryExpired(b"user:12"),
    PrefixDeleted(b"user:1"),
    PrefixDeleted(b"user:"),
    PrefixDeleted(b"admin:"),
    EntrySet(b"x", 0, b"user:1", None),
]


def selected(selection: Selection) -> list[int]:
    """The places in ``EVENTS`` of those that are wanted."""
    return [seq for seq, _ in selection.of(0, EVENTS)]


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (Selection(), [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (Selection(key=b"user:1"), [0, 2, 3, 5, 6]),
        (Selection(key=b"user:12"), [1, 4, 5, 6]),
        (Selection(key=b"nobody"), []),
        (Selection(prefix=b"user:"), [0, 1, 2, 3, 4, 5, 6]),
        (Selection(prefix=b"user:1"), [0, 1, 2, 3, 4, 5, 6]),
        (Selection(prefix=b"user:12"), [1, 4, 5, 6]),
        (Selection(prefix=b""), [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (Selection(types=frozenset({EntryDeleted, EntryExpired})), [3, 4]),
        (Selection(types=frozenset({PrefixDeleted})), [5, 6, 7]),
        (Selection(key=b"user:1", types=frozenset({EntrySet})), [0]),
        (Selection(key=b"user:1", prefix=b"user:"), [0, 2, 3, 5, 6]),
        (Selection(key=b"user:1", prefix=b"admin:"), []),
    ],
)
def test_what_is_wanted(selection: Selection, wanted: list[int]) -> None:
    assert selected(selection) == wanted


NAMES = st.text("abc:", max_size=4).map(str.encode)
DEADLINES = st.none() | st.integers(0, 2**53)
EVENT = st.one_of(
    st.builds(EntrySet, NAMES, st.integers(0, 2), NAMES, DEADLINES),
    st.builds(EntryDeleted, NAMES),
    st.builds(PrefixDeleted, NAMES),
    st.builds(DeadlineSet, NAMES, DEADLINES),
    st.builds(EntryExpired, NAMES),
    st.builds(EntryEvicted, NAMES),
)
TYPES = st.sets(st.sampled_from([EntrySet, EntryDeleted, PrefixDeleted, DeadlineSet, EntryExpired, EntryEvicted])).map(
    frozenset
)
SELECTIONS = st.builds(Selection, st.none() | NAMES, st.none() | NAMES, TYPES)


@given(SELECTIONS, st.lists(EVENT, max_size=5))
def test_no_wanted_event_is_in_a_batch_that_is_passed_over(selection: Selection, events: list[Event]) -> None:
    if selection.of(1, events):
        assert selection.may_be_in(encode_events(events))


def test_most_batches_are_passed_over() -> None:
    """That is what makes it quick."""
    payload = encode_events([EntrySet(b"session:%d" % number, 0, b"value", 2**40) for number in range(64)])
    assert not Selection(key=b"session:99").may_be_in(payload)
    assert not Selection(prefix=b"user:").may_be_in(payload)
    assert not Selection(types=frozenset({EntryDeleted, EntryExpired, PrefixDeleted})).may_be_in(payload)
    assert Selection(key=b"session:9").may_be_in(payload)


# --- ranges ----------------------------------------------------------------------------------------------

FRAME = Frame(10, 5, 1000, b"")
"""The events 10 to 14."""


@pytest.mark.parametrize(
    ("start", "stop", "part", "is_over"),
    [
        (None, None, (0, 5), False),
        (SeqPoint(12), None, (2, 5), False),
        (SeqPoint(15), None, (5, 5), False),
        (None, SeqPoint(12), (0, 3), True),
        (None, SeqPoint(14), (0, 5), True),
        (None, SeqPoint(15), (0, 5), False),
        (SeqPoint(11), SeqPoint(12), (1, 3), True),
        (TimePoint(1000), TimePoint(1000), (0, 5), False),
        (TimePoint(1001), None, (5, 5), False),
        (None, TimePoint(999), (0, 0), True),
        (SeqPoint(12), TimePoint(1000), (2, 5), False),
    ],
)
def test_ranges(start: Point | None, stop: Point | None, part: tuple[int, int], is_over: bool) -> None:
    within = Range(start, stop)
    found = within.part_of(FRAME)
    assert ((found.start, found.stop), within.is_over_after(FRAME)) == (part, is_over)
