import pytest

from synap.commands import Copy, Exists, MemoryUsage, RandomKey, Rename
from synap.protocol.http.endpoints.names import human
from tests.protocol.http.support import answered, refused, wish


def test_type() -> None:
    assert wish("GET", "/key/a/type") == Exists(b"a")
    assert answered("GET", "/key/a%2Fb/type", True) == {"key": "a/b", "type": "string"}
    assert answered("GET", "/key/a/type", False) == {"key": "a", "type": "none"}


def test_exists() -> None:
    assert wish("GET", "/key/a/exists") == Exists(b"a")
    assert answered("GET", "/key/a/exists", True) == {"key": "a", "exists": True}


def test_rename() -> None:
    body = {"destination": "b", "replace": True}
    assert wish("POST", "/key/a/rename", body) == Rename(b"a", b"b")
    assert wish("POST", "/key/a/renamenx", body) == Rename(b"a", b"b", only_if_absent=True)
    for operation in ("rename", "renamenx"):
        told = answered("POST", f"/key/a/{operation}", None, body)
        assert told == {"success": True, "source": "a", "destination": "b"}


def test_copy() -> None:
    assert wish("POST", "/key/a/copy", {"destination": "ü"}) == Copy(b"a", "ü".encode())
    assert wish("POST", "/key/a/copy", {"destination": "b", "replace": True}) == Copy(b"a", b"b", replace=True)
    for success in (True, False):
        told = answered("POST", "/key/a/copy", success, {"destination": "b"})
        assert told == {"success": success, "source": "a", "destination": "b"}


@pytest.mark.parametrize("operation", ["rename", "renamenx", "copy"])
def test_a_destination_is_needed(operation: str) -> None:
    assert refused("POST", f"/key/a/{operation}", {})[:2] == (422, "destination")
    assert refused("POST", f"/key/a/{operation}", {"destination": 1})[:2] == (422, "destination")
    assert refused("POST", f"/key/a/{operation}", {"destination": "b", "replace": 1})[:2] == (422, "replace")


def test_random_key() -> None:
    assert wish("GET", "/key/randomkey") == RandomKey()
    assert answered("GET", "/key/randomkey", "ü".encode()) == {"key": "ü"}
    assert answered("GET", "/key/randomkey", None) == {"key": None}
    assert wish("GET", "/key/randomkey/type") == Exists(b"randomkey"), "it can be a key all the same"


def test_memory_usage() -> None:
    assert wish("GET", "/memory/a/usage") == MemoryUsage(b"a")
    assert answered("GET", "/memory/a/usage", 0) == {"key": "a", "bytes": 0, "human": "0 B"}
    assert answered("GET", "/memory/a/usage", 1536) == {"key": "a", "bytes": 1536, "human": "1.5 KiB"}


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (8 * 2**20, "8.0 MiB"),
        (3 * 2**30, "3.0 GiB"),
        (2**50, "1048576.0 GiB"),
    ],
)
def test_sizes_for_people(size_bytes: int, shown: str) -> None:
    assert human(size_bytes) == shown
