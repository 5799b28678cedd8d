"""Sessions for Starlette and FastAPI: middleware in plain ASGI.

::

    app = FastAPI()
    app.add_middleware(SessionMiddleware, client=AsyncClient("http://localhost:15500"))

    @app.post("/login")
    async def log_in(session: Annotated[Session, Depends(session_of)]) -> None:
        session["user"] = "ada"
        session.rotate(owner="ada")

The session is ``request.session``, as Starlette's own, and ``request.state.session``. It is looked for before the
application is asked, because that awaits and a dictionary cannot; without a cookie, nothing is asked. It is stored when
the response begins, so the cookie is in it and what the next request finds is what this one left; what a background
task or the rest of a streamed body changes would be lost, and raises ``SessionClosed``. So does a change in a
WebSocket, which has no response to set a cookie with.

While the store is away, a route that uses its session raises ``SessionUnavailable``, here also an ``HTTPException``
with 503; an exception handler may answer otherwise. A session that cannot be stored is a 503 in place of the response.
"""

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from synap_sdk._shells.awaitable import AsyncClient
from synap_sdk.errors import SessionUnavailable
from synap_sdk.sessions._core.cookie import cache_control, set_cookie
from synap_sdk.sessions._core.finish import Verdict
from synap_sdk.sessions._core.options import SessionOptions
from synap_sdk.sessions._core.session import Session
from synap_sdk.sessions.stores import AsyncSessionStore

RETRY_AFTER = {"Retry-After": "1"}
"""A store that was killed is back soon."""


class SessionUnavailableHTTP(SessionUnavailable, HTTPException):
    """``SessionUnavailable`` that is answered with 503 if nobody catches it."""

    def __init__(self, message: str) -> None:
        SessionUnavailable.__init__(self, message)
        HTTPException.__init__(self, 503, message, RETRY_AFTER)

    def __str__(self) -> str:
        return self.detail


class SessionMiddleware:
    """Gives every request its session, and stores it. ``client`` is used in the event loop of the application."""

    def __init__(self, app: ASGIApp, client: AsyncClient, options: SessionOptions | None = None) -> None:
        self._app = app
        self._store = AsyncSessionStore(client, options, trouble=SessionUnavailableHTTP)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        session = await self._store.open(HTTPConnection(scope).cookies.get(self._store.options.cookie))
        scope["session"] = session
        scope.setdefault("state", {})["session"] = session
        if scope["type"] == "websocket":
            session.close("in a WebSocket a session can only be read")
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, _Storing(self._store, session, scope, receive, send).send)


class _Storing:
    """The sending side of one response: stores the session before the first byte goes out."""

    def __init__(self, store: AsyncSessionStore, session: Session, scope: Scope, receive: Receive, send: Send) -> None:
        self._store, self._session = store, session
        self._scope, self._receive, self._send = scope, receive, send
        self._is_replaced = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._start(message)
        elif not self._is_replaced:
            await self._send(message)

    async def _start(self, message: Message) -> None:
        try:
            verdict = await self._store.finish(self._session)
        except SessionUnavailable as error:
            # What the application says was done, was not.
            self._is_replaced = True
            answer = JSONResponse({"detail": str(error)}, 503, RETRY_AFTER)
            await answer(self._scope, self._receive, self._send)
            return
        finally:
            self._session.close("the response has begun, and the session was stored")
        add_headers(MutableHeaders(scope=message), verdict, self._store.options)
        await self._send(message)


def add_headers(headers: MutableHeaders, verdict: Verdict, options: SessionOptions) -> None:
    """What the response has to say of the session."""
    if verdict.accessed:
        headers.add_vary_header("Cookie")
    if (control := cache_control(verdict, headers.get("cache-control"))) is not None:
        headers["cache-control"] = control
    if (cookie := set_cookie(verdict, options)) is not None:
        headers.append("set-cookie", cookie)


def session_of(connection: HTTPConnection) -> Session:
    """The session of a request, typed; for FastAPI, ``Depends(session_of)``."""
    session = connection.scope["session"]
    assert isinstance(session, Session), "SessionMiddleware of synap_sdk is not installed"
    return session
