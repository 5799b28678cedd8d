"""The session interface for Flask, in a real application."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import flask
import httpx
import pytest
from flask import Flask, session
from werkzeug.test import TestResponse

from support import URL, ManualClock
from synap_sdk import Client, SessionClosed, SessionUnavailable
from synap_sdk.sessions import SessionOptions, key_of
from synap_sdk.sessions.flask import SynapSessionInterface, current_session

KNOWN = "a" * 43


pages = flask.Blueprint("pages", __name__)


@pages.get("/static-page")
def static_page() -> Any:
    return "always the same", {"Cache-Control": "public, max-age=60"}


@pages.get("/look")
def look() -> Any:
    return dict(session)


@pages.get("/set/<int:n>")
def set_value(n: int) -> Any:
    session["n"] = n
    return "set", {"Cache-Control": "public", "Vary": "Accept"}


@pages.get("/nested")
def nested() -> Any:
    session.setdefault("list", []).append(1)
    return dict(session)


@pages.get("/login")
def log_in() -> Any:
    session["user"] = "ada"
    current_session().rotate(owner="ada")
    return {"modified": session.modified, "new": session.new}


@pages.get("/leave")
def leave() -> Any:
    session.clear()
    return "left"


@pages.get("/flash")
def flash() -> Any:
    flask.flash("saved", "info")
    return "flashed"


@pages.get("/flashed")
def flashed() -> Any:
    return {"messages": flask.get_flashed_messages(with_categories=True)}


@pages.get("/permanent")
def permanent() -> Any:
    session.permanent = True
    session.modified = False
    return "set"


@pages.get("/stream")
def stream() -> Any:
    session["n"] = "before"

    def body() -> Iterator[str]:
        yield "begun "
        try:
            session["n"] = "late"
        except SessionClosed as error:
            yield str(error)

    return flask.stream_with_context(body()), {"Content-Type": "text/plain"}


@pages.get("/unspeakable")
def unspeakable() -> Any:
    session.setdefault("list", []).append({1})
    return "set"


@pages.get("/broken")
def broken() -> Any:
    session["n"] = 500
    raise ZeroDivisionError


def application(client: Client, **options: Any) -> Flask:
    app = Flask(__name__)
    app.session_interface = SynapSessionInterface(client, SessionOptions(ttl=1000, **options))
    app.register_blueprint(pages)
    return app


@pytest.fixture
def app(url: str) -> Iterator[Flask]:
    with Client(url) as client:
        yield application(client)


def get(app: Flask, path: str, cookie: str | None = None) -> TestResponse:
    """What is answered to a browser with this cookie."""
    headers = {} if cookie is None else {"Cookie": f"theme=dark; session_id={cookie}"}
    return app.test_client(use_cookies=False).get(path, headers=headers)


def cookie_of(response: TestResponse) -> str:
    """The id that a response sets."""
    (morsel,) = SimpleCookie(response.headers["set-cookie"]).values()
    assert morsel.key == "session_id"
    return morsel.value


@pytest.mark.process
def test_a_session(app: Flask) -> None:
    first = get(app, "/set/1")
    session_id = cookie_of(first)
    assert first.headers["set-cookie"] == (
        f"session_id={session_id}; Max-Age=1000; Path=/; Secure; HttpOnly; SameSite=Lax"
    )
    second = get(app, "/look", session_id)
    assert second.json == {"n": 1}
    assert "set-cookie" not in second.headers
    assert cookie_of(get(app, "/leave", session_id)) == ""
    assert get(app, "/look", session_id).json == {}


@pytest.mark.process
def test_what_caches_are_told(app: Flask) -> None:
    set_first = get(app, "/set/1")
    assert (set_first.headers["cache-control"], set_first.headers["vary"]) == ("no-store", "Accept, Cookie")
    looked = get(app, "/look", cookie_of(set_first))
    assert (looked.headers["cache-control"], looked.headers["vary"]) == ("private", "Cookie")
    page = get(app, "/static-page", cookie_of(set_first))
    assert page.headers["cache-control"] == "public, max-age=60"
    assert "vary" not in page.headers


@pytest.mark.process
def test_login(app: Flask) -> None:
    before = cookie_of(get(app, "/set/1"))
    response = get(app, "/login", before)
    after = cookie_of(response)
    assert after != before
    assert response.json == {"modified": True, "new": False}
    assert get(app, "/look", after).json == {"n": 1, "user": "ada"}
    assert get(app, "/look", before).json == {}
    interface = app.session_interface
    assert isinstance(interface, SynapSessionInterface)
    assert interface.store.end_all("ada") == 1
    assert get(app, "/look", after).json == {}


@pytest.mark.process
def test_what_changes_inside_a_value_is_stored(app: Flask) -> None:
    session_id = cookie_of(get(app, "/nested"))
    assert get(app, "/nested", session_id).json == {"list": [1, 1]}


@pytest.mark.process
def test_what_flask_does_with_sessions(app: Flask) -> None:
    session_id = cookie_of(get(app, "/flash"))
    assert get(app, "/flashed", session_id).json == {"messages": [["info", "saved"]]}
    assert get(app, "/flashed", session_id).json == {"messages": []}
    assert get(app, "/look", cookie_of(get(app, "/permanent"))).json == {"_permanent": True}


@pytest.mark.process
def test_sessions_in_tests_of_an_application(app: Flask) -> None:
    browser = app.test_client()
    with browser.session_transaction(base_url="https://localhost") as opened:
        opened["n"] = 7
    assert browser.get("/look", base_url="https://localhost").json == {"n": 7}
    with browser.session_transaction(base_url="https://localhost") as opened:
        assert opened["n"] == 7


@pytest.mark.process
def test_what_json_cannot_say(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    response = get(app, "/unspeakable")
    assert response.status_code == 500
    assert "set-cookie" not in response.headers
    assert "session['list'][0]: JSON has no set" in caplog.text


@pytest.mark.process
def test_a_change_that_comes_too_late_is_an_error(app: Flask) -> None:
    response = get(app, "/stream")
    assert response.text == "begun the response is made, and the session was stored"
    assert get(app, "/look", cookie_of(response)).json == {"n": "before"}


@pytest.mark.process
@pytest.mark.parametrize("cookie", ["made-up", KNOWN])
def test_a_cookie_that_leads_nowhere(app: Flask, cookie: str) -> None:
    assert "set-cookie" not in get(app, "/static-page", cookie).headers
    assert "set-cookie" not in get(app, "/look", cookie).headers
    assert cookie_of(get(app, "/set/1", cookie)) not in {cookie, ""}


@pytest.mark.process
def test_what_is_stored(app: Flask, url: str) -> None:
    session_id = cookie_of(get(app, "/set/1"))
    with Client(url) as client:
        assert client.kv.get(key_of(session_id)) == {"n": 1}


@pytest.mark.process
def test_another_interface(app: Flask) -> None:
    """The typed session says what is missing."""
    plain = Flask("plain")
    plain.secret_key = "s"  # noqa: S105  # none
    with plain.test_request_context(), pytest.raises(AssertionError, match="is not the session interface"):
        current_session()


# --- while the store is away -------------------------------------------------------------------------------


def away(*methods: str, **options: Any) -> tuple[Flask, list[str]]:
    """An application whose store refuses these methods, and what the store was asked."""
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        if request.method in methods:
            raise httpx.ConnectError("refused")
        headers = {"content-type": "application/json", "etag": '"3"', "synap-ttl": "1000"}
        content = b'{"written":true,"version":4}' if request.method == "POST" else b'{"n":1}'
        return httpx.Response(200, headers=headers, content=content)

    client = Client(URL, transport=httpx.MockTransport(handle), clock=ManualClock())
    return application(client, **options), asked


def test_a_page_without_a_session_asks_nothing() -> None:
    app, asked = away()
    get(app, "/static-page", KNOWN)
    assert asked == []
    get(app, "/look", KNOWN)
    assert asked == ["GET"]


def test_the_store_is_away() -> None:
    app, _ = away("GET", "POST")
    for path in ("/look", "/set/1", "/leave"):
        response = get(app, path, KNOWN)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert "the session store does not answer" in response.text
        assert "set-cookie" not in response.headers
    assert get(app, "/static-page", KNOWN).status_code == 200
    assert get(app, "/look").status_code == 200


@pytest.mark.parametrize("path", ["/set/2", "/stream"])
def test_a_session_that_cannot_be_stored(path: str) -> None:
    app, _ = away("POST")
    response = get(app, path, KNOWN)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "the session store does not answer" in response.text
    assert response.headers["content-type"].startswith("text/html")
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(("method", "path"), [("GET", "/look"), ("POST", "/set/2")])
def test_the_application_may_answer_otherwise(method: str, path: str) -> None:
    app, _ = away(method)

    @app.errorhandler(SessionUnavailable)
    def answer(error: SessionUnavailable) -> Any:
        return {"sorry": str(error)}, 599

    response = get(app, path, KNOWN)
    assert (response.status_code, response.json) == (599, {"sorry": "the session store does not answer"})


def test_an_error_nobody_expected_stores_what_was_changed_before() -> None:
    """As with Flask's own sessions: a 500 is a response, too."""
    app, asked = away()
    assert get(app, "/broken", KNOWN).status_code == 500
    assert asked == ["GET", "POST"]


def test_without_a_store_everybody_is_nobody() -> None:
    app, _ = away("GET", when_away="anonymous")
    response = get(app, "/look", KNOWN)
    assert (response.status_code, response.json) == (200, {})
    assert "set-cookie" not in response.headers
    assert [get(app, path, KNOWN).status_code for path in ("/set/1", "/leave")] == [503, 503]
