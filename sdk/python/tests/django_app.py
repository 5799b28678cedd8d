"""A small application in Django, and the settings that all of Django needs before it is imported."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

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

from django.contrib import messages  # What follows needs the settings.
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.core.management import call_command
from django.db import connections

from synap_sdk.sessions.django import SessionStore


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


def begun(opened: Callable[..., Any], **values: object) -> Any:
    """A session that is stored."""
    made = opened()
    made("update", values)
    made("save")
    return made


def one_user() -> Iterator[None]:
    """A database with one user, whose sessions get an owner at login."""

    def own(request: HttpRequest, user: Any, **_: object) -> None:
        request.session.cycle_key(owner=str(user.pk))

    call_command("migrate", verbosity=0)
    User.objects.create_user("ada", password="lovelace")  # noqa: S106  # a test's
    user_logged_in.connect(own)
    yield
    user_logged_in.disconnect(own)
    connections.close_all()
