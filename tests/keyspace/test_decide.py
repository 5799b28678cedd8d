"""Every write, with every option and every refusal. How commands of one batch see each other: ``test_overlay.py``."""

import pytest
from msgspec import structs

from synap.commands import (
    Delete,
    DeleteMany,
    DeletePrefix,
    Expire,
    GetTouch,
    Kind,
    Pair,
    Persist,
    PurgeExpired,
    Set,
    SetMany,
    Write,
)
from synap.errors import (
    CommandError,
    InvalidKeyError,
    InvalidTtlError,
    InvalidValueError,
    TooLargeError,
    VersionMismatchError,
)
from synap.events import DeadlineSet, EntryDeleted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.keyspace import Keyspace, Limits, Overlay, decide
from synap.keyspace.decide import PURGE_MAX_BYTES
from synap.keyspace.limits import MAX_TTL_MS
from synap.results import Found, Written

from .build import KEYS, LIMITS, NOW, carry_out, keyspace_of, put, set_text

SET = Set(key=b"missing", kind=Kind.JSON, value=b"[1]")
PLAIN, TIMED, DUE = b"plain", b"timed", b"due"


@pytest.fixture
def keyspace() -> Keyspace:
    """A key without a deadline, one with a deadline ahead, and one whose deadline is this very millisecond."""
    return keyspace_of(put(PLAIN, b"old"), put(TIMED, b"soon", NOW + 1000), put(DUE, b"gone", NOW))


def refuse(keyspace: Keyspace, command: Write[object], limits: Limits = LIMITS) -> CommandError:
    """Expect a refusal that leaves no trace, also beside what the batch has decided before it."""
    overlay = Overlay(keyspace, NOW)
    overlay.set(b"earlier", Kind.TEXT, b"in the batch", None)
    before = traces(overlay)
    with pytest.raises(CommandError) as caught:
        decide(command, overlay, limits)
    assert traces(overlay) == before
    return caught.value


def traces(overlay: Overlay) -> list[object]:
    keys = [PLAIN, TIMED, DUE, b"missing", b"earlier"]
    return [list(overlay.events), overlay.size_bytes, overlay.count(b""), [overlay.stored(key) for key in keys]]


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


# --- what is due is ended before it is replaced ----------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [structs.replace(SET, key=DUE, keep_ttl=True), SetMany((Pair(DUE, Kind.JSON, b"[1]"),))],
    ids=["Set", "SetMany"],
)
def test_a_due_entry_that_is_overwritten_expired_first(keyspace: Keyspace, command: Write[object]) -> None:
    _, events = carry_out(keyspace, command)
    assert events == [EntryExpired(DUE), EntrySet(DUE, Kind.JSON, b"[1]", None)]
    assert keyspace.get(DUE, NOW) == (Kind.JSON, b"[1]", None, 5)


@pytest.mark.parametrize(
    ("command", "result"),
    [
        (GetTouch(DUE, 5), None),
        (Expire(DUE, 5), False),
        (Expire(DUE, 0), False),
        (Persist(DUE), False),
        (Delete(DUE), False),
        (DeleteMany((DUE, DUE)), 0),
        (DeletePrefix(b"du"), 0),
    ],
)
def test_a_due_entry_is_absent_to_every_other_command(
    keyspace: Keyspace, command: Write[object], result: object
) -> None:
    assert carry_out(keyspace, command) == (result, [])


# --- deadlines -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "value", "version"), [(PLAIN, b"old", 1), (TIMED, b"soon", 2)])
def test_touch_reads_and_extends(keyspace: Keyspace, key: bytes, value: bytes, version: int) -> None:
    result, events = carry_out(keyspace, GetTouch(key, 7))
    assert result == Found(Kind.TEXT, value, NOW + 7, version)
    assert events == [DeadlineSet(key, NOW + 7)]
    assert keyspace.get(key, NOW) == (Kind.TEXT, value, NOW + 7, version)


def test_a_touch_that_moves_nothing_is_no_event(keyspace: Keyspace) -> None:
    assert carry_out(keyspace, GetTouch(TIMED, 1000)) == (Found(Kind.TEXT, b"soon", NOW + 1000, 2), [])


def test_touching_nothing(keyspace: Keyspace) -> None:
    assert carry_out(keyspace, GetTouch(b"missing", 7)) == (None, [])


@pytest.mark.parametrize("ttl_ms", [0, -1, MAX_TTL_MS + 1])
@pytest.mark.parametrize("key", [PLAIN, b"missing"])
def test_a_touch_that_cannot_be(keyspace: Keyspace, key: bytes, ttl_ms: int) -> None:
    assert isinstance(refuse(keyspace, GetTouch(key, ttl_ms)), InvalidTtlError)


@pytest.mark.parametrize(
    ("command", "result", "events"),
    [
        (Expire(PLAIN, 7), True, [DeadlineSet(PLAIN, NOW + 7)]),
        (Expire(PLAIN, MAX_TTL_MS), True, [DeadlineSet(PLAIN, NOW + MAX_TTL_MS)]),
        (Expire(TIMED, 7), True, [DeadlineSet(TIMED, NOW + 7)]),
        (Expire(TIMED, 1000), True, []),
        (Expire(PLAIN, 0), True, [EntryDeleted(PLAIN)]),
        (Expire(b"missing", 7), False, []),
        (Expire(b"missing", 0), False, []),
        (Persist(TIMED), True, [DeadlineSet(TIMED, None)]),
        (Persist(PLAIN), True, []),
        (Persist(b"missing"), False, []),
    ],
)
def test_expire_and_persist(keyspace: Keyspace, command: Write[bool], result: bool, events: list[Event]) -> None:
    assert carry_out(keyspace, command) == (result, events)


@pytest.mark.parametrize("key", [PLAIN, b"missing"])
@pytest.mark.parametrize("ttl_ms", [-1, MAX_TTL_MS + 1])
def test_an_expire_that_cannot_be(keyspace: Keyspace, key: bytes, ttl_ms: int) -> None:
    assert isinstance(refuse(keyspace, Expire(key, ttl_ms)), InvalidTtlError)


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


# --- several at once -------------------------------------------------------------------------------------


def test_set_many_stores_all(keyspace: Keyspace) -> None:
    pairs = (Pair(b"x", Kind.TEXT, b"1"), Pair(PLAIN, Kind.BYTES, b"2", ttl_ms=9))
    result, events = carry_out(keyspace, SetMany(pairs))
    assert result is None
    assert events == [EntrySet(b"x", Kind.TEXT, b"1", None), EntrySet(PLAIN, Kind.BYTES, b"2", NOW + 9)]


def test_of_two_pairs_with_one_key_the_later_wins(keyspace: Keyspace) -> None:
    carry_out(keyspace, SetMany((Pair(b"x", Kind.TEXT, b"1", ttl_ms=9), Pair(b"x", Kind.JSON, b"2"))))
    assert keyspace.get(b"x", NOW) == (Kind.JSON, b"2", None, 5)


def test_no_pairs_are_no_event(keyspace: Keyspace) -> None:
    assert carry_out(keyspace, SetMany(())) == (None, [])


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
        assert isinstance(refuse(keyspace, SetMany(pairs), Limits(value_max_bytes=4)), error)


def test_one_wrong_key_refuses_the_deletion_of_all(keyspace: Keyspace) -> None:
    assert isinstance(refuse(keyspace, DeleteMany((PLAIN, b""))), InvalidKeyError)


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


# --- limits ----------------------------------------------------------------------------------------------

NAMING_A_KEY: list[Write[object]] = [
    SET,
    SetMany((Pair(b"missing", Kind.TEXT, b""),)),
    GetTouch(b"missing", 1),
    Expire(b"missing", 1),
    Persist(b"missing"),
    Delete(b"missing"),
    DeleteMany((b"missing",)),
    DeletePrefix(b"missing"),
]


def naming(command: Write[object], key: bytes) -> Write[object]:
    """The command with another key."""
    match command:
        case SetMany(pairs):
            return SetMany((*pairs, structs.replace(pairs[0], key=key)))
        case DeleteMany(keys):
            return DeleteMany((*keys, key))
        case DeletePrefix():
            return DeletePrefix(key)
    return structs.replace(command, key=key)


@pytest.mark.parametrize("command", NAMING_A_KEY, ids=lambda command: type(command).__name__)
def test_every_command_checks_its_keys(keyspace: Keyspace, command: Write[object]) -> None:
    carry_out(keyspace, naming(command, b"k" * 65_536))
    too_long = refuse(keyspace, naming(command, b"k" * 65_537))
    assert isinstance(too_long, TooLargeError)
    assert (too_long.size, too_long.limit) == (65_537, 65_536)
    assert isinstance(refuse(keyspace, naming(command, b"\xc3")), InvalidKeyError)
    assert isinstance(refuse(keyspace, naming(command, b"")), InvalidKeyError | InvalidValueError)


@pytest.mark.parametrize("command", [SET, SetMany((Pair(b"missing", Kind.TEXT, b""),))], ids=["Set", "SetMany"])
def test_every_command_checks_its_values(keyspace: Keyspace, command: Write[object]) -> None:
    def holding(value: bytes) -> Write[object]:
        if isinstance(command, SetMany):
            return SetMany((structs.replace(command.pairs[0], value=value),))
        return structs.replace(command, value=value)

    carry_out(keyspace, holding(bytes(LIMITS.value_max_bytes)))
    too_long = refuse(keyspace, holding(bytes(LIMITS.value_max_bytes + 1)))
    assert isinstance(too_long, TooLargeError)
    assert too_long.what == "value"


def test_an_error_that_is_no_refusal_comes_out_as_it_is(keyspace: Keyspace) -> None:
    class Unknown(Write[None], frozen=True):
        pass

    with pytest.raises(KeyError):
        decide(Unknown(), Overlay(keyspace, NOW), LIMITS)


def test_the_keys_of_the_other_tests_are_keys() -> None:
    for key in KEYS:
        LIMITS.check_key(key)
