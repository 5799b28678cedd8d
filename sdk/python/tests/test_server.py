"""A real server and every kind of client: what was set is what is read, and what is refused says why."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support import Flavour
from synap_sdk import BadRequest, KeyPage, NotFound, TooLarge, Versioned, VersionMismatch, Written

pytestmark = pytest.mark.process

VALUES: list[Any] = [
    "",
    "text",
    '{"json": "as text"}',
    "null",
    'é"\\\n\0',
    None,
    True,
    0,
    2**70,
    -1.5,
    [],
    {},
    {"a": [1, {"b": None}]},
]
KEYS = [
    "k",
    "a/b",
    "a//b",
    "/",
    ".",
    "..",
    "../x",
    "a+b c",
    "100%",
    "%41",
    "?a=b&c#d",
    "é",
    "😀",
    "\n",
    "get",
    "k" * 16_000,
]


@pytest.fixture
def kv(flavour: Flavour, url: str) -> Any:
    """The operations of a client, called and, where it takes that, awaited."""
    return Called(flavour, flavour.client(url), prefix=f"{flavour.name}:")


class Called:
    """``client.kv`` with every method called in the world of its flavour; ``prefix`` keeps the flavours apart."""

    def __init__(self, flavour: Flavour, client: Any, prefix: str) -> None:
        self._flavour, self._client, self.prefix = flavour, client, prefix

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self._flavour.call(
            self._client, lambda it: getattr(it.kv, name)(*args, **kwargs)
        )

    def scan(self, *args: Any, **kwargs: Any) -> list[str]:
        return self._flavour.first(1000, self._client, lambda it: it.kv.scan(*args, **kwargs))


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_was_set_is_what_is_read(kv: Any, value: Any) -> None:
    key = f"{kv.prefix}value"
    written = kv.set(key, value)
    assert written
    assert kv.get(key) == value
    assert type(kv.get(key)) is type(value)
    assert kv.get_with_version(key) == Versioned(value, written.version)
    assert kv.mget([key, f"{kv.prefix}none"]) == [value, None]
    assert kv.set(key, "next", get=True).old == value


@pytest.mark.parametrize("key", KEYS, ids=lambda key: repr(key[:20]))
def test_any_key(kv: Any, key: str) -> None:
    kv.set(key, kv.prefix)
    assert kv.get(key) == kv.prefix
    assert kv.exists(key) is True
    assert kv.ttl(key) == -1
    assert kv.expire(key, 60) is True
    assert kv.ttl(key) in {58, 59, 60}
    assert kv.persist(key) is True
    assert key in kv.keys().keys
    assert kv.delete(key) is True
    assert kv.get(key) is None


def test_missing_is_no_error(kv: Any) -> None:
    key = f"{kv.prefix}none"
    assert kv.get(key) is None
    assert kv.get(key, touch=60) is None
    assert kv.get_with_version(key) is None
    assert kv.exists(key) is False
    assert kv.ttl(key) == -2
    assert kv.touch(key, 60) is False
    assert kv.expire(key, 60) is False
    assert kv.persist(key) is False
    assert kv.delete(key) is False
    assert kv.mdel([key]) == 0


@pytest.mark.parametrize("ttl", [3600, 3600.5, timedelta(hours=1), timedelta(seconds=3600, milliseconds=500)])
def test_a_time_to_live(kv: Any, ttl: Any) -> None:
    key = f"{kv.prefix}ttl"
    kv.set(key, "v", ttl=ttl)
    assert kv.ttl(key) in range(3590, 3601)
    kv.set(key, "w", keepttl=True)
    assert kv.ttl(key) in range(3590, 3601)
    assert kv.touch(key, 7200) is True
    assert kv.ttl(key) in range(7190, 7201)
    assert kv.get(key, touch=timedelta(seconds=60)) == "w"
    assert kv.ttl(key) in range(50, 61)
    assert kv.expire(key, 0) is True
    assert kv.get(key) is None


def test_a_deadline(kv: Any) -> None:
    key = f"{kv.prefix}deadline"
    kv.set(key, "v", deadline=datetime.now(UTC) + timedelta(hours=1))
    assert kv.ttl(key) in range(3590, 3601)
    with pytest.raises(BadRequest) as caught:
        kv.set(key, "v", deadline=datetime.now(UTC) - timedelta(hours=1))
    assert caught.value.type == "invalid_ttl"
    assert kv.get(key) == "v"


def test_conditions(kv: Any) -> None:
    key = f"{kv.prefix}condition"
    assert kv.set(key, "a", xx=True) == Written(False, 0)
    first = kv.set(key, "b", nx=True)
    assert first.written
    assert kv.set(key, "c", nx=True) == Written(False, first.version)
    second = kv.set(key, "d", if_version=first.version)
    with pytest.raises(VersionMismatch) as caught:
        kv.set(key, "e", if_version=first.version)
    assert caught.value.current_version == second.version
    with pytest.raises(VersionMismatch):
        kv.delete(key, if_version=first.version)
    assert kv.delete(key, if_version=second.version) is True
    with pytest.raises(VersionMismatch) as caught:
        kv.set(key, "e", if_version=second.version)
    assert caught.value.current_version is None
    assert kv.set(key, "f", if_version=0).written


def test_many_keys(kv: Any) -> None:
    prefix = f"{kv.prefix}many:"
    values = {f"{prefix}{number:02}": number for number in range(25)}
    kv.mset(values, ttl=60)
    assert kv.ttl(f"{prefix}00") in {58, 59, 60}
    assert kv.mget(list(values)) == list(values.values())
    assert kv.count(prefix) == 25
    assert kv.scan(prefix, page_size=7) == list(values)
    assert kv.keys(f"{prefix}0[0-2]") == KeyPage(tuple(values)[:3], truncated=False)
    assert kv.keys(f"{prefix}*", limit=2) == KeyPage(tuple(values)[:2], truncated=True)
    assert kv.mdel([f"{prefix}00", f"{prefix}01", f"{prefix}none"]) == 2
    assert kv.delete_prefix(prefix) == 23
    assert kv.scan(prefix) == []


def test_stats(kv: Any) -> None:
    told = kv.stats()
    assert told["seq"] >= 0
    assert told["operations"]["gets"] >= 0


@pytest.mark.parametrize(
    ("call", "error", "kind"),
    [
        (lambda kv: kv.get(""), BadRequest, "invalid_key"),
        (lambda kv: kv.set("", "v"), BadRequest, "invalid_key"),
        (lambda kv: kv.set("k", "v", ttl=0), BadRequest, "invalid_ttl"),
        (lambda kv: kv.set("k", "v", ttl=-1), BadRequest, "wrong_shape"),
        (lambda kv: kv.set("k", "v", ttl=timedelta(days=36500)), BadRequest, "invalid_ttl"),
        (lambda kv: kv.touch("k", 0), BadRequest, None),
        (lambda kv: kv.get("k", touch=math.pi * 1e9), BadRequest, "invalid_ttl"),
        (lambda kv: kv.delete_prefix(""), BadRequest, "invalid_parameter"),
        (lambda kv: kv.mget(["k"] * 1001), TooLarge, "too_large"),
        (lambda kv: kv.keys(limit=0), BadRequest, "invalid_parameter"),
    ],
)
def test_what_is_refused(kv: Any, call: Any, error: type[BadRequest], kind: str | None) -> None:
    """An answer to HEAD has no body, and so no type."""
    with pytest.raises(error) as caught:
        call(kv)
    assert caught.value.type == kind
    assert caught.value.outcome == "not_written"


def test_another_path_of_the_same_server(flavour: Flavour, url: str) -> None:
    with pytest.raises(NotFound) as caught:
        flavour.call(flavour.client(f"{url}/synap"), lambda it: it.kv.get("k"))
    assert caught.value.type == "unknown_route"
