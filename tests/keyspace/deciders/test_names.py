"""Rename and copy: what goes where, onto what, and what of it is refused."""

import pytest

from synap.commands import Copy, Kind, Rename
from synap.errors import (
    CommandError,
    InvalidKeyError,
    KeyExistsError,
    MissingKeyError,
    TooLargeError,
    VersionMismatchError,
)
from synap.events import EntryDeleted, EntryExpired, EntrySet, Event
from synap.keyspace import Keyspace, Limits
from tests.keyspace.build import DUE, NOW, PLAIN, TIMED, carry_out, keyspace_of, refuse

OLD, SOON = (Kind.TEXT, b"old", None), (Kind.TEXT, b"soon", NOW + 1000)


@pytest.mark.parametrize("only_if_absent", [False, True])
@pytest.mark.parametrize(
    ("source", "destination", "events"),
    [
        (PLAIN, b"new", [EntrySet(b"new", *OLD), EntryDeleted(PLAIN)]),
        (TIMED, b"new", [EntrySet(b"new", *SOON), EntryDeleted(TIMED)]),
        (PLAIN, DUE, [EntryExpired(DUE), EntrySet(DUE, *OLD), EntryDeleted(PLAIN)]),
    ],
)
def test_rename_to_where_nothing_is(
    keyspace: Keyspace, source: bytes, destination: bytes, events: list[Event], only_if_absent: bool
) -> None:
    assert carry_out(keyspace, Rename(source, destination, only_if_absent)) == (None, events)
    assert keyspace.get(source, NOW) is None


def test_rename_over_another_key(keyspace: Keyspace) -> None:
    assert carry_out(keyspace, Rename(TIMED, PLAIN)) == (None, [EntrySet(PLAIN, *SOON), EntryDeleted(TIMED)])
    assert keyspace.get(PLAIN, NOW) == (*SOON, 4)


def test_rename_onto_itself(keyspace: Keyspace) -> None:
    assert carry_out(keyspace, Rename(PLAIN, PLAIN)) == (None, [])
    assert isinstance(refuse(keyspace, Rename(PLAIN, PLAIN, only_if_absent=True)), KeyExistsError)


@pytest.mark.parametrize(
    ("source", "destination", "events"),
    [
        (PLAIN, b"new", [EntrySet(b"new", *OLD)]),
        (TIMED, b"new", [EntrySet(b"new", *SOON)]),
        (PLAIN, DUE, [EntryExpired(DUE), EntrySet(DUE, *OLD)]),
    ],
)
@pytest.mark.parametrize("replace", [False, True])
def test_copy_to_where_nothing_is(
    keyspace: Keyspace, source: bytes, destination: bytes, events: list[Event], replace: bool
) -> None:
    before = keyspace.get(source, NOW)
    assert carry_out(keyspace, Copy(source, destination, replace)) == (True, events)
    assert keyspace.get(source, NOW) == before


def test_copy_over_another_key(keyspace: Keyspace) -> None:
    assert carry_out(keyspace, Copy(TIMED, PLAIN)) == (False, [])
    assert carry_out(keyspace, Copy(TIMED, PLAIN, replace=True)) == (True, [EntrySet(PLAIN, *SOON)])


def test_copy_onto_itself(keyspace: Keyspace) -> None:
    assert carry_out(keyspace, Copy(PLAIN, PLAIN)) == (False, [])
    assert carry_out(keyspace, Copy(PLAIN, PLAIN, replace=True)) == (True, [])


@pytest.mark.parametrize("kind", Kind)
def test_the_kind_goes_along(kind: Kind) -> None:
    keyspace = keyspace_of(EntrySet(b"a", kind, b"1", None))
    assert carry_out(keyspace, Copy(b"a", b"b")) == (True, [EntrySet(b"b", kind, b"1", None)])
    carry_out(keyspace, Rename(b"b", b"c"))
    assert keyspace.get(b"c", NOW) == (kind, b"1", None, 3)


@pytest.mark.parametrize(
    ("source", "destination", "error", "field"),
    [
        (b"missing", b"new", MissingKeyError, "key"),
        (DUE, b"new", MissingKeyError, "key"),
        (b"missing", b"missing", MissingKeyError, "key"),
        (b"missing", PLAIN, MissingKeyError, "key"),
        (b"", b"new", InvalidKeyError, "key"),
        (PLAIN, b"", InvalidKeyError, "destination"),
        (PLAIN, b"\xff", InvalidKeyError, "destination"),
        (PLAIN, b"k" * 65_537, TooLargeError, "destination"),
    ],
)
def test_what_is_refused(
    keyspace: Keyspace, source: bytes, destination: bytes, error: type[CommandError], field: str
) -> None:
    for command in (Rename(source, destination), Copy(source, destination), Rename(source, destination, True)):
        refusal = refuse(keyspace, command)
        assert isinstance(refusal, error)
        assert refusal.field == field


def test_rename_only_where_nothing_is(keyspace: Keyspace) -> None:
    refusal = refuse(keyspace, Rename(PLAIN, TIMED, only_if_absent=True))
    assert isinstance(refusal, KeyExistsError)
    assert refusal.field == "destination"


def test_the_version_is_that_of_the_source(keyspace: Keyspace) -> None:
    for version in (0, 2):
        assert isinstance(refuse(keyspace, Rename(PLAIN, TIMED, if_version=version)), VersionMismatchError)
        assert isinstance(refuse(keyspace, Copy(PLAIN, TIMED, if_version=version)), VersionMismatchError)
        assert isinstance(refuse(keyspace, Rename(b"missing", TIMED, if_version=version)), MissingKeyError)
    assert carry_out(keyspace, Copy(PLAIN, b"new", if_version=1))[0]
    carry_out(keyspace, Rename(PLAIN, b"newer", if_version=1))


def test_a_copy_has_the_limit_of_a_value_and_a_renamed_one_may_be_larger(keyspace: Keyspace) -> None:
    limits = Limits(value_max_bytes=2)
    assert isinstance(refuse(keyspace, Copy(PLAIN, b"new"), limits), TooLargeError)
    carry_out(keyspace, Rename(PLAIN, b"new"))
