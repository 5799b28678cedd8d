"""Sessions for Django: a session backend, and a middleware in place of Django's.

::

    SESSION_ENGINE = "synap_sdk.sessions.django"
    SYNAP_SESSIONS = {"url": "http://localhost:15500"}
    MIDDLEWARE = ["synap_sdk.sessions.django.SessionMiddleware", ...]
    SESSION_COOKIE_SECURE = True

``SYNAP_SESSIONS`` has the ``url``; ``prefix`` and ``when_away`` of ``SessionOptions``; and the options of a client,
such as ``api_key``. How long a session lives and what its cookie looks like is said by Django's ``SESSION_COOKIE_…``;
note that ``SESSION_COOKIE_SECURE`` is off there by default.

Everything of Django's sessions works, also awaited. On top of it, two requests that change one session at once do not
undo each other; ``session.change(key, function)`` is a change that builds on the value before it; and
``cycle_key(owner=...)`` says whose session it is, for ``end_all(owner)``. With ``django.contrib.auth`` an owner is
known after the login: call it in a receiver of ``user_logged_in``.

Django's own middleware works with the backend, too. The one here in addition lets a session live on that is only read,
answers with 503 while the store is away, ends a session that was emptied, and keeps what depends on a session out of
shared caches.
"""

from synap_sdk.sessions.django.backend import SessionStore
from synap_sdk.sessions.django.middleware import SessionMiddleware
from synap_sdk.sessions.django.stores import aend_all, end_all

__all__ = ["SessionMiddleware", "SessionStore", "aend_all", "end_all"]
