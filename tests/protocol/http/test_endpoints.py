"""Each route: the command a request becomes, and the JSON its result becomes."""

import json

import pytest

from synap import commands
from synap.commands import Kind, Pair
from synap.protocol.http.endpoints import BATCH_MAX_KEYS
from synap.protocol.http.service import Exposition, Health, Operations, Readiness, Stats
from synap.results import Found, KeyPage, Page, TimeLeft, Written

from .support import answered, refused, request, resolve, wish

BASE = {"key": "a", "value": "b"}
TEXT = Found(Kind.TEXT, b"old", None, 3)


# --- set -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({}, {}),
        ({"ttl": 60}, {"ttl_ms": 60_000}),
        ({"ttl": 0.5}, {"ttl_ms": 500}),
        ({"expiry": {"type": "milliseconds", "value": 7}}, {"ttl_ms": 7}),
        ({"expiry": {"type": "unix_seconds", "value": 1.5}}, {"deadline_ms": 1500}),
        ({"expiry": {"type": "seconds", "value": 1}, "ttl": "ignored"}, {"ttl_ms": 1000}),
        ({"keepttl": True}, {"keep_ttl": True}),
        ({"nx": True}, {"only_if_absent": True}),
        ({"xx": True}, {"only_if_present": True}),
        ({"get": True}, {"return_old": True}),
        ({"if_version": 0}, {"if_version": 0}),
        ({"value": {"n": 1}}, {"kind": Kind.JSON, "value": b'{"n": 1}'}),
        ({"value": None}, {"kind": Kind.JSON, "value": b"null"}),
        ({"value": ""}, {"value": b""}),
        ({"key": "a/b:c+d 😀\0"}, {"key": "a/b:c+d 😀\0".encode()}),
        ({"key": ""}, {"key": b""}),
        ({"unknown": 1}, {}),
    ],
)
def test_set(options: dict[str, object], fields: dict[str, object]) -> None:
    expected = {"key": b"a", "kind": Kind.TEXT, "value": b"b"} | fields
    assert wish("POST", "/kv/set", BASE | options) == commands.Set(**expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "status", "field"),
    [
        ({"ttl": 0}, 400, "ttl"),
        ({"ttl": 0.0001}, 400, "ttl"),
        ({"ttl": -1}, 422, "ttl"),
        ({"ttl": "60"}, 422, "ttl"),
        ({"ttl": True}, 422, "ttl"),
        ({"ttl": None}, 422, "ttl"),
        ({"expiry": {"type": "minutes", "value": 1}}, 422, "expiry.type"),
        ({"expiry": {"type": "seconds", "value": 0}}, 400, "expiry.value"),
        ({"expiry": {"type": "unix_seconds", "value": -1}}, 422, "expiry.value"),
        ({"keepttl": True, "ttl": 1}, 400, "keepttl"),
        ({"keepttl": True, "expiry": {"type": "seconds", "value": 1}}, 400, "keepttl"),
        ({"nx": True, "xx": True}, 400, "nx"),
        ({"if_version": -1}, 422, "if_version"),
        ({"key": 1}, 422, "key"),
    ],
)
def test_set_refused(options: dict[str, object], status: int, field: str) -> None:
    told = refused("POST", "/kv/set", BASE | options)
    assert told[:2] == (status, field)
    assert told[2].startswith(field)


def test_set_without_a_value() -> None:
    assert refused("POST", "/kv/set", {"key": "a"}) == (422, "value", "value: expected a value, the field is missing")


def test_set_answered() -> None:
    plain = {"success": True, "key": "a", "written": True, "version": 5}
    assert answered("POST", "/kv/set", Written(True, 5), BASE) == plain
    assert answered("POST", "/kv/set", Written(True, 5, TEXT), BASE) == plain | {"old_value": "old"}
    assert answered("POST", "/kv/set", Written(False, 4), BASE) == plain | {"written": False, "version": 4}


# --- one key ---------------------------------------------------------------------------------------------


def test_get() -> None:
    assert wish("GET", "/kv/get/a?unknown=1") == commands.Get(b"a")
    assert wish("GET", "/kv/get/a?touch=1.5") == commands.GetTouch(b"a", 1500)
    for target in ("/kv/get/a", "/kv/get/a?touch=60"):
        assert answered("GET", target, TEXT) == "old"
        assert answered("GET", target, None) is None
    assert refused("GET", "/kv/get/a?touch=-1")[:2] == (400, "touch")
    assert refused("GET", "/kv/get/a?touch=0")[:2] == (400, "touch")


def test_delete() -> None:
    assert wish("DELETE", "/kv/del/a") == commands.Delete(b"a")
    assert answered("DELETE", "/kv/del/a%2Fb", True) == {"deleted": True, "key": "a/b"}


def test_exists() -> None:
    assert wish("GET", "/kv/exists/a") == commands.Exists(b"a")
    assert answered("GET", "/kv/exists/a", False) == {"exists": False}


def test_expire() -> None:
    assert wish("POST", "/kv/expire/a", {"ttl": 60}) == commands.Expire(b"a", 60_000)
    assert wish("POST", "/kv/expire/a", {"ttl": 0}) == commands.Expire(b"a", 0)
    assert answered("POST", "/kv/expire/a", False, {"ttl": 1}) == {"success": False, "result": False}
    assert refused("POST", "/kv/expire/a", {"ttl": -1})[:2] == (422, "ttl")
    assert refused("POST", "/kv/expire/a", {})[:2] == (422, "ttl")


def test_persist_needs_no_body_and_ignores_one() -> None:
    assert wish("POST", "/kv/persist/a") == commands.Persist(b"a")
    assert wish("POST", "/kv/persist/a", b"not JSON") == commands.Persist(b"a")
    assert answered("POST", "/kv/persist/a", True) == {"success": True, "result": True}


@pytest.mark.parametrize(
    ("left", "ttl", "ttl_ms"),
    [
        (TimeLeft(False), -2, -2),
        (TimeLeft(True), -1, -1),
        (TimeLeft(True, 999), 0, 999),
        (TimeLeft(True, 59_999), 59, 59_999),
        (TimeLeft(True, 60_000), 60, 60_000),
    ],
)
def test_time_to_live(left: TimeLeft, ttl: int, ttl_ms: int) -> None:
    assert wish("GET", "/kv/ttl/a") == commands.TimeToLive(b"a")
    assert answered("GET", "/kv/ttl/a", left) == {"ttl": ttl, "ttl_ms": ttl_ms}


# --- many keys -------------------------------------------------------------------------------------------


def test_keys() -> None:
    assert wish("GET", "/kv/keys") == commands.Keys(b"*", 10_000)
    assert wish("GET", "/kv/keys?pattern=a%2A%5B%5Ex%5D&limit=1") == commands.Keys(b"a*[^x]", 1)
    assert answered("GET", "/kv/keys", KeyPage([b"a", "ü".encode()], True)) == {"keys": ["a", "ü"], "truncated": True}
    for limit in ("0", "10001", "x"):
        told = refused("GET", f"/kv/keys?limit={limit}")
        assert told == (400, "limit", "limit: expected an integer from 1 to 10,000")


def test_delete_keys() -> None:
    assert wish("DELETE", "/kv/keys?prefix=session:a") == commands.DeletePrefix(b"session:a")
    assert answered("DELETE", "/kv/keys?prefix=a", 3) == {"deleted": 3}
    assert refused("DELETE", "/kv/keys")[:2] == (400, "prefix")
    assert refused("DELETE", "/kv/keys?prefix=")[:2] == (400, "prefix")
    assert refused("DELETE", "/kv/keys?prefix=a&prefix=b")[:2] == (400, "prefix")


def test_scan() -> None:
    assert wish("GET", "/kv/scan") == commands.Scan(b"", None, 100)
    page = answered("GET", "/kv/scan", Page([b"a", b"b/"], b"b/"))
    assert page == {"keys": ["a", "b/"], "cursor": "Yi8"}
    assert wish("GET", "/kv/scan?prefix=b&cursor=Yi8&limit=7") == commands.Scan(b"b", b"b/", 7)
    assert answered("GET", "/kv/scan", Page([], None)) == {"keys": [], "cursor": None}
    assert refused("GET", "/kv/scan?cursor=!")[:2] == (400, "cursor")
    assert refused("GET", "/kv/scan?limit=0")[:2] == (400, "limit")


def test_count() -> None:
    assert wish("GET", "/kv/count") == commands.Count(b"")
    assert wish("GET", "/kv/count?prefix=a") == commands.Count(b"a")
    assert answered("GET", "/kv/count", 3) == {"count": 3}


def test_set_many() -> None:
    body = {"pairs": [{"key": "a", "value": "1"}, ["b", 2], {"key": "c", "value": None, "ttl": 1.5}]}
    pairs = (Pair(b"a", Kind.TEXT, b"1"), Pair(b"b", Kind.JSON, b"2"), Pair(b"c", Kind.JSON, b"null", 1500))
    assert wish("POST", "/kv/mset", body) == commands.SetMany(pairs)
    assert answered("POST", "/kv/mset", None, body) == {"success": True}
    assert wish("POST", "/kv/mset", {"pairs": []}) == commands.SetMany(())


def test_set_many_names_the_pair_that_is_wrong() -> None:
    for ttl, status in ((0, 400), (-1, 422), ("1", 422)):
        body = {"pairs": [["a", 1], {"key": "b", "value": 1, "ttl": ttl}]}
        assert refused("POST", "/kv/mset", body)[:2] == (status, "pairs[1].ttl")


def test_get_many() -> None:
    body = {"keys": ["a", "b", "c", "d"]}
    assert wish("POST", "/kv/mget", body) == commands.GetMany((b"a", b"b", b"c", b"d"))
    found = (TEXT, None, Found(Kind.JSON, b"[1]", None, 1), Found(Kind.BYTES, b"\xff", None, 1))
    assert answered("POST", "/kv/mget", found, body) == {"values": ["old", None, [1], {"base64": "/w=="}]}


def test_delete_many() -> None:
    body = {"keys": ["a", "a"]}
    assert wish("POST", "/kv/mdel", body) == commands.DeleteMany((b"a", b"a"))
    assert answered("POST", "/kv/mdel", 1, body) == {"deleted": 1}


def test_a_batch_has_a_limit() -> None:
    keys = ["a"] * BATCH_MAX_KEYS
    assert wish("POST", "/kv/mget", {"keys": keys}) == commands.GetMany((b"a",) * BATCH_MAX_KEYS)
    sentence = "batch is too large: 1,001 keys, the limit is 1,000"
    for route, body in (
        ("mget", {"keys": [*keys, "a"]}),
        ("mdel", {"keys": [*keys, "a"]}),
        ("mset", {"pairs": [["a", 1]] * (BATCH_MAX_KEYS + 1)}),
    ):
        assert refused("POST", f"/kv/{route}", body) == (413, "batch", sentence)


# --- the server itself -----------------------------------------------------------------------------------


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
