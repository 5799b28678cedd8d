"""``kv_store.max_memory_mb`` and ``kv_store.eviction_policy``, as a client sees them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from synap.config import KvStoreSettings
from tests.contract.client import Client, refusal, wait_until
from tests.contract.conftest import make_settings, served

MIB = 1024 * 1024
VALUE = "v" * 100_000
SESSIONS = [f"session:{number}" for number in range(8)]


@asynccontextmanager
async def limited(directory: Path, policy: str, max_memory_mb: int | None = 1) -> AsyncIterator[Client]:
    """A server whose store may take one MiB, with eight sessions of a tenth each, the last without a deadline."""
    kv_store = msgspec.convert({"max_memory_mb": max_memory_mb, "eviction_policy": policy}, KvStoreSettings)
    async with served(structs.replace(make_settings(directory), kv_store=kv_store)) as client:
        yield client


async def fill(client: Client) -> None:
    for number, key in enumerate(SESSIONS[:-1]):
        await client.set(key, VALUE, ttl=3600 - 10 * number)
    await client.set(SESSIONS[-1], VALUE)


async def missing(client: Client) -> list[str]:
    return [key for key in SESSIONS if (await client.get(f"/kv/exists/{key}")).json == {"exists": False}]


async def sample(client: Client, name: str) -> float | None:
    text = (await client.get("/metrics")).body.decode()
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples if each.name == name]
    return samples[0].value if samples else None


async def test_without_a_policy_writes_that_need_more_are_refused_and_all_else_goes_on(tmp_path: Path) -> None:
    async with limited(tmp_path / "data", "none") as client:
        await fill(client)
        for body in ({"key": "new", "value": VALUE * 3}, {"key": SESSIONS[0], "value": VALUE * 4}):
            reply = await client.post("/kv/set", body)
            assert refusal(reply) == (507, "memory_limit", None)
            assert reply.field("outcome") == "not_written"
            assert "nothing is evicted (eviction_policy none); nothing was written" in str(reply.field("error"))
            assert int(reply.headers["retry-after"]) >= 1
        pairs = [{"key": f"new:{number}", "value": VALUE} for number in range(3)]
        assert refusal(await client.post("/kv/mset", {"pairs": pairs})) == (507, "memory_limit", None)
        assert refusal(await client.post(f"/kv/{SESSIONS[0]}/append", {"value": VALUE * 3}))[0] == 507
        assert await missing(client) == []
        assert (await client.get("/kv/count?prefix=new")).json == {"count": 0}
        assert await client.is_ready()
        assert (await client.get(f"/kv/get/{SESSIONS[0]}")).json == VALUE
        assert (await client.post(f"/kv/expire/{SESSIONS[0]}", {"ttl": 60})).field("result") is True
        await client.set(SESSIONS[1], "smaller")
        assert (await client.delete(f"/kv/del/{SESSIONS[2]}")).field("deleted") is True
        await client.set("new", VALUE * 3)


@pytest.mark.parametrize(
    ("policy", "gone"),
    [
        ("lru", SESSIONS[1:2]),
        ("allkeys-lru", SESSIONS[1:2]),
        ("lfu", SESSIONS[1:2]),
        ("volatile-lfu", SESSIONS[1:2]),
        ("volatile-ttl", SESSIONS[6:7]),
    ],
)
async def test_the_right_one_goes(tmp_path: Path, policy: str, gone: list[str]) -> None:
    async with limited(tmp_path / "data", policy) as client:
        await fill(client)
        await client.get(f"/kv/get/{SESSIONS[0]}")
        await client.set("new", VALUE * 3)
        assert await missing(client) == gone
        stats = await client.get("/kv/stats")
        assert (stats.field("eviction_policy"), stats.field("evicted_keys")) == (policy, 1)
        memory_bytes = stats.field("memory_bytes")
        assert isinstance(memory_bytes, int)
        assert memory_bytes < MIB == stats.field("max_memory_bytes")
        assert await sample(client, "synap_evicted_keys_total") == 1
        assert await sample(client, "synap_kv_max_memory_bytes") == MIB
        told = await client.get("/events?after=8&wait=1")
        first = told.json["events"][0]  # type: ignore[index]  # it is told below what it is
        assert (first["type"], first["cause"], first["key"]) == ("removed", "evicted", gone[0])


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"])
async def test_what_has_no_deadline_is_left_alone(tmp_path: Path, policy: str) -> None:
    async with limited(tmp_path / "data", policy) as client:
        await client.set("forever", VALUE * 4)
        for key in SESSIONS[:4]:
            await client.set(key, VALUE, ttl=3600)
        await client.set("new", VALUE * 6)
        assert (await client.get("/kv/exists/forever")).field("exists") is True
        assert (await client.get("/kv/count?prefix=session:")).json == {"count": 0}
        assert refusal(await client.post("/kv/set", {"key": "newer", "value": VALUE * 2}))[:2] == (507, "memory_limit")
        assert (await client.get("/kv/count")).json == {"count": 2}


@pytest.mark.parametrize("policy", ["none", "lru", "allkeys-random", "volatile-ttl"])
async def test_for_what_alone_is_too_large_nothing_goes(tmp_path: Path, policy: str) -> None:
    async with limited(tmp_path / "data", policy) as client:
        await fill(client)
        assert refusal(await client.post("/kv/set", {"key": "new", "value": VALUE * 11})) == (507, "memory_limit", None)
        assert await missing(client) == []


async def test_a_start_with_a_lower_limit(tmp_path: Path) -> None:
    async with limited(tmp_path / "data", "lru", 0) as client:
        assert (await client.get("/kv/stats")).field("max_memory_bytes") is None
        assert await sample(client, "synap_kv_max_memory_bytes") is None
        await fill(client)
        await client.set("new", VALUE * 5)
        await client.get(f"/kv/get/{SESSIONS[0]}")
        assert await missing(client) == []
    async with limited(tmp_path / "data", "lru") as client:

        async def fits() -> bool:
            memory_bytes = (await client.get("/kv/stats")).field("memory_bytes")
            assert isinstance(memory_bytes, int)
            return memory_bytes <= MIB

        await wait_until(fits)
        # Nothing is known of reads before the start: what was written first goes first.
        assert await missing(client) == SESSIONS[:3]
