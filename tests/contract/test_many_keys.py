"""The routes that work on many keys, and the numbers about all of them."""

from urllib.parse import quote

import pytest

from tests.contract.client import Client, Reply, refusal, wait_until


@pytest.fixture
async def filled(client: Client) -> Client:
    """a:0 to a:4, b:0 and b:1."""
    keys = [f"a:{n}" for n in range(5)] + ["b:0", "b:1"]
    assert (await client.post("/kv/mset", {"pairs": [[key, key] for key in keys]})).json == {"success": True}
    return client


@pytest.mark.parametrize(
    ("query", "found", "truncated"),
    [
        ("", ["a:0", "a:1", "a:2", "a:3", "a:4", "b:0", "b:1"], False),
        ("?pattern=b:*", ["b:0", "b:1"], False),
        ("?pattern=*:0", ["a:0", "b:0"], False),
        ("?pattern=a:[1-3]", ["a:1", "a:2", "a:3"], False),
        ("?pattern=a:[%5E1-3]", ["a:0", "a:4"], False),
        ("?pattern=?:0", ["a:0", "b:0"], False),
        ("?pattern=a:%5C0", ["a:0"], False),
        ("?pattern=*&limit=2", ["a:0", "a:1"], True),
        ("?pattern=b*&limit=2", ["b:0", "b:1"], False),
        ("?pattern=nothing", [], False),
    ],
)
async def test_keys(filled: Client, query: str, found: list[str], truncated: bool) -> None:
    assert (await filled.get(f"/kv/keys{query}")).json == {"keys": found, "truncated": truncated}


async def test_delete_keys_by_prefix(filled: Client) -> None:
    before = (await filled.get("/kv/stats")).field("seq")
    assert (await filled.delete("/kv/keys?prefix=a:")).json == {"deleted": 5}
    assert (await filled.get("/kv/keys")).field("keys") == ["b:0", "b:1"]
    assert (await filled.get("/kv/stats")).field("seq") == int(str(before)) + 1, "one event"
    assert (await filled.delete("/kv/keys?prefix=a:")).json == {"deleted": 0}


@pytest.mark.parametrize("query", ["", "?prefix=", "?prefix"])
async def test_a_forgotten_prefix_deletes_nothing(filled: Client, query: str) -> None:
    assert refusal(await filled.delete(f"/kv/keys{query}")) == (400, "invalid_parameter", "prefix")
    assert (await filled.get("/kv/count")).json == {"count": 7}


async def test_scan_gives_every_key_once(filled: Client) -> None:
    keys: list[object] = []
    cursor: object = ""
    while cursor is not None:
        page = await filled.get(f"/kv/scan?limit=2&cursor={cursor}")
        found = page.field("keys")
        assert isinstance(found, list)
        keys += found
        cursor = page.field("cursor")
    assert keys == ["a:0", "a:1", "a:2", "a:3", "a:4", "b:0", "b:1"]


async def test_scan_is_complete_whatever_else_changes(filled: Client) -> None:
    page = await filled.get("/kv/scan?prefix=a:&limit=2")
    assert page.field("keys") == ["a:0", "a:1"]
    await filled.delete("/kv/del/a:1")
    await filled.set("a:00", 1)
    page = await filled.get(f"/kv/scan?prefix=a:&cursor={page.field('cursor')}")
    assert page.json == {"keys": ["a:2", "a:3", "a:4"], "cursor": None}


async def test_count(filled: Client) -> None:
    assert (await filled.get("/kv/count")).json == {"count": 7}
    assert (await filled.get("/kv/count?prefix=b:")).json == {"count": 2}
    assert (await filled.get("/kv/count?prefix=c:")).json == {"count": 0}


async def test_mset_takes_objects_and_arrays(client: Client) -> None:
    pairs = [{"key": "a", "value": "1", "ttl": 60}, ["b", {"n": 1.10}], {"key": "c", "value": None}]
    assert (await client.post("/kv/mset", {"pairs": pairs})).json == {"success": True}
    assert (await client.post("/kv/mget", {"keys": ["c", "missing", "a", "b", "a"]})).body == (
        b'{"values":[null,null,"1",{"n": 1.1},"1"]}'
    )
    assert int(str((await client.get("/kv/ttl/a")).field("ttl"))) >= 58
    assert (await client.get("/kv/exists/c")).json == {"exists": True}


async def test_mset_is_all_or_nothing(client: Client) -> None:
    refused = await client.post("/kv/mset", {"pairs": [["a", 1], ["", 2]]})
    assert refusal(refused) == (400, "invalid_key", "key")
    assert (await client.get("/kv/count")).json == {"count": 0}
    assert (await client.get("/kv/stats")).field("seq") == 0


async def test_msetnx_writes_all_or_none(client: Client) -> None:
    pairs = [{"key": "a", "value": "1", "ttl": 60}, ["b", {"n": 1}]]
    assert (await client.post("/kv/msetnx", {"pairs": pairs})).json == {"success": True}
    assert (await client.post("/kv/mget", {"keys": ["a", "b"]})).json == {"values": ["1", {"n": 1}]}
    assert int(str((await client.get("/kv/ttl/a")).field("ttl"))) >= 58
    for more in ([["c", 1], ["a", 2]], [["b", 2]]):
        assert (await client.post("/kv/msetnx", {"pairs": more})).json == {"success": False}
    assert (await client.post("/kv/mget", {"keys": ["a", "b", "c"]})).json == {"values": ["1", {"n": 1}, None]}
    assert (await client.post("/kv/msetnx", {"pairs": [["c", 1], ["c", 2]]})).json == {"success": True}
    assert (await client.get("/kv/get/c")).json == 2, "of one key twice the later wins"
    assert (await client.post("/kv/msetnx", {"pairs": []})).json == {"success": True}


async def test_msetnx_is_refused_as_a_whole(client: Client) -> None:
    refused = await client.post("/kv/msetnx", {"pairs": [["a", 1], ["", 2]]})
    assert refusal(refused) == (400, "invalid_key", "key")
    refused = await client.post("/kv/msetnx", {"pairs": [["a", 1], ["b", "v" * (8 * 1024 * 1024 + 1)]]})
    assert refusal(refused) == (413, "too_large", "value")
    assert (await client.get("/kv/stats")).field("seq") == 0


async def test_mset_and_msetnx_clear_the_deadline(client: Client) -> None:
    await client.set("a", 1, ttl=60)
    await client.post("/kv/mset", {"pairs": [["a", 2]]})
    assert (await client.get("/kv/ttl/a")).json == {"ttl": -1, "ttl_ms": -1}


async def test_of_one_key_twice_the_later_wins(client: Client) -> None:
    await client.post("/kv/mset", {"pairs": [["a", 1], ["a", 2]]})
    assert (await client.get("/kv/get/a")).json == 2


async def test_mdel_counts_what_was_there(filled: Client) -> None:
    assert (await filled.post("/kv/mdel", {"keys": ["a:0", "missing", "a:0", "b:0"]})).json == {"deleted": 2}
    assert (await filled.get("/kv/count")).json == {"count": 5}


@pytest.mark.parametrize("route", ["mset", "msetnx", "mget", "mdel"])
async def test_batches_have_a_limit(client: Client, route: str) -> None:
    def body(size: int) -> dict[str, list[object]]:
        return {"pairs": [[f"k{n}", n] for n in range(size)], "keys": [f"k{n}" for n in range(size)]}

    assert (await client.post(f"/kv/{route}", body(1000))).status == 200
    refused = await client.post(f"/kv/{route}", body(1001))
    assert refusal(refused) == (413, "too_large", "batch")
    assert (refused.field("limit"), refused.field("unit")) == (1000, "keys")
    assert (await client.post(f"/kv/{route}", body(0))).status == 200


async def test_stats(client: Client) -> None:
    await client.set("a", 1)
    await client.set("a", 2, nx=True)
    await client.post("/kv/mset", {"pairs": [["b", 1], ["c", 1]]})
    await client.get("/kv/get/a")
    await client.get("/kv/get/missing")
    await client.post("/kv/mget", {"keys": ["a", "missing"]})
    await client.delete("/kv/del/a")
    await client.delete("/kv/del/a")
    stats = (await client.get("/kv/stats")).json
    assert isinstance(stats, dict)
    assert stats["operations"] == {"gets": 4, "sets": 3, "dels": 1, "hits": 2, "misses": 2}
    assert (stats["hit_rate"], stats["total_keys"], stats["seq"]) == (0.5, 2, 4)
    assert stats["eviction_policy"] == "none"
    assert 0 < stats["memory_bytes"] < stats["total_memory_bytes"]


async def test_counts_and_memory_fall_without_anybody_reading(client: Client) -> None:
    before = await client.get("/kv/stats")

    async def is_as_before() -> bool:
        now = await client.get("/kv/stats")
        return _size(now) == _size(before)

    pairs = [{"key": f"session:{n}", "value": "v" * 1000, "ttl": 0.2} for n in range(100)]
    await client.post("/kv/mset", {"pairs": pairs})
    await wait_until(is_as_before)
    after = await client.get("/kv/stats")
    assert (after.field("expired_keys"), after.field("seq")) == (100, 200)
    assert b"synap_expired_keys_total 100.0" in (await client.get("/metrics")).body


def _size(stats: Reply) -> tuple[object, object]:
    return stats.field("total_keys"), stats.field("memory_bytes")


async def test_a_prefix_is_any_text(client: Client) -> None:
    await client.set("é&=+ %", 1)
    prefix = quote("é&=+ ", safe="")
    assert (await client.get(f"/kv/count?prefix={prefix}")).json == {"count": 1}
    assert (await client.get("/kv/count?prefix=%C3%A9%26%3D%2B+")).json == {"count": 1}, "a form's space"
