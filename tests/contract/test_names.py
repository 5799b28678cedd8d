"""The routes under /key and /memory."""

import pytest

from tests.contract.client import Client, refusal


async def test_type_and_exists(client: Client) -> None:
    for there, kind in ((False, "none"), (True, "string")):
        assert (await client.get("/key/a/type")).json == {"key": "a", "type": kind}
        assert (await client.get("/key/a/exists")).json == {"key": "a", "exists": there}
        await client.set("a", [1])


async def test_rename(client: Client) -> None:
    await client.set("a", {"n": 1}, ttl=60)
    await client.set("b", "old")
    done = await client.post("/key/a/rename", {"destination": "b"})
    assert (done.status, done.json) == (200, {"success": True, "source": "a", "destination": "b"})
    assert (await client.post("/kv/mget", {"keys": ["a", "b"]})).json == {"values": [None, {"n": 1}]}
    assert 50 <= int(str((await client.get("/kv/ttl/b")).field("ttl"))) <= 60, "the deadline goes along"
    assert (await client.get("/kv/get/b")).headers["etag"] == '"3"'


async def test_rename_onto_itself(client: Client) -> None:
    await client.set("a", 1)
    assert (await client.post("/key/a/rename", {"destination": "a"})).field("success") is True
    assert (await client.get("/kv/get/a")).headers["etag"] == '"1"', "nothing changed"
    assert refusal(await client.post("/key/a/renamenx", {"destination": "a"})) == (409, "key_exists", "destination")


async def test_renamenx(client: Client) -> None:
    await client.set("a", 1, ttl=60)
    await client.set("b", 2)
    assert refusal(await client.post("/key/a/renamenx", {"destination": "b"})) == (409, "key_exists", "destination")
    assert (await client.post("/kv/mget", {"keys": ["a", "b"]})).json == {"values": [1, 2]}
    done = await client.post("/key/a/renamenx", {"destination": "c/d"})
    assert (done.status, done.json) == (200, {"success": True, "source": "a", "destination": "c/d"})
    assert (await client.get("/kv/get/c%2Fd")).json == 1
    assert (await client.get("/kv/exists/a")).json == {"exists": False}


async def test_copy(client: Client) -> None:
    await client.set("a", "text", ttl=60)
    done = await client.post("/key/a/copy", {"destination": "b"})
    assert (done.status, done.json) == (200, {"success": True, "source": "a", "destination": "b"})
    assert (await client.post("/kv/mget", {"keys": ["a", "b"]})).json == {"values": ["text", "text"]}
    assert 50 <= int(str((await client.get("/kv/ttl/b")).field("ttl"))) <= 60


async def test_copy_onto_a_key(client: Client) -> None:
    await client.set("a", 1)
    await client.set("b", 2)
    refused = await client.post("/key/a/copy", {"destination": "b"})
    assert (refused.status, refused.json) == (200, {"success": False, "source": "a", "destination": "b"})
    assert (await client.get("/kv/get/b")).json == 2
    assert (await client.post("/key/a/copy", {"destination": "b", "replace": True})).field("success") is True
    assert (await client.get("/kv/get/b")).json == 1
    for replace in (False, True):
        itself = await client.post("/key/a/copy", {"destination": "a", "replace": replace})
        assert itself.field("success") is replace


@pytest.mark.parametrize("operation", ["rename", "renamenx", "copy"])
async def test_a_source_must_be_there(client: Client, operation: str) -> None:
    await client.set("b", 2)
    for destination in ("b", "c", "a"):
        refused = await client.post(f"/key/a/{operation}", {"destination": destination})
        assert refusal(refused) == (404, "missing_key", "key")
    assert (await client.get("/kv/keys")).field("keys") == ["b"]


@pytest.mark.parametrize("operation", ["rename", "renamenx", "copy"])
@pytest.mark.parametrize(
    ("destination", "status", "kind"),
    [("", 400, "invalid_key"), ("k" * 65_537, 413, "too_large")],
    ids=["empty", "too long"],
)
async def test_a_destination_may_be_refused(
    client: Client, operation: str, destination: str, status: int, kind: str
) -> None:
    await client.set("a", 1)
    refused = await client.post(f"/key/a/{operation}", {"destination": destination})
    assert refusal(refused) == (status, kind, "destination")
    assert (await client.get("/kv/get/a")).json == 1


async def test_rename_is_one_step(client: Client) -> None:
    """Two events, which share a frame: either both are there after a crash, or none."""
    await client.set("a", 1)
    await client.post("/key/a/rename", {"destination": "b"})
    assert (await client.get("/kv/stats")).field("seq") == 3
    text = (await client.get("/metrics")).body.decode()
    assert "\nsynap_wal_batch_events_count 2.0\n" in text


async def test_a_random_key(client: Client) -> None:
    assert (await client.get("/key/randomkey")).json == {"key": None}
    await client.post("/kv/mset", {"pairs": [[f"k{n}", n] for n in range(5)]})
    found = {(await client.get("/key/randomkey")).field("key") for _ in range(200)}
    assert found == {f"k{n}" for n in range(5)}


async def test_memory_usage(client: Client) -> None:
    assert (await client.get("/memory/a/usage")).json == {"key": "a", "bytes": 0, "human": "0 B"}
    await client.set("a", "v" * 100_000)
    told = await client.get("/memory/a/usage")
    size = int(str(told.field("bytes")))
    assert 100_000 < size < 101_000
    assert told.field("human") == f"{size / 1024:.1f} KiB"
    assert size <= int(str((await client.get("/kv/stats")).field("memory_bytes")))
