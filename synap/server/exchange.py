"""What both doors of the server do with a request, but for reading and sending it.

In two steps, because the body comes between them: ``enter`` looks at what stands before the body (is there such a
route, who asks?), so that nobody without credentials makes the server read megabytes; ``carry_out`` makes a wish of the
whole request, looks whether whoever asks may have it, and answers. Whatever goes wrong is a response, too: what nobody
foresaw is 500, and is logged without the exception's text, which may quote keys or values.

A door that must not wait asks ``enter_at_once``, which knows everybody but those whose password is still to be checked.
"""

import traceback
from collections.abc import Callable
from functools import partial

import msgspec
import structlog
from msgspec import structs

from synap.commands import Query, Write
from synap.errors import HeadersTooLargeError, MethodNotAllowedError
from synap.protocol.http import Headers, Match, Request, Response, Service, answer, find, respond_to_error, show
from synap.protocol.http.cors import Origins, expose, preflight
from synap.protocol.http.host import check_host
from synap.protocol.http.permission import ANYBODY, NOBODY, PUBLIC_PATTERNS, Grant, check
from synap.protocol.http.router import Call
from synap.protocol.http.service import Begun, Question
from synap.server.authentication import Authentication

HEADERS_MAX_BYTES = 64 * 1024
"""Names and values together. No client of ours comes near; cookies that stray here may."""

UNMATCHED = "unmatched"
"""The route of what leads nowhere."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

_log: structlog.stdlib.BoundLogger = structlog.get_logger("synap.http")


class Head(msgspec.Struct, frozen=True):
    """A request without its body; ``path`` as in ``Request``, ``address`` the client's as its socket has it."""

    method: str
    path: bytes
    headers: Headers
    address: str


class Admitted(msgspec.Struct, frozen=True):
    """The request leads somewhere, and it is known who asks."""

    match: Match
    grant: Grant

    @property
    def route(self) -> str:
        """The pattern of the route."""
        return self.match.route.pattern


class Answered(msgspec.Struct, frozen=True):
    """The request has its response already, whatever its body is."""

    route: str
    response: Response


class Exchange:
    """Requests to a service, from whoever may make them.

    Without ``authentication``, everybody may, and credentials that are sent are not looked at: nothing can be wrong
    where nothing is checked. Then ``hosts`` are the names under which the service may be asked for, None where any will
    do (see ``protocol.http.host``). ``origins`` are the web pages that may use it.
    """

    def __init__(
        self,
        service: Service,
        authentication: Authentication | None = None,
        origins: Origins = frozenset(),
        hosts: frozenset[str] | None = None,
    ) -> None:
        self.service = service
        self._authentication = authentication
        self.origins = origins
        self._hosts = hosts

    async def enter(self, head: Head) -> Admitted | Answered:
        """Let a request in, or answer it."""
        entered = self.enter_at_once(head)
        if entered is not None:
            return entered
        assert self._authentication is not None
        match = find(head.method, head.path)
        try:
            return Admitted(match, await self._authentication.identify(head.headers, head.address))
        except Exception as error:  # noqa: BLE001  (the last line of defence: every request gets a response)
            return Answered(match.route.pattern, refused(error, match, may_have_written=False))

    def enter_at_once(self, head: Head) -> Admitted | Answered | None:
        """As ``enter``; None where that has to wait for a password to be checked."""
        match: Match | None = None
        try:
            _check_headers(head.headers)
            match = find(head.method, head.path)
            grant = self._known(match, head)
        except MethodNotAllowedError as error:
            asked = preflight(head.method, head.headers, error.allowed, self.origins)
            return Answered(UNMATCHED, asked or respond_to_error(error))
        except Exception as error:  # noqa: BLE001  (as above)
            return Answered(_pattern(match), refused(error, match, may_have_written=False))
        return None if grant is None else Admitted(match, grant)

    def _known(self, match: Match, head: Head) -> Grant | None:
        if match.route.pattern in PUBLIC_PATTERNS:
            return NOBODY
        if self._authentication is not None:
            return self._authentication.known(head.headers, head.address)
        if self._hosts is not None:
            check_host(head.headers, self._hosts)
        return ANYBODY

    async def carry_out(self, admitted: Admitted, request: Request) -> Response:
        """Answer a whole request."""
        call = self.call_of(admitted, request)
        return call if isinstance(call, Response) else await self.answer(admitted, request, call)

    def call_of(self, admitted: Admitted, request: Request) -> Call | Response:
        """What a whole request comes down to; or why it comes to nothing, or may not be."""
        if admitted.grant.ends_ms is not None and self._authentication is not None:
            request = structs.replace(request, left_s=partial(self._authentication.left_s, admitted.grant))
        try:
            call = admitted.match.call(request, self.origins)
            check(admitted.grant, call.wish)
        except Exception as error:  # noqa: BLE001  (as above)
            return refused(error, admitted.match, request, may_have_written=False)
        return call

    async def answer(self, admitted: Admitted, request: Request, call: Call) -> Response:
        """Have a call's wish granted, and answer."""
        try:
            return call.respond(await answer(self.service, call.wish))
        except Exception as error:  # noqa: BLE001  (as above)
            return refused(error, admitted.match, request, may_have_written=isinstance(call.wish, Write))

    def answer_at_once(self, admitted: Admitted, request: Request, call: Call) -> Response:
        """As ``answer``, where the wish is a question, or a query that is no walk."""
        wish = call.wish
        assert isinstance(wish, Query | Question)
        try:
            return call.respond(self.service.look(wish) if isinstance(wish, Query) else wish.ask(self.service))
        except Exception as error:  # noqa: BLE001  (as above)
            return refused(error, admitted.match, request, may_have_written=False)

    def begin(
        self, admitted: Admitted, request: Request, call: Call, on_done: Callable[[Begun[object]], None]
    ) -> Response | None:
        """As ``answer``, where the wish is a write, and nobody waits; for ``on_done`` see ``Service.begin``.

        Returns the response where the write is not even taken.
        """
        assert isinstance(call.wish, Write)
        try:
            self.service.begin(call.wish, on_done)
        except Exception as error:  # noqa: BLE001  (as above)
            return refused(error, admitted.match, request, may_have_written=True)
        return None

    def respond(self, admitted: Admitted, request: Request, call: Call, begun: Begun[object]) -> Response:
        """The response to a write that is done."""
        try:
            return call.respond(self.service.result(begun))
        except Exception as error:  # noqa: BLE001  (as above)
            return refused(error, admitted.match, request, may_have_written=True)

    def expose(self, headers: Headers, response: Response) -> Response:
        """The response as the web page may read it that the request with ``headers`` comes from; before ``finish``."""
        return expose(headers, response, self.origins)

    def observe(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count an answered request; nothing that a client makes up becomes a label."""
        self.service.observe(method if method in _METHODS else "other", route, status, duration_s)


def refused(
    error: Exception, match: Match | None, request: Request | None = None, *, may_have_written: bool
) -> Response:
    """The response to a request that ended in an error, which is logged if nobody foresaw it.

    ``match`` is None where it leads nowhere, ``request`` where it was not read to its end.
    """
    if show(error).type == "internal_error":
        log_unforeseen(error, _pattern(match))
    if match is None:
        return respond_to_error(error, may_have_written=may_have_written)
    return match.refuse(request, error, may_have_written=may_have_written)


def _pattern(match: Match | None) -> str:
    return UNMATCHED if match is None else match.route.pattern


def log_unforeseen(error: Exception, route: str) -> None:
    """Say that a request failed by a fault of ours, and where."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error("request failed", route=route, error=type(error).__name__, frames=frames)


def _check_headers(headers: Headers) -> None:
    size = sum(len(name) + len(value) for name, value in headers)
    if size > HEADERS_MAX_BYTES:
        raise HeadersTooLargeError(size, HEADERS_MAX_BYTES)
