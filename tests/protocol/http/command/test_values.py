"""Values as published clients read them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.commands import Kind
from synap.errors import InvalidValueError
from synap.protocol.http.command.values import to_text, to_text_or_base64
from synap.protocol.http.values import to_json
from synap.results import Found


def found(kind: Kind, value: bytes) -> Found:
    return Found(kind, value, None, 1)


@given(st.text())
def test_text_and_json_are_what_they_were(text: str) -> None:
    for value in (found(Kind.TEXT, text.encode()), found(Kind.JSON, json.dumps(text).encode())):
        assert to_text(value) == to_text_or_base64(value) == value.value.decode()


@given(st.binary())
def test_octets(octets: bytes) -> None:
    value = found(Kind.BYTES, octets)
    try:
        expected: object = octets.decode()
    except UnicodeDecodeError:
        expected = json.loads(bytes(to_json(value)))
        with pytest.raises(InvalidValueError):
            to_text(value)
    else:
        assert to_text(value) == expected
    assert to_text_or_base64(value) == expected


def test_nothing() -> None:
    assert to_text(None) is None
    assert to_text_or_base64(None) is None
