"""The core's values as httpx's, and httpx's errors as ours. Nothing here waits.

httpx is used at its seam, the transport, not through its client: no redirects that repeat a write elsewhere, no cookies
of a proxy, no proxy or netrc that the environment names for other purposes, and less work for each call.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import httpx

from synap_sdk._core.line import RequestLine
from synap_sdk._core.message import Request, Response
from synap_sdk._core.target import Target
from synap_sdk.errors import DeadlineExceeded, Disconnected, InvalidArgument, OutcomeUnknown, SynapError, Unreachable

RESPONSE_MAX_BYTES = 256 * 1024 * 1024
"""No answer of Synap's that anybody wants is larger; a program that is none may send for ever."""


class Timeouts(Mapping[str, float]):
    """httpx's timeouts of the phases of a request, each asked for when its phase begins.

    A phase may take what the phases before it have left, so that all together end at the deadline.
    """

    def __init__(self, connect_s: Callable[[], float], rest_s: Callable[[], float]) -> None:
        self._phases = {"connect": connect_s, "pool": rest_s, "write": rest_s, "read": rest_s}

    def __getitem__(self, phase: str) -> float:
        return self._phases[phase]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._phases)

    def __len__(self) -> int:
        return len(self._phases)


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a request, in one piece.

    httpx's own is an asynchronous generator for those who await, and one that is left while it waits for a peer who
    stopped reading is something that trio warns of.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        return iter((self._content,))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Once(self._content)


class _Once(AsyncIterator[bytes]):
    def __init__(self, content: bytes) -> None:
        self._left = [content]

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


def to_httpx(request: Request, target: Target, timeouts: Timeouts) -> httpx.Request:
    """The request as httpx sends it. Raises ``InvalidArgument`` where it is too long for a URL: httpx allows 64 KiB."""
    headers = [*target.headers, *request.headers]
    try:
        url = httpx.URL(target.url_of(request))
    except httpx.InvalidURL as cause:
        raise InvalidArgument("the key, prefix or pattern is too long for a URL", request=request.line) from cause
    extensions = {"timeout": timeouts}
    sent = httpx.Request(request.method, url, headers=headers, content=request.body, extensions=extensions)
    sent.stream = Body(request.body)
    return sent


def from_httpx(response: httpx.Response, body: bytes) -> Response:
    """The response as the core reads it."""
    return Response(response.status_code, response.headers, body)


class Collected:
    """The body of a response while it arrives."""

    def __init__(self, remaining_s: Callable[[], float]) -> None:
        self._remaining_s = remaining_s
        self._body = bytearray()

    def add(self, chunk: bytes) -> None:
        """One more piece. Raises ``httpx.TransportError`` where it took too long, or is too much."""
        self._body += chunk
        if len(self._body) > RESPONSE_MAX_BYTES:
            raise httpx.ReadError(f"more than {RESPONSE_MAX_BYTES:,} bytes")
        if self._remaining_s() <= 0:
            raise httpx.ReadTimeout("the rest of the answer did not come in time")

    @property
    def body(self) -> bytes:
        """All of it."""
        return bytes(self._body)


def failure(line: RequestLine, cause: Exception, *, repeatable: bool) -> SynapError:
    """What it means that no answer came."""
    why = str(cause) or type(cause).__name__
    if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout):
        return Unreachable(f"no connection could be made: {why}", request=line, outcome="not_written")
    if isinstance(cause, httpx.PoolTimeout):
        return DeadlineExceeded("all connections are in use", request=line, outcome="not_written")
    is_late = isinstance(cause, httpx.TimeoutException | TimeoutError)
    if not repeatable:
        sentence = "no answer came in time" if is_late else f"the connection broke: {why}"
        return OutcomeUnknown(f"{sentence}; the write may have happened", request=line, outcome="unknown")
    if is_late:
        return DeadlineExceeded("no answer came in time", request=line)
    return Disconnected(f"the connection broke: {why}", request=line)
