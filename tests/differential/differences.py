"""Where Synap answers otherwise than Redis by intention, each with its reason. ``steps`` goes around them."""

from typing import NamedTuple

from tests.differential.resp import Refusal, Reply

Request = tuple[str, str, object]

ERROR = Refusal("any error")
"""Stands for every refusal of Redis."""


class Difference(NamedTuple):
    """Both hold ``before`` ("a" to a text), are asked, and answer so: Redis a reply, Synap a status and JSON."""

    reason: str
    redis: tuple[str | int, ...]
    reply: Reply
    synap: Request
    status: int
    said: object = None
    before: str | None = None


DIFFERENCES = [
    Difference(
        "persist, as expire, tells whether the key is there, not whether it had a deadline",
        ("PERSIST", "a"),
        0,
        ("POST", "/kv/persist/a", None),
        200,
        {"success": True, "result": True},
        before="x",
    ),
    Difference(
        "a negative time is a mistake more often than a wish, and none that ends a session",
        ("EXPIRE", "a", -1),
        1,
        ("POST", "/kv/expire/a", {"ttl": -1}),
        422,
        before="x",
    ),
    Difference(
        "for the same reason a deadline lies ahead",
        ("SET", "a", "y", "PXAT", 1),
        b"OK",
        ("POST", "/kv/set", {"key": "a", "value": "y", "expiry": {"type": "unix_milliseconds", "value": 1}}),
        400,
        before="x",
    ),
    Difference(
        "a time over ten years is a mistake of units",
        ("EXPIRE", "a", 315_360_001),
        1,
        ("POST", "/kv/expire/a", {"ttl": 315_360_001}),
        400,
        before="x",
    ),
    Difference(
        "an end before the first byte leaves nothing (since Redis 8 there, too)",
        ("GETRANGE", "a", 0, -9),
        b"t",
        ("GET", "/kv/a/getrange?start=0&end=-9", None),
        200,
        "",
        before="text",
    ),
    Difference(
        "an answer is JSON, so it is whole characters: one that is cut becomes U+FFFD",
        ("GETRANGE", "a", 0, 0),
        b"\xc3",
        ("GET", "/kv/a/getrange?start=0&end=0", None),
        200,
        "�",
        before="ü",
    ),
    Difference(
        "text stays text, so what would cut a character is refused",
        ("SETRANGE", "a", 1, "x"),
        2,
        ("POST", "/kv/a/setrange", {"offset": 1, "value": "x"}),
        400,
        before="ü",
    ),
    Difference(
        "the largest value has 8 MiB, not 512",
        ("SETRANGE", "a", 8 * 2**20, "x"),
        8 * 2**20 + 1,
        ("POST", "/kv/a/setrange", {"offset": 8 * 2**20, "value": "x"}),
        413,
    ),
    Difference(
        "the sum has to be one of 64 bits, not the amount",
        ("DECRBY", "a", -(2**63)),
        ERROR,
        ("POST", "/kv/decrby/a", {"amount": -(2**63)}),
        200,
        {"value": 2**63 - 1},
        before="-1",
    ),
    Difference(
        "renamenx says with an error that it did nothing",
        ("RENAMENX", "a", "a"),
        0,
        ("POST", "/key/a/renamenx", {"destination": "a"}),
        409,
        before="x",
    ),
    Difference(
        "copy says with an error that there is no source, as rename does",
        ("COPY", "a", "b"),
        0,
        ("POST", "/key/a/copy", {"destination": "b"}),
        404,
    ),
    Difference(
        "a copy onto itself is a copy onto a key that is there",
        ("COPY", "a", "a"),
        ERROR,
        ("POST", "/key/a/copy", {"destination": "a"}),
        200,
        {"success": False, "source": "a", "destination": "a"},
        before="x",
    ),
    Difference(
        "no pairs are no mistake, and nothing to write",
        ("MSET",),
        ERROR,
        ("POST", "/kv/mset", {"pairs": []}),
        200,
        {"success": True},
    ),
    Difference(
        "an empty key is a variable that was empty",
        ("SET", "", "x"),
        b"OK",
        ("POST", "/kv/set", {"key": "", "value": "x"}),
        400,
    ),
]


class Pattern(NamedTuple):
    """A pattern that means something else: whether it matches ``key`` to Redis, and to Synap."""

    reason: str
    pattern: str
    key: str
    to_redis: bool
    to_synap: bool


PATTERNS = [
    Pattern("a character is a character, not a byte", "?", "ü", to_redis=False, to_synap=True),
    Pattern("a set is one of characters, not of bytes", "[ü]", "ü", to_redis=False, to_synap=True),
    Pattern("a set that is not closed is none", "[a", "a", to_redis=True, to_synap=False),
    Pattern("a set that is not closed is none", "[a", "[a", to_redis=False, to_synap=True),
    Pattern("a set ends at the first ], also after a -", "[a-]", "-", to_redis=False, to_synap=True),
]
