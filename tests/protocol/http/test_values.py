import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.commands import Kind
from synap.protocol.http.values import from_json, to_json
from synap.results import Found

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def read_back(text: bytes) -> bytes:
    kind, value = from_json(msgspec.Raw(text))
    return bytes(to_json(Found(kind, value, None, 1)))


@pytest.mark.parametrize(
    ("text", "kind", "stored"),
    [
        (b'""', Kind.TEXT, b""),
        (b'"a"', Kind.TEXT, b"a"),
        (b'"{\\"a\\":1}"', Kind.TEXT, b'{"a":1}'),
        (b'"\\u0000\\ud83d\\ude00"', Kind.TEXT, "\0😀".encode()),
        ('"\u00fc \u2028 😀 \x7f"'.encode(), Kind.TEXT, "\u00fc \u2028 😀 \x7f".encode()),
        (b'"\\\\"', Kind.TEXT, b"\\"),
        (b"null", Kind.JSON, b"null"),
        (b"true", Kind.JSON, b"true"),
        (b"1.10", Kind.JSON, b"1.10"),
        (b"-0", Kind.JSON, b"-0"),
        (b"1e999", Kind.JSON, b"1e999"),
        (b"123456789012345678901234567890", Kind.JSON, b"123456789012345678901234567890"),
        (b'{"a": 1, "a":[ ]}', Kind.JSON, b'{"a": 1, "a":[ ]}'),
    ],
)
def test_what_is_stored(text: bytes, kind: Kind, stored: bytes) -> None:
    assert from_json(msgspec.Raw(text)) == (kind, stored)


@pytest.mark.parametrize("text", [b"null", b"1.10", b"1e999", b'{"b":1, "a": 2, "a":3}', b'"a\\nb"', b'""'])
def test_what_is_read_is_what_was_set(text: bytes) -> None:
    assert read_back(text) == text


@given(any_json, st.booleans())
def test_any_json_comes_back(value: object, ensure_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ensure_ascii)
    assert json.loads(read_back(text.encode())) == value
    if not isinstance(value, str):
        assert read_back(text.encode()).decode() == text


def test_text_that_is_json_stays_text() -> None:
    assert read_back(b'"{\\"user_id\\":123}"') == b'"{\\"user_id\\":123}"'


def test_octets_inside_json() -> None:
    assert bytes(to_json(Found(Kind.BYTES, b"\xff\0", None, 1))) == b'{"base64":"/wA="}'


def test_nothing_is_null() -> None:
    assert bytes(to_json(None)) == b"null"
