"""The session backend and the middleware for Django in a real application."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.test import Client as Browser
from django.test.utils import override_settings

from django_app import Sync, begun, one_user
from support import URL, ManualClock
from synap_sdk import Client, SessionUnavailable
from synap_sdk.sessions import key_of
from synap_sdk.sessions.django import SessionStore, end_all
from synap_sdk.sessions.django.stores import stores

KNOWN = "a" * 43


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as made, override_settings(SYNAP_SESSIONS={"url": url}):
        yield made


# --- in an application -------------------------------------------------------------------------------------


def get(where: str, cookie: str | None = None) -> Any:
    """What is answered to a browser with this cookie."""
    browser = Browser(raise_request_exception=False)
    if cookie is not None:
        browser.cookies["session_id"] = cookie
    return browser.get(where, secure=True)


def cookie_of(response: Any) -> str:
    """The id that a response sets."""
    value: str = response.cookies["session_id"].value
    return value


@pytest.mark.usefixtures("client")
def test_a_session() -> None:
    first = get("/set/1")
    (morsel,) = first.cookies.values()
    flags = {name: morsel[name] for name in ("path", "max-age", "secure", "httponly", "samesite")}
    assert flags == {"path": "/", "max-age": 1000, "secure": True, "httponly": True, "samesite": "Lax"}
    looked = get("/look", cookie_of(first))
    assert (json.loads(looked.content), looked.cookies) == ({"n": 1}, {})
    out = get("/logout", cookie_of(first))
    assert cookie_of(out) == ""
    assert json.loads(get("/look", cookie_of(first)).content) == {}


@pytest.mark.usefixtures("client")
def test_login() -> None:
    before = cookie_of(get("/set/1"))
    after = cookie_of(get("/login", before))
    assert after != before
    assert json.loads(get("/look", after).content) == {"n": 1, "user": "ada"}
    assert json.loads(get("/look", before).content) == {}


@pytest.mark.usefixtures("client")
def test_a_view_that_is_awaited() -> None:
    session_id = cookie_of(get("/count"))
    assert json.loads(get("/count", session_id).content) == {"n": 2}


@pytest.mark.usefixtures("client")
def test_what_caches_are_told() -> None:
    first = get("/set/1")
    assert (first["cache-control"], first["vary"]) == ("no-store", "Cookie")
    looked = get("/look", cookie_of(first))
    assert (looked["cache-control"], looked["vary"]) == ("private", "Cookie")
    page = get("/static", cookie_of(first))
    assert page["cache-control"] == "public, max-age=60"
    assert "vary" not in page.headers


def test_a_session_that_is_only_read_lives_on(client: Client) -> None:
    session_id = cookie_of(get("/set/1"))
    client.kv.expire(key_of(session_id), 500)
    get("/static", session_id)
    assert client.kv.ttl(key_of(session_id)) <= 500
    assert cookie_of(get("/look", session_id)) == session_id
    assert client.kv.ttl(key_of(session_id)) in range(980, 1001)


def test_a_session_that_was_emptied_is_ended(client: Client) -> None:
    session_id = cookie_of(get("/set/1"))
    assert cookie_of(get("/empty", session_id)) == ""
    assert client.kv.get(key_of(session_id)) is None


def test_a_session_that_was_emptied_while_another_request_put_something_there(client: Client) -> None:
    session_id = cookie_of(get("/set/1"))
    assert cookie_of(get("/emptied", session_id)) == session_id
    assert client.kv.get(key_of(session_id)) == {"cart": ["book"]}


def test_a_session_that_was_cleared_is_ended_in_any_case(client: Client) -> None:
    session_id = cookie_of(get("/set/1"))
    assert cookie_of(get("/cleared", session_id)) == ""
    assert client.kv.get(key_of(session_id)) is None


def test_a_session_that_was_emptied_and_ended_by_another(client: Client) -> None:
    made = begun(Sync, n=1)
    del made.session["n"]
    client.kv.delete(key_of(made.session.session_key))
    made.session.end_emptied()
    assert (made.session.session_key, made.session.is_over, made.session.is_empty()) == (None, True, True)


def test_a_logout_in_another_window(client: Client) -> None:
    session_id = cookie_of(get("/set/1"))
    assert get("/overtaken", session_id).status_code == 400
    assert client.kv.get(key_of(session_id)) is None


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("cookie", ["made-up", KNOWN])
def test_a_cookie_that_leads_nowhere(cookie: str) -> None:
    assert get("/look", cookie).cookies == {}
    assert cookie_of(get("/logout", cookie)) == ""
    assert cookie_of(get("/set/1", cookie)) not in {cookie, ""}


@pytest.fixture
def users() -> Iterator[None]:
    yield from one_user()


@pytest.mark.usefixtures("client", "users")
def test_users_and_messages() -> None:
    """Django's own applications, which know nothing of the backend."""
    planted = cookie_of(get("/set/1"))
    ada, other = cookie_of(get("/authenticated", planted)), cookie_of(get("/authenticated"))
    assert json.loads(get("/greeted", planted).content) == {"user": "AnonymousUser", "messages": []}
    assert json.loads(get("/greeted", ada).content) == {"user": "ada", "messages": ["hello"]}
    assert json.loads(get("/greeted", ada).content) == {"user": "ada", "messages": []}
    get("/left", ada)
    assert json.loads(get("/greeted", ada).content)["user"] == "AnonymousUser"
    assert json.loads(get("/greeted", other).content)["user"] == "ada"
    assert end_all("1") == 1
    assert json.loads(get("/greeted", other).content)["user"] == "AnonymousUser"


# --- while the store is away -------------------------------------------------------------------------------


def without(*methods: str, **options: Any) -> Any:
    """Settings with a store that refuses these methods."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method in methods:
            raise httpx.ConnectError("refused")
        headers = {"content-type": "application/json", "etag": '"3"', "synap-ttl": "1000"}
        return httpx.Response(200, headers=headers, content=b'{"n":1}')

    transport = httpx.MockTransport(handle)
    return override_settings(
        SYNAP_SESSIONS={"url": URL, "transport": transport, "clock": ManualClock(), **options},
    )


def test_the_store_is_away() -> None:
    with without("GET", "POST", "DELETE"):
        for where in ("/look", "/set/1", "/logout", "/login", "/count"):
            response = get(where, KNOWN)
            assert (response.status_code, response["retry-after"]) == (503, "1"), where
            assert response.cookies == {}
        assert get("/static", KNOWN).status_code == 200
        assert get("/look").status_code == 200


def test_a_session_that_cannot_be_stored() -> None:
    with without("POST"):
        assert get("/set/2", KNOWN).status_code == 503


def test_without_a_store_everybody_is_nobody() -> None:
    with without("GET", when_away="anonymous"):
        response = get("/look", KNOWN)
        assert (response.status_code, json.loads(response.content), response.cookies) == (200, {}, {})
        assert [get(where, KNOWN).status_code for where in ("/set/1", "/login")] == [503, 503]
        with pytest.raises(SessionUnavailable):
            SessionStore(KNOWN).cycle_key()


@pytest.mark.parametrize("given", [None, {}, {"url": URL}])
def test_the_stores_are_made_once(given: dict[str, str] | None) -> None:
    """Whatever the settings say, and also where they say nothing: each store has connections of its own."""
    with override_settings():
        if given is None:
            assert not hasattr(settings, "SYNAP_SESSIONS")
        else:
            settings.SYNAP_SESSIONS = given
        made = stores()
        assert stores() is made
        settings.SYNAP_SESSIONS = {"url": URL, "prefix": "web:"}
        assert stores() is not made
        assert stores().options.prefix == "web:"


def test_settings_that_cannot_be() -> None:
    with override_settings(SYNAP_SESSIONS={"adress": URL}), pytest.raises(TypeError, match="adress"):
        SessionStore(KNOWN).load()
