"""``SessionMiddleware``: Django's, and what the package says that is more."""

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest, HttpResponse

from synap_sdk.errors import SessionUnavailable
from synap_sdk.sessions._core.cookie import cache_control
from synap_sdk.sessions._core.finish import Verdict

RETRY_AFTER_S = 1
"""A store that was killed is back soon."""


class SessionMiddleware(DjangoSessionMiddleware):  # type: ignore[misc]  # Django has no types
    """To be named in ``MIDDLEWARE`` in place of Django's."""

    def process_exception(self, _: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A view that needs its session, while the store is away."""
        return _unavailable() if isinstance(exception, SessionUnavailable) else None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """See Django."""
        session = request.session
        try:
            if session.is_emptied():
                session.end_emptied()
            elif session.accessed and session.is_due():
                session.modified = True
            response = super().process_response(request, response)
        except SessionUnavailable:
            # What the view says was done, was not.
            return _unavailable()
        morsel = response.cookies.get(settings.SESSION_COOKIE_NAME)
        if morsel is not None and not morsel.value and not session.is_over:
            # It leads nowhere; but the browser may have got another one meanwhile, and would lose that.
            del response.cookies[settings.SESSION_COOKIE_NAME]
            morsel = None
        verdict = Verdict(forget=morsel is not None, accessed=session.accessed)
        if (control := cache_control(verdict, response.headers.get("Cache-Control"))) is not None:
            response.headers["Cache-Control"] = control
        return response


def _unavailable() -> HttpResponse:
    return HttpResponse("the session store does not answer", status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
