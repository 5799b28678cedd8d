"""Login, counter, logout: a Django application in one file, whose sessions are kept in Synap. It has no database."""

import hmac
import json
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

from synap_sdk.sessions.django import end_all

# A real application keeps hashes of passwords, in a database.
USERS = {"ada": "lovelace", "grace": "hopper"}

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    # Nothing here is signed; an application that does more needs a secret of its own.
    SECRET_KEY=os.environ.get("SECRET_KEY", "not used"),
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["synap_sdk.sessions.django.SessionMiddleware", "django.middleware.common.CommonMiddleware"],
    SESSION_ENGINE="synap_sdk.sessions.django",
    SESSION_COOKIE_NAME="session_id",
    SESSION_COOKIE_AGE=int(os.environ.get("SESSION_TTL_S", "3600")),
    SESSION_COOKIE_SECURE=True,
    SYNAP_SESSIONS={
        "url": os.environ.get("SYNAP_URL", "http://localhost:15500"),
        # Our choice: while the store is away nobody can tell who you are, so you get a 503 and not a stranger's page.
        "when_away": "fail",
    },
)


@require_GET
def look(request: HttpRequest) -> JsonResponse:
    """Who you are, and how far you counted."""
    return _state(request)


def _state(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": request.session.get("user"), "count": request.session.get("count", 0)})


@require_POST
def log_in(request: HttpRequest) -> JsonResponse:
    """Say who you are. What you counted before comes along.

    Other sites cannot send JSON here without being asked for permission, so that no token against them is needed.
    """
    if request.content_type != "application/json":
        return JsonResponse({"error": "expected application/json"}, status=415)
    said = json.loads(request.body)
    user, password = str(said["user"]), str(said["password"])
    if not hmac.compare_digest(USERS.get(user, "").encode(), password.encode()) or user not in USERS:
        return JsonResponse({"error": "wrong user or password"}, status=401)
    request.session["user"] = user
    request.session.cycle_key(owner=user)
    return _state(request)


@require_POST
def count(request: HttpRequest) -> JsonResponse:
    """Count one further. As a function, it is right also where several requests count at once."""
    request.session.change("count", lambda counted: (counted or 0) + 1)
    return _state(request)


@require_POST
def log_out(request: HttpRequest) -> JsonResponse:
    """End this session."""
    request.session.flush()
    return _state(request)


@require_POST
def log_out_everywhere(request: HttpRequest) -> JsonResponse:
    """End all sessions of this user."""
    if (user := request.session.get("user")) is not None:
        end_all(user)
    return log_out(request)


urlpatterns = [
    path("", look),
    path("login", log_in),
    path("count", count),
    path("logout", log_out),
    path("logout/all", log_out_everywhere),
]

app = get_wsgi_application()
