"""One connection: hypercorn's handler, with an end to its patience with clients that left or do not read.

Both would cost the server what they no longer use: the place among a limited number of connections, a file descriptor,
and the response in memory.
"""

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Event, Updated
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

STALLED_AFTER_S = 30.0
"""A client that takes nothing of its response for so long is given up."""

_SLICE_BYTES = 64 * 1024
"""What must get through within that time; about what a socket takes at once."""


class Connection(TCPServer):
    """Serves what comes over a stream, until the client or hypercorn closes it; ``unread`` came already."""

    def __init__(
        self,
        app: ASGIWrapper,
        config: Config,
        context: WorkerContext,
        stream: trio.SocketStream,
        unread: bytes = b"",
    ) -> None:
        client = _ClientStream(stream, unread)
        # TCPServer takes plain streams, too, whatever its annotation says.
        super().__init__(app, config, context, ConnectionState({}), client)  # type: ignore[arg-type]
        self._client_is_gone = False

    async def _read_data(self) -> None:
        await super()._read_data()
        # Hypercorn would go on waiting for the next request of a client that left, until the keep-alive time is over.
        self._client_is_gone = True
        await self.idle_task.stop()
        if isinstance(self.protocol.protocol, H2Protocol):
            # Its streams would wait for ever for room to send in. Who ends a connection of HTTP/2 takes no more of it,
            # unlike a client of HTTP/1, which may have closed only its own side.
            nursery = self._task_group._nursery  # The group itself has no way to end what it runs.
            assert nursery is not None
            nursery.cancel_scope.cancel()

    async def protocol_send(self, event: Event) -> None:
        """See ``TCPServer``. What it is told of idleness would have it wait again, after the last response."""
        if not (self._client_is_gone and isinstance(event, Updated)):
            await super().protocol_send(event)


class _ClientStream:
    """What hypercorn uses of ``trio.SocketStream``; it would wait for ever for a client that does not read."""

    def __init__(self, stream: trio.SocketStream, unread: bytes) -> None:
        self.socket = stream.socket
        self.send_eof = stream.send_eof
        self.aclose = stream.aclose
        self._stream = stream
        self._unread = unread

    async def receive_some(self, max_bytes: int) -> bytes | bytearray:
        """What comes next, first of all what had come before."""
        if not self._unread:
            return await self._stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        unread, self._unread = self._unread[:max_bytes], self._unread[max_bytes:]
        return unread

    async def send_all(self, data: bytes) -> None:
        """Send everything. Raises ``trio.BrokenResourceError`` where the client takes nothing for too long."""
        rest = memoryview(data)
        while rest:
            with trio.move_on_after(STALLED_AFTER_S) as patience:
                await self._stream.send_all(rest[:_SLICE_BYTES])
            if patience.cancelled_caught:
                self.socket.close()
                raise trio.BrokenResourceError("the client does not read")
            rest = rest[_SLICE_BYTES:]
