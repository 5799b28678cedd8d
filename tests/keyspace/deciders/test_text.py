"""Append and setrange: bytes that stay text, and what becomes of other kinds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.commands import Append, Kind, SetRange, Write
from synap.errors import InvalidValueError, TooLargeError
from synap.events import EntryExpired, EntrySet, Event
from synap.keyspace import Keyspace, Limits
from tests.keyspace.build import DUE, NOW, PLAIN, TIMED, carry_out, keyspace_of, refuse

UE = "ü".encode()


@pytest.mark.parametrize(
    ("command", "length", "events"),
    [
        (Append(PLAIN, b"er"), 5, [EntrySet(PLAIN, Kind.TEXT, b"older", None)]),
        (Append(TIMED, UE), 6, [EntrySet(TIMED, Kind.TEXT, b"soon" + UE, NOW + 1000)]),
        (Append(b"new", b"a"), 1, [EntrySet(b"new", Kind.TEXT, b"a", None)]),
        (Append(b"new", b""), 0, [EntrySet(b"new", Kind.TEXT, b"", None)]),
        (Append(DUE, b"a"), 1, [EntryExpired(DUE), EntrySet(DUE, Kind.TEXT, b"a", None)]),
        (Append(PLAIN, b""), 3, []),
        (SetRange(PLAIN, 0, b"g"), 3, [EntrySet(PLAIN, Kind.TEXT, b"gld", None)]),
        (SetRange(PLAIN, 1, b"n"), 3, [EntrySet(PLAIN, Kind.TEXT, b"ond", None)]),
        (SetRange(PLAIN, 2, b"k UE"), 6, [EntrySet(PLAIN, Kind.TEXT, b"olk UE", None)]),
        (SetRange(PLAIN, 3, b"er"), 5, [EntrySet(PLAIN, Kind.TEXT, b"older", None)]),
        (SetRange(PLAIN, 5, b"er"), 7, [EntrySet(PLAIN, Kind.TEXT, b"old\0\0er", None)]),
        (SetRange(TIMED, 0, b"m"), 4, [EntrySet(TIMED, Kind.TEXT, b"moon", NOW + 1000)]),
        (SetRange(b"new", 2, b"a"), 3, [EntrySet(b"new", Kind.TEXT, b"\0\0a", None)]),
        (SetRange(DUE, 1, b"a"), 2, [EntryExpired(DUE), EntrySet(DUE, Kind.TEXT, b"\0a", None)]),
        (SetRange(PLAIN, 1, b""), 3, []),
        (SetRange(PLAIN, 10**30, b""), 3, []),
        (SetRange(b"new", 7, b""), 0, []),
    ],
)
def test_what_is_written(keyspace: Keyspace, command: Write[int], length: int, events: list[Event]) -> None:
    assert carry_out(keyspace, command) == (length, events)


@pytest.mark.parametrize(
    ("before", "after"), [(Kind.TEXT, Kind.TEXT), (Kind.JSON, Kind.TEXT), (Kind.BYTES, Kind.BYTES)]
)
@pytest.mark.parametrize("command", [Append(b"a", b"]"), SetRange(b"a", 3, b"]")], ids=["Append", "SetRange"])
def test_the_kind_of_what_is_written(before: Kind, after: Kind, command: Write[int]) -> None:
    keyspace = keyspace_of(EntrySet(b"a", before, b"[1]", NOW + 1))
    assert carry_out(keyspace, command) == (4, [EntrySet(b"a", after, b"[1]]", NOW + 1)])


@pytest.mark.parametrize(
    "command",
    [
        SetRange(b"a", 0, b"x"),
        SetRange(b"a", 1, b"x"),
        SetRange(b"a", 1, UE),
        SetRange(b"a", 1, UE + b"x"),
        SetRange(b"new", 0, b"\xff"),
        Append(b"a", b"\xc3"),
        Append(b"new", b"\xff"),
    ],
)
def test_a_character_is_never_cut_in_two(command: Write[int]) -> None:
    keyspace = keyspace_of(EntrySet(b"a", Kind.TEXT, UE + UE, None))
    refusal = refuse(keyspace, command)
    assert isinstance(refusal, InvalidValueError)
    assert "would not be UTF-8" in str(refusal)


@pytest.mark.parametrize(
    ("command", "after"),
    [
        (SetRange(b"a", 0, b"xy"), b"xy" + UE),
        (SetRange(b"a", 2, b"xy"), UE + b"xy"),
        (SetRange(b"a", 0, "é".encode()), "éü".encode()),
        (SetRange(b"a", 1, b"\xa9\xc3\xa9"), "éé".encode()),
    ],
)
def test_whole_characters_may_be_replaced(command: Write[int], after: bytes) -> None:
    keyspace = keyspace_of(EntrySet(b"a", Kind.TEXT, UE + UE, None))
    assert carry_out(keyspace, command) == (4, [EntrySet(b"a", Kind.TEXT, after, None)])


def test_octets_may_be_cut_anywhere() -> None:
    keyspace = keyspace_of(EntrySet(b"a", Kind.BYTES, UE, None))
    _, events = carry_out(keyspace, SetRange(b"a", 1, b"x"))
    assert events == [EntrySet(b"a", Kind.BYTES, b"\xc3x", None)]


@pytest.mark.parametrize(
    "command",
    [Append(PLAIN, b"er"), SetRange(PLAIN, 3, b"er"), SetRange(b"new", 4, b"x"), SetRange(b"new", 10**30, b"x")],
)
def test_the_result_has_a_limit(keyspace: Keyspace, command: Write[int]) -> None:
    refusal = refuse(keyspace, command, Limits(value_max_bytes=4))
    assert isinstance(refusal, TooLargeError)
    assert (refusal.what, refusal.limit) == ("value", 4)


def test_an_offset_is_counted_from_the_start(keyspace: Keyspace) -> None:
    for value in (b"x", b""):
        refusal = refuse(keyspace, SetRange(PLAIN, -1, value))
        assert isinstance(refusal, InvalidValueError)
        assert refusal.field == "offset"


@given(st.text(max_size=5), st.integers(0, 12), st.text(max_size=3))
def test_setrange_writes_as_a_file_does(before: str, offset: int, written: str) -> None:
    keyspace = keyspace_of(EntrySet(b"a", Kind.BYTES, before.encode(), None))
    content = bytearray(before.encode())
    if written:
        content += bytes(max(0, offset - len(content)))
        content[offset : offset + len(written.encode())] = written.encode()
    length, _ = carry_out(keyspace, SetRange(b"a", offset, written.encode()))
    entry = keyspace.get(b"a", NOW)
    assert entry is not None
    assert (length, entry[1]) == (len(content), bytes(content))
