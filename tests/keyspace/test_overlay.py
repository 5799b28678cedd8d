"""A batch decided at once is the same as its commands decided one after the other."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from synap.commands import DeletePrefix, Write
from synap.errors import CommandError
from synap.events import EntrySet, Event
from synap.keyspace import Keyspace, Overlay, decide

from .build import COMMANDS, EVENTS, KEYS, LIMITS, NOW, PREFIXES, items, keyspace_of, put, set_text


def outcome(command: Write[object], overlay: Overlay) -> object:
    """The result of a command, or its refusal in words."""
    try:
        return decide(command, overlay, LIMITS)
    except CommandError as refusal:
        return type(refusal), str(refusal)


def assert_alike(overlay: Overlay, applied: Keyspace) -> None:
    """What is read through the overlay is what the state will be once its events are applied."""
    for key in KEYS:
        assert overlay.stored(key) == applied.tree.get(key)
        assert overlay.live(key) == applied.get(key, NOW)
    for prefix in (b"", *PREFIXES, *KEYS):
        assert overlay.count(prefix) == applied.count(prefix, NOW), prefix


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=12), st.lists(COMMANDS, max_size=12))
def test_one_batch_or_many(history: list[Event], commands: list[Write[object]]) -> None:
    keyspace, one_by_one = keyspace_of(*history), keyspace_of(*history)
    untouched = items(keyspace)
    overlay = Overlay(keyspace, NOW)
    events: list[Event] = []
    for command in commands:
        alone = Overlay(one_by_one, NOW)
        assert outcome(command, overlay) == outcome(command, alone)
        for seq, event in enumerate(alone.events, one_by_one.seq + 1):
            one_by_one.apply(seq, event)
        events += alone.events
        assert overlay.events == events
        assert_alike(overlay, one_by_one)
    assert items(keyspace) == untouched


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=12), st.lists(st.sampled_from(PREFIXES), max_size=6), st.lists(st.sampled_from(KEYS)))
def test_prefixes_within_prefixes(history: list[Event], prefixes: list[bytes], keys: list[bytes]) -> None:
    """Deletions of prefixes that cover, repeat or miss each other, with new keys in between."""
    keyspace, applied = keyspace_of(*history), keyspace_of(*history)
    overlay = Overlay(keyspace, NOW)
    for number, prefix in enumerate(prefixes):
        overlay.delete_prefix(prefix)
        for key in keys[number : number + 2]:
            overlay.set(key, 0, b"", NOW + number % 2)
    for seq, event in enumerate(overlay.events, applied.seq + 1):
        applied.apply(seq, event)
    assert_alike(overlay, applied)


def test_the_versions_it_gives_are_those_that_the_log_will_give() -> None:
    overlay = Overlay(keyspace_of(put(b"a"), put(b"due", b"", NOW)), NOW)
    given_versions = [overlay.set(key, 0, b"", None) for key in (b"a", b"due", b"a")]
    assert [event for event in overlay.events if isinstance(event, EntrySet)] == [
        overlay.events[version - 3] for version in given_versions
    ]
    assert given_versions == [3, 5, 6]


def test_its_size_is_that_of_keys_and_values() -> None:
    overlay = Overlay(keyspace_of(put(b"due", b"", NOW), put(b"other", b"value")), NOW)
    sizes = [overlay.size_bytes]
    other = overlay.live(b"other")
    assert other is not None
    for step in (
        lambda: overlay.set(b"due", 0, b"12345", None),
        lambda: overlay.move_deadline(b"other", other, None),
        lambda: overlay.move_deadline(b"other", other, NOW + 1),
        lambda: overlay.delete(b"other"),
        lambda: overlay.delete_prefix(b"du"),
        lambda: overlay.expire(b"due"),
    ):
        step()
        sizes.append(overlay.size_bytes)
    assert [after - before for before, after in pairwise(sizes)] == [3 + 3 + 5, 0, 5, 5, 2, 3]


def test_a_dropped_overlay_leaves_nothing_behind() -> None:
    keyspace = keyspace_of(put(b"a"), put(b"ab"))
    before = items(keyspace), keyspace.seq, keyspace.digest
    overlay = Overlay(keyspace, NOW)
    for command in (set_text(b"a", b"other"), set_text(b"new"), DeletePrefix(b"a")):
        decide(command, overlay, LIMITS)
    assert (items(keyspace), keyspace.seq, keyspace.digest) == before
