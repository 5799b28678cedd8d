"""The ASGI application: HTTP requests from hypercorn to the REST API and back.

A shell around an ``Exchange``, which knows what a request comes down to. What it adds is what needs a socket or a
clock: it reads bodies within their limits, and gives up on clients that send none. It knows no keyspace, no log, no
route.

* A body over its limit is refused as soon as that shows, in Content-Length or in what arrived. Such a response
  overtakes the request, so the rest of the body is then read and thrown away for a while (``_overtake``): a
  socket closed over unread bytes is reset, and the client would see that instead of the response.
* A request whose client is gone is dropped while its body is read. Once it became a command, nobody watches
  the client any more: the command is carried out, and the response goes nowhere.
* Who asks is looked at before the body is read: without credentials, none is.
"""

from contextlib import aclosing

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, LifespanScope, Scope, WebsocketScope
from msgspec import structs

from synap.errors import OverloadedError, RequestTimeoutError, StreamVersionError, SynapError, TooLargeError
from synap.protocol.http import Headers, Request, Response, finish, respond_to_error
from synap.protocol.http.message import Stream, header
from synap.server.exchange import Answered, Exchange, Head, log_unforeseen
from synap.tasks import open_tasks

BODY_MAX_BYTES = 10 * 1024 * 1024
"""The largest value, and room for its escapes in JSON."""

BODY_TIMEOUT_S = 30.0
"""A body of the largest size within this time needs a line of 3 Mbit/s."""

BODIES_MAX_BYTES = 256 * 1024 * 1024
"""All bodies that are being received, together. Each connection may bring one, and there may be 10,000 of them."""

_OVERTAKE_S = 5.0
"""How long a client may go on sending a body whose response it already got."""

_FINISH_INLINE_MAX_BYTES = 64 * 1024
"""A larger body is compressed in a thread: it would hold up all other requests for more than a millisecond."""

_STREAMS_OVER = frozenset({"1.0", "1.1"})
"""Where a body may have no end. Over HTTP/2, hypercorn takes whatever a client does not into memory."""


class _ClientGoneError(Exception):
    """The client disconnected before its request was complete."""


class Budget:
    """How much memory all bodies together may still take, in bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._left_bytes = max_bytes

    def take(self, size_bytes: int) -> None:
        """Raises ``OverloadedError`` where it is used up."""
        if size_bytes > self._left_bytes:
            raise OverloadedError("too many large requests at once; nothing was written")
        self._left_bytes -= size_bytes

    def give_back(self, size_bytes: int) -> None:
        """What was taken is free again."""
        self._left_bytes += size_bytes


class Body:
    """The body of one request, still to be read. What it takes of the ``budget``, ``close`` gives back."""

    def __init__(self, receive: ASGIReceiveCallable, max_bytes: int, budget: Budget) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._budget = budget
        self._taken_bytes = 0
        self.ended = trio.Event()

    def close(self) -> None:
        """The request is over."""
        self._budget.give_back(self._taken_bytes)
        self._taken_bytes = 0

    async def read(self, headers: Headers, timeout_s: float) -> bytes:
        """The whole body.

        Raises ``TooLargeError``, ``RequestTimeoutError``, ``OverloadedError`` or ``_ClientGoneError``.
        """
        declared = header(headers, b"content-length") or b""
        if declared.isdigit():
            self._check_size(int(declared[:20]))  # so many digits are enough to be too large
        with trio.move_on_after(timeout_s):
            return await self._read_chunks()
        raise RequestTimeoutError(timeout_s)

    async def _read_chunks(self) -> bytes:
        body = bytearray()  # not a list of chunks: a client may send a million of one byte
        while not self.ended.is_set():
            chunk = await self._next_chunk()
            self._check_size(len(body) + len(chunk))
            self._budget.take(len(chunk))
            self._taken_bytes += len(chunk)
            body += chunk
        return bytes(body)

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise TooLargeError("body", size, self._max_bytes)

    async def _next_chunk(self) -> bytes:
        event = await self._receive()
        if event["type"] != "http.request":
            raise _ClientGoneError
        if not event.get("more_body", False):
            self.ended.set()
        return event.get("body", b"")

    async def discard(self) -> None:
        """Throw away what still comes, until the end of the body or of the connection."""
        try:
            while not self.ended.is_set():
                await self._next_chunk()
        except _ClientGoneError:
            self.ended.set()


class App:
    """An ASGI 3 application that answers from an ``Exchange``."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        body_max_bytes: int = BODY_MAX_BYTES,
        body_timeout_s: float = BODY_TIMEOUT_S,
        bodies_max_bytes: int = BODIES_MAX_BYTES,
    ) -> None:
        self._exchange = exchange
        self._bodies = Budget(bodies_max_bytes)
        self._body_max_bytes = body_max_bytes
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Serve one connection scope, as hypercorn calls it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(scope, receive, send)
        else:
            await _refuse_websocket(scope, send)

    async def _http(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer one request, and count it."""
        started_s = trio.current_time()
        headers = tuple(scope["headers"])
        body = Body(receive, self._body_max_bytes, self._bodies)
        try:
            route, response = await self._answer(scope, headers, body)
        except _ClientGoneError:
            return
        finally:
            body.close()
        if response.stream is not None and scope["http_version"] not in _STREAMS_OVER:
            response.stream.close()
            response = respond_to_error(StreamVersionError(scope["http_version"]), may_have_written=False)
        response = await _finished(scope["method"], headers, self._exchange.expose(headers, response))
        if _is_ambiguous(headers):
            response = structs.replace(response, headers=(*response.headers, (b"connection", b"close")))
        if response.stream is not None:
            try:
                await _send_stream(response, response.stream, scope["method"], receive, send)
            except Exception as error:
                # The status has long been sent. That the connection breaks off is all that the client is told.
                log_unforeseen(error, route)
                raise
        else:
            await _send(response, body, send)
        self._exchange.observe(scope["method"], route, response.status, trio.current_time() - started_s)

    async def _answer(self, scope: HTTPScope, headers: Headers, body: Body) -> tuple[str, Response]:
        """The pattern of the route, and the response; whatever goes wrong is one, too."""
        client = scope.get("client")
        address = client[0] if client else ""
        entered = await self._exchange.enter(Head(scope["method"], scope["raw_path"], headers, address))
        if isinstance(entered, Answered):
            return entered.route, entered.response
        try:
            content = await body.read(headers, self._body_timeout_s)
        except (SynapError, MemoryError) as error:
            return entered.route, entered.match.refuse(None, error, may_have_written=False)
        request = Request(scope["method"], scope["raw_path"], scope["query_string"], headers, content)
        return entered.route, await self._exchange.carry_out(entered, request)


def _is_ambiguous(headers: Headers) -> bool:
    """Whether the body has two lengths. Chunks count, but a proxy may have taken the rest for another request."""
    return header(headers, b"content-length") is not None and header(headers, b"transfer-encoding") is not None


async def _finished(method: str, headers: Headers, response: Response) -> Response:
    if len(response.body) <= _FINISH_INLINE_MAX_BYTES:
        return finish(method, headers, response)
    return await trio.to_thread.run_sync(finish, method, headers, response)


async def _send(response: Response, body: Body, send: ASGISendCallable) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
    overtakes = not body.ended.is_set()
    await send({"type": "http.response.body", "body": response.body, "more_body": overtakes})
    if overtakes:
        await _overtake(body, send)


async def _send_stream(
    response: Response, stream: Stream, method: str, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Send a body piece by piece, as fast as the client takes it; where it leaves, the rest is not asked for."""
    is_gone = False

    async def watch(everything: trio.CancelScope) -> None:
        nonlocal is_gone
        while (await receive())["type"] != "http.disconnect":
            pass
        is_gone = True
        everything.cancel()

    try:
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        async with open_tasks() as nursery:
            nursery.start_soon(watch, nursery.cancel_scope)
            if method != "HEAD":
                async with aclosing(stream.chunks) as chunks:
                    async for chunk in chunks:
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
            nursery.cancel_scope.cancel()
        if not is_gone:
            # Not while somebody watches: with the end of the response hypercorn may close the connection, and says so.
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        stream.close()


async def _overtake(body: Body, send: ASGISendCallable) -> None:
    """End a response that was sent before the end of its request.

    The body is thrown away also while the end is sent: hypercorn waits there for room in the queue we read from.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.discard)
        with trio.move_on_after(_OVERTAKE_S):
            await body.ended.wait()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        nursery.cancel_scope.cancel()


async def _lifespan(_: LifespanScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Nothing starts or stops with the application: the server around it does that, in its own order."""
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif event["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _refuse_websocket(_: WebsocketScope, send: ASGISendCallable) -> None:
    """Closed before it was accepted: hypercorn answers 403."""
    await send({"type": "websocket.close", "code": 1000, "reason": None})
