"""What holds for every route of keys and values: keys, bodies, conditions, methods, caching."""

import json
from urllib.parse import quote_from_bytes

import pytest

from synap.protocol.http.routes import ROUTES
from tests.contract.client import JSON, Client, refusal
from tests.contract.examples import CONDITIONAL, EXAMPLES, OF_A_KEY, WITH_A_BODY, Example

KEY_MAX_BYTES = 65_536

each = pytest.mark.parametrize("example", EXAMPLES, ids=str)
each_of_a_key = pytest.mark.parametrize("example", OF_A_KEY, ids=str)
each_with_a_body = pytest.mark.parametrize("example", WITH_A_BODY, ids=str)
each_conditional = pytest.mark.parametrize("example", CONDITIONAL, ids=str)


def test_every_route_has_an_example() -> None:
    routes = {(route.method, route.pattern) for route in ROUTES}
    shown = {(example.method, example.pattern) for example in EXAMPLES}
    assert {
        (method, pattern) for method, pattern in routes if pattern.startswith(("/kv/", "/key/", "/memory/"))
    } == shown


@each
async def test_an_example_succeeds(client: Client, example: Example) -> None:
    await client.set("a", 5)
    reply = await example.send(client)
    assert reply.status == 200, reply
    assert reply.headers["cache-control"] == "no-store"


@each
async def test_a_key_may_be_any_text(client: Client, example: Example) -> None:
    await client.set("a/é+%", 5)
    assert (await example.send(client, "a%2F%C3%A9+%25")).status == 200


# --- keys ------------------------------------------------------------------------------------------------


@each_of_a_key
async def test_a_key_in_a_path_may_be_refused(client: Client, example: Example) -> None:
    assert refusal(await example.send(client, "")) == (400, "invalid_key", "key")
    assert refusal(await example.send(client, "%FF")) == (400, "invalid_key", "key")
    assert refusal(await example.send(client, "%ED%A0%80")) == (400, "invalid_key", "key"), "a surrogate"
    assert refusal(await example.send(client, "%zz")) == (400, "malformed_request", "path")
    assert refusal(await example.send(client, "%")) == (400, "malformed_request", "path")
    too_long = await example.send(client, "k" * (KEY_MAX_BYTES + 1))
    assert refusal(too_long) == (413, "too_large", "key")
    assert (too_long.field("limit"), too_long.field("unit")) == (KEY_MAX_BYTES, "bytes")
    escaped = quote_from_bytes(b"/" * (KEY_MAX_BYTES + 1), safe="")
    assert refusal(await example.send(client, escaped)) == (413, "too_large", "key")
    assert (await client.get("/kv/stats")).field("seq") == 0


@each_of_a_key
async def test_a_raw_slash_is_no_part_of_a_key(client: Client, example: Example) -> None:
    assert refusal(await example.send(client, "a/b")) == (404, "unknown_route", "path")


# --- bodies ----------------------------------------------------------------------------------------------


@each_with_a_body
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "a JSON body is needed"),
        (b" ", "not JSON"),
        (b"not json", "not JSON"),
        (b'{"key":"a","val', "not JSON"),
        (b"{'key':1}", "not JSON"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b'\xef\xbb\xbf{"key":"a"}', "not JSON"),
    ],
)
async def test_bodies_that_are_no_json(client: Client, example: Example, body: bytes, said: str) -> None:
    refused = await client.request(example.method, example.target(), body, JSON)
    assert refusal(refused) == (400, "malformed_request", "body")
    assert said in str(refused.field("error"))


@each_with_a_body
async def test_there_is_nothing_behind_a_body(client: Client, example: Example) -> None:
    body = json.dumps(example.body).encode() + b"{}"
    refused = await client.request(example.method, example.target(), body, JSON)
    assert refusal(refused) == (400, "malformed_request", "body")


@each_with_a_body
async def test_bodies_that_are_not_declared_as_json(client: Client, example: Example) -> None:
    if example.method != "PUT":
        for headers in ({}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}):
            refused = await client.request(example.method, example.target(), b"{}", headers)
            assert refusal(refused) == (415, "unsupported_media_type", "content-type")
    for headers in ({**JSON, "content-encoding": "gzip"}, {"content-type": "application/json; charset=latin-1"}):
        refused = await client.request(example.method, example.target(), b"{}", headers)
        assert refusal(refused)[:2] == (415, "unsupported_media_type")
    assert (await client.get("/kv/stats")).field("seq") == 0


@each_with_a_body
async def test_bodies_that_are_no_object(client: Client, example: Example) -> None:
    if example.method == "PUT":
        return  # A value may be anything.
    for body in (b"[]", b'"a"', b"1", b"null"):
        refused = await client.post(example.target(), body)
        assert refusal(refused) == (422, "wrong_shape", "body")
    assert refusal(await client.post(example.target(), {}))[:2] == (422, "wrong_shape")


@each
async def test_what_is_not_asked_for_is_ignored(client: Client, example: Example) -> None:
    await client.set("a", 5)
    if isinstance(example.body, dict):
        example = example._replace(body={**example.body, "colour": "green"})
    elif example.body is None:
        target = example.target() + ("&" if "?" in example.target() else "?") + "colour=green"
        assert (await client.request(example.method, target)).status == 200
    assert (await example.send(client)).status in {200, 404}, "the second time, nothing may be left"


# --- conditions ------------------------------------------------------------------------------------------


@each_conditional
async def test_a_condition_on_one_key(client: Client, example: Example) -> None:
    version = (await client.set("a", 5)).field("version")
    for headers in ({"if_match": '"99"'}, {"if_none_match": "*"}):
        lost = await example.send(client, **headers)
        assert refusal(lost) == (412, "version_mismatch", None)
        assert lost.field("current_version") == version
    assert (await client.get("/kv/get/a")).json == 5
    assert (await example.send(client, if_match=f'"{version}"')).status == 200


@each_conditional
async def test_a_condition_on_a_key_that_is_missing(client: Client, example: Example) -> None:
    lost = await example.send(client, if_match='"1"')
    assert (lost.status, lost.field("type")) in {(412, "version_mismatch"), (404, "missing_key")}
    assert (await client.get("/kv/stats")).field("seq") == 0
    assert (await example.send(client, if_none_match="*")).status in {200, 201, 404}


@each_conditional
async def test_a_condition_that_cannot_be_granted(client: Client, example: Example) -> None:
    await client.set("a", 5)
    for name, value in (("if_match", "*"), ("if_match", "5"), ("if_none_match", '"1"')):
        refused = await example.send(client, **{name: value})
        assert refusal(refused) == (400, "invalid_parameter", name.replace("_", "-"))
    assert (await client.get("/kv/get/a")).json == 5


@pytest.mark.parametrize("pattern", ["/kv/mset", "/kv/msetnx", "/kv/mdel", "/kv/keys"])
async def test_many_keys_have_no_version(client: Client, pattern: str) -> None:
    (example,) = (each for each in EXAMPLES if each.pattern == pattern and each.method != "GET")
    await client.set("a", 5)
    for headers in ({"if_match": '"1"'}, {"if_none_match": "*"}):
        assert refusal(await example.send(client, **headers)) == (400, "invalid_parameter", "if-match")
    assert (await client.get("/kv/get/a")).json == 5


# --- methods ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", sorted({example.pattern for example in EXAMPLES}))
async def test_other_methods(client: Client, pattern: str) -> None:
    allowed = {example.method for example in EXAMPLES if example.pattern == pattern}
    allowed |= {"HEAD"} if "GET" in allowed else set()
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - allowed:
        refused = await client.request(method, pattern.replace("{key}", "a"))
        assert (refused.status, refused.headers["allow"]) == (405, ", ".join(sorted(allowed)))
        if method != "HEAD":
            assert refusal(refused) == (405, "method_not_allowed", None)
