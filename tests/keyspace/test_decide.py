"""What holds for every write: its keys are checked, due entries are absent, limits are kept.

What each one does, is in ``deciders``; how commands of one batch see each other, in ``test_overlay.py``.
"""

import pytest
from msgspec import structs

from synap.commands import (
    Append,
    Delete,
    DeleteMany,
    DeletePrefix,
    Expire,
    GetDelete,
    GetTouch,
    Increment,
    Kind,
    Pair,
    Persist,
    Set,
    SetMany,
    SetRange,
    Write,
)
from synap.errors import InvalidKeyError, InvalidValueError, TooLargeError, VersionMismatchError
from synap.events import EntryExpired, EntrySet
from synap.keyspace import Keyspace, Overlay, decide

from .build import DUE, KEYS, LIMITS, NOW, PLAIN, carry_out, keyspace_of, refuse

NUMBER = b"number"
SET = Set(key=b"missing", kind=Kind.JSON, value=b"[1]")

# --- what is due is ended before it is replaced ----------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        structs.replace(SET, key=DUE, keep_ttl=True),
        SetMany((Pair(DUE, Kind.JSON, b"[1]"),)),
        SetMany((Pair(DUE, Kind.JSON, b"[1]"),), only_if_absent=True),
    ],
    ids=["set", "mset", "msetnx"],
)
def test_a_due_entry_that_is_overwritten_expired_first(keyspace: Keyspace, command: Write[object]) -> None:
    _, events = carry_out(keyspace, command)
    assert events == [EntryExpired(DUE), EntrySet(DUE, Kind.JSON, b"[1]", None)]
    assert keyspace.get(DUE, NOW) == (Kind.JSON, b"[1]", None, 5)


@pytest.mark.parametrize(
    ("command", "result"),
    [
        (GetTouch(DUE, 5), None),
        (GetDelete(DUE), None),
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


# --- limits ----------------------------------------------------------------------------------------------

NAMING_A_KEY: list[Write[object]] = [
    SET,
    SetMany((Pair(b"missing", Kind.TEXT, b""),)),
    Increment(b"missing", 1),
    Append(b"missing", b"a"),
    SetRange(b"missing", 0, b"a"),
    GetTouch(b"missing", 1),
    GetDelete(b"missing"),
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


OF_ONE_KEY = [
    structs.replace(SET, key=PLAIN),
    Append(PLAIN, b"a"),
    SetRange(PLAIN, 0, b"a"),
    Increment(NUMBER, 1),
    GetDelete(PLAIN),
    Delete(PLAIN),
    Expire(PLAIN, 1),
    Persist(PLAIN),
]


@pytest.mark.parametrize("command", OF_ONE_KEY, ids=lambda command: type(command).__name__)
def test_every_command_of_one_key_may_ask_for_a_version(keyspace: Keyspace, command: Write[object]) -> None:
    keyspace.apply(4, EntrySet(NUMBER, Kind.TEXT, b"7", None))
    version = 4 if command.key == NUMBER else 1  # type: ignore[attr-defined]  # each has a key
    for wrong in (0, 2):
        assert isinstance(refuse(keyspace, structs.replace(command, if_version=wrong)), VersionMismatchError)
        missing = structs.replace(command, if_version=wrong, key=b"missing")
        if wrong:
            assert isinstance(refuse(keyspace, missing), VersionMismatchError)
        else:
            carry_out(keyspace_of(), missing)
    carry_out(keyspace, structs.replace(command, if_version=version))


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
