"""Text: nothing of a key or value reaches a terminal but what can be seen; times and sizes as people read them."""

import json
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.commands import Kind
from synap.replay.text import bytes_text, compact_json, duration, iso, printable, safe_json, size, value_text

HOSTILE = [
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "a\rb",
    "\x9b2J",
    "\x7f",
    "\u202edesrever",
    "\u2028",
    "\udcff",
    "a\nb",
    "\0",
]


def is_harmless(text: str) -> bool:
    return not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for char in text)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_could_do_something_is_escaped(text: str) -> None:
    assert not is_harmless(text)
    assert is_harmless(printable(text))


@pytest.mark.parametrize("text", ["", "session:1", "käse 漢字 🧀", "a\\b", "[red]not markup[/red]"])
def test_what_can_only_be_seen_stays(text: str) -> None:
    assert printable(text) == text


def test_escapes_are_those_of_python() -> None:
    assert bytes_text(b"\x1b[31m\xff\n") == "\\x1b[31m\\xff\\n"
    assert printable("\u202e\U000e0001") == "\\u202e\\U000e0001"


@given(st.binary(max_size=50), st.sampled_from(Kind))
def test_no_value_does_anything(value: bytes, kind: Kind) -> None:
    assert is_harmless(bytes_text(value))
    assert is_harmless(value_text(kind, value))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_json_value_does_anything(value: object) -> None:
    text = value_text(Kind.JSON, json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass"))
    assert is_harmless(text)


@given(st.recursive(st.none() | st.integers() | st.text(st.characters(codec="utf-8")), st.lists))
def test_what_is_escaped_in_json_is_still_json(value: object) -> None:
    text = value_text(Kind.JSON, json.dumps(value, ensure_ascii=False).encode())
    assert json.loads(text) == value


def test_json_keeps_its_numbers_digit_for_digit() -> None:
    assert compact_json(b'{"a" : 1.10,\n"b": [123456789012345678901234567890, 1e400]}') == (
        b'{"a":1.10,"b":[123456789012345678901234567890,1e400]}'
    )


@pytest.mark.parametrize("value", [b"", b"{", b"1 2", b'"\xff"', b"[" * 100_000, b"\x1b", b"nul"])
def test_what_is_no_json_is_shown_as_bytes(value: bytes) -> None:
    assert compact_json(value) is None
    assert value_text(Kind.JSON, value) == bytes_text(value)


@given(st.text(st.characters(codec="utf-8")))
def test_a_json_line_means_the_same_and_does_nothing(text: str) -> None:
    line = safe_json(msgspec.json.encode({"key": text}))
    assert is_harmless(line.decode())
    assert json.loads(line) == {"key": text}


def test_json_lines_stay_lines() -> None:
    assert safe_json('{"a":"\x9b"}\n{"b":1}\n'.encode()) == b'{"a":"\\u009b"}\n{"b":1}\n'


def test_times() -> None:
    assert iso(1_764_000_000_123) == "2025-11-24T16:00:00.123Z"
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(2**64 - 1) == "@18446744073709551.615"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0ms"),
        (999, "999ms"),
        (1500, "1.5s"),
        (59_999, "59s"),
        (60_000, "1m"),
        (90_000, "1m30s"),
        (3_600_000, "1h"),
        (5_400_000, "1h30m"),
        (90_000_000, "1d1h"),
        (-1500, "-1.5s"),
    ],
)
def test_durations(ms: int, text: str) -> None:
    assert duration(ms) == text


def test_sizes() -> None:
    assert [size(count) for count in (0, 1023, 1024, 1_572_864, 5 << 30, 3 << 40)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 MiB",
        "5.0 GiB",
        "3.0 TiB",
    ]
