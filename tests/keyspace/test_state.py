"""Applying events: what each does, that twice is once, that the digest keeps up; and loading a state as a whole."""

from collections.abc import Callable, Iterable, Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.keyspace import Keyspace
from synap.keyspace.digest import entry_digest
from synap.radix import Item, new_tree

from .build import EVENTS, KEYS, NOW, PREFIXES, items, keyspace_of, put


def recomputed(keyspace: Keyspace) -> int:
    return sum(entry_digest(*item) for item in items(keyspace)) % 2**128


def test_a_new_keyspace_is_empty() -> None:
    keyspace = Keyspace(new_tree())
    assert (keyspace.seq, keyspace.digest, items(keyspace), keyspace.count(b"", NOW)) == (0, 0, [], 0)


def test_what_each_event_does() -> None:
    keyspace = keyspace_of(put(b"a", b"1"), put(b"ab", b"2", NOW), EntrySet(b"b", 2, b"\0", None))
    assert items(keyspace) == [(b"a", 0, b"1", None, 1), (b"ab", 0, b"2", NOW, 2), (b"b", 2, b"\0", None, 3)]
    keyspace.apply(4, EntrySet(b"b", 1, b"null", NOW))
    assert keyspace.tree.get(b"b") == (1, b"null", NOW, 4)
    keyspace.apply(5, DeadlineSet(b"b", NOW + 5))
    # The value is the one of event 4, and so is its version.
    assert keyspace.tree.get(b"b") == (1, b"null", NOW + 5, 4)
    keyspace.apply(6, DeadlineSet(b"b", None))
    assert keyspace.tree.get(b"b") == (1, b"null", None, 4)
    keyspace.apply(7, EntryDeleted(b"b"))
    assert keyspace.tree.get(b"b") is None
    keyspace.apply(8, put(b"c"))
    keyspace.apply(9, EntryExpired(b"c"))
    assert keyspace.tree.get(b"c") is None
    keyspace.apply(10, put(b"d"))
    keyspace.apply(11, EntryEvicted(b"d"))
    assert keyspace.tree.get(b"d") is None
    keyspace.apply(12, PrefixDeleted(b"a"))
    assert (items(keyspace), keyspace.seq, keyspace.digest) == ([], 12, 0)


def test_an_event_about_a_missing_key_changes_nothing() -> None:
    keyspace = keyspace_of(put(b"a"))
    before = items(keyspace), keyspace.digest
    pointless: list[Event] = [EntryDeleted(b"x"), EntryEvicted(b"x"), DeadlineSet(b"x", 1), PrefixDeleted(b"x")]
    for seq, event in enumerate(pointless, 2):
        keyspace.apply(seq, event)
        assert (items(keyspace), keyspace.digest) == before
        assert keyspace.seq == seq


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=30))
def test_the_digest_is_that_of_the_entries(events: list[Event]) -> None:
    keyspace = Keyspace(new_tree())
    for seq, event in enumerate(events, 1):
        keyspace.apply(seq, event)
        assert keyspace.digest == recomputed(keyspace)


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=30), st.data())
def test_a_suffix_applied_twice_changes_nothing(events: list[Event], data: st.DataObject) -> None:
    keyspace = keyspace_of(*events)
    before = items(keyspace), keyspace.seq, keyspace.digest
    start = data.draw(st.integers(0, len(events)))
    for seq, event in list(enumerate(events, 1))[start:]:
        keyspace.apply(seq, event)
    assert (items(keyspace), keyspace.seq, keyspace.digest) == before


def test_the_digest_does_not_depend_on_the_order(seed: int) -> None:
    events = [(seq, put(key, b"%d" % seq, seq or None)) for seq, key in enumerate(KEYS, 1)]
    digests = set()
    for _ in range(10):
        Random(seed).shuffle(events)
        keyspace = Keyspace(new_tree())
        for seq, event in events:
            keyspace.apply(seq, event)
        digests.add(keyspace.digest)
    assert len(digests) == 1


def test_equal_entries_of_another_version_have_another_digest() -> None:
    assert keyspace_of(put(b"a")).digest != keyspace_of(put(b"b"), EntryDeleted(b"b"), put(b"a")).digest


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=20))
def test_due_entries_are_neither_seen_nor_counted(events: list[Event]) -> None:
    keyspace = keyspace_of(*events)
    for now_ms in (NOW - 6, NOW - 5, NOW, NOW + 1, NOW + 1000):
        live = {key for key, _, _, at, _ in items(keyspace) if at is None or at > now_ms}
        assert {key for key in KEYS if keyspace.get(key, now_ms) is not None} == live
        for prefix in (b"", *PREFIXES):
            assert keyspace.count(prefix, now_ms) == sum(key.startswith(prefix) for key in live)


@given(st.lists(EVENTS, max_size=40), st.lists(st.sampled_from(KEYS), max_size=10))
def test_many_entries_are_those_that_are_got_one_by_one(events: list[Event], keys: list[bytes]) -> None:
    keyspace = keyspace_of(*events)
    assert keyspace.get_many(keys, NOW) == [keyspace.get(key, NOW) for key in keys]


def test_an_entry_lives_until_the_millisecond_before_its_deadline() -> None:
    keyspace = keyspace_of(put(b"a", b"v", NOW))
    assert keyspace.get(b"a", NOW - 1) == (0, b"v", NOW, 1)
    assert keyspace.get(b"a", NOW) is None


# --- a whole state at once -----------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=30), st.lists(EVENTS, max_size=10))
def test_a_loaded_state_is_the_one_that_its_events_make(events: list[Event], further: list[Event]) -> None:
    """Also for whatever happens to it afterwards."""
    applied, loaded = keyspace_of(*events), Keyspace(new_tree())
    loaded.load(len(events), iter(items(applied)))
    for seq, event in enumerate(further, len(events) + 1):
        assert (items(loaded), loaded.seq, loaded.digest) == (items(applied), applied.seq, applied.digest)
        for keyspace in (applied, loaded):
            keyspace.apply(seq, event)
    assert (items(loaded), loaded.digest) == (items(applied), applied.digest)
    assert loaded.tree.due(NOW) == applied.tree.due(NOW)


def test_a_state_without_entries_has_its_number_all_the_same() -> None:
    keyspace = Keyspace(new_tree())
    keyspace.load(17, [])
    assert (keyspace.seq, keyspace.digest, items(keyspace)) == (17, 0, [])


SOME = items(keyspace_of(put(b"a"), put(b"b", b"v", NOW)))


def breaking_off() -> Iterator[Item]:
    yield from SOME
    raise OSError("the disk gives an error")


@pytest.mark.parametrize(
    ("source", "error"),
    [(breaking_off, OSError), (lambda: SOME[::-1], ValueError), (lambda: SOME + SOME[1:], ValueError)],
    ids=["breaks off", "descends", "twice"],
)
def test_a_state_that_cannot_be_loaded_leaves_it_empty_and_another_may_be_loaded(
    source: Callable[[], Iterable[Item]], error: type[Exception]
) -> None:
    keyspace = Keyspace(new_tree())
    with pytest.raises(error):
        keyspace.load(9, source())
    assert (keyspace.seq, keyspace.digest, items(keyspace)) == (0, 0, [])
    keyspace.load(5, SOME)
    assert (keyspace.seq, keyspace.digest, items(keyspace)) == (5, recomputed(keyspace), SOME)


def test_only_an_empty_state_can_be_loaded() -> None:
    keyspace = keyspace_of(put(b"a"))
    before = keyspace.seq, keyspace.digest, items(keyspace)
    with pytest.raises(ValueError, match="empty"):
        keyspace.load(9, SOME)
    assert (keyspace.seq, keyspace.digest, items(keyspace)) == before
