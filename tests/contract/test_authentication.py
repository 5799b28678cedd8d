"""Who may do what, over real sockets: every route, without credentials, with wrong ones, and with each role."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bcrypt
import msgspec
import pytest
import structlog
import trio

from synap.accounts import ApiKeySettings, AuthenticationSettings, UserSettings, digest_of
from synap.clock import SystemClock
from synap.config import Settings
from synap.protocol.http.permission import PUBLIC_PATTERNS
from synap.protocol.http.router import Route
from synap.protocol.http.routes import ROUTES
from synap.server import run
from synap.server.backoff import FREE_FAILURES
from synap_sdk import AsyncClient, Forbidden, Unauthorized
from tests.contract.client import JSON, Client, Reply, refusal
from tests.contract.conftest import make_settings, served
from tests.contract.examples import EXAMPLES, Example
from tests.contract.test_events import watching

TODAY = datetime.now(UTC).date()

KEYS = {
    "reader": "reader-key",
    "writer": "writer-key",
    "admin": "admin-key",
    "owner": "owner-key",
}
AUTHENTICATION = AuthenticationSettings(
    enabled=True,
    users=(UserSettings("alice", bcrypt.hashpw("pässword".encode(), bcrypt.gensalt(4)).decode(), "writer"),),
    api_keys=(
        ApiKeySettings("reader", "reader", key=KEYS["reader"]),
        ApiKeySettings("writer", "writer", key_hash=digest_of(KEYS["writer"].encode()).hex()),
        ApiKeySettings("admin", "admin", key=KEYS["admin"]),
        ApiKeySettings("owner", "admin", key=KEYS["owner"], prefixes=("app:", "tmp:")),
        ApiKeySettings("old", "admin", key="old-key", created=TODAY - timedelta(days=7), expires_days=7),
        ApiKeySettings("current", "reader", key="current-key", created=TODAY - timedelta(days=6), expires_days=7),
        ApiKeySettings("brief", "reader", key="brief-key", created=TODAY, expires_days=1),
        ApiKeySettings("here", "reader", key="here-key", allowed_ips=("127.0.0.0/8",)),
        ApiKeySettings("there", "reader", key="there-key", allowed_ips=("192.0.2.0/24",)),
    ),
)

NEEDS = {
    "GET /metrics": "reader",
    "GET /kv/stats": "reader",
    "GET /events": "reader",
    "POST /snapshot": "admin",
    "GET /snapshots": "admin",
    "GET /admin/backup": "admin",
    "GET /info": "admin",
    "GET /slowlog": "admin",
    "POST /slowlog/clear": "admin",
}
"""The roles of what is no command of keys."""

READS = {"/kv/mget"}
"""What is asked with POST and changes nothing."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return msgspec.structs.replace(make_settings(tmp_path / "data"), authentication=AUTHENTICATION)


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """A client without credentials."""
    async with served(settings) as client:
        yield client


def basic(login: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(login.encode()).decode()}


async def ask(client: Client, role: str, method: str, target: str, body: object = None) -> Reply:
    """A request with the key of a role."""
    headers = {"x-api-key": KEYS[role]}
    if body is None:
        return await client.request(method, target, headers=headers)
    return await client.request(method, target, json.dumps(body).encode(), {**JSON, **headers})


def needed(example: Example) -> str:
    if str(example) in NEEDS:
        return NEEDS[str(example)]
    return "reader" if example.method == "GET" or example.pattern in READS else "writer"


GUARDED = [route for route in ROUTES if route.pattern not in PUBLIC_PATTERNS]
each_route = pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.pattern}")
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=str)


# --- who asks --------------------------------------------------------------------------------------------


@each_route
async def test_every_route_needs_credentials(client: Client, route: Route) -> None:
    target = route.pattern.replace("{key}", "a")
    methods = (route.method, "HEAD") if route.method == "GET" else (route.method,)
    for method in methods:
        refused = await client.request(method, target)
        assert refused.status == 401, method
        assert refused.headers["www-authenticate"].startswith(("Bearer", "Basic"))
        if method != "HEAD":
            assert refusal(refused) == (401, "not_authenticated", "authorization")


@each_route
async def test_wrong_credentials_never_fall_back_to_none(client: Client, route: Route) -> None:
    target = route.pattern.replace("{key}", "a")
    for headers in ({"authorization": "Bearer wrong"}, {"x-api-key": "wrong"}, basic("alice:wrong"), basic("x:y")):
        assert refusal(await client.request(route.method, target, headers=headers))[:2] == (401, "not_authenticated")


async def test_what_is_public(client: Client) -> None:
    for target in ("/health", "/ready"):
        for headers in ({}, {"authorization": "Bearer wrong"}):
            assert (await client.request("GET", target, headers=headers)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer reader-key"},
        {"authorization": "bearer reader-key"},
        {"x-api-key": "reader-key"},
        {"X-API-Key": "reader-key", "Authorization": "Bearer reader-key"},
        {"x-api-key": "writer-key"},
        {"x-api-key": "current-key"},
        {"x-api-key": "here-key"},
        basic("alice:pässword"),
    ],
)
async def test_the_ways_to_come_in(client: Client, headers: dict[str, str]) -> None:
    for _ in range(3):
        assert (await client.request("GET", "/kv/get/a", headers=headers)).json is None


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"authorization": "reader-key"}, "expected Bearer"),
        ({"authorization": "Bearer"}, "expected"),
        ({"authorization": "Basic !"}, "base64"),
        ({"x-api-key": ""}, "expected"),
        ({"x-api-key": "old-key"}, "expired"),
        ({"x-api-key": "reader-key", "authorization": "Bearer writer-key"}, "two different"),
        ({"x-api-key": "reader-key", **basic("alice:pässword")}, "two different"),
        (basic("alice:Pässword"), "not right"),
        (basic("alice:" + "p" * 73), "72 bytes"),
        ({"x-api-key": digest_of(b"writer-key").hex()}, "not right"),
        ({"cookie": "x-api-key=reader-key"}, "needed"),
    ],
)
async def test_what_does_not_let_in(client: Client, headers: dict[str, str], said: str) -> None:
    refused = await client.request("GET", "/kv/get/a", headers=headers)
    assert refusal(refused)[:2] == (401, "not_authenticated")
    assert said in str(refused.field("error"))


async def test_a_key_is_not_taken_from_the_query(client: Client) -> None:
    assert (await client.get("/kv/get/a?api_key=reader-key&x-api-key=reader-key")).status == 401


async def test_a_key_from_an_address_it_is_not_for(client: Client) -> None:
    refused = await client.get("/kv/get/a", **{"x-api-key": "there-key", "x-forwarded-for": "192.0.2.1"})
    assert refusal(refused)[:2] == (403, "not_permitted")
    assert refused.field("needs") == "address"


async def test_an_unknown_name_is_answered_as_a_wrong_password(client: Client) -> None:
    replies = [await client.request("GET", "/kv/get/a", headers=basic(login)) for login in ("alice:x", "nobody:x")]
    assert replies[0].body == replies[1].body


async def test_nobody_makes_the_server_read_a_body(client: Client) -> None:
    """The answer is there before the body is; with a key, the server waits for it."""
    head = b"POST /kv/set HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9000000\r\n"
    async with client.connected() as stream:
        await stream.send_all(head + b"\r\n")
        with trio.fail_after(10):
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 401")
    async with client.connected() as stream:
        await stream.send_all(head + b"x-api-key: writer-key\r\n\r\n")
        with trio.move_on_after(0.3) as waited:
            await stream.receive_some()
        assert waited.cancelled_caught


class SteppedClock(SystemClock):
    """The machine's clock, which a test sets forward."""

    ahead_ms = 0

    def wall_ms(self) -> int:
        return super().wall_ms() + SteppedClock.ahead_ms


async def test_nothing_is_told_when_a_key_has_expired(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked before ends with it, and whoever has another key goes on there."""
    monkeypatch.setattr(run, "SystemClock", SteppedClock)
    heard: list[Reply] = []

    async def wait(other: Client) -> None:
        heard.append(await other.get("/events?after=1&wait=60", **{"x-api-key": "brief-key"}))
        await other.aclose()

    async with served(settings) as client, watching(client, "/events", "X-API-Key: brief-key") as watcher:
        await watcher.head()
        await ask(client, "writer", "POST", "/kv/set", {"key": "a", "value": 1})
        assert (await watcher.event())["seq"] == 1
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, Client(client.port))
            await trio.sleep(0.05)
            assert heard == []
            monkeypatch.setattr(SteppedClock, "ahead_ms", 2 * 86_400_000)
            await ask(client, "writer", "POST", "/kv/set", {"key": "b", "value": 2})
        assert b"data:" not in await watcher.rest()
        assert refusal(heard[0]) == (401, "not_authenticated", "authorization")
        assert "expired" in str(heard[0].field("error"))
        missed = (await ask(client, "reader", "GET", "/events?after=1&wait=0")).json
        assert [each["key"] for each in missed["events"]] == ["b"]  # type: ignore[index]  # an object, by contract


# --- roles -----------------------------------------------------------------------------------------------


@each_example
async def test_roles(client: Client, example: Example) -> None:
    await ask(client, "admin", "POST", "/kv/set", {"key": "a", "value": 5})
    order = ["reader", "writer", "admin"]
    for role in order:
        reply = await ask(client, role, example.method, example.target(), example.body)
        if order.index(role) < order.index(needed(example)):
            assert refusal(reply)[:2] == (403, "not_permitted")
            assert reply.field("needs") == needed(example)
        else:
            assert reply.status in {200, 404}, "the second time, nothing may be left"


@pytest.mark.parametrize(
    "route", [route for route in GUARDED if f"{route.method} {route.pattern}" in NEEDS], ids=lambda each: each.pattern
)
async def test_roles_of_what_is_about_the_server(client: Client, route: Route) -> None:
    order = ["reader", "writer", "admin"]
    needs = NEEDS[f"{route.method} {route.pattern}"]
    target = route.pattern + ("?wait=0" if route.pattern == "/events" else "")
    for role in order:
        reply = await ask(client, role, route.method, target)
        assert reply.status == (403 if order.index(role) < order.index(needs) else 200), (role, reply)


def test_every_route_has_a_role() -> None:
    shown = {str(example) for example in EXAMPLES} | NEEDS.keys()
    routes = {f"{route.method} {route.pattern}" for route in GUARDED}
    assert {each for each in routes - shown if each.split()[1].startswith(("/kv/", "/key/", "/memory/"))} == set()
    assert set(NEEDS) <= routes


async def test_a_refused_write_did_not_happen(client: Client) -> None:
    await ask(client, "writer", "POST", "/kv/set", {"key": "a", "value": 5})
    for method, target, body in (
        ("POST", "/kv/set", {"key": "a", "value": 6}),
        ("DELETE", "/kv/del/a", None),
        ("GET", "/kv/get/a?touch=1", None),
        ("POST", "/kv/incr/a", None),
    ):
        assert (await ask(client, "reader", method, target, body)).status == 403
    assert (await ask(client, "reader", "GET", "/kv/get/a")).json == 5
    assert (await ask(client, "reader", "GET", "/kv/ttl/a")).field("ttl") == -1


# --- prefixes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/kv/set", {"key": "app:1", "value": 1}),
        ("GET", "/kv/get/app:1", None),
        ("PUT", "/kv/value/tmp:1", {}),
        ("POST", "/kv/mget", {"keys": ["app:1", "tmp:1"]}),
        ("POST", "/kv/mset", {"pairs": [["app:1", 1], ["tmp:1", 1]]}),
        ("POST", "/key/app:1/copy", {"destination": "tmp:1"}),
        ("GET", "/kv/keys?pattern=app:*", None),
        ("GET", "/kv/scan?prefix=app:x", None),
        ("GET", "/kv/count?prefix=tmp:", None),
        ("DELETE", "/kv/keys?prefix=tmp:", None),
        ("GET", "/events?wait=0&prefix=app:", None),
    ],
)
async def test_within_the_prefixes(client: Client, method: str, target: str, body: object) -> None:
    await ask(client, "admin", "POST", "/kv/set", {"key": "app:1", "value": 1})
    reply = await ask(client, "owner", method, target, body)
    assert reply.status in {200, 201, 204}, reply


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/kv/set", {"key": "secret", "value": 1}),
        ("GET", "/kv/get/secret", None),
        ("GET", "/kv/get/app", None),
        ("HEAD", "/kv/value/secret", None),
        ("POST", "/kv/mget", {"keys": ["app:1", "secret"]}),
        ("POST", "/kv/mset", {"pairs": [["app:1", 1], ["secret", 1]]}),
        ("POST", "/kv/mdel", {"keys": ["app:1", "secret"]}),
        ("POST", "/key/app:1/copy", {"destination": "secret"}),
        ("POST", "/key/secret/rename", {"destination": "app:2"}),
        ("GET", "/kv/keys", None),
        ("GET", "/kv/keys?pattern=a*", None),
        ("GET", "/kv/scan", None),
        ("GET", "/kv/count", None),
        ("DELETE", "/kv/keys?prefix=a", None),
        ("GET", "/events?wait=0", None),
        ("GET", "/events", None),
        ("GET", "/key/randomkey", None),
        ("GET", "/kv/stats", None),
        ("GET", "/metrics", None),
        ("POST", "/snapshot", None),
        ("GET", "/snapshots", None),
        ("GET", "/admin/backup", None),
    ],
)
async def test_beyond_the_prefixes(client: Client, method: str, target: str, body: object) -> None:
    """The same answer, whether or not there is such a key."""
    await ask(client, "admin", "POST", "/kv/set", {"key": "app:1", "value": 1})
    missing = await ask(client, "owner", method, target, body)
    await ask(client, "admin", "POST", "/kv/set", {"key": "secret", "value": 1})
    there = await ask(client, "owner", method, target, body)
    assert (missing.status, missing.body) == (there.status, there.body)
    assert there.status == 403
    if method != "HEAD":
        assert refusal(there) == (403, "not_permitted", None)
        assert there.field("needs") == "prefix"
    assert (await ask(client, "admin", "GET", "/kv/get/secret")).json == 1


# --- the command endpoint --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "command", "payload", "status"),
    [
        ("reader", "kv.get", {"key": "a"}, 200),
        ("reader", "kv.set", {"key": "a", "value": 1}, 403),
        ("writer", "kv.set", {"key": "a", "value": 1}, 200),
        ("writer", "kv.flushall", {}, 403),
        ("writer", "info", {}, 403),
        ("admin", "info", {}, 200),
        ("owner", "kv.set", {"key": "app:1", "value": 1}, 200),
        ("owner", "kv.set", {"key": "secret", "value": 1}, 403),
        ("owner", "kv.mget", {"keys": ["app:1", "secret"]}, 403),
        ("owner", "kv.keys", {"pattern": "*"}, 403),
        ("owner", "kv.keys", {"pattern": "app:*"}, 200),
        ("owner", "kv.dbsize", {}, 403),
        ("owner", "kv.stats", {}, 403),
        ("owner", "info", {}, 403),
    ],
)
async def test_commands(client: Client, role: str, command: str, payload: object, status: int) -> None:
    body = {"command": command, "request_id": "1", "payload": payload}
    reply = await ask(client, role, "POST", "/api/v1/command", body)
    assert reply.status == status, reply
    assert reply.field("success") == (status == 200)


# --- too many failures -----------------------------------------------------------------------------------


async def test_guessing_is_slowed_down(client: Client) -> None:
    assert (await ask(client, "reader", "GET", "/kv/get/a")).status == 200
    for number in range(FREE_FAILURES + 1):
        assert (await client.request("GET", "/kv/get/a", headers=basic(f"alice:{number}"))).status == 401
    refused = await client.request("GET", "/kv/get/a", headers=basic("alice:pässword"))
    assert refusal(refused) == (429, "too_many_failures", None)
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert (await ask(client, "reader", "GET", "/kv/get/a")).status == 200, "it was known before"
    assert (await client.get("/health")).status == 200
    assert (await client.get("/kv/get/a")).status == 401


# --- what is said ----------------------------------------------------------------------------------------


async def test_failures_are_counted(client: Client) -> None:
    await client.get("/kv/get/a")
    await client.get("/kv/get/a", authorization="Bearer wrong")
    await client.post("/kv/set", {"key": "a", "value": 1})
    metrics = (await ask(client, "reader", "GET", "/metrics")).body.decode()
    assert 'synap_http_authentication_failures_total{reason="missing"} 2.0' in metrics
    assert 'synap_http_authentication_failures_total{reason="wrong"} 1.0' in metrics
    assert 'synap_http_requests_total{method="GET",route="/kv/get/{key}",status="401"} 2.0' in metrics
    assert 'synap_http_requests_total{method="POST",route="/kv/set",status="401"} 1.0' in metrics


@pytest.fixture
def lines() -> Iterator[list[object]]:
    with structlog.testing.capture_logs() as captured:
        yield list(captured)
        text = str(captured)
    for secret in ("SECRET", "reader-key", "pässword", AUTHENTICATION.users[0].password_hash):
        assert secret not in text


async def test_no_secret_is_shown(lines: list[object], settings: Settings) -> None:
    async with served(settings) as client:
        for headers in ({"x-api-key": "SECRET"}, basic("SECRET:SECRET"), {"authorization": "SECRET"}):
            assert b"SECRET" not in (await client.request("GET", "/kv/get/a", headers=headers)).body
        await ask(client, "reader", "GET", "/kv/get/a")
        for _ in range(FREE_FAILURES):
            await client.get("/kv/get/a", authorization="Bearer SECRET")
        assert b"SECRET" not in (await ask(client, "reader", "GET", "/metrics")).body


# --- the client of this project --------------------------------------------------------------------------


async def test_the_python_client(client: Client) -> None:
    url = f"http://127.0.0.1:{client.port}"
    async with AsyncClient(url, api_key=KEYS["writer"]) as writer:
        await writer.kv.set("a", "b")
        assert await writer.kv.get("a") == "b"
    async with AsyncClient(url, username="alice", password="pässword") as alice:  # noqa: S106
        assert await alice.kv.get("a") == "b"
    async with AsyncClient(url, api_key=KEYS["reader"]) as reader:
        assert await reader.kv.get("a") == "b"
        with pytest.raises(Forbidden, match="this needs the role writer"):
            await reader.kv.set("a", "c")
    async with AsyncClient(url, api_key=KEYS["owner"]) as owner:
        await owner.kv.set("app:1", "b")
        with pytest.raises(Forbidden, match="only for keys under their prefixes"):
            await owner.kv.get("a")
    strangers = (
        AsyncClient(url),
        AsyncClient(url, api_key="wrong"),
        AsyncClient(url, username="alice", password="wrong"),  # noqa: S106
    )
    for stranger in strangers:
        async with stranger:
            with pytest.raises(Unauthorized):
                await stranger.kv.get("a")
    async with AsyncClient(url, api_key=KEYS["reader"]) as reader:
        assert await reader.kv.get("a") == "b", "nobody wrote"
