"""GET /slowlog and POST /slowlog/clear."""

import time

import pytest
from msgspec import structs

from synap.config import KvStoreSettings, Settings
from tests.contract.client import Client, refusal
from tests.contract.conftest import served

VALUE = "what nobody may read"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Every command is slow."""
    return structs.replace(settings, kv_store=KvStoreSettings(slowlog_threshold_ms=0, slowlog_max_entries=3))


async def entries(client: Client, target: str = "/slowlog") -> list[dict[str, object]]:
    reply = await client.get(target)
    assert isinstance(reply.json, dict)
    assert (reply.status, set(reply.json)) == (200, {"entries", "total"})
    found: list[dict[str, object]] = reply.json["entries"]
    return found


async def test_what_is_told(client: Client) -> None:
    assert (await client.get("/slowlog")).json == {"entries": [], "total": 0}
    await client.set("session:1", VALUE, ttl=60)
    (entry,) = await entries(client)
    assert set(entry) == {"id", "timestamp", "duration_us", "command", "args"}
    assert (entry["id"], entry["command"]) == (1, "set")
    assert entry["args"] == ["session:1", "(20 bytes)", "ttl_ms=60000"]
    assert abs(int(str(entry["timestamp"])) - time.time()) < 60
    assert int(str(entry["duration_us"])) > 0


async def test_the_last_ones_the_newest_first(client: Client) -> None:
    for n in range(5):
        await client.get(f"/kv/get/{n}")
    assert [entry["args"] for entry in await entries(client)] == [["4"], ["3"], ["2"]]
    assert [entry["id"] for entry in await entries(client, "/slowlog?count=2")] == [5, 4]
    assert (await client.get("/slowlog?count=2")).field("total") == 3


async def test_clearing(client: Client) -> None:
    await client.get("/kv/get/a")
    assert (await client.post("/slowlog/clear")).json == {"success": True, "cleared": 1}
    assert (await client.post("/slowlog/clear")).json == {"success": True, "cleared": 0}
    assert await entries(client) == []


async def test_no_value_is_shown_and_long_keys_are_cut(client: Client) -> None:
    await client.set("k" * 1000, VALUE)
    await client.post("/kv/mset", {"pairs": [["a", VALUE], ["b", VALUE]]})
    await client.post(f"/kv/append/{'k' * 1000}", {"value": VALUE})
    body = (await client.get("/slowlog")).body.decode()
    assert VALUE not in body
    assert "kkkk... (872 more bytes)" in body


async def test_a_refused_command_counts_as_well(client: Client) -> None:
    await client.post("/kv/set", {"key": "", "value": VALUE})
    assert [entry["command"] for entry in await entries(client)] == ["set"]


async def test_a_page_of_another_origin_clears_nothing(client: Client) -> None:
    await client.get("/kv/get/a")
    refused = await client.request("POST", "/slowlog/clear", headers={"origin": "https://example.com"})
    assert refusal(refused) == (403, "cross_origin", "origin")
    assert len(await entries(client)) == 1


@pytest.mark.parametrize("count", ["0", "-1", "x", "10001"])
async def test_counts_that_cannot_be(client: Client, count: str) -> None:
    assert refusal(await client.get(f"/slowlog?count={count}")) == (400, "invalid_parameter", "count")


async def test_what_is_quick_is_not_there(settings: Settings) -> None:
    kv_store = KvStoreSettings(slowlog_threshold_ms=3_600_000)
    async with served(structs.replace(settings, kv_store=kv_store)) as client:
        await client.set("a", 1)
        assert await entries(client) == []
