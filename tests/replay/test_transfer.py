"""Entries as JSON lines: what was written is read as it was, and nothing else is read at all."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.commands import Kind
from synap.errors import ImportFileError, NewerFormatError, NotOursError, ReplayError
from synap.keyspace import Keyspace, Limits
from synap.radix import Item, new_tree
from synap.replay.asof import Moment
from synap.replay.transfer import Import, export_lines, line_max_bytes, lines_of, read_export
from tests.wal.build import STORE_ID, T0_MS

MOMENT = Moment(100, T0_MS, T0_MS)
ITEMS: list[Item] = [
    (b"a", Kind.JSON, b'{"n": 1.10, "big": 123456789012345678901234567890}', T0_MS + 5, 7),
    (b"b", Kind.TEXT, "Grüße \x00\x1b".encode(), None, 8),
    ("c \U0001f600".encode(), Kind.BYTES, b"\x00\xff", 0, 100),
]


def keyspace_of(items: list[Item]) -> Keyspace:
    keyspace = Keyspace(new_tree())
    keyspace.load(100, items)
    return keyspace


def exported(items: list[Item] = ITEMS, prefix: bytes = b"") -> list[bytes]:
    return list(export_lines(STORE_ID, keyspace_of(items), MOMENT, prefix))


def imported(lines: list[bytes], limits: Limits | None = None) -> Import:
    limits = limits or Limits()
    return read_export(lines_of(io.BytesIO(b"".join(lines)), limits), "x.jsonl", limits)


def changed(lines: list[bytes], number: int, **fields: object) -> list[bytes]:
    """The lines, with fields of one of them (from 1) replaced, or taken away by an ellipsis."""
    line: dict[str, Any] = json.loads(lines[number - 1])
    target = line.get("total", line)
    for name, value in fields.items():
        if value is ...:
            target.pop(name, None)
        else:
            target[name] = value
    return [*lines[: number - 1], json.dumps(line).encode() + b"\n", *lines[number:]]


# --- the way there and back ------------------------------------------------------------------------------


GOLDEN = r"""
{"format":"synap-export","format_version":1,"store_id":"6f1b7a52-0c9e-4d5c-9a70-3c2f5b8f1d24","seq":100,\
"time":"2023-11-14T22:13:20.000Z","time_ms":1700000000000,"entries":3}
{"key":"a","kind":"json","value":"{\"n\": 1.10, \"big\": 123456789012345678901234567890}",\
"deadline":"2023-11-14T22:13:20.005Z","deadline_ms":1700000000005,"version":7}
{"key":"b","kind":"text","value":"Grüße \u0000\u001b","deadline":null,"deadline_ms":null,"version":8}
{"key":"c 😀","kind":"bytes","value":"AP8=","deadline":"1970-01-01T00:00:00.000Z","deadline_ms":0,"version":100}
{"total":{"entries":3,"digest":"DIGEST"}}
"""


def test_the_lines_never_change() -> None:
    expected = GOLDEN.lstrip().replace("\\\n", "").replace("DIGEST", keyspace_of(ITEMS).digest.to_bytes(16).hex())
    assert b"".join(exported()).decode() == expected


def test_what_was_written_is_read() -> None:
    read = imported(exported())
    assert read == Import(100, T0_MS, ITEMS, keyspace_of(ITEMS).digest)


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_ENTRIES = st.one_of(
    st.tuples(st.just(int(Kind.TEXT)), _TEXTS.map(str.encode)),
    st.tuples(st.just(int(Kind.BYTES)), st.binary()),
    st.tuples(st.just(int(Kind.JSON)), st.sampled_from([b"1.10", b"[]", b' {"a":\t"\\u0000"}', b"1e999", b"null"])),
)


@given(
    st.dictionaries(
        _TEXTS.filter(bool),
        st.tuples(_ENTRIES, st.none() | st.integers(0, 2**53), st.integers(1, 100)),
    ),
    st.randoms(),
)
def test_any_entries_come_back_in_any_order(entries: dict[str, Any], rng: Any) -> None:
    items: list[Item] = sorted(
        (key.encode(), kind, value, deadline_ms, version)
        for key, ((kind, value), deadline_ms, version) in entries.items()
    )
    head, *lines, tail = exported(items)
    rng.shuffle(lines)
    assert imported([head, *lines, tail]) == Import(100, T0_MS, items, keyspace_of(items).digest)


def test_some_keys_only() -> None:
    read = imported(exported(prefix=b"b"))
    assert (read.rows, read.seq, read.digest) == (ITEMS[1:2], 100, keyspace_of(ITEMS[1:2]).digest)
    assert json.loads(exported(prefix=b"b")[0])["prefix"] == "b"
    assert imported(exported(prefix=b"nobody")).rows == []


def test_what_other_programs_write_may_say_less() -> None:
    lines = [
        b'{"format_version": 1, "format": "synap-export"}\r\n',
        b"\n",
        b'{"version": 3, "value": "1", "kind": "text", "key": "z"}\n',
        b'{"version": 9, "value": "2", "kind": "text", "key": "y"}\n',
        b' { "total": {"entries": 2}}',
    ]
    read = imported(lines)
    assert (read.seq, read.time_ms) == (9, None)
    assert read.rows == [(b"y", 0, b"2", None, 9), (b"z", 0, b"1", None, 3)]
    assert imported([lines[0], b'{"total":{"entries":0}}']).seq == 0


@pytest.mark.parametrize("item", [(b"\xff", 0, b"", None, 1), (b"a", 0, b"\xff", None, 1), (b"a", 1, b"\xff", None, 1)])
def test_what_is_no_text_cannot_be_written(item: Item) -> None:
    with pytest.raises(ReplayError, match="is not UTF-8 and cannot be exported"):
        exported([item])


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "fields", "line", "reason"),
    [
        (1, {"seq": "x"}, 1, "Expected `int`"),
        (1, {"seqq": 1}, 1, "unknown field `seqq`"),
        (1, {"entries": 4}, 5, "there are 3 entries, and not 4 as the first line says"),
        (1, {"seq": 99}, 4, "version 100 is later than seq 99 in the first line"),
        (1, {"time_ms": -1}, 1, ">= 0"),
        (2, {"key": ...}, 2, "missing required field `key`"),
        (2, {"version": ...}, 2, "missing required field `version`"),
        (2, {"key": ""}, 2, "key must not be empty"),
        (2, {"key": "b"}, 3, "the key b stands in line 2 already"),
        (2, {"key": "k" * 70_000}, 2, "key is too large: 70,000 bytes, the limit is 65,536"),
        (2, {"kind": "jsonb"}, 2, "there is no kind jsonb; there is text, json, bytes"),
        (2, {"value": "{"}, 2, "the value is no JSON"),
        (2, {"value": ""}, 2, "the value is no JSON"),
        (2, {"value": 1}, 2, "Expected `str`"),
        (2, {"value": "[" * 100_000}, 2, "the value is no JSON"),
        (4, {"value": "AP8"}, 4, "Incorrect padding"),
        (4, {"value": "A\nP8="}, 4, "Only base64 data is allowed"),
        (4, {"value": "ÄÄÄÄ"}, 4, "ASCII"),
        (2, {"version": 0}, 2, ">= 1"),
        (2, {"version": 2**63}, 2, "2"),
        (2, {"deadline_ms": -1}, 2, ">= 0"),
        (2, {"deadline_ms": 2**53 + 1}, 2, "<="),
        (2, {"deadline_ms": 1.5}, 2, "Expected `int"),
        (2, {"ttl": 1}, 2, "unknown field `ttl`"),
        (2, {"value": "1"}, 5, "another digest"),
        (2, {"version": 6}, 5, "another digest"),
        (2, {"deadline_ms": None}, 5, "another digest"),
        (5, {"entries": 2}, 5, "there are 3 entries, and not 2 as this line says"),
        (5, {"digest": "00"}, 5, "another digest"),
        (5, {"entries": ...}, 5, "missing required field `entries`"),
        (5, {"more": 1}, 5, "unknown field `more`"),
    ],
)
def test_each_mistake_is_named_with_its_line(number: int, fields: dict[str, object], line: int, reason: str) -> None:
    with pytest.raises(ImportFileError) as caught:
        imported(changed(exported(), number, **fields))
    assert (caught.value.line, caught.value.exit_code) == (line, 65)
    assert reason in caught.value.reason
    assert str(caught.value) == f"x.jsonl, line {line}: {caught.value.reason}"


MISTAKES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int, str]] = {
    "no last line": (lambda lines: lines[:-1], 4, "it was cut off"),
    "only the first line": (lambda lines: lines[:1], 1, "it was cut off"),
    "cut within a line": (lambda lines: [*lines[:2], lines[2][:20]], 3, "truncated"),
    "cut within the last line": (lambda lines: [*lines[:-1], lines[-1][:20]], 5, "truncated"),
    "a line is missing": (lambda lines: [lines[0], *lines[2:]], 4, "there are 2 entries, and not 3"),
    "a line is there twice": (lambda lines: [*lines[:2], *lines[1:]], 3, "stands in line 2 already"),
    "something behind the last line": (lambda lines: [*lines, lines[1]], 6, "something behind the last line"),
    "not UTF-8": (lambda lines: [lines[0], b'{"key":"\xff"}\n', *lines[2:]], 2, "invalid"),
    "a lone surrogate": (
        lambda lines: [lines[0], lines[1].replace(b'"a"', b'"\\ud800"'), *lines[2:]],
        2,
        "",
    ),
    "not JSON": (lambda lines: [lines[0], b"user:1 = x\n", *lines[2:]], 2, "malformed"),
    "an array": (lambda lines: [lines[0], b"[]\n", *lines[2:]], 2, "Expected `object`, got `array`"),
    "zeros": (lambda lines: [lines[0], bytes(100) + b"\n", *lines[2:]], 2, "malformed"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_is_no_such_line_is_named(case: str) -> None:
    spoil, line, reason = MISTAKES[case]
    with pytest.raises(ImportFileError) as caught:
        imported(spoil(exported()))
    assert caught.value.line == line
    assert reason in caught.value.reason


def test_every_cut_off_file_is_noticed() -> None:
    whole = b"".join(exported())
    for length in range(len(whole) - 1):
        with pytest.raises((ImportFileError, NotOursError)):
            imported([whole[:length]])
    assert imported([whole[:-1]]).digest == keyspace_of(ITEMS).digest


@pytest.mark.parametrize("content", [b"", b"\n\n", b"hello\n", b"[]\n", b'{"format":"pg_dump"}\n', b"\xff\xfe", b"{}"])
def test_what_is_no_export_is_not_ours(content: bytes) -> None:
    with pytest.raises(NotOursError, match=r"x\.jsonl is no export of Synap") as caught:
        imported([content])
    assert caught.value.exit_code == 66


def test_a_newer_format_is_newer_whatever_else_it_says() -> None:
    with pytest.raises(NewerFormatError, match="has format 2; this version of Synap reads 1") as caught:
        imported([b'{"format":"synap-export","format_version":2,"zone":"eu"}\n', b"!"])
    assert caught.value.exit_code == 76


def test_limits_are_those_of_the_keyspace() -> None:
    value = b"v" * 1000
    lines = exported([(b"a", 0, value, None, 1)])
    assert imported(lines, Limits(value_max_bytes=1000)).rows[0][2] == value
    with pytest.raises(ImportFileError, match="line 2: value is too large: 1,000 bytes, the limit is 999"):
        imported(lines, Limits(value_max_bytes=999))


def test_no_line_is_read_that_is_longer_than_any_can_be() -> None:
    limits = Limits(key_max_bytes=10, value_max_bytes=10)
    lines = exported([(b"a", 0, b"1", None, 1)])
    lines[1:1] = [b"x" * (3 * line_max_bytes(limits))]
    pieces = list(lines_of(io.BytesIO(b"".join(lines)), limits))
    assert max(map(len, pieces)) == line_max_bytes(limits) + 1
    with pytest.raises(ImportFileError, match="line 2: it is longer than any entry can be"):
        imported(lines, limits)
    escaped = exported([(b"\x01" * 10, 0, b"\x01" * 10, None, 1)])
    assert imported(escaped, limits).rows[0][0] == b"\x01" * 10
