"""If-Match and If-None-Match on every write: granted for one key, refused for many."""

import pytest

from tests.protocol.http.support import JSON, refusal, request, resolve

OF_ONE_KEY = [
    ("POST", "/kv/set", {"key": "a", "value": 1}),
    ("DELETE", "/kv/del/a", b""),
    ("POST", "/kv/expire/a", {"ttl": 1}),
    ("POST", "/kv/persist/a", b""),
    ("POST", "/kv/incr/a", b""),
    ("POST", "/kv/decr/a", b""),
    ("POST", "/kv/incrby/a", {"amount": 1}),
    ("POST", "/kv/decrby/a", {"amount": 1}),
    ("POST", "/kv/append/a", {"value": "b"}),
    ("POST", "/kv/setrange/a", {"offset": 0, "value": "b"}),
    ("POST", "/kv/getset/a", {"value": "b"}),
    ("POST", "/kv/getdel/a", b""),
    ("PUT", "/kv/value/a", {"b": 1}),
    ("DELETE", "/kv/value/a", b""),
    ("POST", "/key/a/rename", {"destination": "b"}),
    ("POST", "/key/a/renamenx", {"destination": "b"}),
    ("POST", "/key/a/copy", {"destination": "b"}),
]

OF_MANY_KEYS = [
    ("POST", "/kv/mset", {"pairs": []}),
    ("POST", "/kv/msetnx", {"pairs": []}),
    ("POST", "/kv/mdel", {"keys": []}),
    ("DELETE", "/kv/keys?prefix=a", b""),
]


@pytest.mark.parametrize(("method", "target", "body"), OF_ONE_KEY)
@pytest.mark.parametrize(
    ("headers", "version"), [((), None), (((b"if-match", b'"7"'),), 7), (((b"if-none-match", b"*"),), 0)]
)
def test_on_one_key(
    method: str, target: str, body: object, headers: tuple[tuple[bytes, bytes], ...], version: int | None
) -> None:
    call = resolve(request(method, target, body, JSON, *headers))
    assert getattr(call.wish, "if_version", "not asked for") == version


@pytest.mark.parametrize(("method", "target", "body"), OF_MANY_KEYS)
def test_on_many_keys(method: str, target: str, body: object) -> None:
    resolve(request(method, target, body))
    for condition in ((b"if-match", b'"7"'), (b"if-none-match", b"*")):
        assert refusal(request(method, target, body, JSON, condition)).status == 400
