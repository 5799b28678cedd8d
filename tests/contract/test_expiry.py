"""Expired is absent, everywhere, to the millisecond."""

import json
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.contract.client import JSON, Client, refusal

Probe = Callable[[Client], Awaitable[bool]]


async def _get(client: Client) -> bool:
    return (await client.get("/kv/get/a")).json is not None


async def _exists(client: Client) -> bool:
    return (await client.get("/kv/exists/a")).json == {"exists": True}


async def _ttl(client: Client) -> bool:
    return (await client.get("/kv/ttl/a")).field("ttl") != -2


async def _mget(client: Client) -> bool:
    return (await client.post("/kv/mget", {"keys": ["a"]})).json != {"values": [None]}


async def _keys(client: Client) -> bool:
    return (await client.get("/kv/keys")).field("keys") == ["a"]


async def _scan(client: Client) -> bool:
    return (await client.get("/kv/scan")).field("keys") == ["a"]


async def _count(client: Client) -> bool:
    return (await client.get("/kv/count")).json == {"count": 1}


async def _total_keys(client: Client) -> bool:
    return (await client.get("/kv/stats")).field("total_keys") == 1


async def _metric(client: Client) -> bool:
    return b"\nsynap_kv_keys 1.0\n" in (await client.get("/metrics")).body


async def _raw(client: Client) -> bool:
    return (await client.get("/kv/value/a")).status == 200


async def _strlen(client: Client) -> bool:
    return (await client.get("/kv/a/strlen")).json == {"length": 1}


async def _getrange(client: Client) -> bool:
    return (await client.get("/kv/a/getrange")).json == "1"


async def _type(client: Client) -> bool:
    return (await client.get("/key/a/type")).field("type") == "string"


async def _key_exists(client: Client) -> bool:
    return (await client.get("/key/a/exists")).field("exists") is True


async def _random_key(client: Client) -> bool:
    return (await client.get("/key/randomkey")).json == {"key": "a"}


async def _memory_usage(client: Client) -> bool:
    return (await client.get("/memory/a/usage")).field("bytes") != 0


PROBES = [_get, _exists, _ttl, _mget, _keys, _scan, _count, _total_keys, _metric]
PROBES += [_raw, _strlen, _getrange, _type, _key_exists, _random_key, _memory_usage]


async def set_until_soon(client: Client, ttl_ms: int) -> int:
    """Set a key that ends in so many ms; its deadline. On a busy machine, it may be over before it is set."""
    while True:
        deadline_ms = time.time_ns() // 1_000_000 + ttl_ms
        body = {"key": "a", "value": 1, "expiry": {"type": "unix_milliseconds", "value": deadline_ms}}
        reply = await client.post("/kv/set", body)
        if reply.status == 200:
            return deadline_ms
        assert refusal(reply)[:2] == (400, "invalid_ttl")


@pytest.mark.parametrize("is_there", PROBES)
async def test_a_read_agrees_with_the_clock(client: Client, is_there: Probe) -> None:
    """An answer given wholly before the deadline shows the key; one asked for after it does not."""
    deadline_ms = await set_until_soon(client, 120)
    asked_ms = 0
    while asked_ms < deadline_ms:
        asked_ms = time.time_ns() // 1_000_000
        there = await is_there(client)
        answered_ms = time.time_ns() // 1_000_000
        assert there or answered_ms >= deadline_ms
        assert not there or asked_ms < deadline_ms


async def pass_a_deadline(client: Client) -> None:
    """Set a key, and return when its deadline has come, most likely before it is purged."""
    deadline_ms = await set_until_soon(client, 80)
    while time.time_ns() // 1_000_000 < deadline_ms:
        await client.get("/health")


@pytest.mark.parametrize(
    ("method", "target", "body", "absent"),
    [
        ("DELETE", "/kv/del/a", None, {"deleted": False, "key": "a"}),
        ("POST", "/kv/mdel", {"keys": ["a"]}, {"deleted": 0}),
        ("DELETE", "/kv/keys?prefix=a", None, {"deleted": 0}),
        ("POST", "/kv/expire/a", {"ttl": 60}, {"success": False, "result": False}),
        ("POST", "/kv/persist/a", None, {"success": False, "result": False}),
        ("GET", "/kv/get/a?touch=60", None, None),
        ("POST", "/kv/getdel/a", None, None),
        ("POST", "/kv/setrange/a", {"offset": 5, "value": ""}, {"length": 0}),
    ],
)
async def test_a_write_finds_nothing_after_the_deadline(
    client: Client, method: str, target: str, body: object, absent: object
) -> None:
    await pass_a_deadline(client)
    content = None if body is None else json.dumps(body).encode()
    assert (await client.request(method, target, content, JSON)).json == absent
    assert (await client.set("a", 2, nx=True)).field("written") is True


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("DELETE", "/kv/value/a"),
        ("POST", "/key/a/rename"),
        ("POST", "/key/a/renamenx"),
        ("POST", "/key/a/copy"),
    ],
)
async def test_what_needs_a_key_has_none_after_the_deadline(client: Client, method: str, target: str) -> None:
    await pass_a_deadline(client)
    refused = await client.request(method, target, b'{"destination":"b"}', JSON)
    assert refusal(refused) == (404, "missing_key", "key")


@pytest.mark.parametrize(
    ("method", "target", "body", "told", "value"),
    [
        ("POST", "/kv/incr/a", None, {"value": 1}, 1),
        ("POST", "/kv/append/a", {"value": "b"}, {"length": 1}, "b"),
        ("POST", "/kv/setrange/a", {"offset": 1, "value": "b"}, {"length": 2}, "\0b"),
        ("POST", "/kv/getset/a", {"value": 2}, None, 2),
        ("POST", "/kv/msetnx", {"pairs": [["a", 2]]}, {"success": True}, 2),
        ("PUT", "/kv/value/a", 2, {"success": True, "key": "a", "written": True, "version": 3}, 2),
        ("POST", "/key/b/renamenx", {"destination": "a"}, {"success": True, "source": "b", "destination": "a"}, "b"),
        ("POST", "/key/b/copy", {"destination": "a"}, {"success": True, "source": "b", "destination": "a"}, "b"),
    ],
)
async def test_a_write_begins_anew_after_the_deadline(  # noqa: PLR0917  # the columns of a table
    client: Client, method: str, target: str, body: object, told: object, value: object
) -> None:
    if target.startswith("/key/b/"):
        await client.set("b", "b")
    await pass_a_deadline(client)
    content = None if body is None else json.dumps(body).encode()
    assert (await client.request(method, target, content, JSON)).json == told
    assert (await client.get("/kv/get/a")).json == value
    assert (await client.get("/kv/ttl/a")).field("ttl") == -1
