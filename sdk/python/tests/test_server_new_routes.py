"""Operations whose routes the server got later: each skips, and says so, while the server does not know its route."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from support import Flavour
from synap_sdk import AsyncClient, BadRequest, Client, NotFound, Versioned, VersionMismatch, Written
from tests.process.harness import Server, unused_port

pytestmark = pytest.mark.process


@pytest.fixture
def kv(flavour: Flavour, url: str) -> Any:
    """The operations of a client, called and, where it takes that, awaited."""
    return Called(flavour, flavour.client(url))


class Called:
    """``client.kv`` with every method called in the world of its flavour; skips where there is no route."""

    def __init__(self, flavour: Flavour, client: Any) -> None:
        self._flavour, self._client = flavour, client
        self.key = f"{flavour.name}:new"

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            with known_route():
                return self._flavour.call(self._client, lambda it: getattr(it.kv, name)(*args, **kwargs))

        return call


@contextmanager
def known_route() -> Iterator[None]:
    """Skips where the server does not know the route."""
    try:
        yield
    except NotFound as error:
        if error.type == "unknown_route":
            pytest.skip(f"the server does not answer {error.request} yet")
        raise


def test_counting(kv: Any) -> None:
    kv.delete(kv.key)
    assert kv.incr(kv.key) == 1
    assert kv.incr(kv.key, 10) == 11
    assert kv.decr(kv.key, amount=20) == -9
    assert kv.decr(kv.key) == -10
    assert kv.incr(kv.key, -5) == -15
    kv.set(kv.key, "no number")
    with pytest.raises(BadRequest):
        kv.incr(kv.key)
    assert kv.get(kv.key) == "no number"


def test_parts_of_text(kv: Any) -> None:
    kv.delete(kv.key)
    assert kv.append(kv.key, "Zo\u00eb") == 4
    assert kv.append(kv.key, ", hello") == 11
    assert kv.strlen(kv.key) == 11
    assert kv.getrange(kv.key) == "Zo\u00eb, hello"
    assert kv.getrange(kv.key, -5, -1) == "hello"
    assert kv.setrange(kv.key, 6, "HELLO") == 11
    assert kv.get(kv.key) == "Zo\u00eb, HELLO"
    assert kv.strlen(f"{kv.key}:none") == 0
    assert kv.getrange(f"{kv.key}:none") == ""


@pytest.mark.parametrize("value", ["text", '{"a": 1}', {"a": 1}, 7, None], ids=repr)
def test_exchanging(kv: Any, value: Any) -> None:
    kv.set(kv.key, value)
    assert kv.getset(kv.key, "next") == value
    assert kv.getset(kv.key, value) == "next"
    assert kv.getdel(kv.key) == value
    assert kv.getdel(kv.key) is None
    assert kv.getset(kv.key, "first") is None


def test_all_or_none_if_none_is_there(kv: Any) -> None:
    first, second = f"{kv.key}:1", f"{kv.key}:2"
    kv.mdel([first, second])
    assert kv.msetnx({first: "a"}, ttl=60) is True
    assert kv.ttl(first) in {58, 59, 60}
    assert kv.msetnx({first: "b", second: "b"}) is False
    assert kv.mget([first, second]) == ["a", None]


@pytest.mark.parametrize("octets", [b"", b"\x00\xff", b"null", b"text", bytes(range(256)) * 400], ids=len)
def test_octets(kv: Any, octets: bytes) -> None:
    kv.delete(kv.key)
    written = kv.set(kv.key, octets, ttl=60)
    assert written.written
    assert kv.get(kv.key) == octets
    assert kv.get_with_version(kv.key) == Versioned(octets, written.version)
    assert kv.ttl(kv.key) in {58, 59, 60}
    assert kv.strlen(kv.key) == len(octets)
    assert kv.mget([kv.key]) == [octets]
    assert kv.set(kv.key, "text", get=True).old == octets
    kv.set(kv.key, bytearray(octets))
    assert kv.getset(kv.key, "text") == octets
    kv.set(kv.key, memoryview(octets))
    assert kv.getdel(kv.key) == octets


def test_octets_under_a_condition(kv: Any) -> None:
    kv.delete(kv.key)
    first = kv.set(kv.key, b"a", nx=True)
    assert first.written
    assert kv.set(kv.key, b"b", nx=True) == Written(False, first.version)
    second = kv.set(kv.key, b"c", if_version=first.version)
    with pytest.raises(VersionMismatch) as caught:
        kv.set(kv.key, b"d", if_version=first.version)
    assert caught.value.current_version == second.version
    assert kv.get(kv.key) == b"c"


# --- the feed ----------------------------------------------------------------------------------------------


def test_watching_from_a_number_on(flavour: Flavour, url: str) -> None:
    client, prefix = flavour.client(url), f"{flavour.name}:watch:"
    start = flavour.call(client, lambda it: it.kv.stats())["seq"]
    flavour.call(client, lambda it: it.kv.set(f"{prefix}a", "v"))
    flavour.call(client, lambda it: it.kv.set("elsewhere", "v"))
    flavour.call(client, lambda it: it.kv.delete(f"{prefix}a"))
    with known_route():
        seen = flavour.first(2, client, lambda it: it.watch(prefix, after=start, values=True))
    assert [(change.seq, change.key, change.value) for change in seen] == [
        (start + 1, f"{prefix}a", "v"),
        (start + 3, f"{prefix}a", None),
    ]


@pytest.fixture
def feed_is_known(url: str) -> None:
    """Skips where there is no feed yet."""
    with known_route(), Client(url) as client, client.watch(after=0) as watch:
        client.kv.set("probe", "v")
        next(watch)


@pytest.mark.usefixtures("feed_is_known")
def test_watching_from_now_on(url: str) -> None:
    """A blocking watch in a thread; another writes until it has seen something."""
    seen: list[str | None] = []
    with Client(url) as client, client.watch("now:") as watch:
        client.kv.set("now:before", "v")
        follower = threading.Thread(target=lambda: seen.append(next(watch).key))
        follower.start()
        for number in range(10_000):
            client.kv.set(f"now:{number}", "v")
            if seen:
                break
        follower.join(20)
    assert seen
    assert seen != ["now:before"]


@pytest.mark.usefixtures("feed_is_known")
def test_watching_over_a_kill(tmp_path: Path) -> None:
    """Nothing is missed, and nothing seen twice."""
    port, data = unused_port(), tmp_path / "data"
    with Client(f"http://127.0.0.1:{port}", deadline_s=20.0) as client, client.watch(after=0) as watch:
        seen = []
        for round_number in range(3):
            with Server(data, "--port", str(port)) as server:
                client.kv.mset({f"{round_number}:{number}": "v" for number in range(5)})
                seen += [next(watch).seq for _ in range(5)]
                server.kill()
    assert seen == list(range(1, 16))


@pytest.mark.usefixtures("feed_is_known")
@pytest.mark.parametrize("start", [trio.run, lambda function: asyncio.run(function())], ids=["trio", "asyncio"])
def test_watching_beside_writing(url: str, start: Callable[[Callable[[], Awaitable[None]]], None]) -> None:
    async def work() -> None:
        async with AsyncClient(url) as client, client.watch("task:", after=0) as watch:
            for number in range(10):
                await client.kv.set(f"task:{number}", "v", ttl=60)
                assert (await anext(watch)).key == f"task:{number}"
            await client.kv.delete_prefix("task:")
            change = await anext(watch)
            assert (change.key, change.prefix, change.version) == (None, "task:", None)

    start(work)


@pytest.mark.usefixtures("feed_is_known")
def test_watching_what_is_yet_to_come(flavour: Flavour, url: str) -> None:
    with pytest.raises(BadRequest):
        flavour.first(1, flavour.client(url), lambda it: it.watch(after=10**15))
