import json

from synap.protocol.http.service import Errand, Exposition, Health, Operations, Question, Readiness, Snapshot, Stats
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
    stats = Stats(1, 2, 3, "none", Operations(4, 5, 6, 3, 1), 0.75, 9, 8, 7)
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
    }


def test_metrics() -> None:
    response = resolve(request("GET", "/metrics")).respond(Exposition(b"up 1\n", "text/plain; version=1.0.0"))
    assert (response.status, response.body) == (200, b"up 1\n")
    assert (b"content-type", b"text/plain; version=1.0.0") in response.headers
