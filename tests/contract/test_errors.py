"""What is refused, with a body that names what was wrong and says what was expected."""

import gzip
import json

import pytest

from tests.contract.client import JSON, Client, refusal

TEN_YEARS_S = 10 * 365 * 24 * 60 * 60

SHAPES: list[tuple[str, object, str, str]] = [
    ("set", {"value": 1}, "key", "missing"),
    ("set", {"key": "a"}, "value", "missing"),
    ("set", {"key": 1, "value": 1}, "key", "expected a string, got an integer"),
    ("set", {"key": None, "value": 1}, "key", "expected a string, got null"),
    ("set", [], "body", "expected an object, got an array"),
    ("set", "a", "body", "expected an object, got a string"),
    ("set", {"key": "a", "value": 1, "nx": 1}, "nx", "expected a boolean, got an integer"),
    ("set", {"key": "a", "value": 1, "xx": "true"}, "xx", "expected a boolean, got a string"),
    ("set", {"key": "a", "value": 1, "keepttl": None}, "keepttl", "expected a boolean, got null"),
    ("set", {"key": "a", "value": 1, "get": 0}, "get", "expected a boolean"),
    ("set", {"key": "a", "value": 1, "if_version": "1"}, "if_version", "expected an integer, got a string"),
    ("set", {"key": "a", "value": 1, "if_version": -1}, "if_version", "non-negative"),
    ("set", {"key": "a", "value": 1, "ttl": "60"}, "ttl", "expected a non-negative number, got a string"),
    ("set", {"key": "a", "value": 1, "ttl": -1}, "ttl", "expected a non-negative number, got a negative one"),
    ("set", {"key": "a", "value": 1, "ttl": None}, "ttl", "got null"),
    ("set", {"key": "a", "value": 1, "ttl": True}, "ttl", "got a boolean"),
    ("set", {"key": "a", "value": 1, "ttl": [60]}, "ttl", "got an array"),
    ("set", {"key": "a", "value": 1, "expiry": 60}, "expiry", "expected an object"),
    ("set", {"key": "a", "value": 1, "expiry": {"value": 60}}, "expiry.type", "missing"),
    ("set", {"key": "a", "value": 1, "expiry": {"type": "seconds"}}, "expiry.value", "missing"),
    ("set", {"key": "a", "value": 1, "expiry": {"type": "hours", "value": 1}}, "expiry.type", "one of seconds"),
    ("set", {"key": "a", "value": 1, "expiry": {"type": "seconds", "value": "1"}}, "expiry.value", "got a string"),
    ("expire/a", {}, "ttl", "missing"),
    ("expire/a", {"ttl": -0.5}, "ttl", "negative"),
    ("expire/a", {"ttl": "1"}, "ttl", "got a string"),
    ("incrby/a", {}, "amount", "missing"),
    ("incrby/a", {"amount": "5"}, "amount", "expected an integer, got a string"),
    ("decrby/a", {"amount": 1.5}, "amount", "expected an integer, got a number"),
    ("decrby/a", {"amount": None}, "amount", "expected an integer, got null"),
    ("append/a", {}, "value", "missing"),
    ("append/a", {"value": 1}, "value", "expected a string, got an integer"),
    ("append/a", {"value": None}, "value", "expected a string, got null"),
    ("a/append", {"value": {"a": 1}}, "value", "expected a string, got an object"),
    ("setrange/a", {"value": "b"}, "offset", "missing"),
    ("setrange/a", {"offset": 0}, "value", "missing"),
    ("a/setrange", {"offset": -1, "value": "b"}, "offset", "expected a non-negative integer, got a negative one"),
    ("setrange/a", {"offset": "0", "value": "b"}, "offset", "expected an integer, got a string"),
    ("setrange/a", {"offset": 0, "value": 1}, "value", "expected a string, got an integer"),
    ("getset/a", {}, "value", "missing"),
    ("/key/a/rename", {}, "destination", "missing"),
    ("/key/a/renamenx", {"destination": 1}, "destination", "expected a string, got an integer"),
    ("/key/a/copy", {"destination": None}, "destination", "expected a string, got null"),
    ("/key/a/copy", {"destination": "b", "replace": 1}, "replace", "expected a boolean, got an integer"),
    ("mset", {}, "pairs", "missing"),
    ("msetnx", {}, "pairs", "missing"),
    ("msetnx", {"pairs": [["a", 1], {"key": "b", "value": 1, "ttl": "1"}]}, "pairs[1].ttl", "got a string"),
    ("mset", {"pairs": {"a": 1}}, "pairs", "expected an array, got an object"),
    ("mset", {"pairs": [{"key": "a"}]}, "pairs[0].value", "missing"),
    ("mset", {"pairs": [["a", 1, 2]]}, "pairs[0]", "length 2"),
    ("mset", {"pairs": [["a", 1], {"key": "b", "value": 1, "ttl": -1}]}, "pairs[1].ttl", "negative"),
    ("mget", {}, "keys", "missing"),
    ("mget", {"keys": "a"}, "keys", "expected an array, got a string"),
    ("mget", {"keys": ["a", 1]}, "keys[1]", "expected a string, got an integer"),
    ("mdel", {"keys": [None]}, "keys[0]", "expected a string, got null"),
]


@pytest.mark.parametrize(("route", "body", "field", "said"), SHAPES)
async def test_json_of_the_wrong_shape(client: Client, route: str, body: object, field: str, said: str) -> None:
    refused = await client.post(route if route.startswith("/") else f"/kv/{route}", body)
    assert refused.status == 422, refused
    # Of elements of an array, the parser does not say which.
    shown = str(refused.field("field")).replace("[...]", field[field.find("[") : field.find("]") + 1])
    assert (shown, refusal(refused)[1]) == (field, "wrong_shape")
    assert said in str(refused.field("error"))
    assert refused.field("expected")
    assert (await client.get("/kv/stats")).field("seq") == 0


@pytest.mark.parametrize(
    ("route", "body", "kind", "field"),
    [
        ("set", {"key": "a", "value": 1, "ttl": 0}, "invalid_ttl", "ttl"),
        ("set", {"key": "a", "value": 1, "ttl": 0.0}, "invalid_ttl", "ttl"),
        ("set", {"key": "a", "value": 1, "ttl": 0.0004}, "invalid_ttl", "ttl"),
        ("set", {"key": "a", "value": 1, "ttl": TEN_YEARS_S + 1}, "invalid_ttl", "ttl"),
        ("set", {"key": "a", "value": 1, "ttl": 10**40}, "invalid_ttl", "ttl"),
        ("set", b'{"key":"a","value":1,"ttl":1e999999999}', "invalid_ttl", "ttl"),
        ("set", {"key": "a", "value": 1, "expiry": {"type": "seconds", "value": 0}}, "invalid_ttl", "expiry.value"),
        ("set", {"key": "a", "value": 1, "expiry": {"type": "unix_seconds", "value": 1}}, "invalid_ttl", "ttl"),
        ("set", {"key": "a", "value": 1, "expiry": {"type": "unix_seconds", "value": 10**11}}, "invalid_ttl", "ttl"),
        ("set", {"key": "a", "value": 1, "keepttl": True, "ttl": 1}, "invalid_parameter", "keepttl"),
        ("set", {"key": "a", "value": 1, "nx": True, "xx": True}, "invalid_parameter", "nx"),
        ("mset", {"pairs": [["b", 1], {"key": "a", "value": 1, "ttl": 0}]}, "invalid_ttl", "pairs[1].ttl"),
        ("msetnx", {"pairs": [["b", 1], {"key": "a", "value": 1, "ttl": 0}]}, "invalid_ttl", "pairs[1].ttl"),
        ("expire/a", {"ttl": TEN_YEARS_S + 1}, "invalid_ttl", "ttl"),
        ("incrby/a", {"amount": 2**63}, "invalid_value", None),
        ("decrby/a", {"amount": 2**63 + 1}, "invalid_value", None),
        ("incrby/a", {"amount": 10**40}, "invalid_value", None),
    ],
)
async def test_values_that_cannot_be(client: Client, route: str, body: object, kind: str, field: str | None) -> None:
    assert refusal(await client.post(f"/kv/{route}", body)) == (400, kind, field)
    assert (await client.get("/kv/stats")).field("seq") == 0


async def test_the_longest_ttl(client: Client) -> None:
    await client.set("a", 1, ttl=TEN_YEARS_S)
    await client.set("a", 1, ttl=0.001)


@pytest.mark.parametrize(
    ("target", "kind", "field"),
    [
        ("/kv/get/a?touch=0", "invalid_ttl", "touch"),
        ("/kv/get/a?touch=-1", "invalid_parameter", "touch"),
        ("/kv/get/a?touch=", "invalid_parameter", "touch"),
        ("/kv/get/a?touch=soon", "invalid_parameter", "touch"),
        ("/kv/get/a?touch=NaN", "invalid_parameter", "touch"),
        (f"/kv/get/a?touch={TEN_YEARS_S + 1}", "invalid_ttl", "ttl"),
        ("/kv/get/a?touch=1&touch=2", "invalid_parameter", "touch"),
        ("/kv/getrange/a?start=x", "invalid_parameter", "start"),
        ("/kv/a/getrange?end=", "invalid_parameter", "end"),
        ("/kv/getrange/a?start=1.5", "invalid_parameter", "start"),
        ("/kv/getrange/a?end=9007199254740992", "invalid_parameter", "end"),
        ("/kv/getrange/a?start=1&start=2", "invalid_parameter", "start"),
        ("/kv/keys?limit=0", "invalid_parameter", "limit"),
        ("/kv/keys?limit=10001", "invalid_parameter", "limit"),
        ("/kv/keys?limit=ten", "invalid_parameter", "limit"),
        ("/kv/keys?limit=%D9%A1", "invalid_parameter", "limit"),
        ("/kv/scan?limit=-1", "invalid_parameter", "limit"),
        ("/kv/scan?cursor=nonsense!", "malformed_request", "cursor"),
        ("/kv/scan?cursor=YQ==", "malformed_request", "cursor"),
        ("/kv/count?prefix=%FF", "malformed_request", "prefix"),
        ("/kv/count?prefix=%F", "malformed_request", "prefix"),
    ],
)
async def test_parameters_that_cannot_be(client: Client, target: str, kind: str, field: str) -> None:
    assert refusal(await client.get(target)) == (400, kind, field)


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({}, "content-type"),
        ({"content-type": "text/plain"}, "content-type"),
        ({"content-type": "application/x-www-form-urlencoded"}, "content-type"),
        ({"content-type": "multipart/form-data; boundary=application/json"}, "content-type"),
        ({"content-type": "application/json+ld"}, "content-type"),
        ({**JSON, "content-encoding": "gzip"}, "content-encoding"),
        ({**JSON, "content-encoding": "br"}, "content-encoding"),
    ],
)
async def test_bodies_that_are_not_declared_as_json(client: Client, headers: dict[str, str], field: str) -> None:
    refused = await client.request("POST", "/kv/set", b'{"key":"a","value":1}', headers)
    assert refusal(refused) == (415, "unsupported_media_type", field)
    assert (await client.get("/kv/exists/a")).json == {"exists": False}


async def test_a_bomb_is_not_unpacked(client: Client) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    refused = await client.request("POST", "/kv/set", bomb, {**JSON, "content-encoding": "gzip"})
    assert refusal(refused) == (415, "unsupported_media_type", "content-encoding")


async def test_a_body_over_its_limit(client: Client) -> None:
    limit = 10 * 1024 * 1024
    fits = b'{"key":"a","value":1}'.ljust(limit)
    assert (await client.post("/kv/set", fits)).status == 200
    refused = await client.post("/kv/set", fits + b" ")
    assert refusal(refused) == (413, "too_large", "body")
    assert refused.field("limit") == limit


@pytest.mark.parametrize(
    "target",
    ["/", "/kv", "/kv/", "/kv/get", "/kv/set/", "/kv/nothing", "/KV/set", "/kv/get/a/b/c", "/health/", "*", "//"],
)
async def test_where_nothing_is(client: Client, target: str) -> None:
    assert refusal(await client.get(target))[:2] == (404, "unknown_route")


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("GET", "/kv/set", "POST"),
        ("PUT", "/kv/get/a", "GET, HEAD"),
        ("POST", "/kv/del/a", "DELETE"),
        ("POST", "/kv/keys", "DELETE, GET, HEAD"),
        ("OPTIONS", "/kv/set", "POST"),
        ("HEAD", "/kv/mset", "POST"),
        ("BREW", "/health", "GET, HEAD"),
        ("DELETE", "/metrics", "GET, HEAD"),
    ],
)
async def test_where_something_is_for_other_methods(client: Client, method: str, target: str, allowed: str) -> None:
    refused = await client.request(method, target)
    assert (refused.status, refused.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        assert refusal(refused) == (405, "method_not_allowed", None)
        assert allowed in str(refused.field("error"))


async def test_headers_over_their_limit(client: Client) -> None:
    refused = await client.request("GET", "/health", headers={"cookie": "c" * 65_536})
    assert refusal(refused) == (431, "headers_too_large", None)
    assert refused.field("limit") == 65_536


async def test_no_error_shows_a_value(client: Client) -> None:
    """Values are secrets; an error may end up in somebody's log."""
    for body in ({"key": "a", "value": "SECRET", "ttl": -1}, {"key": 1, "value": "SECRET"}, b'{"value": "SECRET'):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        assert b"SECRET" not in (await client.post("/kv/set", content)).body
