"""The routes that work on one key, option by option."""

import time

import pytest

from tests.contract.client import Client, refusal


async def test_set_and_get(client: Client) -> None:
    written = await client.set("a", "b")
    assert written.json == {"success": True, "key": "a", "written": True, "version": 1}
    assert written.headers["content-type"] == "application/json"
    assert written.headers["cache-control"] == "no-store"
    read = await client.get("/kv/get/a")
    assert (read.status, read.body) == (200, b'"b"')
    assert read.headers["content-type"] == "application/json"
    assert read.headers["cache-control"] == "no-store"
    assert read.headers["etag"] == '"1"'


async def test_missing_is_null_and_no_error(client: Client) -> None:
    read = await client.get("/kv/get/a")
    assert (read.status, read.body, read.headers["cache-control"]) == (200, b"null", "no-store")
    assert "etag" not in read.headers


async def test_unknown_fields_are_ignored(client: Client) -> None:
    await client.set("a", "b", colour="green")
    assert (await client.get("/kv/get/a?colour=green")).json == "b"


async def test_nx_writes_only_where_nothing_is(client: Client) -> None:
    assert (await client.set("a", 1, nx=True)).field("written") is True
    assert (await client.set("a", 2, nx=True)).json == {"success": True, "key": "a", "written": False, "version": 1}
    assert (await client.get("/kv/get/a")).json == 1


async def test_xx_writes_only_where_something_is(client: Client) -> None:
    assert (await client.set("a", 1, xx=True)).json == {"success": True, "key": "a", "written": False, "version": 0}
    assert (await client.get("/kv/get/a")).json is None
    await client.set("a", 1)
    assert (await client.set("a", 2, xx=True)).field("written") is True
    assert (await client.get("/kv/get/a")).json == 2


async def test_get_returns_the_old_value_if_there_was_one(client: Client) -> None:
    assert "old_value" not in str((await client.set("a", {"n": 1}, get=True)).json)
    assert (await client.set("a", "text", get=True)).field("old_value") == {"n": 1}
    assert (await client.set("a", None, get=True, nx=True)).field("old_value") == "text"


async def test_if_version_is_compare_and_set(client: Client) -> None:
    assert (await client.set("a", 1, if_version=0)).field("version") == 1
    assert (await client.set("a", 2, if_version=1)).field("version") == 2
    lost = await client.post("/kv/set", {"key": "a", "value": 3, "if_version": 1})
    assert refusal(lost) == (412, "version_mismatch", None)
    assert lost.field("current_version") == 2
    missing = await client.post("/kv/set", {"key": "b", "value": 3, "if_version": 1})
    assert (missing.status, missing.field("current_version")) == (412, None)
    assert (await client.get("/kv/get/a")).json == 2


async def test_a_version_is_that_of_the_last_change_of_the_value(client: Client) -> None:
    await client.set("a", 1)
    await client.set("b", 1)
    await client.post("/kv/expire/a", {"ttl": 60})
    assert (await client.get("/kv/get/a")).headers["etag"] == '"1"'
    assert (await client.set("a", 2)).field("version") == 4


@pytest.mark.parametrize(
    ("lifetime", "low_s", "high_s"),
    [
        ({"ttl": 60}, 59, 60),
        ({"ttl": 60.5}, 60, 60),
        ({"ttl": 60, "expiry": {"type": "seconds", "value": 100}}, 99, 100),
        ({"expiry": {"type": "milliseconds", "value": 60_000}}, 59, 60),
        ({"expiry": {"type": "unix_seconds", "value": int(time.time()) + 100_000}}, 90_000, 100_000),
        ({"expiry": {"type": "unix_milliseconds", "value": int(time.time() * 1000) + 100_000_000}}, 90_000, 100_000),
        ({}, -1, -1),
    ],
)
async def test_how_long_a_value_lives(client: Client, lifetime: dict[str, object], low_s: int, high_s: int) -> None:
    await client.set("a", 1, **lifetime)
    left = await client.get("/kv/ttl/a")
    assert low_s <= _number(left.field("ttl")) <= high_s


async def test_set_clears_the_deadline_unless_told_to_keep_it(client: Client) -> None:
    await client.set("a", 1, ttl=60)
    await client.set("a", 2, keepttl=True)
    assert _number((await client.get("/kv/ttl/a")).field("ttl")) >= 58
    await client.set("a", 3)
    assert (await client.get("/kv/ttl/a")).json == {"ttl": -1, "ttl_ms": -1}
    await client.set("new", 1, keepttl=True)
    assert (await client.get("/kv/ttl/new")).field("ttl") == -1


async def test_ttl(client: Client) -> None:
    assert (await client.get("/kv/ttl/a")).json == {"ttl": -2, "ttl_ms": -2}
    await client.set("a", 1, ttl=100)
    left = await client.get("/kv/ttl/a")
    ttl_ms = _number(left.field("ttl_ms"))
    assert 80_000 < ttl_ms <= 100_000
    assert left.field("ttl") == ttl_ms // 1000, "whole seconds, rounded down"


async def test_touch_reads_and_extends(client: Client) -> None:
    await client.set("a", "b", ttl=10)
    read = await client.get("/kv/get/a?touch=1000")
    assert (read.json, read.headers["etag"]) == ("b", '"1"')
    assert _number((await client.get("/kv/ttl/a")).field("ttl")) > 900
    assert (await client.get("/kv/get/missing?touch=1000")).json is None
    assert (await client.get("/kv/exists/missing")).json == {"exists": False}


async def test_a_touch_is_logged_only_if_it_moves_the_deadline_far(client: Client) -> None:
    await client.set("a", "b", ttl=1000)
    for _ in range(5):
        assert (await client.get("/kv/get/a?touch=1000")).json == "b"
    assert (await client.request("HEAD", "/kv/get/a?touch=1050")).status == 200
    assert (await client.get("/kv/stats")).field("seq") == 1, "up to a tenth or a minute is not worth an event"
    assert _number((await client.get("/kv/ttl/a")).field("ttl")) <= 1000
    await client.get("/kv/get/a?touch=1200")
    assert (await client.get("/kv/stats")).field("seq") == 2
    assert _number((await client.get("/kv/ttl/a")).field("ttl")) > 1100
    await client.get("/kv/get/a?touch=1100")
    assert _number((await client.get("/kv/ttl/a")).field("ttl")) <= 1100, "an earlier end is exact"
    await client.post("/kv/expire/a", {"ttl": 1101})
    assert (await client.get("/kv/stats")).field("seq") == 4, "and so is expire"


async def test_expire(client: Client) -> None:
    assert (await client.post("/kv/expire/a", {"ttl": 60})).json == {"success": False, "result": False}
    await client.set("a", 1)
    assert (await client.post("/kv/expire/a", {"ttl": 60})).json == {"success": True, "result": True}
    assert _number((await client.get("/kv/ttl/a")).field("ttl")) >= 58


async def test_expire_with_0_ends_the_key_at_once(client: Client) -> None:
    await client.set("a", 1)
    assert (await client.post("/kv/expire/a", {"ttl": 0})).json == {"success": True, "result": True}
    assert (await client.get("/kv/get/a")).json is None


async def test_persist(client: Client) -> None:
    assert (await client.post("/kv/persist/a")).json == {"success": False, "result": False}
    await client.set("a", 1, ttl=60)
    assert (await client.post("/kv/persist/a")).json == {"success": True, "result": True}
    assert (await client.get("/kv/ttl/a")).field("ttl") == -1


async def test_delete_and_exists(client: Client) -> None:
    assert (await client.delete("/kv/del/a")).json == {"deleted": False, "key": "a"}
    await client.set("a", 1)
    assert (await client.get("/kv/exists/a")).json == {"exists": True}
    assert (await client.delete("/kv/del/a")).json == {"deleted": True, "key": "a"}
    assert (await client.get("/kv/exists/a")).json == {"exists": False}
    assert (await client.get("/kv/get/a")).json is None


def _number(value: object) -> int:
    assert type(value) is int, value
    return value
