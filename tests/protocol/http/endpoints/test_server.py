import json

from synap.protocol.http.info import Info, KeyspaceInfo
from synap.protocol.http.service import (
    Errand,
    Exposition,
    Health,
    Operations,
    Question,
    Readiness,
    SlowEntries,
    SlowEntry,
    Snapshot,
    Stats,
)
from tests.protocol.http.support import answered, refused, request, resolve, wish


def test_health() -> None:
    health = Health("healthy", "synap", "0.1", 7)
    assert answered("GET", "/health", health) == {
        "status": "healthy",
        "service": "synap",
        "version": "0.1",
        "uptime_secs": 7,
    }
    assert resolve(request("GET", "/health")).respond(Health("failed", "synap", "0.1", 7)).status == 503


def test_readiness() -> None:
    assert answered("GET", "/ready", Readiness(True)) == {"ready": True}
    waiting = Readiness(False, ("recovery",), 42.5, retry_after_s=3)
    response = resolve(request("GET", "/ready")).respond(waiting)
    assert response.status == 503
    assert (b"retry-after", b"3") in response.headers
    assert json.loads(response.body) == {"ready": False, "waiting_for": ["recovery"], "recovery_percent": 42.5}


SNAPSHOT = Snapshot("/data/snapshot/7.snap", 512, "2024-01-01T00:00:00.000Z", 7, 12_000)


def test_take_snapshot() -> None:
    assert isinstance(wish("POST", "/snapshot"), Errand)
    assert isinstance(wish("POST", "/snapshot", b"whatever"), Errand), "there is nothing to say about it"
    assert answered("POST", "/snapshot", SNAPSHOT) == {
        "success": True,
        "message": "the state after seq 7 is on the disk: 12,000 keys",
        "snapshot_path": "/data/snapshot/7.snap",
        "seq": 7,
    }
    assert refused("GET", "/snapshot")[0] == 405


def test_snapshots() -> None:
    assert isinstance(wish("GET", "/snapshots"), Question)
    assert answered("GET", "/snapshots", ()) == {"snapshots": []}
    assert answered("GET", "/snapshots", (SNAPSHOT,)) == {
        "snapshots": [
            {
                "path": "/data/snapshot/7.snap",
                "size_bytes": 512,
                "created_at": "2024-01-01T00:00:00.000Z",
                "seq": 7,
                "entries": 12_000,
            }
        ]
    }
    assert refused("POST", "/snapshots")[0] == 405


def test_stats() -> None:
    stats = Stats(1, 2, 3, "none", Operations(4, 5, 6, 3, 1), 0.75, 9, 8, 7, 10, 11)
    assert answered("GET", "/kv/stats", stats) == {
        "total_keys": 1,
        "memory_bytes": 2,
        "total_memory_bytes": 3,
        "eviction_policy": "none",
        "operations": {"gets": 4, "sets": 5, "dels": 6, "hits": 3, "misses": 1},
        "hit_rate": 0.75,
        "seq": 9,
        "expired_keys": 8,
        "uptime_secs": 7,
        "evicted_keys": 10,
        "max_memory_bytes": 11,
    }


def test_info() -> None:
    told = Info(keyspace=KeyspaceInfo(3))
    assert answered("GET", "/info", told) == {"keyspace": {"keys": 3}}
    assert answered("GET", "/info?section=keyspace", told) == {"keyspace": {"keys": 3}}
    sentence = "section: expected one of server, memory, stats, persistence, keyspace"
    assert refused("GET", "/info?section=x") == (400, "section", sentence)


def test_slowlog() -> None:
    slow = SlowEntries((SlowEntry(1, 2, 3, "get", ("a",)),), 7)
    assert answered("GET", "/slowlog?count=1", slow) == {
        "entries": [{"id": 1, "timestamp": 2, "duration_us": 3, "command": "get", "args": ["a"]}],
        "total": 7,
    }
    assert refused("GET", "/slowlog?count=0") == (400, "count", "count: expected an integer from 1 to 10,000")
    assert answered("POST", "/slowlog/clear", 7) == {"success": True, "cleared": 7}
    assert isinstance(wish("POST", "/slowlog/clear"), Errand), "so that no page of another origin can have it"


def test_metrics() -> None:
    response = resolve(request("GET", "/metrics")).respond(Exposition(b"up 1\n", "text/plain; version=1.0.0"))
    assert (response.status, response.body) == (200, b"up 1\n")
    assert (b"content-type", b"text/plain; version=1.0.0") in response.headers
