"""POST /api/v1/command over the socket: each command, that it does what the REST routes do, and each kind of error."""

import json
from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from synap.config import KvStoreSettings, Settings
from synap.protocol.http.command.table import COMMANDS
from tests.contract.client import JSON, Client, Reply
from tests.contract.conftest import served

TEXT_OF_REQUEST = "3f8a1c1e-6f9e-4c56-8f0a-5f0b1f2f3f4f"
"""A request's id as the published client makes it."""

FIELDS = {"success", "request_id", "payload", "error"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return structs.replace(settings, kv_store=KvStoreSettings(allow_flush_commands=True))


async def send(client: Client, name: str, **payload: object) -> dict[str, object]:
    """The envelope that comes back."""
    reply = await client.post("/api/v1/command", {"command": name, "request_id": TEXT_OF_REQUEST, "payload": payload})
    told = reply.json
    assert isinstance(told, dict)
    assert (reply.status, set(told), told["request_id"]) == (200, FIELDS, TEXT_OF_REQUEST)
    assert reply.headers["cache-control"] == "no-store"
    return told


async def ask(client: Client, name: str, **payload: object) -> object:
    """The payload of a command that succeeds."""
    told = await send(client, name, **payload)
    assert (told["success"], told["error"]) == (True, None), told
    return told["payload"]


async def refused(client: Client, name: str, **payload: object) -> object:
    """Why a command is refused."""
    told = await send(client, name, **payload)
    assert (told["success"], told["payload"]) == (False, None), told
    return told["error"]


# --- values ----------------------------------------------------------------------------------------------


async def test_set_and_get(client: Client) -> None:
    assert await ask(client, "kv.set", key="a", value="v", ttl=60) == {"success": True}
    assert await ask(client, "kv.get", key="a") == "v"
    assert await ask(client, "kv.set", key="a", value="other", nx=True) == {"success": False}
    assert await ask(client, "kv.set", key="b", value="other", xx=True) == {"success": False}
    assert await ask(client, "kv.set", key="a", value="w", xx=True) == {"success": True}
    assert await ask(client, "kv.get", key="a") == "w"
    assert await ask(client, "kv.ttl", key="a") == {"ttl": None}, "a set without ttl clears it"
    assert await ask(client, "kv.get", key="b") is None
    assert (await client.get("/kv/get/a")).json == "w"


async def test_a_value_is_text_whatever_it_was(client: Client) -> None:
    for value, shown in ((5, "5"), (1.5, "1.5"), (None, "null"), ([1, {"a": "b"}], '[1, {"a": "b"}]'), ('"', '"')):
        assert await ask(client, "kv.set", key="a", value=value) == {"success": True}
        assert await ask(client, "kv.get", key="a") == shown
        assert (await client.get("/kv/get/a")).json == value, "what was set is what is read"


async def test_octets(client: Client) -> None:
    octets = {"content-type": "application/octet-stream"}
    await client.request("PUT", "/kv/value/text", "\u00fc".encode(), octets)
    await client.request("PUT", "/kv/value/octets", b"\xff\x00", octets)
    assert await ask(client, "kv.get", key="text") == "\u00fc"
    assert "octets, not text" in str(await refused(client, "kv.get", key="octets"))
    assert "octets, not text" in str(await refused(client, "kv.getrange", key="octets"))
    shown = {"base64": "/wA="}
    assert await ask(client, "kv.mget", keys=["text", "octets"]) == {"values": ["\u00fc", shown]}
    assert await ask(client, "kv.getset", key="octets", value="v") == shown
    assert await ask(client, "kv.get", key="octets") == "v"


async def test_del_and_exists(client: Client) -> None:
    await client.post("/kv/mset", {"pairs": [["a", 1], ["b", 2], ["c", 3]]})
    assert await ask(client, "kv.exists", key="a") == {"exists": True}
    assert await ask(client, "kv.del", key="a") == {"deleted": True}
    assert await ask(client, "kv.del", key="a") == {"deleted": False}
    assert await ask(client, "kv.exists", key="a") == {"exists": False}
    assert await ask(client, "kv.del", keys=["a", "b"]) == {"deleted": True}
    assert await ask(client, "kv.del", keys=["a", "b"]) == {"deleted": False}
    assert await ask(client, "kv.mdel", keys=["a", "c"]) == {"deleted": 1}


async def test_numbers(client: Client) -> None:
    assert await ask(client, "kv.incr", key="n") == {"value": 1}
    assert await ask(client, "kv.incr", key="n", amount=10) == {"value": 11}
    assert await ask(client, "kv.incr", key="n", amount=0) == {"value": 11}
    assert await ask(client, "kv.decr", key="n") == {"value": 10}
    assert await ask(client, "kv.decr", key="n", amount=-5) == {"value": 15}
    assert await ask(client, "kv.get", key="n") == "15"
    await client.set("t", "text")
    assert await refused(client, "kv.incr", key="t") == "the value of this key is no integer of 64 bits"


async def test_many(client: Client) -> None:
    pairs = [["a", "1"], {"key": "b", "value": {"n": 2}, "ttl": 60}]
    assert await ask(client, "kv.mset", pairs=pairs) == {"success": True}
    assert await ask(client, "kv.mget", keys=["b", "x", "a"]) == {"values": ['{"n": 2}', None, "1"]}
    assert await ask(client, "kv.msetnx", pairs=[["x", 1], ["a", 1]]) == {"success": False}
    assert await ask(client, "kv.msetnx", key="x", value="1") == {"success": True}
    assert await ask(client, "kv.msetnx", key="x", value="2") == {"success": False}
    assert await ask(client, "kv.get", key="x") == "1"


async def test_keys(client: Client) -> None:
    await client.post("/kv/mset", {"pairs": [[f"user:{n}", n] for n in range(5)] + [["other", 1]]})
    users = [f"user:{n}" for n in range(5)]
    for payload in ({"pattern": "user:*"}, {"pattern": "user:**"}, {"prefix": "user:"}):
        assert await ask(client, "kv.keys", **payload) == {"keys": users, "count": 5}
    assert await ask(client, "kv.keys") == {"keys": ["other", *users], "count": 6}
    assert await ask(client, "kv.dbsize") == {"size": 6}
    found, cursor = [], None
    while True:
        page = await ask(client, "kv.scan", prefix="user:", limit=2, cursor=cursor)
        assert isinstance(page, dict)
        assert page["count"] == len(page["keys"])
        found += page["keys"]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert found == users


async def test_deadlines(client: Client) -> None:
    await client.set("a", 1)
    assert await ask(client, "kv.expire", key="a", ttl=60) == {"result": True}
    assert await ask(client, "kv.ttl", key="a") in ({"ttl": 59}, {"ttl": 60})
    assert await ask(client, "kv.persist", key="a") == {"result": True}
    assert await ask(client, "kv.ttl", key="a") == {"ttl": None}
    assert await ask(client, "kv.expire", key="a", ttl=0) == {"result": True}
    assert await refused(client, "kv.ttl", key="a") == "Key not found: a"
    assert await ask(client, "kv.expire", key="a", ttl=60) == {"result": False}
    assert await ask(client, "kv.persist", key="a") == {"result": False}


async def test_parts(client: Client) -> None:
    assert await ask(client, "kv.append", key="a", value="Hello") == {"length": 5}
    assert await ask(client, "kv.append", key="a", value=" World") == {"length": 11}
    assert await ask(client, "kv.strlen", key="a") == {"length": 11}
    assert await ask(client, "kv.setrange", key="a", offset=6, value="Synap") == {"length": 11}
    assert await ask(client, "kv.getrange", key="a", start=6, end=-1) == "Synap"
    assert await ask(client, "kv.getrange", key="x") is None
    assert await ask(client, "kv.getset", key="a", value={"n": 1}) == "Hello Synap"
    assert await ask(client, "kv.getset", key="x", value="1") is None
    assert await ask(client, "kv.get", key="a") == '{"n": 1}'


async def test_names(client: Client) -> None:
    assert await ask(client, "key.randomkey") == {"key": None}
    await client.set("a", "v", ttl=60)
    assert await ask(client, "key.randomkey") == {"key": "a"}
    assert await ask(client, "key.type", key="a") == {"key": "a", "type": "string"}
    assert await ask(client, "key.type", key="x") == {"key": "x", "type": "none"}
    assert await ask(client, "key.exists", key="a") == {"key": "a", "exists": True}
    moved = {"success": True, "source": "a", "destination": "b"}
    assert await ask(client, "key.rename", key="a", destination="b") == moved
    assert await refused(client, "key.rename", key="a", destination="b") == "there is no such key"
    await client.set("a", "w")
    assert "already" in str(await refused(client, "key.renamenx", key="a", destination="b"))
    assert await ask(client, "key.copy", key="a", destination="b") == {**moved, "success": False}
    assert await ask(client, "key.copy", key="a", destination="b", replace=True) == moved
    assert await ask(client, "key.renamenx", key="a", destination="c") == {**moved, "destination": "c"}
    weighed = await ask(client, "memory.usage", key="b")
    assert weighed == (await client.get("/memory/b/usage")).json


async def test_flush(client: Client) -> None:
    await client.post("/kv/mset", {"pairs": [["a", 1], ["b", 2]]})
    assert await ask(client, "kv.flushdb") == {"flushed": 2}
    assert await ask(client, "kv.flushall") == {"flushed": 0}
    assert await ask(client, "kv.dbsize") == {"size": 0}
    (told,) = [each for each in (await events(client)) if each["cause"] == "prefix_deleted"]
    assert (told["prefix"], told["key"]) == ("", None), "who watches any prefix hears of it"
    await client.set("a", 1)
    assert await ask(client, "kv.flushall") == {"flushed": 1}


async def events(client: Client) -> list[dict[str, object]]:
    told = (await client.get("/events?after=0&wait=0&prefix=a")).field("events")
    assert isinstance(told, list)
    return told


async def test_a_flush_is_durable(settings: Settings) -> None:
    async with served(settings) as client:
        await client.set("a", 1)
        await ask(client, "kv.flushall")
        await client.set("b", 1)
        await client.post("/snapshot")
    async with served(settings) as client:
        assert await ask(client, "kv.keys") == {"keys": ["b"], "count": 1}


async def test_the_server(client: Client) -> None:
    await ask(client, "kv.set", key="a", value="v")
    numbers = await ask(client, "kv.stats")
    assert numbers == {**as_object(await client.get("/kv/stats")), **only(numbers, "uptime_secs", "total_memory_bytes")}
    told = await ask(client, "info")
    assert isinstance(told, dict)
    assert set(told) == set(as_object(await client.get("/info")))
    assert await ask(client, "info", section="keyspace") == {"keyspace": {"keys": 1}}
    slow = await ask(client, "slowlog.get", count=10)
    assert isinstance(slow, dict)
    assert set(slow) == {"entries", "total"}
    assert as_dict(await ask(client, "slowlog.reset"))["success"] is True


def as_object(reply: Reply) -> dict[str, object]:
    return as_dict(reply.json)


def as_dict(told: object) -> dict[str, object]:
    assert isinstance(told, dict)
    return told


def only(told: object, *names: str) -> dict[str, object]:
    return {name: as_dict(told)[name] for name in names}


# --- errors ----------------------------------------------------------------------------------------------


async def test_what_a_command_is_refused_with(client: Client) -> None:
    assert await refused(client, "hash.set", key="a") == "Unknown command: hash.set"
    assert await refused(client, "kv.get") == "Invalid request: Missing 'key' field"
    assert await refused(client, "kv.get", key=5) == "Invalid request: key: expected a string, got an integer"
    assert await refused(client, "kv.get", key="") == "key must not be empty"
    assert await refused(client, "kv.set", key="a", value=1, ttl=0) == "ttl: must be greater than 0"
    too_long = "key is too large: 65,537 bytes, the limit is 65,536"
    assert await refused(client, "kv.set", key="k" * 65_537, value=1) == too_long
    assert (await client.get("/kv/stats")).field("seq") == 0


@pytest.mark.parametrize("name", sorted(COMMANDS))
async def test_a_payload_that_is_no_object(client: Client, name: str) -> None:
    payloads: list[object] = [[], "text", 5, True]
    for payload in payloads:
        reply = await client.post("/api/v1/command", {"command": name, "request_id": 1, "payload": payload})
        told = as_object(reply)
        assert (reply.status, told["success"], told["request_id"]) == (200, False, 1)
        assert "payload: expected an object" in str(told["error"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b"\xff", 400),
        (b'{"command": "kv.get", "payload": ' + b"[" * 100_000, 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"command": null}', 422),
        (b'{"command": "kv.stats", "request_id": []}', 422),
    ],
)
async def test_a_broken_envelope(client: Client, body: bytes, status: int) -> None:
    reply = await client.request("POST", "/api/v1/command", body, JSON)
    told = as_object(reply)
    assert (reply.status, told["code"], told["success"]) == (status, status, False)
    assert isinstance(told["error"], str)


async def test_other_envelopes_that_are_none(client: Client) -> None:
    body = json.dumps({"command": "kv.stats"}).encode()
    assert (await client.request("POST", "/api/v1/command", body)).status == 415
    assert (await client.request("POST", "/api/v1/command", body, {**JSON, "content-encoding": "br"})).status == 415
    assert (await client.get("/api/v1/command")).status == 405
    too_large = b'{"command": "kv.set", "payload": "' + bytes(11 * 1024 * 1024)
    reply = await client.request("POST", "/api/v1/command", too_large, JSON)
    assert (reply.status, as_object(reply)["success"]) == (413, False)


async def test_a_web_page_of_another_origin(client: Client) -> None:
    body = json.dumps({"command": "kv.set", "payload": {"key": "a", "value": 1}}).encode()
    reply = await client.request("POST", "/api/v1/command", body, {**JSON, "origin": "https://example.com"})
    assert (reply.status, as_object(reply)["type"]) == (403, "cross_origin")
    assert (await client.get("/kv/get/a")).json is None


@pytest.fixture
async def careful(settings: Settings) -> AsyncIterator[Client]:
    """A server as it is configured by default."""
    async with served(structs.replace(settings, kv_store=KvStoreSettings())) as client:
        yield client


async def test_a_flush_is_refused_by_default(careful: Client) -> None:
    await careful.set("a", 1)
    for name in ("kv.flushdb", "kv.flushall"):
        assert "kv_store.allow_flush_commands" in str(await refused(careful, name))
    assert await ask(careful, "kv.exists", key="a") == {"exists": True}
