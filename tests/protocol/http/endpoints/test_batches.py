import pytest

from synap import commands
from synap.commands import Kind, Pair
from synap.protocol.http.endpoints.batches import BATCH_MAX_KEYS
from synap.results import Found
from tests.protocol.http.support import answered, refused, wish

ROUTES = [("/kv/mset", False), ("/kv/msetnx", True)]
TEXT = Found(Kind.TEXT, b"old", None, 3)


def test_set_many() -> None:
    body = {"pairs": [{"key": "a", "value": "1"}, ["b", 2], {"key": "c", "value": None, "ttl": 1.5}]}
    pairs = (Pair(b"a", Kind.TEXT, b"1"), Pair(b"b", Kind.JSON, b"2"), Pair(b"c", Kind.JSON, b"null", 1500))
    for route, only_if_absent in ROUTES:
        assert wish("POST", route, body) == commands.SetMany(pairs, only_if_absent)
        assert wish("POST", route, {"pairs": []}) == commands.SetMany((), only_if_absent)
        for success in (True, False):
            assert answered("POST", route, success, body) == {"success": success}


@pytest.mark.parametrize("route", [route for route, _ in ROUTES])
def test_set_many_names_the_pair_that_is_wrong(route: str) -> None:
    for ttl, status in ((0, 400), (-1, 422), ("1", 422)):
        body = {"pairs": [["a", 1], {"key": "b", "value": 1, "ttl": ttl}]}
        assert refused("POST", route, body)[:2] == (status, "pairs[1].ttl")


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
        ("msetnx", {"pairs": [["a", 1]] * (BATCH_MAX_KEYS + 1)}),
    ):
        assert refused("POST", f"/kv/{route}", body) == (413, "batch", sentence)
