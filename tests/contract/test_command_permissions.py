"""The command endpoint where authentication is on: who may do what is looked at as on the REST routes."""

import json
from pathlib import Path

import msgspec
import pytest

from synap.accounts import ApiKeySettings, AuthenticationSettings
from synap.config import KvStoreSettings, Settings
from synap.protocol.http.command.table import COMMANDS
from tests.contract.client import JSON, Client, Reply
from tests.contract.conftest import make_settings

AUTHENTICATION = AuthenticationSettings(
    enabled=True,
    api_keys=(
        ApiKeySettings("reader", "reader", key="reader-key"),
        ApiKeySettings("writer", "writer", key="writer-key"),
        ApiKeySettings("admin", "admin", key="admin-key"),
        ApiKeySettings("shop", "writer", key="shop-key", prefixes=("shop:",)),
    ),
)

ROLES = ("reader", "writer", "admin")

READS = {
    *("kv.get", "kv.exists", "kv.mget", "kv.scan", "kv.keys", "kv.dbsize", "kv.ttl", "kv.stats", "kv.strlen"),
    *("kv.getrange", "key.type", "key.exists", "key.randomkey", "memory.usage"),
}
FOR_ADMINS = {"kv.flushdb", "kv.flushall", "info", "slowlog.get", "slowlog.reset"}

ANY: dict[str, object] = {"key": "a", "keys": ["a"], "pairs": [["a", 1]], "value": "1", "ttl": 60, "offset": 0}
PAYLOADS: dict[str, dict[str, object]] = {
    "kv.del": {"key": "a"},
    "kv.msetnx": {"key": "a", "value": 1},
    "kv.scan": {},
    "kv.keys": {},
    "info": {},
    "slowlog.get": {},
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return msgspec.structs.replace(
        make_settings(tmp_path / "data"),
        authentication=AUTHENTICATION,
        kv_store=KvStoreSettings(allow_flush_commands=True),
    )


async def send(client: Client, who: str | None, name: str, **payload: object) -> Reply:
    credentials = {} if who is None else {"authorization": f"Bearer {who}-key"}
    body = json.dumps({"command": name, "request_id": "1", "payload": payload}).encode()
    return await client.request("POST", "/api/v1/command", body, {**JSON, **credentials})


@pytest.mark.parametrize("name", sorted(COMMANDS))
async def test_who_may_do_what(client: Client, name: str) -> None:
    payload = PAYLOADS.get(name, {**ANY, "destination": "b"})
    needed = (name not in READS) + (name in FOR_ADMINS)
    for rank, who in enumerate(ROLES):
        reply = await send(client, who, name, **payload)
        if rank >= needed:
            assert reply.status == 200, (who, reply)
        else:
            assert (reply.status, reply.field("type"), reply.field("needs")) == (403, "not_permitted", ROLES[needed])
            assert reply.field("success") is False


@pytest.mark.parametrize("who", [None, "nobody"])
async def test_without_credentials_nothing_is_looked_at(client: Client, who: str | None) -> None:
    for name in ("kv.get", "no.such", "kv.set"):
        reply = await send(client, who, name)
        assert (reply.status, reply.field("type"), reply.field("success")) == (401, "not_authenticated", False)
        assert "www-authenticate" in reply.headers


async def test_prefixes(client: Client) -> None:
    assert (await send(client, "shop", "kv.set", key="shop:1", value=1)).field("success") is True
    assert (await send(client, "shop", "kv.keys", pattern="shop:*")).field("payload") == {
        "keys": ["shop:1"],
        "count": 1,
    }
    assert (await send(client, "shop", "kv.keys", prefix="shop:")).field("payload") == {"keys": ["shop:1"], "count": 1}
    assert (await send(client, "shop", "kv.scan", prefix="shop:")).status == 200
    refused: list[tuple[str, dict[str, object]]] = [
        ("kv.get", {"key": "other"}),
        ("kv.mget", {"keys": ["shop:1", "other"]}),
        ("key.rename", {"key": "shop:1", "destination": "other"}),
        ("kv.keys", {"pattern": "*"}),
        ("kv.keys", {"prefix": "sh"}),
        ("kv.scan", {}),
        ("kv.dbsize", {}),
        ("kv.stats", {}),
        ("kv.flushall", {}),
    ]
    for name, payload in refused:
        reply = await send(client, "shop", name, **payload)
        assert (reply.status, reply.field("success")) == (403, False), name
    assert (await send(client, "reader", "kv.get", key="shop:1")).field("payload") == "1"
