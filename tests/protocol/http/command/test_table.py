"""Each command of the table: the wish that its payload comes down to, what is shown of the result, what is refused."""

import pytest

from synap import commands
from synap.commands import Kind, Pair
from synap.errors import InvalidValueError, MissingKeyError
from synap.protocol.http.command.table import COMMANDS
from synap.protocol.http.info import Info, KeyspaceInfo, MemoryInfo
from synap.protocol.http.service import Errand, Question, Role, SlowEntries, SlowEntry
from synap.results import Found, KeyPage, Page, TimeLeft, Written
from tests.protocol.http.command.support import asked, refusal, shown, wish

TEXT, JSON, BYTES = (Found(kind, value, None, 1) for kind, value in ((0, b"v"), (1, b'{"n": 1.10}'), (2, b"\xff\x00")))
OCTETS_OF_TEXT = Found(2, "\u00fc".encode(), None, 1)

WISHES: list[tuple[str, dict[str, object], object]] = [
    ("kv.set", {"key": "a", "value": "v"}, commands.Set(key=b"a", kind=Kind.TEXT, value=b"v")),
    (
        "kv.set",
        {"key": "a", "value": {"n": 1}, "ttl": 1.5, "nx": True},
        commands.Set(key=b"a", kind=Kind.JSON, value=b'{"n": 1}', ttl_ms=1500, only_if_absent=True),
    ),
    (
        "kv.set",
        {"key": "a", "value": None, "xx": True},
        commands.Set(key=b"a", kind=Kind.JSON, value=b"null", only_if_present=True),
    ),
    ("kv.get", {"key": "a"}, commands.Get(b"a")),
    ("kv.del", {"key": "a"}, commands.Delete(b"a")),
    ("kv.del", {"keys": ["a", "b"]}, commands.DeleteMany((b"a", b"b"))),
    ("kv.exists", {"key": "a"}, commands.Exists(b"a")),
    ("kv.incr", {"key": "a"}, commands.Increment(b"a", 1)),
    ("kv.incr", {"key": "a", "amount": 0}, commands.Increment(b"a", 0)),
    ("kv.decr", {"key": "a"}, commands.Increment(b"a", -1)),
    ("kv.decr", {"key": "a", "amount": -5}, commands.Increment(b"a", 5)),
    (
        "kv.mset",
        {"pairs": [["a", "1"], {"key": "b", "value": 2, "ttl": 3}]},
        commands.SetMany((Pair(b"a", Kind.TEXT, b"1"), Pair(b"b", Kind.JSON, b"2", 3000))),
    ),
    ("kv.msetnx", {"pairs": [["a", "1"]]}, commands.SetMany((Pair(b"a", Kind.TEXT, b"1"),), only_if_absent=True)),
    ("kv.msetnx", {"key": "a", "value": "1"}, commands.SetMany((Pair(b"a", Kind.TEXT, b"1"),), only_if_absent=True)),
    ("kv.mget", {"keys": ["a", "b"]}, commands.GetMany((b"a", b"b"))),
    ("kv.mdel", {"keys": ["a", "b"]}, commands.DeleteMany((b"a", b"b"))),
    ("kv.scan", {}, commands.Scan(b"", None, 100)),
    ("kv.scan", {"prefix": "a", "limit": 7, "cursor": "YQ"}, commands.Scan(b"a", b"a", 7)),
    ("kv.scan", {"cursor": None}, commands.Scan(b"", None, 100)),
    ("kv.scan", {"cursor": ""}, commands.Scan(b"", None, 100)),
    ("kv.keys", {}, commands.Keys(b"*", 10_000)),
    ("kv.keys", {"pattern": "user:**"}, commands.Keys(b"user:**", 10_000)),
    ("kv.keys", {"prefix": "a*"}, commands.Scan(b"a*", None, 10_000)),
    ("kv.dbsize", {}, commands.Count(b"")),
    ("kv.flushdb", {}, commands.Flush()),
    ("kv.flushall", {}, commands.Flush()),
    ("kv.expire", {"key": "a", "ttl": 0}, commands.Expire(b"a", 0)),
    ("kv.expire", {"key": "a", "ttl": 60}, commands.Expire(b"a", 60_000)),
    ("kv.persist", {"key": "a"}, commands.Persist(b"a")),
    ("kv.ttl", {"key": "a"}, commands.TimeToLive(b"a")),
    ("kv.append", {"key": "a", "value": "b"}, commands.Append(b"a", b"b")),
    ("kv.strlen", {"key": "a"}, commands.Length(b"a")),
    ("kv.setrange", {"key": "a", "offset": 3, "value": "b"}, commands.SetRange(b"a", 3, b"b")),
    ("kv.getrange", {"key": "a"}, commands.GetRange(b"a", 0, -1)),
    ("kv.getrange", {"key": "a", "start": 1, "end": 2}, commands.GetRange(b"a", 1, 2)),
    ("kv.getset", {"key": "a", "value": "v"}, commands.Set(key=b"a", kind=Kind.TEXT, value=b"v", return_old=True)),
    ("key.type", {"key": "a"}, commands.Exists(b"a")),
    ("key.exists", {"key": "a"}, commands.Exists(b"a")),
    ("key.randomkey", {}, commands.RandomKey()),
    ("key.rename", {"key": "a", "destination": "b"}, commands.Rename(b"a", b"b")),
    ("key.renamenx", {"key": "a", "destination": "b"}, commands.Rename(b"a", b"b", only_if_absent=True)),
    ("key.copy", {"key": "a", "destination": "b", "replace": True}, commands.Copy(b"a", b"b", replace=True)),
    ("memory.usage", {"key": "a"}, commands.MemoryUsage(b"a")),
]

OF_THE_SERVER = {"kv.stats": Role.READER, "info": Role.ADMIN, "slowlog.get": Role.ADMIN, "slowlog.reset": Role.ADMIN}
"""What each of them needs."""


def test_every_command_is_here() -> None:
    assert {name for name, _, _ in WISHES} | OF_THE_SERVER.keys() == COMMANDS.keys()


@pytest.mark.parametrize(
    ("name", "payload", "expected"), WISHES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_wishes(name: str, payload: dict[str, object], expected: object) -> None:
    assert wish(name, **payload) == expected
    assert wish(name, **payload, client_id="unknown fields are ignored") == expected


@pytest.mark.parametrize(("name", "role"), OF_THE_SERVER.items())
def test_what_is_asked_of_the_server(name: str, role: Role) -> None:
    found = wish(name)
    assert isinstance(found, Question | Errand)
    assert (found.needs, found.under) == (role, b"")


KEY: dict[str, object] = {"key": "a"}
DESTINATION: dict[str, object] = {"key": "a", "destination": "b"}


@pytest.mark.parametrize(
    ("name", "payload", "result", "expected"),
    [
        ("kv.set", {**KEY, "value": 1}, Written(True, 1), {"success": True}),
        ("kv.set", {**KEY, "value": 1, "nx": True}, Written(False, 1), {"success": False}),
        ("kv.get", KEY, TEXT, "v"),
        ("kv.get", KEY, JSON, '{"n": 1.10}'),
        ("kv.get", KEY, OCTETS_OF_TEXT, "\u00fc"),
        ("kv.get", KEY, None, None),
        ("kv.del", KEY, True, {"deleted": True}),
        ("kv.del", {"keys": ["a", "b"]}, 2, {"deleted": True}),
        ("kv.del", {"keys": ["a", "b"]}, 0, {"deleted": False}),
        ("kv.exists", KEY, True, {"exists": True}),
        ("kv.incr", KEY, 7, {"value": 7}),
        ("kv.decr", KEY, -7, {"value": -7}),
        ("kv.mset", {"pairs": []}, True, {"success": True}),
        ("kv.msetnx", {"pairs": []}, False, {"success": False}),
        (
            "kv.mget",
            {"keys": []},
            (TEXT, None, JSON, BYTES),
            {"values": ["v", None, '{"n": 1.10}', {"base64": "/wA="}]},
        ),
        ("kv.mdel", {"keys": []}, 2, {"deleted": 2}),
        ("kv.scan", {}, Page([b"a", b"b"], b"b"), {"keys": ["a", "b"], "count": 2, "cursor": "Yg"}),
        ("kv.scan", {}, Page([], None), {"keys": [], "count": 0, "cursor": None}),
        ("kv.keys", {}, KeyPage([b"a"], truncated=False), {"keys": ["a"], "count": 1}),
        ("kv.keys", {}, KeyPage([b"a"], truncated=True), {"keys": ["a"], "count": 1, "truncated": True}),
        ("kv.keys", {"prefix": "a"}, Page([b"a"], None), {"keys": ["a"], "count": 1}),
        ("kv.keys", {"prefix": "a"}, Page([b"a"], b"a"), {"keys": ["a"], "count": 1, "truncated": True}),
        ("kv.dbsize", {}, 3, {"size": 3}),
        ("kv.flushall", {}, 3, {"flushed": 3}),
        ("kv.expire", {**KEY, "ttl": 1}, True, {"result": True}),
        ("kv.persist", KEY, False, {"result": False}),
        ("kv.ttl", KEY, TimeLeft(True, 1999), {"ttl": 1}),
        ("kv.ttl", KEY, TimeLeft(True), {"ttl": None}),
        ("kv.append", {**KEY, "value": "b"}, 3, {"length": 3}),
        ("kv.strlen", KEY, 3, {"length": 3}),
        ("kv.setrange", {**KEY, "offset": 0, "value": "b"}, 3, {"length": 3}),
        ("kv.getrange", KEY, TEXT, "v"),
        ("kv.getrange", KEY, None, None),
        ("kv.getset", {**KEY, "value": 1}, Written(True, 2, TEXT), "v"),
        ("kv.getset", {**KEY, "value": 1}, Written(True, 2, None), None),
        ("kv.getset", {**KEY, "value": 1}, Written(True, 2, BYTES), {"base64": "/wA="}),
        ("kv.getset", {**KEY, "value": 1}, Written(True, 2, OCTETS_OF_TEXT), "\u00fc"),
        ("key.type", KEY, True, {"key": "a", "type": "string"}),
        ("key.type", KEY, False, {"key": "a", "type": "none"}),
        ("key.exists", KEY, False, {"key": "a", "exists": False}),
        ("key.randomkey", {}, b"a", {"key": "a"}),
        ("key.randomkey", {}, None, {"key": None}),
        ("key.rename", DESTINATION, None, {"success": True, "source": "a", "destination": "b"}),
        ("key.renamenx", DESTINATION, None, {"success": True, "source": "a", "destination": "b"}),
        ("key.copy", DESTINATION, False, {"success": False, "source": "a", "destination": "b"}),
        ("memory.usage", KEY, 2048, {"key": "a", "bytes": 2048, "human": "2.0 KiB"}),
        ("kv.stats", {}, {"seq": 1}, {"seq": 1}),
        ("info", {"section": "keyspace"}, Info(keyspace=KeyspaceInfo(3)), {"keyspace": {"keys": 3}}),
        (
            "slowlog.get",
            {"count": 1},
            SlowEntries((SlowEntry(1, 2, 3, "get", ("a",)),), 7),
            {"entries": [{"id": 1, "timestamp": 2, "duration_us": 3, "command": "get", "args": ["a"]}], "total": 7},
        ),
        ("slowlog.reset", {}, 7, {"success": True, "cleared": 7}),
    ],
)
def test_what_is_shown(name: str, payload: dict[str, object], result: object, expected: object) -> None:
    assert shown(name, result, **payload) == expected


def test_a_section_of_what_the_server_knows() -> None:
    memory = MemoryInfo(used_bytes=1, resident_bytes=2, virtual_bytes=3, limit_bytes=None, eviction_policy="none")
    everything = Info(keyspace=KeyspaceInfo(3), memory=memory)
    assert shown("info", everything, section="keyspace") == {"keyspace": {"keys": 3}}
    both = shown("info", everything)
    assert isinstance(both, dict)
    assert set(both) == {"keyspace", "memory"}


def test_what_cannot_be_shown() -> None:
    with pytest.raises(MissingKeyError, match="Key not found: a"):
        asked("kv.ttl", key="a").respond(TimeLeft(exists=False))
    for name in ("kv.get", "kv.getrange"):
        with pytest.raises(InvalidValueError, match="the value of this key is octets, not text"):
            asked(name, key="a").respond(BYTES)


OF_A_KEY = [name for name, payload, _ in WISHES if "key" in payload and name != "kv.msetnx"]


@pytest.mark.parametrize(
    ("name", "payload", "missing"),
    [
        *[(name, {}, "key") for name in OF_A_KEY],
        ("kv.set", {"key": "a"}, "value"),
        ("kv.expire", {"key": "a"}, "ttl"),
        ("kv.append", {"key": "a"}, "value"),
        ("kv.setrange", {"key": "a"}, "offset"),
        ("kv.getset", {"key": "a"}, "value"),
        ("key.rename", {"key": "a"}, "destination"),
        ("kv.mset", {}, "pairs"),
        ("kv.mset", {"pairs": [{"key": "a"}]}, "pairs[0].value"),
        ("kv.msetnx", {}, "pairs"),
        ("kv.msetnx", {"key": "a"}, "value"),
        ("kv.mget", {}, "keys"),
        ("kv.mdel", {}, "keys"),
    ],
)
def test_missing_fields(name: str, payload: dict[str, object], missing: str) -> None:
    assert refusal(name, **payload) == f"Invalid request: Missing '{missing}' field"


@pytest.mark.parametrize(
    ("name", "payload", "sentence"),
    [
        ("hash.set", {}, "Unknown command: hash.set"),
        ("KV.GET", {}, "Unknown command: KV.GET"),
        ("", {}, "Unknown command: "),
        ("x" * 10_000, {}, "Unknown command: " + "x" * 100),
        ("kv.get", {"key": 5}, "Invalid request: key: expected a string, got an integer"),
        ("kv.get", {"key": None}, "Invalid request: key: expected a string, got null"),
        (
            "kv.set",
            {"key": "a", "value": 1, "ttl": None},
            "Invalid request: ttl: expected a non-negative number, got null",
        ),
        ("kv.set", {"key": "a", "value": 1, "ttl": 0}, "ttl: must be greater than 0"),
        (
            "kv.set",
            {"key": "a", "value": 1, "ttl": -1},
            "Invalid request: ttl: expected a non-negative number, got a negative one",
        ),
        ("kv.set", {"key": "a", "value": 1, "nx": True, "xx": True}, "nx: not together with xx"),
        ("kv.incr", {"key": "a", "amount": 1.5}, "Invalid request: amount: expected an integer, got a number"),
        (
            "kv.setrange",
            {"key": "a", "offset": -1, "value": ""},
            "Invalid request: offset: expected a non-negative integer, got a negative one",
        ),
        ("kv.del", {"key": "a", "keys": ["b"]}, "key: not together with keys"),
        ("kv.msetnx", {"key": "a", "pairs": []}, "key: not together with pairs"),
        ("kv.keys", {"pattern": "*", "prefix": "a"}, "prefix: not together with pattern"),
        ("kv.mget", {"keys": ["a"] * 1001}, "batch is too large: 1,001 keys, the limit is 1,000"),
        ("kv.scan", {"limit": 0}, "limit: expected an integer from 1 to 10,000"),
        ("kv.scan", {"limit": 10_001}, "limit: expected an integer from 1 to 10,000"),
        ("slowlog.get", {"count": 0}, "count: expected an integer from 1 to 10,000"),
        ("info", {"section": "x"}, "section: expected one of server, memory, stats, persistence, keyspace"),
    ],
)
def test_refusals(name: str, payload: dict[str, object], sentence: str) -> None:
    assert refusal(name, **payload) == sentence


def test_a_cursor_that_is_none() -> None:
    assert "cursor" in refusal("kv.scan", cursor="!")
