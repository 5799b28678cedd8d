"""Sessions for Flask: a session interface.

::

    app = Flask(__name__)
    app.session_interface = SynapSessionInterface(Client("http://localhost:15500"))

    @app.post("/login")
    def log_in():
        session["user"] = "ada"
        session.rotate(owner="ada")

``flask.session`` is then a ``Session``: it is looked for with its first use, so a view that has no use for it costs
nothing, and stored after the view. How long it lives and what its cookie looks like is said by ``SessionOptions``, not
by ``SESSION_COOKIE_…`` and ``permanent``. Changes inside its values are noticed, ``modified`` need not be set.
``current_session()`` is the same with its type.

While the store is away, the first use raises ``SessionUnavailable``, here also a ``ServiceUnavailable`` of werkzeug, so
a 503; ``app.errorhandler(SessionUnavailable)`` may answer otherwise. It is asked, too, where a session cannot be stored
after the view: the response then becomes that answer.
"""

from flask import Flask, Request, Response
from flask import session as session_proxy
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.exceptions import ServiceUnavailable

from synap_sdk._shells.sync import Client
from synap_sdk.errors import SessionUnavailable
from synap_sdk.sessions._core.cookie import cache_control, set_cookie
from synap_sdk.sessions._core.finish import Verdict
from synap_sdk.sessions._core.options import SessionOptions
from synap_sdk.sessions._core.session import Session
from synap_sdk.sessions.stores import SessionStore

RETRY_AFTER_S = 1
"""A store that was killed is back soon."""


class SessionUnavailableHTTP(SessionUnavailable, ServiceUnavailable):
    """``SessionUnavailable`` that is answered with 503 if nobody catches it."""

    def __init__(self, message: str) -> None:
        SessionUnavailable.__init__(self, message)
        ServiceUnavailable.__init__(self, message, retry_after=RETRY_AFTER_S)

    def __str__(self) -> str:
        return str(self.description)


class FlaskSession(Session, SessionMixin):  # type: ignore[override]  # Flask has an attribute ``new``, never set
    """A ``Session``, as Flask knows them."""

    @property
    def modified(self) -> bool:
        """Whether there is anything to store. Setting it does nothing: changes are seen where they are made."""
        return super().modified

    @modified.setter
    def modified(self, value: bool) -> None: ...


class SynapSessionInterface(SessionInterface):
    """Keeps the sessions of an application in Synap. ``client`` may be shared with the rest of it."""

    def __init__(self, client: Client, options: SessionOptions | None = None) -> None:
        self.store = SessionStore(client, options, trouble=SessionUnavailableHTTP)

    def open_session(self, app: Flask, request: Request) -> FlaskSession:  # noqa: ARG002  # Flask calls it so
        """See Flask. Asks for nothing yet."""
        cookie = request.cookies.get(self.store.options.cookie)
        return FlaskSession(lambda: self.store.find(cookie), had_cookie=cookie is not None)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """See Flask."""
        assert isinstance(session, FlaskSession)
        try:
            verdict = self.store.finish(session)
        except SessionUnavailable as error:
            _replace(response, app, error)
        else:
            _add_headers(response, verdict, self.store.options)
        session.close("the response is made, and the session was stored")


def current_session() -> FlaskSession:
    """``flask.session`` of this request, typed."""
    session = session_proxy._get_current_object()  # type: ignore[attr-defined]  # a proxy has it, its type has not
    assert isinstance(session, FlaskSession), "SynapSessionInterface is not the session interface"
    return session


def _replace(response: Response, app: Flask, error: SessionUnavailable) -> None:
    """Make a response the application's answer to an error: what it says was done, was not."""
    seen = error if isinstance(error, SessionUnavailableHTTP) else SessionUnavailableHTTP(str(error))
    answer = app.make_response(app.handle_user_exception(seen))
    response.status, response.headers, response.response = answer.status, answer.headers, answer.response


def _add_headers(response: Response, verdict: Verdict, options: SessionOptions) -> None:
    if verdict.accessed:
        response.vary.add("Cookie")
    if (control := cache_control(verdict, response.headers.get("Cache-Control"))) is not None:
        response.headers["Cache-Control"] = control
    if (cookie := set_cookie(verdict, options)) is not None:
        response.headers.add("Set-Cookie", cookie)
