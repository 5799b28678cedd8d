"""Applying events: what each does, that twice is once, and that the digest keeps up."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from synap.events import DeadlineSet, EntryDeleted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.keyspace import Keyspace
from synap.keyspace.digest import MODULUS, entry_digest
from synap.radix import new_tree

from .build import EVENTS, KEYS, NOW, PREFIXES, items, keyspace_of, put


def recomputed(keyspace: Keyspace) -> int:
    return sum(entry_digest(*item) for item in items(keyspace)) % MODULUS


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
    keyspace.apply(10, PrefixDeleted(b"a"))
    assert (items(keyspace), keyspace.seq, keyspace.digest) == ([], 10, 0)


def test_an_event_about_a_missing_key_changes_nothing() -> None:
    keyspace = keyspace_of(put(b"a"))
    before = items(keyspace), keyspace.digest
    pointless: list[Event] = [EntryDeleted(b"x"), EntryExpired(b"x"), DeadlineSet(b"x", 1), PrefixDeleted(b"x")]
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


def test_an_entry_lives_until_the_millisecond_before_its_deadline() -> None:
    keyspace = keyspace_of(put(b"a", b"v", NOW))
    assert keyspace.get(b"a", NOW - 1) == (0, b"v", NOW, 1)
    assert keyspace.get(b"a", NOW) is None
