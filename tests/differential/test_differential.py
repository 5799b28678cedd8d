"""Histories of operations, drawn by hypothesis; after each step, answers and states are compared."""

import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.differential.differences import DIFFERENCES, ERROR, PATTERNS, Difference, Pattern
from tests.differential.resp import EXECUTABLE, Redis, Refusal, serving_redis
from tests.differential.steps import KEYS, STEPS, Step
from tests.differential.synap import Synap

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="redis-server is not installed")

TOLERANCE_MS = 5_000
"""What may pass between asking one and the other. Times to live differ by more, or not at all."""

State = dict[str, tuple[bytes, int | None]]
"""Each key with its value and the ms it has to live (None: no deadline)."""


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with serving_redis() as redis:
        yield redis


def state_of_redis(redis: Redis) -> State:
    found: State = {}
    names = redis.ask("KEYS", "*")
    assert isinstance(names, list)
    for name in names:
        assert isinstance(name, bytes)
        value, left_ms = redis.ask("GET", name), redis.ask("PTTL", name)
        assert isinstance(value, bytes)
        assert isinstance(left_ms, int)
        found[name.decode()] = value, None if left_ms == -1 else left_ms
    return found


def state_of_synap(synap: Synap) -> State:
    found: State = {}
    names = synap.ask("GET", "/kv/keys").field("keys")
    assert isinstance(names, list)
    for name in names:
        key = quote(name, safe="")
        left_ms = synap.ask("GET", f"/kv/ttl/{key}").field("ttl_ms")
        assert isinstance(left_ms, int)
        found[name] = synap.ask("GET", f"/kv/value/{key}").body, None if left_ms == -1 else left_ms
    return found


def assert_alike(redis: Redis, synap: Synap) -> None:
    there, here = state_of_redis(redis), state_of_synap(synap)
    assert {key: value for key, (value, _) in here.items()} == {key: value for key, (value, _) in there.items()}
    for key, (_, here_ms) in here.items():
        there_ms = there[key][1]
        assert (here_ms is None) == (there_ms is None), key
        if here_ms is not None and there_ms is not None:
            assert abs(here_ms - there_ms) < TOLERANCE_MS, key


@pytest.mark.parametrize("change", [("a", "other", 1000), ("a", "x", 2000), ("a", "x", None), ("b", "x", None), None])
def test_the_comparison_notices_what_differs(redis: Redis, change: tuple[str, str, int | None] | None) -> None:
    """A comparison that notices nothing would prove nothing."""
    redis.ask("FLUSHALL")
    synap = Synap()
    redis.ask("SET", "a", "x", "EX", 1000)
    synap.ask("POST", "/kv/set", {"key": "a", "value": "x", "ttl": 1000})
    assert_alike(redis, synap)
    if change is None:
        synap.ask("DELETE", "/kv/del/a")
    else:
        key, value, ttl_s = change
        synap.ask("POST", "/kv/set", {"key": key, "value": value} | ({} if ttl_s is None else {"ttl": ttl_s}))
    with pytest.raises(AssertionError):
        assert_alike(redis, synap)


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=30))
def test_histories(redis: Redis, history: list[Step]) -> None:
    redis.ask("FLUSHALL")
    synap = Synap()
    for step in history:
        there, here = step.redis_reads(redis.ask(*step.redis)), step.synap_reads(synap.ask(*step.synap))
        assert here == there, step
        assert_alike(redis, synap)


@given(
    st.binary(max_size=6),
    st.lists(st.tuples(st.integers(0, 10), st.text(max_size=3)), max_size=4),
    st.integers(-10, 10),
    st.integers(-1, 10),
)
def test_octets(redis: Redis, octets: bytes, written: list[tuple[int, str]], start: int, end: int) -> None:
    """What both do byte for byte, whatever the bytes are."""
    synap = Synap()
    redis.ask("SET", "a", octets)
    synap.ask("PUT", "/kv/value/a", octets, "application/octet-stream")
    for offset, text in written:
        assert synap.ask("POST", "/kv/a/append", {"value": text}).field("length") == redis.ask("APPEND", "a", text)
        body = {"offset": offset, "value": text}
        assert synap.ask("POST", "/kv/a/setrange", body).field("length") == redis.ask("SETRANGE", "a", offset, text)
    assert synap.ask("GET", f"/kv/a/getrange?start={start}&end={end}").body == redis.ask("GETRANGE", "a", start, end)
    assert synap.ask("GET", "/kv/a/strlen").field("length") == redis.ask("STRLEN", "a")
    assert synap.ask("GET", "/kv/value/a").body == redis.ask("GET", "a")


def test_what_expired_is_absent_to_both(redis: Redis) -> None:
    asked: list[tuple[tuple[str | int, ...], tuple[str, str, object]]] = [
        (("SETRANGE", "a", 2, "x"), ("POST", "/kv/a/setrange", {"offset": 2, "value": "x"})),
        (("APPEND", "a", "x"), ("POST", "/kv/a/append", {"value": "x"})),
        (("INCR", "a"), ("POST", "/kv/incr/a", None)),
        (("SET", "a", "x", "XX"), ("POST", "/kv/set", {"key": "a", "value": "x", "xx": True})),
        (
            ("SET", "a", "x", "NX", "KEEPTTL"),
            ("POST", "/kv/set", {"key": "a", "value": "x", "nx": True, "keepttl": True}),
        ),
        (("MSETNX", "a", "x", "b", "y"), ("POST", "/kv/msetnx", {"pairs": [["a", "x"], ["b", "y"]]})),
        (("RENAME", "a", "b"), ("POST", "/key/a/rename", {"destination": "b"})),
        (("RENAMENX", "c", "a"), ("POST", "/key/c/renamenx", {"destination": "a"})),
        (("COPY", "c", "a"), ("POST", "/key/c/copy", {"destination": "a"})),
        (("PERSIST", "a"), ("POST", "/kv/persist/a", None)),
        (("GETDEL", "a"), ("POST", "/kv/a/getdel", None)),
    ]
    for there, here in asked:
        redis.ask("FLUSHALL")
        synap = Synap()
        redis.ask("SET", "a", "5", "PX", 20)
        synap.ask("POST", "/kv/set", {"key": "a", "value": "5", "expiry": {"type": "milliseconds", "value": 20}})
        redis.ask("SET", "c", "6")
        synap.ask("POST", "/kv/set", {"key": "c", "value": "6"})
        time.sleep(0.03)
        redis.ask(*there)
        synap.ask(*here)
        assert_alike(redis, synap)


def test_a_random_key_is_one_that_is_there(redis: Redis) -> None:
    redis.ask("FLUSHALL")
    synap = Synap()
    assert redis.ask("RANDOMKEY") is synap.ask("GET", "/key/randomkey").field("key") is None
    for key in KEYS:
        redis.ask("SET", key, "")
        synap.ask("POST", "/kv/set", {"key": key, "value": ""})
    there = redis.ask("RANDOMKEY")
    assert isinstance(there, bytes)
    assert there.decode() in KEYS
    assert synap.ask("GET", "/key/randomkey").field("key") in KEYS


# --- where they differ -----------------------------------------------------------------------------------


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.reason)
def test_a_difference_is_what_it_is_said_to_be(redis: Redis, difference: Difference) -> None:
    redis.ask("FLUSHALL")
    synap = Synap()
    if difference.before is not None:
        redis.ask("SET", "a", difference.before)
        synap.ask("POST", "/kv/set", {"key": "a", "value": difference.before})
    there, here = redis.ask(*difference.redis), synap.ask(*difference.synap)
    assert there == difference.reply or (difference.reply == ERROR and isinstance(there, Refusal))
    assert here.status == difference.status
    if here.status == 200:
        assert here.said == difference.said


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: f"{pattern.pattern} {pattern.key}")
def test_a_pattern_means_what_it_is_said_to_mean(redis: Redis, pattern: Pattern) -> None:
    redis.ask("FLUSHALL")
    synap = Synap()
    redis.ask("SET", pattern.key, "")
    synap.ask("POST", "/kv/set", {"key": pattern.key, "value": ""})
    target = f"/kv/keys?pattern={quote(pattern.pattern, safe='')}"
    assert bool(redis.ask("KEYS", pattern.pattern)) is pattern.to_redis
    assert bool(synap.ask("GET", target).field("keys")) is pattern.to_synap


def test_whole_seconds_are_rounded_down_not_to_the_nearest(redis: Redis) -> None:
    """Who is told a second has one."""
    # In one script, for which no time passes: half a second later it would be a second less.
    assert redis.ask("EVAL", "redis.call('SET', 'a', 'x', 'PX', 101900) return redis.call('TTL', 'a')", 0) == 102
    synap = Synap()
    synap.ask("POST", "/kv/set", {"key": "a", "value": "x", "expiry": {"type": "milliseconds", "value": 101_900}})
    assert synap.ask("GET", "/kv/ttl/a").field("ttl") == 101
