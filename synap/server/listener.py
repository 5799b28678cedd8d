"""The listener: sockets in, the fast lane and then hypercorn's handler on each connection, a limit on their number.

Driven directly rather than through ``hypercorn.trio.serve``, because that accepts without a limit and stops accepting
only together with everything else. What is used of hypercorn here is ``TCPServer`` and ``WorkerContext``; their minor
version is pinned, and ``tests/server/test_listener.py`` would notice a change.
"""

import contextlib
import socket
from ipaddress import ip_address
from typing import Any

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework

from synap.errors import AddressInUseError
from synap.server.connection import Connection
from synap.server.lane.door import Lane

BACKLOG = 1024
"""Connections that the kernel holds until they are accepted."""

KEEP_ALIVE_S = 60.0
"""An idle connection is closed after this, and one whose request line and headers do not arrive within it."""

HEAD_MAX_BYTES = 3 * 64 * 1024 + 64 * 1024
"""Request line and headers: a key of the largest size with every byte escaped, and 64 KiB of headers."""

REFUSALS_MAX = 128
"""Connections over the limit that are told so at the same time; further ones are closed without a word."""

REFUSAL_MAX_S = 1.0
"""How long such a connection may take to read that."""

STOP_GRACE_S = 5.0
"""How long requests under way may go on after the server was told to stop."""

_REFUSAL_BODY = (
    b'{"error":"too many connections; nothing was written","code":503,"type":"too_many_connections",'
    b'"outcome":"not_written"}'
)
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
    b"Retry-After: 1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_REFUSAL_BODY), _REFUSAL_BODY)
)

_logger = structlog.get_logger("synap.server")


def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets on every address of the host, all with the same port. Raises ``AddressInUseError``."""
    sockets: list[socket.socket] = []
    try:
        # A name may stand for the same address twice.
        for family, address in dict.fromkeys(_addresses(host, port)):
            port = port or (sockets[0].getsockname()[1] if sockets else 0)
            sockets.append(_listen(family, (address[0], port, *address[2:])))
    except (OSError, UnicodeError) as cause:
        for listening in sockets:
            listening.close()
        raise AddressInUseError(host, port, getattr(cause, "strerror", None) or str(cause)) from cause
    return sockets


def _addresses(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [(family, address) for family, _, _, _, address in found]


def _listen(family: int, address: tuple[Any, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def url_of(listening: socket.socket) -> str:
    """What a client types to reach the socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if listening.family == socket.AF_INET6 else f"http://{host}:{port}"


def is_loopback(listening: socket.socket) -> bool:
    """Whether only this machine reaches the socket."""
    return ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def hypercorn_config() -> Config:
    """How hypercorn treats a connection."""
    config = Config()
    config.errorlog = None
    config.include_server_header = False
    config.h11_max_incomplete_size = HEAD_MAX_BYTES
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.keep_alive_max_requests = 1_000_000
    return config


class Listener:
    """Serves on sockets until ``stop``; ``finished`` is set when the last connection has ended.

    A connection is the ``lane``'s first, if there is one; what it hands over, and all without one, is served by
    hypercorn with ``app``, an ASGI application.
    """

    def __init__(
        self, app: ASGIFramework, sockets: list[socket.socket], max_connections: int, lane: Lane | None = None
    ) -> None:
        self._app = ASGIWrapper(app)
        self._listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(each)) for each in sockets]
        self._max_connections = max_connections
        self.finished = trio.Event()
        self._config = hypercorn_config()
        self._context = WorkerContext(None)
        self._lane = lane
        self._open = 0
        self._streams: set[trio.SocketStream] = set()
        self._refusals = 0
        self._accepting = trio.CancelScope()
        self._connections = trio.CancelScope()

    async def run(self) -> None:
        """Accept and serve; return after ``stop``, when the last connection has ended or its grace is over."""
        try:
            with self._connections:
                async with trio.open_nursery() as everything:
                    everything.start_soon(self._cut_off)
                    if self._lane is not None:
                        everything.start_soon(self._lane.run)
                    await self._accept_and_serve()
                    everything.cancel_scope.cancel()
        finally:
            self.finished.set()

    async def _accept_and_serve(self) -> None:
        async with trio.open_nursery() as connections:
            with self._accepting:
                await trio.serve_listeners(self._serve, self._listeners, handler_nursery=connections)
            for listener in self._listeners:
                await listener.aclose()

    async def _cut_off(self) -> None:
        """Close every connection that hypercorn serves when cancelled.

        Cancelling alone would wait for ever: hypercorn shields what it sends, even to a client that reads nothing.
        """
        try:
            await trio.sleep_forever()
        finally:
            for stream in self._streams:
                stream.socket.close()

    async def stop(self) -> None:
        """Accept no more; let requests under way finish within ``STOP_GRACE_S``, and close idle connections."""
        self._accepting.cancel()
        if self._lane is not None:
            self._lane.stop()
        await self._context.terminated.set()
        self._connections.deadline = trio.current_time() + STOP_GRACE_S

    async def _serve(self, stream: trio.SocketStream) -> None:
        if self._open >= self._max_connections:
            await self._refuse(stream)
            return
        self._open += 1
        try:
            if self._lane is None:
                await self._serve_all_of_http(stream, b"")
            else:
                await self._serve_in_lane(self._lane, stream)
        except Exception as error:  # noqa: BLE001  # one connection must not end the others
            # The exception's text stays out: it may quote what the client sent.
            _logger.error("connection failed", error=type(error).__name__)  # noqa: TRY400
        finally:
            self._open -= 1

    async def _serve_in_lane(self, lane: Lane, stream: trio.SocketStream) -> None:
        """The lane works with the plain socket, which is trio's again where it is handed over."""
        family, kind, number = stream.socket.family, stream.socket.type, stream.socket.proto
        with socket.socket(family, kind, number, fileno=stream.socket.detach()) as connection:
            connection.setblocking(False)
            try:
                address = str(connection.getpeername()[0])
            except OSError:
                return  # The client is gone already.
            unread = await lane.serve(connection, address)
            if unread is None:
                return
            rest = socket.socket(family, kind, number, fileno=connection.detach())
        await self._serve_all_of_http(trio.SocketStream(trio.socket.from_stdlib_socket(rest)), unread)

    async def _serve_all_of_http(self, stream: trio.SocketStream, unread: bytes) -> None:
        self._streams.add(stream)
        try:
            await Connection(self._app, self._config, self._context, stream, unread)
        finally:
            self._streams.discard(stream)

    async def _refuse(self, stream: trio.SocketStream) -> None:
        """Tell a client that there are too many, without waiting for its request, nor for long.

        What it sends is thrown away: closing a socket over unread bytes would take the answer back.
        """
        if self._refusals >= REFUSALS_MAX:
            return
        self._refusals += 1
        try:
            with trio.move_on_after(REFUSAL_MAX_S), contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(_REFUSAL)
                await stream.send_eof()
                while await stream.receive_some():
                    pass
        finally:
            self._refusals -= 1
