"""Every method of the published client's ``kv``."""

import pytest

from tests.process.harness import Client, Server, wait_until
from tests.published_client.published import PublishedClient, RaisedError, call

pytestmark = pytest.mark.process

INT64_MAX = 2**63 - 1


def test_set_and_get(published: PublishedClient, rest: Client) -> None:
    assert published.calls(call("kv.set", "a", "text"), call("kv.get", "a")) == [None, "text"]
    assert rest.get("a") == "text"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("", ""),
        ('Zoë "Z" \\ \n\0 🗝', 'Zoë "Z" \\ \n\0 🗝'),
        ({"user_id": 123, "roles": ["admin"]}, '{"user_id": 123, "roles": ["admin"]}'),
        ([1, 2.5, None], "[1, 2.5, null]"),
        (True, "true"),
        (42, "42"),
        (None, "null"),
    ],
)
def test_a_value_comes_back(published: PublishedClient, rest: Client, value: object, stored: str) -> None:
    """The client sends what is no text as its JSON, and reads JSON back; the store keeps the text as it is."""
    assert published.calls(call("kv.set", "value", value), call("kv.get", "value")) == [None, value]
    assert rest.get("value") == stored


def test_text_that_is_json_by_chance(published: PublishedClient) -> None:
    """That is the client's own doing: it cannot tell."""
    assert published.calls(call("kv.set", "number", "123"), call("kv.get", "number"))[1] == 123


def test_the_value_of_another_client(published: PublishedClient, rest: Client) -> None:
    """JSON values, which the published client cannot set, it reads."""
    values: list[object] = [{"value": "a trap"}, {"user": "ada"}, [1, 2], 5, True]
    for value in values:
        rest.set("theirs", value)
        assert published.call("kv.get", "theirs") == value


def test_missing(published: PublishedClient) -> None:
    calls = [call(f"kv.{name}", "missing") for name in ("get", "exists", "delete")]
    assert published.calls(*calls) == [None, False, None]


def test_exists_and_delete(published: PublishedClient, rest: Client) -> None:
    rest.set("there", "x")
    calls = [call(f"kv.{name}", "there") for name in ("exists", "delete", "exists", "get")]
    assert published.calls(*calls) == [True, None, False, None]


def test_keys_that_need_quoting(published: PublishedClient, rest: Client) -> None:
    for key in ("a b", "a/b?c#d", "ключ", "session:%2F"):
        published.call("kv.set", key, key)
        assert rest.get(key) == key
        assert published.call("kv.get", key) == key


def test_ttl(published: PublishedClient, rest: Client) -> None:
    published.call("kv.set", "mortal", "x", ttl=3600)
    assert rest.request("GET", "/kv/ttl/mortal").field("ttl") in range(3590, 3601)
    published.call("kv.set", "mortal", "x")
    assert rest.request("GET", "/kv/ttl/mortal").field("ttl") == -1, "without one, it lives forever"


def test_expiry(published: PublishedClient, rest: Client) -> None:
    published.call("kv.set", "brief", "x", ttl=1)
    assert wait_until(lambda: rest.get("brief") is None)
    assert published.calls(call("kv.get", "brief"), call("kv.exists", "brief")) == [None, False]


@pytest.mark.parametrize("ttl", [0, -1])
def test_a_ttl_that_cannot_be(published: PublishedClient, rest: Client, ttl: int) -> None:
    with pytest.raises(RaisedError, match=r"SynapException: Server Error: .*ttl"):
        published.call("kv.set", "never", "x", ttl=ttl)
    assert rest.get("never") is None


def test_counting(published: PublishedClient) -> None:
    calls = [
        call("kv.incr", "counter"),
        call("kv.incr", "counter", delta=10),
        call("kv.incr", "counter", delta=0),
        call("kv.incr", "counter", delta=-1),
        call("kv.decr", "counter"),
        call("kv.decr", "counter", delta=5),
        call("kv.decr", "counter", delta=-1),
        call("kv.get", "counter"),
    ]
    assert published.calls(*calls) == [1, 11, 11, 10, 9, 4, 5, 5]


def test_counting_at_once(published: PublishedClient) -> None:
    results = published.calls(*[call("kv.incr", "busy")] * 50, at_once=True)
    assert sorted(int(str(result)) for result in results) == list(range(1, 51))


def test_what_cannot_be_counted_stays(published: PublishedClient) -> None:
    published.call("kv.set", "word", "abc")
    with pytest.raises(RaisedError, match="SynapException: Server Error: "):
        published.call("kv.incr", "word")
    assert published.call("kv.get", "word") == "abc"

    published.call("kv.set", "most", INT64_MAX)
    with pytest.raises(RaisedError, match="SynapException: Server Error: "):
        published.call("kv.incr", "most")
    assert published.call("kv.get", "most") == INT64_MAX


def test_scan(published: PublishedClient, rest: Client) -> None:
    rest.set_all({f"scan:{n:03}": "x" for n in range(120)})
    everything = [f"scan:{n:03}" for n in range(120)]
    calls = [
        call("kv.scan", "scan:"),
        call("kv.scan", "scan:", limit=3),
        call("kv.scan", "scan:", limit=1000),
        call("kv.scan", "scan:*", limit=1000),
        call("kv.scan", "nothing:"),
        call("kv.scan", "", limit=1),
    ]
    first, three, every, as_documented, none, one = published.calls(*calls)
    assert first == everything[:100]
    assert three == everything[:3]
    assert every == as_documented == everything
    assert none == []
    assert isinstance(one, list)
    assert len(one) == 1


def test_stats(published: PublishedClient, rest: Client) -> None:
    rest.set("counted", "x")
    stats = published.call("kv.stats")
    assert isinstance(stats, dict)
    # The other numbers change by being asked for.
    assert stats.keys() == rest_fields(rest)
    assert stats["total_keys"] == rest.request("GET", "/kv/stats").field("total_keys")


def rest_fields(rest: Client) -> object:
    body = rest.request("GET", "/kv/stats").body
    assert isinstance(body, dict)
    return body.keys()


def test_watch_is_not_for_http(published: PublishedClient) -> None:
    """So the client says itself, without asking."""
    with pytest.raises(RaisedError, match=r"SynapException: kv\.watch requires the synap:// transport"):
        published.call("kv.watch", "a")


def test_a_key_that_cannot_be(published: PublishedClient) -> None:
    with pytest.raises(RaisedError, match=r"SynapException: Server Error: .*key"):
        published.call("kv.set", "", "x")


def test_a_crash_loses_nothing(published: PublishedClient, server: Server) -> None:
    published.call("kv.set", "session:abc", {"user": "ada"}, ttl=3600)
    server.kill()
    with pytest.raises(RaisedError, match="SynapException: Network Error: "):
        published.call("kv.get", "session:abc")
    with Server(server.data, "--port", str(server.port)):
        assert published.call("kv.get", "session:abc") == {"user": "ada"}
