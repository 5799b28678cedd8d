"""Events and entries as JSON: every field, and bytes that are no text."""

import json

import msgspec
import pytest
from msgspec import UNSET

from synap.commands import Kind
from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.replay.records import TYPES, EventType, entry_record, event_record, text_of, value_of

from .build import T0, T0_MS


def as_json(record: object) -> object:
    return json.loads(msgspec.json.encode(record))


def test_every_event_has_its_type() -> None:
    assert set(TYPES.values()) == set(EventType)
    events: list[Event] = [
        EntrySet(b"k", 0, b"v", None),
        EntryDeleted(b"k"),
        PrefixDeleted(b"k"),
        DeadlineSet(b"k", None),
        EntryExpired(b"k"),
        EntryEvicted(b"k"),
    ]
    assert [event_record(1, T0_MS, event).type for event in events] == list(EventType)


@pytest.mark.parametrize(
    "event", [EntrySet(b"\xff\n", 0, b"v", None), EntryDeleted(b"\xff\n"), DeadlineSet(b"\xff\n", 1)]
)
def test_a_key_that_is_no_text(event: Event) -> None:
    record = event_record(1, T0_MS, event)
    assert (record.key, record.key_base64, record.prefix) == ("\\xff\n", "/wo=", UNSET)
    assert (record.time, record.time_ms) == (T0, T0_MS)


def test_a_prefix_that_is_no_text() -> None:
    record = event_record(1, T0_MS, PrefixDeleted(b"\xff"))
    assert (record.prefix, record.prefix_base64, record.key) == ("\\xff", "/w==", UNSET)


def test_the_text_of_a_key() -> None:
    assert text_of("käse".encode()) == ("käse", UNSET)
    assert text_of(b"a\xff") == ("a\\xff", "Yf8=")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Kind.TEXT, b"v", {"value": "v"}),
        (Kind.TEXT, b"\xff", {"value_base64": "/w=="}),
        (Kind.JSON, b'{"a": [1]}', {"value": {"a": [1]}}),
        (Kind.JSON, b"null", {"value": None}),
        (Kind.JSON, b"{", {"value_base64": "ew=="}),
        (Kind.BYTES, b"v", {"value_base64": "dg=="}),
        (Kind.BYTES, b"", {"value_base64": ""}),
    ],
)
def test_values(kind: Kind, value: bytes, expected: dict[str, object]) -> None:
    shown = as_json(event_record(1, T0_MS, EntrySet(b"k", kind, value, None), values=True))
    assert isinstance(shown, dict)
    assert {name: shown[name] for name in shown if name.startswith("value")} == expected
    hidden = as_json(event_record(1, T0_MS, EntrySet(b"k", kind, value, None)))
    assert isinstance(hidden, dict)
    assert not [name for name in hidden if name.startswith("value")]


def test_a_json_value_stays_on_its_line() -> None:
    value, _ = value_of(Kind.JSON, b'{\n  "a": 1\n}')
    assert value == msgspec.Raw(b'{"a":1}')


def test_an_entry() -> None:
    assert as_json(entry_record(b"k", (0, b"vv", T0_MS, 7), T0_MS - 5)) == {
        "key": "k",
        "kind": "text",
        "size": 2,
        "ttl_ms": 5,
        "deadline": T0,
        "deadline_ms": T0_MS,
        "version": 7,
    }
    assert as_json(entry_record(b"k", (2, b"\0", None, 7), T0_MS, values=True)) == {
        "key": "k",
        "kind": "bytes",
        "size": 1,
        "ttl_ms": None,
        "deadline": None,
        "deadline_ms": None,
        "version": 7,
        "value_base64": "AA==",
    }
