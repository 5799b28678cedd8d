"""Web pages of other origins, over real sockets: off by default, and for the configured ones only."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from synap.accounts import ApiKeySettings, AuthenticationSettings
from synap.config import Settings
from synap.protocol.http.router import Route
from synap.protocol.http.routes import ROUTES
from tests.contract.client import JSON, Client, refusal
from tests.contract.conftest import make_settings, served

APP = "https://app.example.com"
PAGE = {"origin": APP}
EVIL = {"origin": "https://evil.example"}
KEY = {"x-api-key": "key"}
REBOUND = {"host": "evil.example:15500", "origin": "http://evil.example:15500"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    authentication = AuthenticationSettings(enabled=True, api_keys=(ApiKeySettings("app", "admin", key="key"),))
    settings = make_settings(tmp_path / "data", cors_origins=[APP, "http://localhost:5173"])
    return msgspec.structs.replace(settings, authentication=authentication)


@pytest.fixture
async def closed(tmp_path: Path) -> AsyncIterator[Client]:
    """A client of a server without configured origins."""
    async with served(make_settings(tmp_path / "other")) as client:
        yield client


def allowed(headers: dict[str, str]) -> list[str]:
    return [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")
async def test_a_preflight_for_every_route(client: Client, route: Route) -> None:
    target = route.pattern.replace("{key}", "a")
    asked = {**PAGE, "access-control-request-method": route.method, "access-control-request-headers": "x-api-key"}
    told = await client.request("OPTIONS", target, headers=asked)
    assert (told.status, told.body) == (204, b"")
    assert "content-length" not in told.headers
    assert told.headers["access-control-allow-origin"] == APP
    assert route.method in told.headers["access-control-allow-methods"].split(", ")
    assert {"content-type", "authorization", "x-api-key", "if-match"} <= set(
        told.headers["access-control-allow-headers"].split(", ")
    )
    assert int(told.headers["access-control-max-age"]) > 0
    assert told.headers["vary"] == "origin"
    assert "access-control-allow-credentials" not in told.headers


async def test_the_connection_goes_on_after_a_preflight(client: Client) -> None:
    head = b"OPTIONS /kv/set HTTP/1.1\r\nhost: a\r\norigin: https://app.example.com\r\n"
    received = await client.raw(
        head
        + b"access-control-request-method: POST\r\n\r\nGET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    )
    assert received.count(b"HTTP/1.1 204") == received.count(b"HTTP/1.1 200") == 1


async def test_a_preflight_of_another_page(client: Client) -> None:
    refused = await client.request("OPTIONS", "/kv/set", headers={**EVIL, "access-control-request-method": "POST"})
    assert refusal(refused)[:2] == (405, "method_not_allowed")
    assert allowed(dict(refused.headers)) == []
    unknown = await client.request("OPTIONS", "/nothing", headers={**PAGE, "access-control-request-method": "GET"})
    assert unknown.status == 404


async def test_a_page_writes_and_reads(client: Client) -> None:
    written = await client.request("POST", "/kv/set", b'{"key":"a","value":1}', {**JSON, **KEY, **PAGE})
    assert (written.status, written.headers["access-control-allow-origin"]) == (200, APP)
    read = await client.request("GET", "/kv/value/a", headers={**KEY, **PAGE})
    assert (read.body, read.headers["vary"]) == (b"1", "origin")
    exposed = read.headers["access-control-expose-headers"].lower().split(", ")
    assert {"etag", "synap-ttl", "retry-after"} == set(exposed)
    assert (await client.request("POST", "/kv/incr/a", headers={**KEY, **PAGE})).status == 200


async def test_a_page_may_read_why_it_was_refused(client: Client) -> None:
    for headers in ({}, {"x-api-key": "wrong"}):
        refused = await client.request("GET", "/kv/get/a", headers={**headers, **PAGE})
        assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, APP)
    missing = await client.request("GET", "/nothing", headers=PAGE)
    assert (missing.status, missing.headers["access-control-allow-origin"]) == (404, APP)


async def test_other_pages_are_told_nothing(client: Client) -> None:
    read = await client.request("GET", "/kv/get/a", headers={**KEY, **EVIL})
    assert (read.status, allowed(dict(read.headers)), read.headers["vary"]) == (200, [], "origin")
    refused = await client.request("POST", "/kv/incr/a", headers={**KEY, **EVIL})
    assert refusal(refused) == (403, "cross_origin", "origin")
    assert (await client.request("GET", "/kv/get/a", headers=KEY)).json is None


async def test_off_by_default(closed: Client) -> None:
    asked = {**PAGE, "access-control-request-method": "POST"}
    refused = await closed.request("OPTIONS", "/kv/set", headers=asked)
    assert refusal(refused)[:2] == (405, "method_not_allowed")
    read = await closed.request("GET", "/kv/get/a", headers=PAGE)
    for reply in (refused, read):
        assert allowed(dict(reply.headers)) == []
        assert "vary" not in reply.headers
    assert refusal(await closed.request("POST", "/kv/incr/a", headers=PAGE)) == (403, "cross_origin", "origin")


async def test_a_name_that_stands_for_this_machine_only_today(closed: Client) -> None:
    """DNS rebinding: to the browser, the page and the server are of one origin."""
    for method in ("GET", "POST"):
        refused = await closed.request(method, "/kv/incr/a" if method == "POST" else "/kv/get/a", headers=REBOUND)
        assert refusal(refused) == (421, "foreign_host", "host")
    assert (await closed.request("GET", "/health", headers=REBOUND)).status == 200
    assert (await closed.request("GET", "/kv/get/a", headers={"host": "127.0.0.1:15500"})).json is None


async def test_any_name_will_do_where_there_is_authentication(client: Client) -> None:
    assert (await client.request("GET", "/kv/get/a", headers={**REBOUND, **KEY})).status == 200


async def test_a_name_that_is_configured(tmp_path: Path) -> None:
    async with served(make_settings(tmp_path / "other", allowed_hosts=["Evil.example"])) as client:
        assert (await client.request("GET", "/kv/get/a", headers=REBOUND)).status == 200


async def test_without_authentication_credentials_are_not_looked_at(closed: Client) -> None:
    for headers in ({"x-api-key": "wrong"}, {"authorization": "?"}, {"authorization": "Basic !"}):
        assert (await closed.request("GET", "/kv/get/a", headers=headers)).status == 200
