"""Whole values: set with every option and every refusal, and several at once."""

import pytest
from msgspec import structs

from synap.commands import Kind, Pair, Set, SetMany
from synap.errors import CommandError, InvalidKeyError, InvalidTtlError, TooLargeError, VersionMismatchError
from synap.events import EntryExpired, EntrySet
from synap.keyspace import Keyspace, Limits
from synap.keyspace.limits import MAX_TTL_MS
from synap.results import Found, Written
from tests.keyspace.build import DUE, NOW, PLAIN, TIMED, carry_out, refuse

SET = Set(key=b"missing", kind=Kind.JSON, value=b"[1]")

# --- set -------------------------------------------------------------------------------------------------


def test_set_stores_and_tells_the_version(keyspace: Keyspace) -> None:
    result, events = carry_out(keyspace, SET)
    assert result == Written(written=True, version=4)
    assert events == [EntrySet(b"missing", Kind.JSON, b"[1]", None)]
    assert keyspace.get(b"missing", NOW) == (Kind.JSON, b"[1]", None, 4)


@pytest.mark.parametrize(
    ("options", "deadline_ms"),
    [
        ({}, None),
        ({"ttl_ms": 1}, NOW + 1),
        ({"ttl_ms": MAX_TTL_MS}, NOW + MAX_TTL_MS),
        ({"deadline_ms": NOW + 1}, NOW + 1),
        ({"deadline_ms": NOW + MAX_TTL_MS}, NOW + MAX_TTL_MS),
        ({"keep_ttl": True}, NOW + 1000),
    ],
)
def test_set_over_a_deadline(keyspace: Keyspace, options: dict[str, int], deadline_ms: int | None) -> None:
    _, events = carry_out(keyspace, structs.replace(SET, key=TIMED, **options))
    assert events == [EntrySet(TIMED, Kind.JSON, b"[1]", deadline_ms)]


@pytest.mark.parametrize("key", [PLAIN, b"missing"])
def test_keeping_a_deadline_that_is_not_there(keyspace: Keyspace, key: bytes) -> None:
    _, events = carry_out(keyspace, structs.replace(SET, key=key, keep_ttl=True))
    assert events == [EntrySet(key, Kind.JSON, b"[1]", None)]


@pytest.mark.parametrize("options", [{"ttl_ms": ttl_ms} for ttl_ms in (0, -1, MAX_TTL_MS + 1)])
def test_a_time_to_live_that_cannot_be(keyspace: Keyspace, options: dict[str, int]) -> None:
    assert isinstance(refuse(keyspace, structs.replace(SET, **options)), InvalidTtlError)


@pytest.mark.parametrize("deadline_ms", [NOW, NOW - 1, 0, NOW + MAX_TTL_MS + 1])
def test_a_deadline_that_cannot_be(keyspace: Keyspace, deadline_ms: int) -> None:
    assert isinstance(refuse(keyspace, structs.replace(SET, deadline_ms=deadline_ms)), InvalidTtlError)


def test_a_wrong_time_to_live_is_refused_also_where_nothing_would_be_written(keyspace: Keyspace) -> None:
    refusal = refuse(keyspace, structs.replace(SET, key=PLAIN, ttl_ms=0, only_if_absent=True))
    assert isinstance(refusal, InvalidTtlError)


def test_only_one_lifetime_counts(keyspace: Keyspace) -> None:
    _, (kept,) = carry_out(keyspace, structs.replace(SET, key=TIMED, keep_ttl=True, deadline_ms=NOW + 5, ttl_ms=9))
    assert isinstance(kept, EntrySet)
    assert kept.deadline_ms == NOW + 1000
    _, (absolute,) = carry_out(keyspace, structs.replace(SET, key=TIMED, deadline_ms=NOW + 5, ttl_ms=9))
    assert isinstance(absolute, EntrySet)
    assert absolute.deadline_ms == NOW + 5


@pytest.mark.parametrize(
    ("key", "options", "written", "version"),
    [
        (b"missing", {"only_if_absent": True}, True, 4),
        (b"missing", {"only_if_present": True}, False, 0),
        (b"missing", {"only_if_absent": True, "only_if_present": True}, False, 0),
        (PLAIN, {"only_if_absent": True}, False, 1),
        (PLAIN, {"only_if_present": True}, True, 4),
        (PLAIN, {"only_if_absent": True, "only_if_present": True}, False, 1),
        # A due key is absent, and the event of its end is the one before.
        (DUE, {"only_if_absent": True}, True, 5),
        (DUE, {"only_if_present": True}, False, 0),
    ],
)
def test_set_only_if(keyspace: Keyspace, key: bytes, options: dict[str, bool], written: bool, version: int) -> None:
    result, events = carry_out(keyspace, structs.replace(SET, key=key, **options))
    assert result == Written(written=written, version=version)
    assert any(isinstance(event, EntrySet) for event in events) == written
    assert bool(events) == written


@pytest.mark.parametrize(
    ("key", "old"),
    [
        (PLAIN, Found(Kind.TEXT, b"old", None, 1)),
        (TIMED, Found(Kind.TEXT, b"soon", NOW + 1000, 2)),
        (DUE, None),
        (b"missing", None),
    ],
)
@pytest.mark.parametrize("refused", [True, False])
def test_set_returns_what_was_there(keyspace: Keyspace, key: bytes, old: Found | None, refused: bool) -> None:
    command = structs.replace(SET, key=key, return_old=True, only_if_absent=refused and old is not None)
    result, _ = carry_out(keyspace, command)
    assert result.old == old
    assert carry_out(keyspace, structs.replace(command, return_old=False))[0].old is None


@pytest.mark.parametrize(("key", "version"), [(PLAIN, 1), (TIMED, 2), (b"missing", 0), (DUE, 0)])
def test_set_at_the_expected_version(keyspace: Keyspace, key: bytes, version: int) -> None:
    assert carry_out(keyspace, structs.replace(SET, key=key, if_version=version))[0].written


@pytest.mark.parametrize(
    ("key", "expected", "current"),
    [(PLAIN, 0, 1), (PLAIN, 2, 1), (b"missing", 1, None), (DUE, 3, None), (PLAIN, -1, 1)],
)
def test_set_at_another_version(keyspace: Keyspace, key: bytes, expected: int, current: int | None) -> None:
    refusal = refuse(keyspace, structs.replace(SET, key=key, if_version=expected))
    assert isinstance(refusal, VersionMismatchError)
    assert (refusal.expected, refusal.current) == (expected, current)


def test_a_compare_and_set_that_holds_may_still_be_kept_from_writing(keyspace: Keyspace) -> None:
    result, events = carry_out(keyspace, structs.replace(SET, key=PLAIN, if_version=1, only_if_absent=True))
    assert (result, events) == (Written(written=False, version=1), [])


# --- several at once -------------------------------------------------------------------------------------


def test_set_many_stores_all(keyspace: Keyspace) -> None:
    pairs = (Pair(b"x", Kind.TEXT, b"1"), Pair(PLAIN, Kind.BYTES, b"2", ttl_ms=9))
    result, events = carry_out(keyspace, SetMany(pairs))
    assert result is True
    assert events == [EntrySet(b"x", Kind.TEXT, b"1", None), EntrySet(PLAIN, Kind.BYTES, b"2", NOW + 9)]


def test_of_two_pairs_with_one_key_the_later_wins(keyspace: Keyspace) -> None:
    carry_out(keyspace, SetMany((Pair(b"x", Kind.TEXT, b"1", ttl_ms=9), Pair(b"x", Kind.JSON, b"2"))))
    assert keyspace.get(b"x", NOW) == (Kind.JSON, b"2", None, 5)


@pytest.mark.parametrize("only_if_absent", [False, True])
def test_no_pairs_are_no_event(keyspace: Keyspace, only_if_absent: bool) -> None:
    assert carry_out(keyspace, SetMany((), only_if_absent)) == (True, [])


def test_set_many_only_if_all_are_absent(keyspace: Keyspace) -> None:
    new = Pair(b"x", Kind.TEXT, b"1")
    for there in (PLAIN, TIMED):
        refused = SetMany((new, Pair(there, Kind.TEXT, b"2")), only_if_absent=True)
        assert carry_out(keyspace, refused) == (False, [])
    # A due key is absent, and a key of the batch itself is not there yet.
    pairs = (new, Pair(DUE, Kind.JSON, b"3", ttl_ms=9), structs.replace(new, value=b"4"))
    result, events = carry_out(keyspace, SetMany(pairs, only_if_absent=True))
    assert result is True
    assert events[0] == EntrySet(b"x", Kind.TEXT, b"1", None)
    assert events[1:3] == [EntryExpired(DUE), EntrySet(DUE, Kind.JSON, b"3", NOW + 9)]
    assert keyspace.get(b"x", NOW) == (Kind.TEXT, b"4", None, keyspace.seq)
    assert carry_out(keyspace, SetMany(pairs, only_if_absent=True)) == (False, [])


@pytest.mark.parametrize(
    ("pair", "error"),
    [
        (Pair(b"", Kind.TEXT, b""), InvalidKeyError),
        (Pair(b"x", Kind.TEXT, b"12345"), TooLargeError),
        (Pair(b"x", Kind.TEXT, b"", ttl_ms=0), InvalidTtlError),
    ],
)
def test_one_wrong_pair_refuses_them_all(keyspace: Keyspace, pair: Pair, error: type[CommandError]) -> None:
    good = Pair(b"good", Kind.TEXT, b"1")
    for pairs in ((pair, good), (good, pair), (good, pair, good)):
        for only_if_absent in (False, True):
            command = SetMany(pairs, only_if_absent)
            assert isinstance(refuse(keyspace, command, Limits(value_max_bytes=4)), error)
