"""Every exception of the client, and whose fault each one is.

::

    SynapError
    ├── InvalidArgument         the caller's: it cannot be sent; also a ValueError
    ├── ClientClosed            the caller's: the client was closed before; also a RuntimeError
    ├── TransportError          no answer came
    │   ├── Unreachable             no connection could be made, nothing was sent; also a ConnectionError
    │   ├── Disconnected            the connection broke during a read; also a ConnectionError
    │   └── DeadlineExceeded        the time was up before anything was written; also a TimeoutError
    ├── OutcomeUnknown          a write was sent, and may or may not have happened
    ├── SessionUnavailable      of ``synap_sdk.sessions``: nobody can say whose request it is, or keep what it changed
    ├── SessionClosed           the caller's: a session was changed where nobody stores it; also a RuntimeError
    └── ResponseError           the server answered, and it was no success
        ├── BadRequest              4xx  the caller's: a key, value, parameter or body that cannot be
        ├── Unauthorized            401  no credentials, or wrong ones
        ├── Forbidden               403  the credentials do not go so far
        ├── NotFound                404  a key that has to be there, or a route that this server does not know
        ├── Conflict                409  it exists already, or is switched off
        ├── HistoryTrimmed          410  the events asked for are no longer kept; ``earliest_seq``
        ├── VersionMismatch         412  compare-and-set lost the race; ``current_version``
        ├── TooLarge                413  key, value, body or batch over its limit
        ├── RateLimited             429  too many requests
        ├── ServerError             5xx  the server's
        │   ├── Unavailable             503  loading, draining, overloaded; or a proxy that does not reach it
        │   └── DiskFull                507  no room for a write; reads go on
        └── UnexpectedResponse      not an answer of Synap's: is this the right address?

Each carries what is known as attributes: ``status`` and ``type`` of the answer (None where none came), ``outcome`` of
a write (``"not_written"``, ``"unknown"``, or None where nobody says), ``request``, ``retry_after_s``, ``attempts``, and
``details``: the other fields of the answer. Its text is one sentence, with neither values nor credentials nor keys.

Every failed write ends in one of two ways: an ``OutcomeUnknown``, or surely nothing was written.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from synap_sdk._core.line import RequestLine

Outcome = Literal["not_written", "unknown"]


class SynapError(Exception):
    """Base of everything below.

    ``transient`` says of a class whether the same request may succeed a moment later; ``attempts`` is how often it
    was tried before the error was raised.
    """

    transient: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        request: RequestLine | None = None,
        status: int | None = None,
        type: str | None = None,  # noqa: A002  # the name it has in the answer
        outcome: Outcome | None = None,
        retry_after_s: float | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.request, self.status, self.type = request, status, type
        self.outcome, self.retry_after_s = outcome, retry_after_s
        self.details: Mapping[str, object] = details or {}
        self.attempts = 1

    def __str__(self) -> str:
        answer = None if self.status is None else " ".join(filter(None, (str(self.status), self.type)))
        context = ", ".join(str(each) for each in (self.request, answer) if each is not None)
        sentence = super().__str__()
        return f"{sentence} ({context})" if context else sentence

    def _whole_number(self, name: str) -> int | None:
        number = self.details.get(name)
        return number if isinstance(number, int) else None


# --- the caller's ----------------------------------------------------------------------------------------


class InvalidArgument(SynapError, ValueError):
    """What was asked for cannot be put into a request; nothing was sent."""


class ClientClosed(SynapError, RuntimeError):
    """The client was closed; make a new one."""


# --- no answer -------------------------------------------------------------------------------------------


class TransportError(SynapError):
    """No answer came. Of a write, nothing happened: otherwise it is an ``OutcomeUnknown``."""


class Unreachable(TransportError, ConnectionError):
    """No connection could be made, so nothing was sent: the server is not there, or the address is wrong."""

    transient = True


class Disconnected(TransportError, ConnectionError):
    """The connection broke before the answer to a read was complete."""

    transient = True


class DeadlineExceeded(TransportError, TimeoutError):
    """The time for the call was up: a server that does not answer a read, or all connections in use."""


class OutcomeUnknown(SynapError):
    """The write was sent, and then the connection broke, the time was up, or the server says that it does not know.

    It is never sent again by the client, because it may have happened. Read, and decide; a write with ``if_version``
    or ``nx`` can be repeated safely.
    """


# --- sessions --------------------------------------------------------------------------------------------


class SessionUnavailable(SynapError):
    """The session of a request cannot be looked for, or not be stored: the store is away. ``__cause__`` says why.

    The answer is 503; a request that changes something may or may not have done so, if the cause is ``OutcomeUnknown``.
    """


class SessionClosed(SynapError, RuntimeError):
    """A session was changed after it was stored, or in a WebSocket, which has no response to set a cookie with."""


# --- an answer -------------------------------------------------------------------------------------------


class ResponseError(SynapError):
    """The server answered, and it was no success. ``field`` names the part of the request that was wrong."""

    @property
    def field(self) -> str | None:
        """The field that the answer names, if it names one."""
        named = self.details.get("field")
        return named if isinstance(named, str) else None


class BadRequest(ResponseError):
    """400, 405, 408, 415, 422, 431 and every other 4xx that has no class of its own: it would fail again."""


class Unauthorized(ResponseError):
    """401: no credentials, or wrong ones."""


class Forbidden(ResponseError):
    """403: known, and not allowed."""


class NotFound(ResponseError):
    """404: a missing key where the operation needs one, or a route that this server does not know."""


class Conflict(ResponseError):
    """409: it exists already, or what is asked for is switched off."""


class HistoryTrimmed(ResponseError):
    """410: the events after the one that was asked for are no longer kept. Read the keys, and watch from now on."""

    @property
    def earliest_seq(self) -> int | None:
        """The first event that is still kept; None where the server does not say."""
        return self._whole_number("earliest_seq")


class VersionMismatch(ResponseError):
    """412: the key is not at the version that was expected. Read it again, and decide again."""

    @property
    def current_version(self) -> int | None:
        """The version that the key is at; None where it is missing."""
        return self._whole_number("current_version")


class TooLarge(ResponseError):
    """413: key, value, body or batch over its limit; ``details`` has ``limit`` and ``unit``."""


class RateLimited(ResponseError):
    """429: too many requests; ``retry_after_s`` says when to come back."""

    transient = True


class ServerError(ResponseError):
    """5xx: the server's fault. Of a write, surely nothing happened: otherwise it is an ``OutcomeUnknown``."""


class Unavailable(ServerError):
    """503: loading, draining or overloaded. 502 and 504: a proxy that does not reach the server."""

    transient = True


class DiskFull(ServerError):
    """507: there is no room for the write; reads go on."""

    transient = True


class UnexpectedResponse(ResponseError):
    """An answer that Synap does not give: a redirect, another program, another protocol."""
