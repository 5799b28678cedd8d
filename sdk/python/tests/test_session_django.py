"""The session backend for Django, as a store by itself."""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.test.utils import override_settings

from django_app import Awaited, Sync, begun
from synap_sdk import Client, InvalidArgument
from synap_sdk.sessions import key_of, owner_prefix
from synap_sdk.sessions.django import SessionStore, aend_all, end_all

KNOWN = "a" * 43


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as made, override_settings(SYNAP_SESSIONS={"url": url}):
        yield made


@pytest.fixture(params=[Sync, Awaited])
def opened(request: pytest.FixtureRequest, client: Client) -> Callable[..., Any]:
    """Opens a session by its key, to be used in this way."""
    way: Callable[..., Any] = request.param
    return way


# --- what Django expects of a backend ----------------------------------------------------------------------

pytestmark = pytest.mark.process


def test_a_new_session(opened: Callable[..., Any]) -> None:
    made = opened()
    assert (made.session.modified, made.session.accessed, made.session.session_key) == (False, False, None)
    assert made("get", "cat") is None
    assert (made.session.accessed, made.session.modified, made.session.is_empty()) == (True, False, True)
    made("update", {"cat": "dog"})
    assert made.session.modified
    assert made("pop", "cat") == "dog"


def test_create(opened: Callable[..., Any], client: Client) -> None:
    made = opened()
    made("create")
    assert made.session.modified
    assert made("exists", made.session.session_key)
    assert client.kv.get(key_of(made.session.session_key)) == {}


def test_save_and_load(opened: Callable[..., Any], client: Client) -> None:
    made = begun(opened, cat="dog", cart=[1])
    key = made.session.session_key
    assert client.kv.get(key_of(key)) == {"cat": "dog", "cart": [1]}
    assert client.kv.ttl(key_of(key)) in range(980, 1001)
    again = opened(key)
    assert again("get", "cat") == "dog"
    assert dict(again("items")) == {"cat": "dog", "cart": [1]}
    again("save")
    assert again.session.session_key == key


@pytest.mark.parametrize("key", [None, "", "1", "made up", KNOWN, "x" * 32])
def test_a_key_that_leads_nowhere(opened: Callable[..., Any], key: str | None) -> None:
    """It is not adopted, and reading stores nothing."""
    assert opened()("exists", key) is False
    made = opened(key)
    assert made("get", "cat") is None
    assert made.session.session_key is None
    made("update", {"cat": "dog"})
    made("save")
    assert made.session.session_key not in {key, None}
    assert opened()("exists", key) is False


def test_must_create(opened: Callable[..., Any]) -> None:
    made = begun(opened, cat="dog")
    with pytest.raises(CreateError):
        opened(made.session.session_key)("save", must_create=True)


def test_a_session_that_was_ended_is_not_saved(opened: Callable[..., Any], client: Client) -> None:
    made = begun(opened, cat="dog")
    key = made.session.session_key
    opened(key)("delete")
    made("update", {"cat": "mouse"})
    with pytest.raises(UpdateError):
        made("save")
    cleared = opened(key)
    cleared.session.clear()
    cleared.session._session_key = key
    with pytest.raises(UpdateError):
        cleared("save")
    assert client.kv.get(key_of(key)) is None


def test_delete(opened: Callable[..., Any]) -> None:
    first, second = begun(opened, n=1), begun(opened, n=2)
    first("delete", second.session.session_key)
    assert not first("exists", second.session.session_key)
    first("delete")
    assert not first("exists", first.session.session_key)
    opened()("delete")
    opened()("delete", "made up")


def test_flush(opened: Callable[..., Any], client: Client) -> None:
    made = begun(opened, user="ada")
    key = made.session.session_key
    made("cycle_key", owner="ada")
    made("flush")
    assert (made.session.session_key, made.session.is_empty(), made.session.modified) == (None, True, True)
    assert not opened()("exists", key)
    made("update", {"cat": "dog"})
    made("save")
    assert client.kv.get(key_of(made.session.session_key)) == {"cat": "dog"}
    assert client.kv.count(owner_prefix("ada")) == 0, "it is nobody's any more"


def test_cycle_key(opened: Callable[..., Any], client: Client) -> None:
    made = begun(opened, cat="dog")
    before = made.session.session_key
    cycled = opened(before)
    cycled("cycle_key", owner="ada")
    after = cycled.session.session_key
    assert after != before
    assert dict(cycled("items")) == {"cat": "dog"}
    assert (client.kv.get(key_of(before)), client.kv.get(key_of(after))) == (None, {"cat": "dog"})
    assert key_of(after).startswith(owner_prefix("ada"))
    again = opened(after)
    again("cycle_key")
    assert key_of(again.session.session_key).startswith(owner_prefix("ada")), "still hers"
    assert asyncio.run(aend_all("ada")) + end_all("ada") == 1


@pytest.mark.parametrize("owner", [None, "ada"])
def test_cycle_key_of_a_session_that_was_cleared(opened: Callable[..., Any], client: Client, owner: str | None) -> None:
    """Django clears without having loaded, and the id before must lead nowhere all the same."""
    made = begun(opened, user="ada")
    made("cycle_key", owner="ada")
    before = made.session.session_key
    cleared = opened(before)
    cleared.session.clear()
    cleared("cycle_key", owner=owner)
    after = cleared.session.session_key
    assert after != before
    assert (client.kv.get(key_of(before)), client.kv.get(key_of(after))) == (None, {})
    assert key_of(after).startswith(owner_prefix("ada")), "still hers"
    assert end_all("ada") == 1


@pytest.mark.parametrize("key", [None, "made up", KNOWN])
def test_cycle_key_of_what_leads_nowhere_and_was_cleared(opened: Callable[..., Any], key: str | None) -> None:
    made = opened(key)
    made.session.clear()
    made("cycle_key")
    assert made.session.session_key not in {key, None}
    assert made("exists", made.session.session_key)


def test_cycle_key_of_nothing(opened: Callable[..., Any]) -> None:
    made = opened()
    made("cycle_key")
    assert made("exists", made.session.session_key)


def test_cycle_key_of_a_session_that_was_ended(opened: Callable[..., Any], client: Client) -> None:
    made = begun(opened, cat="dog")
    client.kv.delete(key_of(made.session.session_key))
    count = client.kv.count()
    with pytest.raises(SessionInterrupted):
        made("cycle_key")
    assert client.kv.count() == count


def test_two_at_once(opened: Callable[..., Any], client: Client) -> None:
    key = begun(opened, n=1, old=1).session.session_key
    one, other = opened(key), opened(key)
    one("change", "n", lambda n: n + 1)
    one("pop", "old")
    other("change", "n", lambda n: n + 10)
    other("update", {"mine": 1})
    one("save")
    other("save")
    assert client.kv.get(key_of(key)) == {"n": 12, "mine": 1}
    assert dict(other("items")) == {"n": 12, "mine": 1}


def test_expiry(opened: Callable[..., Any], client: Client) -> None:
    made = begun(opened, cat="dog")
    key = key_of(made.session.session_key)
    made("set_expiry", 50)
    made("save")
    assert client.kv.ttl(key) in range(30, 51)
    assert made("get_expiry_age") == 50
    made("set_expiry", dt.timedelta(seconds=70))
    made("save")
    assert client.kv.ttl(key) in range(52, 71)
    made("set_expiry", None)
    made("save")
    assert client.kv.ttl(key) in range(980, 1001)


def test_an_expiry_that_has_passed(opened: Callable[..., Any], client: Client) -> None:
    made = begun(opened, cat="dog")
    made("set_expiry", -dt.timedelta(seconds=10))
    made("save")
    assert not made("exists", made.session.session_key)
    fresh = opened()
    fresh("set_expiry", -dt.timedelta(seconds=10))
    fresh("save")
    assert not fresh("exists", fresh.session.session_key)


def test_a_save_without_a_change(opened: Callable[..., Any], client: Client) -> None:
    """It extends the session if that is due, and is no event otherwise."""
    key = begun(opened, cat="dog").session.session_key
    seq = client.kv.stats()["seq"]
    same = opened(key)
    same("get", "cat")
    same("save")
    assert client.kv.stats()["seq"] == seq
    client.kv.expire(key_of(key), 500)
    due = opened(key)
    due("get", "cat")
    assert due.session.is_due()
    due("save")
    assert client.kv.ttl(key_of(key)) in range(980, 1001)


def test_what_json_cannot_say(opened: Callable[..., Any]) -> None:
    made = opened()
    made("update", {"cat": {1}})
    with pytest.raises(InvalidArgument):
        made("save")


def test_clear_expired() -> None:
    SessionStore.clear_expired()
    asyncio.run(SessionStore.aclear_expired())


def test_what_a_backend_inherits(opened: Callable[..., Any]) -> None:
    made = opened()
    assert made.session.decode(made.session.encode({"cat": "dog"})) == {"cat": "dog"}
    made("set_test_cookie")
    assert made("test_cookie_worked") is True
