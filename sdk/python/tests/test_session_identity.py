"""Ids, and the keys that they are stored under."""

import hashlib
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap_sdk import InvalidArgument
from synap_sdk.sessions import key_of, owner_prefix
from synap_sdk.sessions._core.identity import TOKEN_BYTES, is_id, make_id, tag_in, tag_of
from synap_sdk.sessions.stores import draw

TOKEN = "Zr8-_" + "a" * 38
TAG = "0123456789abcdef" * 2


def test_what_is_drawn() -> None:
    assert TOKEN_BYTES * 8 == 256
    drawn = {draw() for _ in range(100)}
    assert len(drawn) == 100
    assert all(is_id(each) and is_id(make_id(each, TAG)) for each in drawn)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        TOKEN[:-1],
        TOKEN + "a",
        TOKEN + "\n",
        " " + TOKEN[1:],
        "é" + TOKEN[1:],
        "٣" + TOKEN[1:],
        "." + TOKEN,
        TAG + TOKEN,
        TAG.upper() + "." + TOKEN,
        TAG[1:] + "." + TOKEN,
        TAG + "." + TAG + "." + TOKEN,
        "../" + TOKEN[3:],
    ],
)
def test_what_has_not_the_form_of_an_id(text: str | None) -> None:
    assert not is_id(text)
    if text is not None:
        assert tag_in(text) is None
        with pytest.raises(InvalidArgument):
            key_of(text)


def test_the_key_holds_the_hash() -> None:
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    assert key_of(TOKEN) == f"session:{digest}"
    assert key_of(TOKEN, "web:") == f"web:{digest}"
    owned = make_id(TOKEN, tag_of("ada"))
    assert key_of(owned) == owner_prefix("ada") + hashlib.sha256(owned.encode()).hexdigest()
    assert tag_in(owned) == tag_of("ada")
    assert "ada" not in owned


@given(st.text(), st.text())
def test_no_prefix_of_an_owner_begins_with_anothers(one: str, other: str) -> None:
    assert (owner_prefix(one) == owner_prefix(other)) == (one == other)
    assert len(owner_prefix(one)) == len(owner_prefix(other))
    assert not key_of(secrets.token_urlsafe(TOKEN_BYTES)).startswith(owner_prefix(one))


def test_half_of_a_surrogate_pair_is_an_owner_too() -> None:
    assert tag_of("\ud800") != tag_of("\udc00")
