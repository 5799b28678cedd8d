"""Operations that both have: how each is asked, and how its answers are made plain.

Everything here is text of ASCII and well-formed; where the two differ by intention, see ``differences``.
"""

import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote

from hypothesis import strategies as st

from tests.differential.answers import copied, field, flag, in_order, old_value, plain, success, values, whole
from tests.differential.resp import Reply
from tests.differential.synap import Told

KEYS = ["a", "ab", "b", "k:1", "k:2", "k*"]
VALUES = ["", "0", "7", "-3", "-0", "01", "+1", " 1", "1.0", "9223372036854775807", "-9223372036854775808"]
VALUES += ["9223372036854775808", "text", '{"n": 1}', "\0\r\n", "x" * 20]
AMOUNTS = [0, 1, -1, 10, 2**63 - 1, -(2**63) + 1, 10**20]
DEADLINES_MS = [time.time_ns() // 1_000_000 + ahead_s * 1000 for ahead_s in (10_000, 200_000_000)]
"""Some hours and some years ahead."""

TTLS_S = [100, 1000, 100_000]


class Step(NamedTuple):
    """The same, asked of both. ``redis_reads`` and ``synap_reads`` make the answers plain."""

    redis: tuple[str | int, ...]
    synap: tuple[str, str, object]
    redis_reads: Callable[[Reply], object]
    synap_reads: Callable[[Told], object]


keys = st.sampled_from(KEYS)
texts = st.sampled_from(VALUES)


def path(pattern: str, key: str) -> str:
    return pattern.replace("{key}", quote(key, safe=""))


@st.composite
def sets(draw: st.DrawFn) -> Step:
    key, text = draw(keys), draw(texts)
    words: list[str | int] = ["SET", key, text]
    body: dict[str, object] = {"key": key, "value": text}
    for option in ("nx", "xx", "get", "keepttl"):
        if draw(st.integers(0, 4)) == 0:
            words.append(option)
            body[option] = True
    match draw(st.integers(0, 5)):
        case 0:
            ttl_s = draw(st.sampled_from(TTLS_S))
            words += ["EX", ttl_s]
            body["ttl"] = ttl_s
        case 1:
            words += ["PX", 123_456]
            body["expiry"] = {"type": "milliseconds", "value": 123_456}
        case 2:
            deadline_ms = draw(st.sampled_from(DEADLINES_MS))
            words += ["PXAT", deadline_ms]
            body["expiry"] = {"type": "unix_milliseconds", "value": deadline_ms}
    synap = ("POST", "/kv/set", body)
    return (
        Step(tuple(words), synap, plain, old_value)
        if "get" in words
        else Step(tuple(words), synap, flag, field("written"))
    )


@st.composite
def counts(draw: st.DrawFn) -> Step:
    key, amount = draw(keys), draw(st.sampled_from(AMOUNTS))
    name = draw(st.sampled_from(["incr", "decr", "incrby", "decrby"]))
    has_amount = name.endswith("by")
    words = (name, key, amount) if has_amount else (name, key)
    body = {"amount": amount} if has_amount else None
    return Step(words, ("POST", path(f"/kv/{name}/{{key}}", key), body), plain, field("value"))


@st.composite
def parts(draw: st.DrawFn) -> Step:
    key, text = draw(keys), draw(texts)
    offset, start, end = draw(st.integers(0, 8)), draw(st.integers(-10, 10)), draw(st.integers(-1, 10))
    return draw(
        st.sampled_from(
            [
                Step(
                    ("APPEND", key, text),
                    ("POST", path("/kv/{key}/append", key), {"value": text}),
                    plain,
                    field("length"),
                ),
                Step(
                    ("SETRANGE", key, offset, text),
                    ("POST", path("/kv/{key}/setrange", key), {"offset": offset, "value": text}),
                    plain,
                    field("length"),
                ),
                Step(
                    ("GETRANGE", key, start, end),
                    ("GET", path("/kv/{key}/getrange", key) + f"?start={start}&end={end}", None),
                    plain,
                    whole,
                ),
                Step(("STRLEN", key), ("GET", path("/kv/{key}/strlen", key), None), plain, field("length")),
                Step(("GETSET", key, text), ("POST", path("/kv/{key}/getset", key), {"value": text}), plain, whole),
                Step(("GETDEL", key), ("POST", path("/kv/{key}/getdel", key), None), plain, whole),
            ]
        )
    )


@st.composite
def deadlines(draw: st.DrawFn) -> Step:
    key, ttl_s = draw(keys), draw(st.sampled_from([0, *TTLS_S]))
    return draw(
        st.sampled_from(
            [
                Step(
                    ("EXPIRE", key, ttl_s),
                    ("POST", path("/kv/expire/{key}", key), {"ttl": ttl_s}),
                    flag,
                    field("result"),
                ),
                # What the two say differs; what they do does not.
                Step(("PERSIST", key), ("POST", path("/kv/persist/{key}", key), None), lambda _: None, lambda _: None),
            ]
        )
    )


@st.composite
def names(draw: st.DrawFn) -> Step:
    key, destination = draw(keys), draw(keys)
    other = destination if destination != key else f"{key}:copy"
    body = {"destination": destination}
    return draw(
        st.sampled_from(
            [
                Step(("RENAME", key, destination), ("POST", path("/key/{key}/rename", key), body), flag, success),
                Step(("RENAMENX", key, destination), ("POST", path("/key/{key}/renamenx", key), body), flag, success),
                Step(
                    ("COPY", key, other), ("POST", path("/key/{key}/copy", key), {"destination": other}), flag, copied
                ),
                Step(
                    ("COPY", key, other, "REPLACE"),
                    ("POST", path("/key/{key}/copy", key), {"destination": other, "replace": True}),
                    flag,
                    copied,
                ),
                Step(("TYPE", key), ("GET", path("/key/{key}/type", key), None), plain, field("type")),
                Step(("EXISTS", key), ("GET", path("/key/{key}/exists", key), None), flag, field("exists")),
            ]
        )
    )


@st.composite
def batches(draw: st.DrawFn) -> Step:
    pairs = draw(st.lists(st.tuples(keys, texts), min_size=1, max_size=3))
    some = draw(st.lists(keys, min_size=1, max_size=4))
    flat = [word for pair in pairs for word in pair]
    return draw(
        st.sampled_from(
            [
                Step(("MSET", *flat), ("POST", "/kv/mset", {"pairs": pairs}), flag, field("success")),
                Step(("MSETNX", *flat), ("POST", "/kv/msetnx", {"pairs": pairs}), flag, field("success")),
                Step(("MGET", *some), ("POST", "/kv/mget", {"keys": some}), plain, values),
                Step(("DEL", *some), ("POST", "/kv/mdel", {"keys": some}), plain, field("deleted")),
            ]
        )
    )


PIECES = [
    "*",
    "**",
    "?",
    "a",
    "b",
    "k",
    ":",
    "1",
    "[ab]",
    "[^a]",
    "[a-k]",
    "[b-a]",
    "[^0-9]",
    "[]",
    "[^]",
    r"\*",
    r"\a",
]


@st.composite
def patterns(draw: st.DrawFn) -> Step:
    pattern = "".join(draw(st.lists(st.sampled_from(PIECES), max_size=5)))
    target = f"/kv/keys?pattern={quote(pattern, safe='')}"
    return Step(("KEYS", pattern), ("GET", target, None), in_order, field("keys"))


STEPS = st.one_of(sets(), sets(), counts(), parts(), deadlines(), names(), batches(), patterns())
