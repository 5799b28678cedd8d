"""The table as a whole: every route can be found, and nothing a client sends gets past the errors."""

import json
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synap.commands import Command, Get
from synap.errors import ClientError
from synap.protocol.http import Request, find, finish, respond_to_error
from synap.protocol.http.router import Route
from synap.protocol.http.routes import ROUTES
from synap.protocol.http.service import Errand, Question

from .support import JSON, refused, request, resolve, wish

paths = st.sampled_from([route.pattern.replace("{key}", "k").encode() for route in ROUTES])
methods = st.sampled_from(["GET", "HEAD", "POST", "DELETE", "PUT"])
NAMES = ["key", "value", "ttl", "expiry", "nx", "keepttl", "if_version", "pairs", "keys", "type"]
NAMES += ["amount", "offset", "destination", "replace"]
names = st.sampled_from(NAMES)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
shapes = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner), max_leaves=8)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")
def test_every_route_is_found(route: Route) -> None:
    match = find(route.method, route.pattern.replace("{key}", "a%2Fb").encode())
    assert match.route is route
    assert match.key == (b"a/b" if "{key}" in route.pattern else b"")


@given(st.text(min_size=1))
@example("/")
@example("..")
@example("a+b:c%2F")
@example("\0")
@example("😀")
def test_any_key_round_trips_through_a_path(key: str) -> None:
    assert wish("GET", f"/kv/get/{quote(key, safe='')}") == Get(key.encode())


@pytest.mark.parametrize("operation", ["append", "getrange", "setrange", "getset", "strlen", "getdel"])
def test_a_key_may_be_called_like_an_operation(operation: str) -> None:
    """Before the key or behind it: where both could be meant, it is before."""
    (method,) = {route.method for route in ROUTES if f"/{operation}" in route.pattern}
    for path, key in [(f"{operation}/get", b"get"), (f"{operation}/{operation}", operation.encode())]:
        match = find(method, f"/kv/{path}".encode())
        assert (match.route.pattern, match.key) == (f"/kv/{operation}/{{key}}", key)
    # "get" is an operation, too: of two that could be meant, the first is.
    assert find("GET", f"/kv/get/{operation}".encode()).route.pattern == "/kv/get/{key}"
    assert find(method, f"/kv/mset/{operation}".encode()).key == b"mset"


def test_bytes_that_are_no_text_are_the_keyspace_s_to_refuse() -> None:
    assert wish("GET", "/kv/get/%ff") == Get(b"\xff")
    assert wish("GET", "/kv/get/") == Get(b"")


def test_routes_that_are_not() -> None:
    assert refused("GET", "/nothing")[:2] == (404, "path")
    assert refused("PUT", "/kv/set") == (405, None, "PUT is not allowed here; allowed: POST")
    assert refused("GET", "/kv/get/%zz")[:2] == (400, "path")


def _resolves_or_refuses(asked: Request) -> None:
    try:
        call = resolve(asked)
    except ClientError as error:
        response = finish(asked.method, asked.headers, respond_to_error(error))
        assert 400 <= response.status < 500
        if asked.method != "HEAD":
            told = json.loads(response.body)
            assert told["error"]
            assert told["code"] == response.status
    else:
        assert isinstance(call.wish, (Command, Question, Errand))


@given(methods, paths, st.binary(), st.binary())
def test_any_body_and_query_are_a_wish_or_an_error(method: str, path: bytes, query: bytes, body: bytes) -> None:
    _resolves_or_refuses(Request(method, path, query, (JSON,), body))


@given(methods, st.binary())
def test_any_path_is_a_wish_or_an_error(method: str, path: bytes) -> None:
    _resolves_or_refuses(Request(method, path, b"", (JSON,), b""))


@given(paths, shapes)
def test_any_json_is_a_wish_or_an_error(path: bytes, body: object) -> None:
    _resolves_or_refuses(request("POST", path, body))


@given(
    paths, st.dictionaries(names | st.sampled_from(["limit", "cursor", "prefix", "touch", "start", "end"]), st.text())
)
def test_any_parameters_are_a_wish_or_an_error(path: bytes, parameters: dict[str, str]) -> None:
    query = "&".join(f"{name}={quote(value)}" for name, value in parameters.items())
    _resolves_or_refuses(Request("GET", path, query.encode(), (), b""))


@given(paths, st.lists(st.tuples(st.sampled_from([b"content-type", b"content-encoding"]), st.binary())))
def test_any_headers_are_a_wish_or_an_error(path: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    _resolves_or_refuses(Request("POST", path, b"", headers, b'{"keys":["a"]}'))
