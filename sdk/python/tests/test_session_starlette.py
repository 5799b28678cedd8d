"""The middleware for Starlette and FastAPI, in real applications of both."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from http.cookies import SimpleCookie
from typing import Annotated, Any

import httpx
import pytest
import trio
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.requests import HTTPConnection
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from support import URL, ManualClock
from synap_sdk import AsyncClient, Client, InvalidArgument, SessionClosed, SessionUnavailable
from synap_sdk.sessions import Session, SessionOptions, key_of
from synap_sdk.sessions.starlette import SessionMiddleware, session_of

KNOWN = "a" * 43

CurrentSession = Annotated[Session, Depends(session_of)]


pages = APIRouter()


def attempt(connection: HTTPConnection, session: Session) -> str:
    """A change where nobody stores it; what comes of it is kept in the application."""
    try:
        session["n"] = "late"
    except SessionClosed as error:
        connection.app.state.late.append(str(error))
        return str(error)
    return "changed"


@pages.get("/static")
async def static() -> PlainTextResponse:
    return PlainTextResponse("always the same", headers={"Cache-Control": "public, max-age=60"})


@pages.get("/look")
async def look(session: CurrentSession) -> dict[str, object]:
    return dict(session)


@pages.get("/set")
async def set_value(request: Request, n: int) -> PlainTextResponse:
    request.session["n"] = n
    assert request.state.session is request.session
    return PlainTextResponse("set", headers={"Cache-Control": "public", "Vary": "Accept"})


@pages.get("/blocking")
def blocking(session: CurrentSession) -> int:
    return int(session.change("n", lambda n: (n or 0) + 1))


@pages.get("/leave")
async def leave(session: CurrentSession) -> None:
    session.invalidate()


@pages.get("/refused")
async def refused(session: CurrentSession) -> None:
    session["n"] = 400
    raise HTTPException(400)


@pages.get("/broken")
async def broken(session: CurrentSession) -> None:
    session["n"] = 500
    raise ZeroDivisionError


@pages.get("/unspeakable")
async def unspeakable(session: CurrentSession) -> None:
    session.setdefault("list", []).append({1})


@pages.get("/stream")
async def stream(request: Request, session: CurrentSession) -> StreamingResponse:
    session["n"] = "before"

    async def body() -> AsyncIterator[bytes]:
        yield b"begun "
        yield attempt(request, session).encode()

    return StreamingResponse(body())


@pages.get("/background")
async def background(request: Request, session: CurrentSession, tasks: BackgroundTasks) -> str:
    tasks.add_task(attempt, request, session)
    return "begun"


@pages.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json([dict(websocket.session), attempt(websocket, session_of(websocket))])
    await websocket.close()


class Application:
    """A FastAPI application with all that matters here; ``late`` is what became of changes that came too late."""

    def __init__(self, client: AsyncClient, options: SessionOptions | None = None) -> None:
        self.app = FastAPI()
        self.app.state.late = self.late = list[str]()
        self.app.add_middleware(SessionMiddleware, client=client, options=options)
        self.app.include_router(pages)

    def get(self, path: str, cookie: str | None = None, start: Callable[..., Any] | None = None) -> httpx.Response:
        """What is answered to a browser with this cookie; in an event loop of its own."""

        async def awaited() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://app.test") as browser:
                headers = {} if cookie is None else {"Cookie": f"theme=dark; session_id={cookie}"}
                return await browser.get(path, headers=headers)

        response: httpx.Response = trio.run(awaited) if start is trio.run else asyncio.run(awaited())
        return response


@pytest.fixture
def application(url: str) -> Application:
    return Application(AsyncClient(url), SessionOptions(ttl=1000))


def cookie_of(response: httpx.Response) -> str:
    """The id that a response sets."""
    (morsel,) = SimpleCookie(response.headers["set-cookie"]).values()
    assert morsel.key == "session_id"
    return morsel.value


@pytest.mark.process
@pytest.mark.parametrize("start", [asyncio.run, trio.run], ids=["asyncio", "trio"])
def test_a_session(application: Application, start: Callable[..., Any]) -> None:
    first = application.get("/set?n=1", start=start)
    session_id = cookie_of(first)
    assert first.headers["set-cookie"] == (
        f"session_id={session_id}; Max-Age=1000; Path=/; Secure; HttpOnly; SameSite=Lax"
    )
    second = application.get("/look", session_id, start=start)
    assert second.json() == {"n": 1}
    assert "set-cookie" not in second.headers
    left = application.get("/leave", session_id, start=start)
    assert cookie_of(left) == ""
    assert application.get("/look", session_id).json() == {}


@pytest.mark.process
def test_a_route_that_blocks(application: Application) -> None:
    """It runs in a thread, and its session is stored all the same."""
    session_id = cookie_of(application.get("/blocking"))
    assert application.get("/blocking", session_id).json() == 2


@pytest.mark.process
def test_what_caches_are_told(application: Application) -> None:
    set_first = application.get("/set?n=1")
    assert (set_first.headers["cache-control"], set_first.headers["vary"]) == ("no-store", "Accept, Cookie")
    looked = application.get("/look", cookie_of(set_first))
    assert (looked.headers["cache-control"], looked.headers["vary"]) == ("private", "Cookie")
    static = application.get("/static", cookie_of(set_first))
    assert static.headers["cache-control"] == "public, max-age=60"
    assert "vary" not in static.headers


@pytest.mark.process
@pytest.mark.parametrize("cookie", ["made up", KNOWN])
def test_a_cookie_that_leads_nowhere(application: Application, cookie: str) -> None:
    assert "set-cookie" not in application.get("/static", cookie).headers
    assert "set-cookie" not in application.get("/look", cookie).headers
    assert cookie_of(application.get("/set?n=1", cookie)) not in {cookie, ""}


@pytest.mark.process
def test_an_answer_that_is_an_error(application: Application) -> None:
    """An error that a route answers with is an answer; one that nobody expected leaves the session as it was."""
    session_id = cookie_of(application.get("/refused"))
    assert application.get("/look", session_id).json() == {"n": 400}
    with pytest.raises(ZeroDivisionError):
        application.get("/broken", session_id)
    assert application.get("/look", session_id).json() == {"n": 400}


@pytest.mark.process
def test_what_json_cannot_say(application: Application) -> None:
    with pytest.raises(InvalidArgument, match=r"session\['list'\]\[0\]: JSON has no set"):
        application.get("/unspeakable")


@pytest.mark.process
@pytest.mark.parametrize("path", ["/stream", "/background"])
def test_a_change_that_comes_too_late_is_an_error(application: Application, path: str) -> None:
    response = application.get(path)
    assert application.late == ["the response has begun, and the session was stored"]
    if path == "/stream":
        assert "the response has begun" in response.text
        assert application.get("/look", cookie_of(response)).json() == {"n": "before"}


@pytest.mark.process
def test_a_web_socket_only_reads(application: Application) -> None:
    session_id = cookie_of(application.get("/set?n=1"))
    said = asyncio.run(talk(application.app, session_id))
    session, answer = json.loads(said[1]["text"])
    assert session == {"n": 1}
    assert "can only be read" in answer
    assert [each["type"] for each in said] == ["websocket.accept", "websocket.send", "websocket.close"]


async def talk(app: FastAPI, session_id: str) -> list[Any]:
    """What an application says in a WebSocket."""
    scope = {
        "type": "websocket",
        "path": "/socket",
        "query_string": b"",
        "headers": [(b"cookie", f"session_id={session_id}".encode())],
    }
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        said.append(message)

    await app(scope, receive, send)
    return said


@pytest.mark.process
def test_the_life_of_an_application_is_none_of_its_business(application: Application) -> None:
    said: list[Any] = []

    async def live() -> None:
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            said.append(message["type"])

        await application.app({"type": "lifespan", "state": {}}, receive, send)

    asyncio.run(live())
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


# --- how often the store is asked, and when it is away -----------------------------------------------------


class Store:
    """A store as a function: one session is known. ``asked`` is what it was asked; methods in ``away`` are refused."""

    def __init__(self, *away: str, left_s: int = 1000) -> None:
        self._away = away
        self._left_s = left_s
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.method)
        if request.method in self._away:
            raise httpx.ConnectError("refused")
        headers = {"content-type": "application/json", "etag": '"3"', "synap-ttl": str(self._left_s)}
        if request.method == "POST":
            return httpx.Response(200, headers=headers, content=b'{"written":true,"version":4}')
        return httpx.Response(200, headers=headers, content=b'{"n":1}')

    def application(self, **options: Any) -> Application:
        client = AsyncClient(URL, transport=httpx.MockTransport(self), clock=ManualClock())
        return Application(client, SessionOptions(ttl=1000, **options))


@pytest.mark.parametrize(
    ("path", "cookie", "left_s", "asked"),
    [
        ("/look", None, 0, []),
        ("/look", "made up", 0, []),
        ("/look", KNOWN, 1000, ["GET"]),
        ("/look", KNOWN, 500, ["GET", "HEAD"]),
        ("/static", KNOWN, 500, ["GET"]),
        ("/set?n=1", KNOWN, 1000, ["GET"]),
        ("/set?n=2", KNOWN, 1000, ["GET", "POST"]),
        ("/set?n=2", KNOWN, 500, ["GET", "POST"]),
        ("/set?n=2", None, 500, ["POST"]),
    ],
)
def test_how_often_the_store_is_asked(path: str, cookie: str | None, left_s: int, asked: list[str]) -> None:
    store = Store(left_s=left_s)
    assert store.application().get(path, cookie).status_code == 200
    assert store.asked == asked


def test_the_store_is_away() -> None:
    application = Store("GET", "POST").application()
    for path in ("/look", "/set?n=1", "/leave"):
        response = application.get(path, KNOWN)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert response.json() == {"detail": "the session store does not answer"}
        assert "set-cookie" not in response.headers, "the cookie may be good again in a moment"
    assert application.get("/static", KNOWN).status_code == 200
    assert application.get("/look").status_code == 200


@pytest.mark.parametrize("cookie", [None, KNOWN])
def test_a_session_that_cannot_be_stored(cookie: str | None) -> None:
    """The route had said that all is well."""
    response = Store("POST").application().get("/set?n=2", cookie)
    assert (response.status_code, response.json()) == (503, {"detail": "the session store does not answer"})
    assert "set-cookie" not in response.headers
    assert Store("POST").application().get("/stream", cookie).status_code == 503


def test_the_application_may_answer_otherwise() -> None:
    application = Store("GET").application()

    @application.app.exception_handler(SessionUnavailable)
    async def answer(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"sorry": str(error)}, 599)

    response = application.get("/look", KNOWN)
    assert (response.status_code, response.json()) == (599, {"sorry": "the session store does not answer"})


def test_without_a_store_everybody_is_nobody() -> None:
    application = Store("GET").application(when_away="anonymous")
    response = application.get("/look", KNOWN)
    assert (response.status_code, response.json()) == (200, {})
    assert "set-cookie" not in response.headers
    for path in ("/set?n=1", "/leave"):
        assert application.get(path, KNOWN).status_code == 503


@pytest.mark.process
def test_a_session_outside_of_the_middleware(url: str) -> None:
    """The dependency says what is missing."""
    app = FastAPI()

    @app.get("/")
    async def look(session: CurrentSession) -> None: ...

    application = Application(AsyncClient(url))
    application.app = app
    with pytest.raises((KeyError, AssertionError)):
        application.get("/")


@pytest.mark.process
def test_what_is_stored(application: Application, url: str) -> None:
    session_id = cookie_of(application.get("/set?n=1"))
    with Client(url) as client:
        assert client.kv.get(key_of(session_id)) == {"n": 1}
