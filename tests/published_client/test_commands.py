"""What the published client has no method for: commands by their names, and the modules that Synap does not have."""

import pytest

from tests.process.harness import Client
from tests.published_client.published import PublishedClient, RaisedError, call

pytestmark = pytest.mark.process


def test_health(published: PublishedClient) -> None:
    health = published.call("health")
    assert isinstance(health, dict)
    assert (health["status"], health["service"]) == ("healthy", "synap")


COMMANDS: list[tuple[str, dict[str, object], object]] = [
    ("kv.set", {"key": "a", "value": "one", "ttl": 100}, {"success": True}),
    ("kv.set", {"key": "a", "value": "two", "nx": True}, {"success": False}),
    ("kv.set", {"key": "z", "value": "two", "xx": True}, {"success": False}),
    ("kv.get", {"key": "a"}, "one"),
    ("kv.get", {"key": "z"}, None),
    ("kv.exists", {"key": "a"}, {"exists": True}),
    ("kv.persist", {"key": "a"}, {"result": True}),
    ("kv.ttl", {"key": "a"}, {"ttl": None}),
    ("kv.expire", {"key": "a", "ttl": 100}, {"result": True}),
    ("kv.expire", {"key": "z", "ttl": 100}, {"result": False}),
    ("kv.append", {"key": "a", "value": "!"}, {"length": 4}),
    ("kv.strlen", {"key": "a"}, {"length": 4}),
    ("kv.setrange", {"key": "a", "offset": 0, "value": "O"}, {"length": 4}),
    ("kv.getrange", {"key": "a", "start": 0, "end": -2}, "One"),
    ("kv.getset", {"key": "a", "value": "new"}, "One!"),
    ("kv.mset", {"pairs": [{"key": "b", "value": "2"}, {"key": "c", "value": "3"}]}, {"success": True}),
    ("kv.msetnx", {"pairs": [{"key": "c", "value": "4"}, {"key": "d", "value": "4"}]}, {"success": False}),
    ("kv.msetnx", {"key": "d", "value": "4"}, {"success": True}),
    ("kv.mget", {"keys": ["a", "b", "z"]}, {"values": ["new", "2", None]}),
    ("kv.keys", {"pattern": "[ab]"}, {"keys": ["a", "b"], "count": 2}),
    ("kv.keys", {"prefix": "c"}, {"keys": ["c"], "count": 1}),
    ("kv.dbsize", {}, {"size": 4}),
    ("kv.incr", {"key": "n", "amount": 2}, {"value": 2}),
    ("kv.decr", {"key": "n"}, {"value": 1}),
    ("key.type", {"key": "a"}, {"key": "a", "type": "string"}),
    ("key.exists", {"key": "a"}, {"key": "a", "exists": True}),
    ("key.rename", {"key": "a", "destination": "e"}, {"success": True, "source": "a", "destination": "e"}),
    ("key.copy", {"key": "e", "destination": "f"}, {"success": True, "source": "e", "destination": "f"}),
    ("kv.mdel", {"keys": ["b", "c", "z"]}, {"deleted": 2}),
    ("kv.del", {"key": "d"}, {"deleted": True}),
    ("kv.del", {"key": "d"}, {"deleted": False}),
]
"""In this order, on a store that begins empty: a command, what is sent, and what it gives."""


def test_commands(published: PublishedClient) -> None:
    results = published.calls(*[call("send_command", name, payload) for name, payload, _ in COMMANDS])
    for (name, payload, expected), result in zip(COMMANDS, results, strict=True):
        assert result == expected, (name, payload)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("hash.get", ["key", "field"]),
        ("list.range", ["key", 0, -1]),
        ("set.members", ["key"]),
        ("queue.stats", ["name"]),
        ("stream.stats", ["room"]),
        ("pubsub.stats", []),
        ("transaction.multi", []),
    ],
)
def test_modules_that_synap_does_not_have(published: PublishedClient, method: str, arguments: list[object]) -> None:
    with pytest.raises(RaisedError, match="SynapException: Server Error: Unknown command: "):
        published.call(method, *arguments)


def test_what_is_missing_is_said(published: PublishedClient) -> None:
    with pytest.raises(RaisedError, match="Server Error: Invalid request: Missing 'key' field"):
        published.call("send_command", "kv.get", {})
    with pytest.raises(RaisedError, match="Server Error: Key not found: nowhere"):
        published.call("send_command", "kv.ttl", {"key": "nowhere"})


def test_the_endpoint_of_old(published: PublishedClient, rest: Client) -> None:
    """``execute`` is left over from servers before 1.0; here is nothing, and the client says so."""
    with pytest.raises(RaisedError, match="SynapException: Server Error: "):
        published.call("execute", "kv.set", "key", {"value": "x"})
    assert rest.get("key") is None
