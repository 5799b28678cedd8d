"""A configuration file with every setting that the contract names: it is in force, and a server runs with it."""

import hashlib
import json
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import bcrypt
import pytest

from synap.config import Settings, load_settings
from synap.errors import ConfigError
from tests.contract.client import JSON, Client, Reply
from tests.contract.conftest import served

SAMPLE = """
server:
  host: 127.0.0.1
  port: 15500
kv_store:
  max_memory_mb: 4096
  eviction_policy: lru
  max_value_size_bytes: 1048576
  allow_flush_commands: true
persistence:
  enabled: true
  directory: {data}
  wal:
    enabled: true
    path: {data}/log/synap.wal
    fsync_mode: periodic
    fsync_interval_ms: 10
    max_size_mb: 16
  snapshot:
    enabled: true
    directory: {data}/snapshots
    auto_snapshot: true
    interval_secs: 300
    operation_threshold: 10000
    keep_count: 10
authentication:
  enabled: true
  users:
    - username: alice
      password_hash: {hash}
      role: admin
  api_keys:
    - key: an-api-key
      name: shop
      role: writer
      prefixes: ["shop:"]
      created: {today}
      expires_days: 90
      allowed_ips: [127.0.0.1]
    - key_hash: {key_hash}
      name: dashboard
      role: reader
logging:
  level: warn
  format: json
replication:
  enabled: false
  role: master
  replica_listen_address: 0.0.0.0:15501
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The sample, with places and credentials of this test, and any free port."""
    path = tmp_path / "synap.yml"
    text = SAMPLE.format(
        data=tmp_path / "data",
        hash=bcrypt.hashpw(b"open sesame", bcrypt.gensalt(4)).decode(),
        key_hash=hashlib.sha256(b"another-key").hexdigest(),
        today=datetime.now(UTC).date().isoformat(),
    )
    path.write_text(text.replace("port: 15500", "port: 0"), encoding="utf-8")
    return path


async def test_a_server_runs_with_it(file: Path, tmp_path: Path) -> None:
    async with served(load_settings(file, {})) as client:
        assert (await client.get("/kv/stats")).status == 401
        shop, dashboard = {"x-api-key": "an-api-key"}, {"authorization": "Bearer another-key"}
        alice = {"authorization": "Basic " + b64encode(b"alice:open sesame").decode()}
        assert (await put(client, "shop:1", b"v", shop)).status == 201
        assert (await put(client, "other:1", b"v", shop)).status == 403
        assert (await put(client, "other:1", b"v", dashboard)).status == 403
        assert (await put(client, "other:1", bytes(1_048_577), alice)).status == 413
        stats = await client.request("GET", "/kv/stats", headers=dashboard)
        assert (stats.field("eviction_policy"), stats.field("max_memory_bytes")) == ("lru", 4096 * 1024 * 1024)
        info = await client.request("GET", "/info?section=persistence", headers=alice)
        assert info.json["persistence"]["fsync_mode"] == "periodic"  # type: ignore[index]
        assert (await client.request("POST", "/snapshot", headers=alice)).status == 200
        flush = json.dumps({"command": "kv.flushall"}).encode()
        refused = await client.request("POST", "/api/v1/command", flush, {**JSON, **shop})
        assert (refused.status, refused.field("success")) == (403, False)
        flushed = await client.request("POST", "/api/v1/command", flush, {**JSON, **alice})
        assert flushed.field("payload") == {"flushed": 1}
    data = tmp_path / "data"
    assert [path.suffix for path in (data / "log").iterdir()] == [".wal"] * 2
    assert [path.suffix for path in (data / "snapshots").iterdir()] == [".snap"]


async def put(client: Client, key: str, value: bytes, headers: dict[str, str]) -> Reply:
    return await client.request("PUT", f"/kv/value/{key}", value, {"content-type": "text/plain", **headers})


def test_what_it_says_is_what_is_in_force(file: Path) -> None:
    settings = load_settings(file, {})
    assert settings != Settings()
    for name in ("server", "kv_store", "persistence", "authentication", "logging"):
        assert getattr(settings, name) != getattr(Settings(), name), name
    assert (settings.logging.level, settings.logging.format) == ("warn", "json")
    assert settings.persistence.snapshot.keep_count == 10
    assert settings.persistence.wal.fsync_interval_ms == 10
    assert settings.kv_store.allow_flush_commands
    assert not settings.replication.enabled, "what is off may say whatever it likes"


def test_replication_cannot_be_turned_on(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("replication:\n  enabled: false", "replication:\n  enabled: true"), encoding="utf-8")
    with pytest.raises(ConfigError, match="replication is not available; a store has one server"):
        load_settings(file, {})
