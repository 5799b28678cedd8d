"""Sessions of web applications, kept in Synap: the shared part. Import the one for your framework.

======================================  ========================================================================
``synap_sdk.sessions.starlette``        middleware for Starlette and FastAPI (``pip install 'synap-sdk[starlette]'``)
``synap_sdk.sessions.flask``            a session interface for Flask (``'synap-sdk[flask]'``)
``synap_sdk.sessions.django``           a session backend for Django (``'synap-sdk[django]'``)
======================================  ========================================================================

All of them do the same. The server draws the ids, and one that a client made up is never adopted; the id changes at
login (``session.rotate``); nothing is stored for an empty session; the cookie is ``Secure``, ``HttpOnly`` and
``SameSite=Lax``, is in the response that it belongs to, and lives as long as the session. Two requests at once do not
undo each other, and a request that ends late does not bring back a session that was ended. What happens while the store
is away is the application's choice (``SessionOptions.when_away``), and never takes long.

``SessionStore`` and ``AsyncSessionStore`` are the same for an application that has another framework, or none: ``open``
a session for a cookie, use it, ``finish`` it, and say with ``set_cookie`` what came of it.

``_core`` decides, without input and output; ``stores`` asks the store.
"""

from synap_sdk.errors import SessionClosed, SessionUnavailable
from synap_sdk.sessions._core.cookie import cache_control, set_cookie
from synap_sdk.sessions._core.finish import Verdict
from synap_sdk.sessions._core.identity import key_of, owner_prefix
from synap_sdk.sessions._core.options import SessionOptions
from synap_sdk.sessions._core.session import Session
from synap_sdk.sessions.stores import AsyncSessionStore, SessionStore

__all__ = [
    "AsyncSessionStore",
    "Session",
    "SessionClosed",
    "SessionOptions",
    "SessionStore",
    "SessionUnavailable",
    "Verdict",
    "cache_control",
    "key_of",
    "owner_prefix",
    "set_cookie",
]
