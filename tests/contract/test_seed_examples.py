"""The examples that the product was asked for with: curl as a shell runs it, and what the snippets of code rely on."""

import json
import os
import shutil
import subprocess
from functools import partial

import pytest
import trio

from tests.contract.client import Client

DOCUMENTED = "http://localhost:15500"

STORE = r"""
curl -X POST http://localhost:15500/kv/set \
  -H "Content-Type: application/json" \
  -d '{
    "key": "session:user-123",
    "value": "{\"user_id\":123,\"roles\":[\"admin\"],\"expires_at\":1234567890}",
    "ttl": 3600
  }'
"""

EXTEND = r"""
curl -X POST http://localhost:15500/kv/set \
  -H "Content-Type: application/json" \
  -d '{
    "key": "session:user-123",
    "value": "{\"user_id\":123,\"roles\":[\"admin\"]}",
    "ttl": 7200
  }'
"""

RETRIEVE = "curl http://localhost:15500/kv/get/session:user-123"
DELETE = "curl -X DELETE http://localhost:15500/kv/del/session:user-123"
STATS = "curl http://localhost:15500/kv/stats"
MEMORY = "curl http://localhost:15500/metrics | grep memory"

USER = '{"user_id":123,"roles":["admin"],"expires_at":1234567890}'

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


async def run(client: Client, command: str) -> str:
    """What a command prints when a shell runs it as documented, but for the port."""
    assert DOCUMENTED in command
    script = command.replace(DOCUMENTED, f"http://localhost:{client.port}")
    # A proxy of the machine the tests run on is none of ours.
    start = partial(subprocess.run, ["sh", "-c", script], env={**os.environ, "NO_PROXY": "*"})
    done = await trio.to_thread.run_sync(partial(start, capture_output=True, text=True, timeout=30, check=True))
    return done.stdout


@needs_curl
async def test_a_session_from_store_to_delete(client: Client) -> None:
    assert json.loads(await run(client, STORE))["success"] is True
    assert json.loads(json.loads(await run(client, RETRIEVE))) == json.loads(USER)
    assert (await client.get("/kv/ttl/session:user-123")).field("ttl") in range(3500, 3601)

    assert json.loads(await run(client, EXTEND))["success"] is True
    assert json.loads(json.loads(await run(client, RETRIEVE))) == {"user_id": 123, "roles": ["admin"]}
    assert (await client.get("/kv/ttl/session:user-123")).field("ttl") in range(7100, 7201)

    assert json.loads(await run(client, DELETE)) == {"deleted": True, "key": "session:user-123"}
    assert await run(client, RETRIEVE) == "null"


@needs_curl
async def test_monitoring(client: Client) -> None:
    await run(client, STORE)
    assert json.loads(await run(client, STATS))["total_keys"] == 1
    lines = await run(client, MEMORY)
    assert "\nsynap_kv_memory_bytes " in lines
    assert '\nsynap_process_memory_bytes{type="resident"} ' in lines


async def test_what_express_relies_on(client: Client) -> None:
    """``response.data ? JSON.parse(response.data) : null``, where axios has already parsed the body once."""
    await client.set("session:abc", json.dumps({"cart": [1, 2], "name": 'Zoë "Z"'}), ttl=3600)
    data = (await client.get("/kv/get/session:abc")).json
    assert isinstance(data, str), "parsed once it is the text; parsed twice, what the text says"
    assert json.loads(data) == {"cart": [1, 2], "name": 'Zoë "Z"'}
    assert (await client.get("/kv/get/session:none")).json is None, "falsy, and so null"


async def test_what_a_client_library_relies_on(client: Client) -> None:
    """``json.loads(session_data)`` where there is one; and keys that name what they are of."""
    for key in ("session:temp:42", "session:api:k_3F-x"):
        await client.set(key, json.dumps({"of": key}), ttl=300)
        data = (await client.get(f"/kv/get/{key}")).json
        assert isinstance(data, str)
        assert json.loads(data) == {"of": key}
        assert (await client.get("/kv/keys?pattern=session:*")).field("truncated") is False


@pytest.mark.parametrize("ttl_s", [3600, 604_800, 2_592_000, 300])
async def test_the_recommended_times_to_live(client: Client, ttl_s: int) -> None:
    await client.set("session:a", "{}", ttl=ttl_s)
    assert (await client.get("/kv/ttl/session:a")).field("ttl") in range(ttl_s - 60, ttl_s + 1)
