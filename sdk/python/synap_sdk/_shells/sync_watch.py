"""The blocking side of a watch: it connects, reads, and waits as the feed says."""

import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Self

import httpx

from synap_sdk._core.call import Call
from synap_sdk._core.changes import Change
from synap_sdk._core.feed import Feed
from synap_sdk._shells.options import Settings
from synap_sdk._shells.pools import ThreadPool
from synap_sdk._shells.wire import Timeouts, failure, from_httpx, to_httpx
from synap_sdk.errors import Disconnected, SynapError


class Watch(Iterator[Change]):
    """The changes as they happen. ``close`` it, or leave its ``with``, and its connection is free again.

    Iterating blocks until something happens. ``close`` may be called from another thread, and ends the iteration there.
    """

    def __init__(self, run: Callable[[Call[int]], int], feed: Feed, settings: Settings, pool: ThreadPool) -> None:
        self._run, self._feed, self._settings, self._pool = run, feed, settings, pool
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._pending: deque[Change] = deque()
        self._reading = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> Change:
        with self._reading:
            if self._feed.needs_position:
                self._run(self._feed.loaded_call())
                self._feed.begin_after(self._run(self._feed.position_call()))
            while not (self._pending or self._closed):
                self._advance()
            if self._closed:
                self._hang_up()
                raise StopIteration
            return self._pending.popleft()

    def close(self) -> None:
        """End the watch."""
        self._closed = True
        if self._response is not None:
            _wake_reader(self._response)
        # Whoever is reading meanwhile hangs up by itself.
        if self._reading.acquire(blocking=False):
            try:
                self._hang_up()
            finally:
                self._reading.release()

    def _advance(self) -> None:
        """Take one more chunk; where there is none, hang up and wait before the next try."""
        clock = self._settings.clock
        try:
            self._pending.extend(self._feed.received(self._chunk()))
        except SynapError as error:
            self._hang_up()
            wait_s = self._feed.wait_after(error, clock.now_s(), clock.chance())
            if wait_s is None:
                self._closed = True
                raise
            if not self._closed:
                clock.sleep(wait_s)

    def _chunk(self) -> bytes:
        line = self._feed.request().line
        try:
            if self._response is None:
                self._open()
            chunk = next(self._chunks, None)
        except httpx.RequestError as cause:
            raise failure(line, cause, repeatable=True) from cause
        if chunk is None:
            raise Disconnected("the server ended the feed", request=line)
        return chunk

    def _open(self) -> None:
        patience, clock = self._settings.patience, self._settings.clock
        self._feed.connecting(clock.now_s())
        timeouts = Timeouts(lambda: patience.connect_timeout_s, self._feed.read_timeout_s)
        sent = to_httpx(self._feed.request(), self._settings.target, timeouts)
        self._response = self._pool.transport().handle_request(sent)
        body = b"" if self._response.status_code == 200 else self._response.read()
        self._feed.opened(from_httpx(self._response, body))
        self._chunks = self._response.iter_bytes()

    def _hang_up(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()


def _wake_reader(response: httpx.Response) -> None:
    """Let a read of this response that blocks in another thread end."""
    stream = response.extensions.get("network_stream")
    connection = None if stream is None else stream.get_extra_info("socket")
    if isinstance(connection, socket.socket):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
