"""GET /info: what an operator is told, in sections."""

import os
import platform
from pathlib import Path

import pytest
from msgspec import structs

import synap
from synap.config import PersistenceSettings, Settings
from synap.radix import IMPLEMENTATION
from tests.contract.client import Client, refusal
from tests.contract.conftest import served

SECTIONS = ["server", "memory", "stats", "persistence", "keyspace"]


async def told(client: Client, section: str) -> dict[str, object]:
    """A section, which is the only one where it is asked for."""
    reply = await client.get(f"/info?section={section}")
    assert reply.status == 200
    assert isinstance(reply.json, dict)
    assert list(reply.json) == [section]
    found: dict[str, object] = reply.json[section]
    return found


async def test_all_sections(client: Client) -> None:
    reply = await client.get("/info")
    assert reply.status == 200
    assert isinstance(reply.json, dict)
    assert list(reply.json) == SECTIONS
    for section in SECTIONS:
        assert set(reply.json[section]) == set(await told(client, section))


async def test_the_process(client: Client) -> None:
    found = await told(client, "server")
    # Mostly 0, but on a busy machine a start takes its time.
    assert found.pop("uptime_secs") in range(60)
    assert found == {
        "version": synap.__version__,
        "python": platform.python_version(),
        "radix": IMPLEMENTATION,
        "pid": os.getpid(),
        "host": "127.0.0.1",
        "port": client.port,
    }


async def test_memory_and_keys(client: Client) -> None:
    before = await told(client, "memory")
    await client.set("a", "v" * 10_000)
    after = await told(client, "memory")
    assert int(str(after["used_bytes"])) >= int(str(before["used_bytes"])) + 10_000
    assert int(str(after["virtual_bytes"])) > int(str(after["resident_bytes"])) > int(str(after["used_bytes"]))
    assert (after["limit_bytes"], after["eviction_policy"]) == (None, "none")
    assert await told(client, "keyspace") == {"keys": 1}


async def test_what_was_done(client: Client) -> None:
    await client.set("a", 1)
    await client.get("/kv/get/a")
    await client.get("/kv/get/b")
    await client.delete("/kv/del/a")
    assert await told(client, "stats") == {
        "gets": 2,
        "sets": 1,
        "dels": 1,
        "hits": 1,
        "misses": 1,
        "hit_rate": 0.5,
        "expired_keys": 0,
        "evicted_keys": 0,
    }


async def test_persistence(client: Client, tmp_path: Path) -> None:
    await client.set("a", 1)
    before = await told(client, "persistence")
    taken = await client.post("/snapshot")
    (listed,) = as_list((await client.get("/snapshots")).field("snapshots"))
    after = await told(client, "persistence")
    assert before["log_segments"] == 1
    assert (before["last_snapshot"], before["snapshots"]) == (None, 0)
    assert after["last_snapshot"] == {name: listed[name] for name in ("seq", "created_at", "size_bytes")}
    assert (after["seq"], after["snapshots"], after["log_segments"]) == (taken.field("seq"), 1, 2)
    assert (after["enabled"], after["fsync_mode"], after["directory"]) == (True, "always", str(tmp_path / "data"))
    assert after["snapshot_error"] is None
    assert int(str(after["log_bytes"])) > 0


def as_list(found: object) -> list[dict[str, object]]:
    assert isinstance(found, list)
    return found


async def test_a_snapshot_that_was_not_taken(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await client.set("a", 1)
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-such-python"))
    assert (await client.post("/snapshot")).status == 500
    assert (await told(client, "persistence"))["snapshot_error"] is not None
    monkeypatch.undo()
    assert (await client.post("/snapshot")).status == 200
    assert (await told(client, "persistence"))["snapshot_error"] is None


async def test_nothing_is_kept(settings: Settings) -> None:
    async with served(structs.replace(settings, persistence=PersistenceSettings(enabled=False))) as client:
        found = await told(client, "persistence")
        assert (found["enabled"], found["fsync_mode"], found["directory"]) == (False, None, None)
        assert (found["log_bytes"], found["log_segments"], found["last_snapshot"]) == (0, 0, None)


async def test_an_unknown_section(client: Client) -> None:
    refused = await client.get("/info?section=clients")
    assert refusal(refused) == (400, "invalid_parameter", "section")
    assert ", ".join(SECTIONS) in str(refused.field("error"))
