"""Deleting one, several or all under a prefix, and purging what is due."""

import pytest

from synap.commands import Delete, DeleteMany, DeletePrefix, Flush, GetDelete, Kind, PurgeExpired, Write
from synap.errors import FlushOffError, InvalidKeyError, InvalidValueError
from synap.events import EntryDeleted, EntryExpired, Event, PrefixDeleted
from synap.keyspace import Keyspace, Limits, Overlay, decide
from synap.keyspace.deciders.removals import PURGE_MAX_BYTES
from synap.results import Found
from tests.keyspace.build import DUE, LIMITS, NOW, PLAIN, TIMED, carry_out, keyspace_of, put, refuse, set_text

# --- removing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "result", "events"),
    [
        (Delete(PLAIN), True, [EntryDeleted(PLAIN)]),
        (Delete(b"missing"), False, []),
        (DeleteMany(()), 0, []),
        (DeleteMany((PLAIN, b"missing", TIMED)), 2, [EntryDeleted(PLAIN), EntryDeleted(TIMED)]),
        (DeleteMany((PLAIN, PLAIN, PLAIN)), 1, [EntryDeleted(PLAIN)]),
        (DeletePrefix(b"p"), 1, [PrefixDeleted(b"p")]),
        (DeletePrefix(PLAIN), 1, [PrefixDeleted(PLAIN)]),
        (DeletePrefix(b"plainer"), 0, []),
        (DeletePrefix(b"z"), 0, []),
    ],
)
def test_removing(keyspace: Keyspace, command: Write[int], result: int, events: list[Event]) -> None:
    assert carry_out(keyspace, command) == (result, events)


def test_a_prefix_counts_the_living_and_takes_the_due_along() -> None:
    keyspace = keyspace_of(put(b"s:1"), put(b"s:2", b"", NOW), put(b"s:3", b"", NOW + 1), put(b"t:1"))
    assert carry_out(keyspace, DeletePrefix(b"s:")) == (2, [PrefixDeleted(b"s:")])
    assert list(keyspace.tree.keys()) == [b"t:1"]


def test_an_empty_prefix_is_refused(keyspace: Keyspace) -> None:
    assert isinstance(refuse(keyspace, DeletePrefix(b"")), InvalidValueError)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (PLAIN, Found(Kind.TEXT, b"old", None, 1)),
        (TIMED, Found(Kind.TEXT, b"soon", NOW + 1000, 2)),
        (DUE, None),
        (b"missing", None),
    ],
)
def test_read_and_remove(keyspace: Keyspace, key: bytes, found: Found | None) -> None:
    assert carry_out(keyspace, GetDelete(key)) == (found, [] if found is None else [EntryDeleted(key)])
    assert keyspace.get(key, NOW) is None


def test_one_wrong_key_refuses_the_deletion_of_all(keyspace: Keyspace) -> None:
    assert isinstance(refuse(keyspace, DeleteMany((PLAIN, b""))), InvalidKeyError)


# --- flushing --------------------------------------------------------------------------------------------

FLUSH_ALLOWED = Limits(flush_allowed=True)


def test_a_flush_is_refused_unless_it_is_allowed(keyspace: Keyspace) -> None:
    assert isinstance(refuse(keyspace, Flush()), FlushOffError)


def test_a_flush_takes_everything_and_counts_the_living() -> None:
    keyspace = keyspace_of(put(b"a"), put(b"b", b"", NOW), put(b"c", b"", NOW + 1))
    overlay = Overlay(keyspace, NOW)
    overlay.set(b"d", Kind.TEXT, b"in the batch", None)
    assert decide(Flush(), overlay, FLUSH_ALLOWED) == 3
    assert overlay.events[1:] == [PrefixDeleted(b"")]
    assert (overlay.count(b""), overlay.live(b"a"), overlay.stored(b"d")) == (0, None, None)
    assert decide(Flush(), overlay, FLUSH_ALLOWED) == 0
    overlay.set(b"e", Kind.TEXT, b"behind it", None)
    assert overlay.count(b"") == 1
    for seq, event in enumerate(overlay.events, keyspace.seq + 1):
        keyspace.apply(seq, event)
    assert list(keyspace.tree.keys()) == [b"e"]
    assert keyspace.digest == keyspace_of(*[put(b"x")] * 4, PrefixDeleted(b""), put(b"e", b"behind it")).digest


def test_a_flush_of_nothing_is_no_event() -> None:
    overlay = Overlay(keyspace_of(), NOW)
    assert (decide(Flush(), overlay, FLUSH_ALLOWED), overlay.events) == (0, [])


# --- purging ---------------------------------------------------------------------------------------------


def test_purge_ends_what_is_due_the_earliest_first() -> None:
    keyspace = keyspace_of(
        put(b"b", b"", NOW), put(b"a", b"", NOW), put(b"late", b"", NOW + 1), put(b"c", b"", NOW - 9)
    )
    assert carry_out(keyspace, PurgeExpired(10)) == (3, [EntryExpired(key) for key in (b"c", b"a", b"b")])
    assert list(keyspace.tree.keys()) == [b"late"]
    assert carry_out(keyspace, PurgeExpired(10)) == (0, [])


def test_purge_stops_at_its_limit() -> None:
    keyspace = keyspace_of(*[put(b"%d" % number, b"", NOW) for number in range(7)])
    assert [carry_out(keyspace, PurgeExpired(3))[0] for _ in range(4)] == [3, 3, 1, 0]


def test_purge_stops_at_so_many_bytes_of_keys() -> None:
    size = LIMITS.key_max_bytes
    keys = [b"%d" % number + b"k" * (size - 2) for number in range(10, 10 + 2 * PURGE_MAX_BYTES // size)]
    keyspace = keyspace_of(*[put(key, b"", NOW) for key in keys])
    overlay = Overlay(keyspace, NOW)
    overlay.set(b"other", Kind.TEXT, bytes(PURGE_MAX_BYTES), None)
    before = overlay.size_bytes
    # What the batch holds already is not the purge's.
    assert decide(PurgeExpired(1000), overlay, LIMITS) == PURGE_MAX_BYTES // size + 1
    assert PURGE_MAX_BYTES < overlay.size_bytes - before <= PURGE_MAX_BYTES + size


def test_purge_leaves_what_the_batch_has_dealt_with() -> None:
    keyspace = keyspace_of(*[put(key, b"", NOW) for key in (b"revived", b"removed", b"under:prefix", b"due")])
    overlay = Overlay(keyspace, NOW)
    decide(set_text(b"revived"), overlay, LIMITS)
    overlay.delete(b"removed")
    overlay.delete_prefix(b"under:")
    so_far = len(overlay.events)
    assert decide(PurgeExpired(10), overlay, LIMITS) == 1
    assert overlay.events[so_far:] == [EntryExpired(b"due")]
    assert decide(PurgeExpired(10), overlay, LIMITS) == 0


def test_purge_counts_towards_its_limit_what_the_batch_has_dealt_with() -> None:
    """It looks at no more entries than it was told, and the next purge finds the rest."""
    keyspace = keyspace_of(put(b"first", b"", NOW - 1), put(b"second", b"", NOW))
    overlay = Overlay(keyspace, NOW)
    decide(set_text(b"first"), overlay, LIMITS)
    assert decide(PurgeExpired(1), overlay, LIMITS) == 0
