from synap import commands
from synap.results import KeyPage, Page
from tests.protocol.http.support import answered, refused, wish


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
