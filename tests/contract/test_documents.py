"""/openapi.json and /docs from a running server, and every example in them, sent to it."""

import pytest

from synap.protocol.http.openapi.documents import LOCAL
from synap.protocol.http.openapi.example import example_of
from synap.protocol.http.openapi.operation import reference_of
from synap.protocol.http.router import Route
from synap.protocol.http.routes import ROUTES
from tests.contract.client import Client

STREAMS = {"/admin/backup"}
"""Read elsewhere: the client of these tests takes whole answers."""

WHAT_IS_THERE = {"session:1": {"user": 42}, "visits:1": 42, "note:1": "hello world"}


async def test_openapi(client: Client) -> None:
    reply = await client.get("/openapi.json")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.headers["cache-control"] == "no-store"
    told = reply.json
    assert isinstance(told, dict)
    assert told["openapi"] == "3.1.0"
    assert set(told["paths"]) == {route.pattern for route in ROUTES}


async def test_it_is_compressed_for_who_asks(client: Client) -> None:
    packed = await client.request("GET", "/openapi.json", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) < 50_000


async def test_docs(client: Client) -> None:
    reply = await client.request("GET", "/docs", headers={"host": "sessions:8080"})
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert reply.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "curl http://sessions:8080/kv/get/session:1" in reply.body.decode()
    assert (await client.request("HEAD", "/docs")).body == b""


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")
async def test_an_example_does_what_is_said(client: Client, route: Route) -> None:
    if route.pattern in STREAMS:
        return
    for key, value in WHAT_IS_THERE.items():
        await client.set(key, value)
    example = example_of(route)
    headers = {} if example.content_type is None else {"content-type": example.content_type}
    reply = await client.request(example.method, example.target, example.body or None, headers)
    (operation,) = (
        each
        for each in reference_of(ROUTES, LOCAL).operations
        if (each.method, each.pattern) == (route.method, route.pattern)
    )
    statuses = {output.status for output in operation.outputs}
    assert reply.status in statuses & {200, 201}, reply
    (output,) = (output for output in operation.outputs if output.status == reply.status)
    assert reply.headers["content-type"].partition(";")[0] in {form.media_type for form in output.forms}
    if output.forms[0].schema is not None and "$ref" in output.forms[0].schema:
        assert isinstance(output.example, dict)
        assert isinstance(reply.json, dict)
        assert reply.json.keys() == output.example.keys()
