"""Events taken together and laid over a state are the events applied to it, one after the other."""

from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.keyspace import Changes, Digest, Keyspace
from synap.radix import Item, new_tree

from .build import EVENTS, KEYS, NOW, PREFIXES, items, keyspace_of, put

HISTORIES = st.lists(EVENTS | st.builds(PrefixDeleted, st.sampled_from([b"", b"", *KEYS])), max_size=25)
"""Any events in any order, whether or not a keyspace could have decided them: deadlines of keys that are missing,
deletions of what was never there, prefixes within prefixes, all of it."""

STATES = st.lists(EVENTS, max_size=12).map(lambda events: keyspace_of(*events))


def taken_together(events: list[Event], seq: int) -> Changes:
    """The changes that the events after ``seq`` make."""
    changes = Changes(new_tree(), seq)
    for number, event in enumerate(events, seq + 1):
        changes.apply(number, event)
    return changes


def copy_of(keyspace: Keyspace) -> Keyspace:
    copy = Keyspace(new_tree())
    copy.load(keyspace.seq, items(keyspace))
    return copy


def after(keyspace: Keyspace, events: list[Event]) -> Keyspace:
    """A state of its own: the keyspace's, and then the events."""
    copy = copy_of(keyspace)
    for seq, event in enumerate(events, keyspace.seq + 1):
        copy.apply(seq, event)
    return copy


@settings(max_examples=1000)
@given(STATES, HISTORIES)
def test_changes_over_a_state_are_the_events_applied_to_it(keyspace: Keyspace, events: list[Event]) -> None:
    before = items(keyspace)
    expected = after(keyspace, events)
    changes = taken_together(events, keyspace.seq)
    digest = Digest()
    assert list(digest.of(changes.over(iter(before)))) == items(expected)
    assert digest.value == expected.digest
    assert (changes.seq, changes.event_count) == (expected.seq, len(events))


@settings(max_examples=500)
@given(STATES, HISTORIES)
def test_the_state_after_is_one_that_can_be_loaded(keyspace: Keyspace, events: list[Event]) -> None:
    changes = taken_together(events, keyspace.seq)
    loaded = Keyspace(new_tree())
    loaded.load(changes.seq, changes.over(items(keyspace)))
    expected = after(keyspace, events)
    assert (items(loaded), loaded.seq, loaded.digest) == (items(expected), expected.seq, expected.digest)


@settings(max_examples=500)
@given(STATES, HISTORIES, st.data())
def test_events_may_be_taken_together_in_any_pieces(
    keyspace: Keyspace, events: list[Event], data: st.DataObject
) -> None:
    cuts = sorted({0, len(events), *data.draw(st.lists(st.integers(0, len(events)), max_size=3))})
    state: list[Item] = items(keyspace)
    for start, stop in pairwise(cuts):
        state = list(taken_together(events[start:stop], keyspace.seq + start).over(state))
    assert state == items(after(keyspace, events))


@settings(max_examples=300)
@given(STATES, HISTORIES)
def test_changes_can_be_laid_over_more_than_once(keyspace: Keyspace, events: list[Event]) -> None:
    changes = taken_together(events, keyspace.seq)
    first = list(changes.over(items(keyspace)))
    assert list(changes.over(items(keyspace))) == first
    assert list(changes.over([])) == items(after_nothing(events, keyspace.seq))


def after_nothing(events: list[Event], seq: int) -> Keyspace:
    """What the events make of an empty state."""
    empty = Keyspace(new_tree())
    for number, event in enumerate(events, seq + 1):
        empty.apply(number, event)
    return empty


@settings(max_examples=300)
@given(STATES, HISTORIES, st.data())
def test_events_taken_twice_change_nothing(keyspace: Keyspace, events: list[Event], data: st.DataObject) -> None:
    changes = taken_together(events, keyspace.seq)
    once = list(changes.over(items(keyspace)))
    start = data.draw(st.integers(0, len(events)))
    for seq, event in list(enumerate(events, keyspace.seq + 1))[start:]:
        changes.apply(seq, event)
    assert list(changes.over(items(keyspace))) == once


# --- event by event ------------------------------------------------------------------------------------------

BEFORE: list[Event] = [put(b"a", b"1"), put(b"ab", b"2", NOW), put(b"abc", b"3"), put(b"b", b"4", NOW)]
A, AB, ABC, B = items(keyspace_of(*BEFORE))

CASES: list[tuple[list[Event], list[Item]]] = [
    ([], [A, AB, ABC, B]),
    ([EntrySet(b"b", 2, b"9", 7)], [A, AB, ABC, (b"b", 2, b"9", 7, 5)]),
    ([put(b"aa")], [A, (b"aa", 0, b"v", None, 5), AB, ABC, B]),
    ([put(b"")], [(b"", 0, b"v", None, 5), A, AB, ABC, B]),
    ([put(b"z")], [A, AB, ABC, B, (b"z", 0, b"v", None, 5)]),
    ([EntryDeleted(b"ab")], [A, ABC, B]),
    ([EntryExpired(b"ab")], [A, ABC, B]),
    ([EntryEvicted(b"ab")], [A, ABC, B]),
    ([EntryDeleted(b"x"), EntryExpired(b"x")], [A, AB, ABC, B]),
    ([DeadlineSet(b"a", 7)], [(b"a", 0, b"1", 7, 1), AB, ABC, B]),
    ([DeadlineSet(b"ab", None)], [A, (b"ab", 0, b"2", None, 2), ABC, B]),
    ([DeadlineSet(b"a", 7), DeadlineSet(b"a", 8)], [(b"a", 0, b"1", 8, 1), AB, ABC, B]),
    # The version is that of the event that set the value.
    ([put(b"a", b"9"), DeadlineSet(b"a", 7)], [(b"a", 0, b"9", 7, 5), AB, ABC, B]),
    ([DeadlineSet(b"a", 7), put(b"a", b"9")], [(b"a", 0, b"9", None, 6), AB, ABC, B]),
    # No deadline makes an entry of nothing.
    ([DeadlineSet(b"x", 7)], [A, AB, ABC, B]),
    ([EntryDeleted(b"a"), DeadlineSet(b"a", 7)], [AB, ABC, B]),
    ([DeadlineSet(b"a", 7), EntryDeleted(b"a")], [AB, ABC, B]),
    ([PrefixDeleted(b"ab"), DeadlineSet(b"ab", 7)], [A, B]),
    ([DeadlineSet(b"abc", 7), PrefixDeleted(b"ab")], [A, B]),
    ([EntryDeleted(b"a"), put(b"a")], [(b"a", 0, b"v", None, 6), AB, ABC, B]),
    ([PrefixDeleted(b"a")], [B]),
    ([PrefixDeleted(b"abcd")], [A, AB, ABC, B]),
    ([PrefixDeleted(b"")], []),
    ([PrefixDeleted(b""), put(b"b")], [(b"b", 0, b"v", None, 6)]),
    ([PrefixDeleted(b"a"), put(b"ab")], [(b"ab", 0, b"v", None, 6), B]),
    ([put(b"abz"), PrefixDeleted(b"ab")], [A, B]),
    # A prefix within another one, before it and after it, with a new key in between.
    ([PrefixDeleted(b"a"), put(b"ab"), PrefixDeleted(b"ab"), put(b"abc")], [(b"abc", 0, b"v", None, 8), B]),
    ([PrefixDeleted(b"ab"), put(b"ab"), PrefixDeleted(b"a"), put(b"a")], [(b"a", 0, b"v", None, 8), B]),
    ([PrefixDeleted(b"abc"), PrefixDeleted(b"ab"), PrefixDeleted(b"abc")], [A, B]),
    ([PrefixDeleted(b"a"), PrefixDeleted(b"b"), PrefixDeleted(b"")], []),
]


@pytest.mark.parametrize(("events", "expected"), CASES)
def test_what_becomes_of_a_state(events: list[Event], expected: list[Item]) -> None:
    keyspace = keyspace_of(*BEFORE)
    assert list(taken_together(events, keyspace.seq).over(items(keyspace))) == expected
    assert items(after(keyspace, events)) == expected


def test_the_state_is_not_read_before_it_is_needed() -> None:
    """It can be far larger than memory has room for: it comes by, one entry after the other."""
    asked: list[bytes] = []

    def coming_by() -> Iterator[Item]:
        for item in (A, AB, ABC, B):
            asked.append(item[0])
            yield item

    merged = taken_together([put(b"aa"), EntryDeleted(b"abc")], 4).over(coming_by())
    assert asked == []
    assert (next(merged)[0], asked) == (b"a", [b"a"])
    assert (next(merged)[0], asked) == (b"aa", [b"a", b"ab"])
    assert [item[0] for item in merged] == [b"ab", b"b"]


def test_an_event_that_it_does_not_know_is_not_passed_over_in_silence() -> None:
    """As with a ``Keyspace``: the state would lack it."""
    with pytest.raises(AssertionError):
        Changes(new_tree(), 0).apply(1, cast("Event", "an event of the future"))


# --- many ----------------------------------------------------------------------------------------------------


def test_thousands_of_events_over_thousands_of_entries(seed: int) -> None:
    """So many that the trees have all their levels."""
    rng = Random(seed)

    def key(shortest: int = 1) -> bytes:
        return b"".join(rng.choices((b"a", b"b", b"c:", b"\0", b"\xff"), k=rng.randint(shortest, 7)))

    def event() -> Event:
        match rng.randrange(12):
            case 0:
                return EntryDeleted(key())
            case 1:
                return EntryExpired(key())
            case 2 | 3:
                return DeadlineSet(key(), rng.choice((None, NOW + rng.randrange(10))))
            case 4 if rng.random() < 0.1:
                return PrefixDeleted(key(2))
            case _:
                return EntrySet(key(), rng.randrange(3), rng.randbytes(3), rng.choice((None, NOW)))

    keyspace = keyspace_of(*(event() for _ in range(8000)))
    state = items(keyspace)
    assert len(state) > 1000
    for _ in range(4):
        events = [event() for _ in range(4000)]
        digest = Digest()
        state = list(digest.of(taken_together(events, keyspace.seq).over(state)))
        for seq, each in enumerate(events, keyspace.seq + 1):
            keyspace.apply(seq, each)
        assert state == items(keyspace)
        assert digest.value == keyspace.digest


# --- memory --------------------------------------------------------------------------------------------------


def test_no_changes_take_no_memory() -> None:
    assert Changes(new_tree(), 7).memory_bytes == 0


def test_what_is_kept_of_a_change_is_weighed() -> None:
    changes = Changes(new_tree(), 0)
    weights = [0]
    kept: list[Event] = [put(b"a", bytes(1000)), put(b"b", bytes(10_000)), EntryDeleted(b"b"), DeadlineSet(b"c", None)]
    for seq, event in enumerate([*kept, PrefixDeleted(b"d")], 1):
        changes.apply(seq, event)
        weights.append(changes.memory_bytes)
    a, b, deleted, moved, prefix = (late - early for early, late in pairwise(weights))
    assert 1000 < a < 1500
    assert 10_000 < b < 10_500
    assert -10_100 < deleted <= -10_000, "a key that is gone keeps no value"
    assert 0 < moved < 500
    assert 0 < prefix < 500


def test_a_deleted_prefix_weighs_less_than_what_was_changed_below_it() -> None:
    changes = taken_together([put(b"a%d" % number, bytes(100)) for number in range(1000)], 0)
    changes.apply(1001, PrefixDeleted(b"a"))
    alone = changes.memory_bytes
    assert alone < 200
    for seq, prefix in enumerate((b"a", b"ab", b"abc"), 1002):
        changes.apply(seq, PrefixDeleted(prefix))
        assert changes.memory_bytes == alone, "it is deleted already"


def test_prefixes_are_weighed_by_their_number_and_length_and_given_back_for_a_shorter_one() -> None:
    changes = taken_together([PrefixDeleted(b"a%05d" % number) for number in range(1000)], 0)
    short = changes.memory_bytes
    assert 1000 * 50 < short < 1000 * 200
    long = taken_together([PrefixDeleted(b"a%05d" % number + bytes(1000)) for number in range(1000)], 0)
    assert long.memory_bytes == short + 1000 * 1000
    long.apply(1001, PrefixDeleted(b"a"))
    assert long.memory_bytes == taken_together([PrefixDeleted(b"a")], 0).memory_bytes


@given(HISTORIES)
def test_nothing_but_what_is_left_is_weighed(events: list[Event]) -> None:
    """Whatever came before: a deletion of everything leaves nothing but itself."""
    changes = taken_together([*events, PrefixDeleted(b"")], 0)
    assert changes.memory_bytes == taken_together([PrefixDeleted(b"")], 0).memory_bytes
    assert list(changes.over(items(keyspace_of(*map(put, PREFIXES))))) == []
