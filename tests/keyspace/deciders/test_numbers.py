"""Counting: what is a number, what it stays, and where it ends."""

import pytest

from synap.commands import Increment, Kind
from synap.errors import InvalidValueError, TooLargeError
from synap.events import EntryExpired, EntrySet
from synap.keyspace import Keyspace, Limits
from synap.keyspace.deciders.numbers import HIGHEST, LOWEST
from tests.keyspace.build import DUE, NOW, carry_out, keyspace_of, refuse


def holding(value: bytes, kind: Kind = Kind.TEXT, deadline_ms: int | None = None) -> Keyspace:
    return keyspace_of(EntrySet(b"n", kind, value, deadline_ms))


@pytest.mark.parametrize("amount", [1, -1, 0, 10, HIGHEST, LOWEST])
def test_a_missing_key_counts_as_0_and_becomes_json(keyspace: Keyspace, amount: int) -> None:
    assert carry_out(keyspace, Increment(b"n", amount)) == (
        amount,
        [EntrySet(b"n", Kind.JSON, b"%d" % amount, None)],
    )


def test_a_due_key_counts_as_0(keyspace: Keyspace) -> None:
    assert carry_out(keyspace, Increment(DUE, 1)) == (1, [EntryExpired(DUE), EntrySet(DUE, Kind.JSON, b"1", None)])


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.JSON])
def test_a_number_keeps_its_kind_and_its_deadline(kind: Kind) -> None:
    keyspace = holding(b"41", kind, NOW + 5)
    assert carry_out(keyspace, Increment(b"n", 1)) == (42, [EntrySet(b"n", kind, b"42", NOW + 5)])


@pytest.mark.parametrize(
    ("before", "amount", "after"),
    [
        (HIGHEST - 1, 1, HIGHEST),
        (LOWEST + 1, -1, LOWEST),
        (LOWEST, HIGHEST, -1),
        (-1, 2**63, HIGHEST),
        (0, -5, -5),
        (-1, 1, 0),
        (9, 1, 10),
    ],
)
def test_sums(before: int, amount: int, after: int) -> None:
    keyspace = holding(b"%d" % before)
    assert carry_out(keyspace, Increment(b"n", amount))[0] == after
    assert carry_out(keyspace, Increment(b"n", 0))[0] == after, "what was written is a number"


@pytest.mark.parametrize(
    ("before", "amount"),
    [(HIGHEST, 1), (LOWEST, -1), (1, HIGHEST), (-1, LOWEST), (0, 2**63), (0, 10**40), (5, -(10**40))],
)
def test_a_result_of_over_64_bits(before: int, amount: int) -> None:
    keyspace = holding(b"%d" % before)
    assert isinstance(refuse(keyspace, Increment(b"n", amount)), InvalidValueError)


NO_NUMBERS = [b"", b" 1", b"1 ", b"+1", b"01", b"-0", b"-01", b"00", b"1.0", b"1e3", b"0x1", b"1_0", b"--1", b"-"]
NO_NUMBERS += [b"one", b"[1]", b"null", b"1\n", b"1\0", b"\xd9\xa1", b"9223372036854775808", b"-9223372036854775809"]
NO_NUMBERS += [b"9" * 1_000_000]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value[:20]))
@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.JSON])
def test_what_is_no_number(value: bytes, kind: Kind) -> None:
    refusal = refuse(holding(value, kind), Increment(b"n", 1))
    assert isinstance(refusal, InvalidValueError)
    assert str(refusal) == "the value of this key is no integer of 64 bits"


def test_octets_are_no_number() -> None:
    assert isinstance(refuse(holding(b"1", Kind.BYTES), Increment(b"n", 1)), InvalidValueError)


def test_a_number_has_the_limit_of_a_value() -> None:
    limits = Limits(value_max_bytes=1)
    assert isinstance(refuse(holding(b"9"), Increment(b"n", 1), limits), TooLargeError)
