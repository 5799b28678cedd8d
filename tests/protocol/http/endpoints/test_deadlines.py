import pytest

from synap import commands
from synap.results import TimeLeft
from tests.protocol.http.support import answered, refused, wish


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
