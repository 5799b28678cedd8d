"""Requests as values: how keys and parameters are written, and what of them is shown."""

from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap_sdk._core.message import Request, Response


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("session:abc", "/kv/get/session%3Aabc"),
        ("a/b", "/kv/get/a%2Fb"),
        ("a+b c", "/kv/get/a%2Bb%20c"),
        ("100%", "/kv/get/100%25"),
        ("é", "/kv/get/%C3%A9"),
        ("?#", "/kv/get/%3F%23"),
        (".", "/kv/get/%2E"),
        ("..", "/kv/get/%2E%2E"),
        ("...", "/kv/get/..."),
        ("{key}", "/kv/get/%7Bkey%7D"),
        ("", "/kv/get/"),
    ],
)
def test_a_key_in_a_path(key: str, path: str) -> None:
    assert Request("GET", "/kv/get/{key}", key).path == path


@given(st.text(max_size=50))
def test_any_key_arrives_as_it_is(key: str) -> None:
    """Through httpx, which likes to tidy up paths."""
    sent = httpx.URL("http://synap.test" + Request("GET", "/kv/get/{key}", key).path).raw_path.decode()
    assert unquote(sent.removeprefix("/kv/get/")) == key


def test_a_target() -> None:
    request = Request("GET", "/kv/scan", query=(("prefix", "a&b=c"), ("limit", "10")))
    assert request.target == "/kv/scan?prefix=a%26b%3Dc&limit=10"


def test_nothing_secret_is_shown() -> None:
    request = Request("POST", "/kv/expire/{key}", "session:secret", body=b"secret")
    assert "secret" not in repr(request) + str(request.line) + repr(Response(200, {}, b"secret"))


def test_a_media_type() -> None:
    assert Response(200, {"content-type": "Application/JSON; charset=utf-8"}, b"").media_type == "application/json"
    assert Response(200, {}, b"").media_type == ""
