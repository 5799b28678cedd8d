"""Expired is absent, everywhere, to the millisecond."""

import json
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.contract.client import Client

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


@pytest.mark.parametrize("is_there", [_get, _exists, _ttl, _mget, _keys, _scan, _count, _total_keys, _metric])
async def test_a_read_agrees_with_the_clock(client: Client, is_there: Probe) -> None:
    """An answer given wholly before the deadline shows the key; one asked for after it does not."""
    deadline_ms = time.time_ns() // 1_000_000 + 120
    await client.set("a", 1, expiry={"type": "unix_milliseconds", "value": deadline_ms})
    asked_ms = 0
    while asked_ms < deadline_ms:
        asked_ms = time.time_ns() // 1_000_000
        there = await is_there(client)
        answered_ms = time.time_ns() // 1_000_000
        assert there or answered_ms >= deadline_ms
        assert not there or asked_ms < deadline_ms


@pytest.mark.parametrize(
    ("method", "target", "body", "absent"),
    [
        ("DELETE", "/kv/del/a", None, {"deleted": False, "key": "a"}),
        ("POST", "/kv/mdel", {"keys": ["a"]}, {"deleted": 0}),
        ("DELETE", "/kv/keys?prefix=a", None, {"deleted": 0}),
        ("POST", "/kv/expire/a", {"ttl": 60}, {"success": False, "result": False}),
        ("POST", "/kv/persist/a", None, {"success": False, "result": False}),
        ("GET", "/kv/get/a?touch=60", None, None),
    ],
)
async def test_a_write_finds_nothing_after_the_deadline(
    client: Client, method: str, target: str, body: object, absent: object
) -> None:
    deadline_ms = time.time_ns() // 1_000_000 + 80
    await client.set("a", 1, expiry={"type": "unix_milliseconds", "value": deadline_ms})
    while time.time_ns() // 1_000_000 < deadline_ms:
        await client.get("/health")
    content = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    assert (await client.request(method, target, content, headers)).json == absent
    assert (await client.set("a", 2, nx=True)).field("written") is True
