"""The session backend and the middleware for Django: as a store by itself, and in a real application."""

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any

import django
import httpx
import pytest
from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client as Browser
from django.test.utils import override_settings
from django.urls import path

from support import URL, ManualClock
from synap_sdk import Client, InvalidArgument, SessionUnavailable
from synap_sdk.sessions import key_of, owner_prefix

KNOWN = "a" * 43

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        MIDDLEWARE=[
            "synap_sdk.sessions.django.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        MESSAGE_STORAGE="django.contrib.messages.storage.session.SessionStorage",
        SECRET_KEY="s",  # noqa: S106  # none
        SESSION_ENGINE="synap_sdk.sessions.django",
        SESSION_COOKIE_NAME="session_id",
        SESSION_COOKIE_AGE=1000,
        SESSION_COOKIE_SECURE=True,
        USE_TZ=True,
    )
    django.setup()

from django.contrib import messages  # noqa: E402  # what follows needs the settings
from django.contrib.auth import authenticate, login, logout  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.auth.signals import user_logged_in  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402

from synap_sdk.sessions.django import SessionStore, aend_all, end_all  # noqa: E402
from synap_sdk.sessions.django.stores import stores  # noqa: E402


def look(request: HttpRequest) -> HttpResponse:
    return JsonResponse(dict(request.session.items()))


def set_value(request: HttpRequest, n: int) -> HttpResponse:
    request.session["n"] = n
    return HttpResponse("set", headers={"Cache-Control": "public"})


def log_in(request: HttpRequest) -> HttpResponse:
    request.session["user"] = "ada"
    request.session.cycle_key(owner="ada")
    return HttpResponse("in")


def log_out(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return HttpResponse("out")


def empty(request: HttpRequest) -> HttpResponse:
    for key in list(request.session.keys()):
        del request.session[key]
    return HttpResponse("empty")


def cleared(request: HttpRequest) -> HttpResponse:
    put_meanwhile(request.session.session_key)
    request.session.clear()
    return HttpResponse("cleared")


def emptied(request: HttpRequest) -> HttpResponse:
    """The last key is taken out, while another request puts something there."""
    del request.session["n"]
    put_meanwhile(request.session.session_key)
    return HttpResponse("emptied")


def put_meanwhile(key: str) -> None:
    other = SessionStore(key)
    other["cart"] = ["book"]
    other.save()


def overtaken(request: HttpRequest) -> HttpResponse:
    """A logout in another window, while this request is under way."""
    request.session["n"] = "late"
    SessionStore(request.session.session_key).flush()
    return HttpResponse("done")


def static(_: HttpRequest) -> HttpResponse:
    return HttpResponse("always the same", headers={"Cache-Control": "public, max-age=60"})


async def count(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"n": await request.session.achange("n", lambda n: (n or 0) + 1)})


def authenticated(request: HttpRequest) -> HttpResponse:
    user = authenticate(request, username="ada", password="lovelace")  # noqa: S106  # a test's
    login(request, user)
    messages.info(request, "hello")
    return HttpResponse("in")


def greeted(request: HttpRequest) -> HttpResponse:
    said = [str(message) for message in messages.get_messages(request)]
    return JsonResponse({"user": str(request.user), "messages": said})


def left(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("out")


urlpatterns = [
    path("authenticated", authenticated),
    path("greeted", greeted),
    path("left", left),
    path("look", look),
    path("set/<int:n>", set_value),
    path("login", log_in),
    path("logout", log_out),
    path("empty", empty),
    path("cleared", cleared),
    path("emptied", emptied),
    path("overtaken", overtaken),
    path("static", static),
    path("count", count),
]


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as made, override_settings(SYNAP_SESSIONS={"url": url}):
        yield made


class Sync:
    """A session with the methods of Django that block."""

    def __init__(self, key: str | None = None) -> None:
        self.session = SessionStore(key)

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.session, name)(*args, **kwargs)


class Awaited(Sync):
    """The same with their awaited twins."""

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> Any:
        async def call() -> Any:
            return await getattr(self.session, f"a{name}")(*args, **kwargs)

        return asyncio.run(call())


@pytest.fixture(params=[Sync, Awaited])
def opened(request: pytest.FixtureRequest, client: Client) -> Callable[..., Any]:
    """Opens a session by its key, to be used in this way."""
    way: Callable[..., Any] = request.param
    return way


def begun(opened: Callable[..., Any], **values: object) -> Any:
    """A session that is stored."""
    made = opened()
    made("update", values)
    made("save")
    return made


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
    """A database with one user, whose sessions get an owner at login."""

    def own(request: HttpRequest, user: Any, **_: object) -> None:
        request.session.cycle_key(owner=str(user.pk))

    call_command("migrate", verbosity=0)
    User.objects.create_user("ada", password="lovelace")  # noqa: S106  # a test's
    user_logged_in.connect(own)
    yield
    user_logged_in.disconnect(own)
    connections.close_all()


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
