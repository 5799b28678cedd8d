"""The lane itself: one task that waits for all connections at once, and lets each go on that can.

The kernel says which connections have something to read (``epoll``, level-triggered: a connection is registered once,
not again for each request), and each of them answers what it has, in plain calls. That there is one descriptor to wait
for, and not a task for each connection, is what makes the lane fast: the busier it is, the more requests are served in
one turn of the event loop.

In a turn, each connection that can reads once, and answers ``passage.ROUND_MAX_REQUESTS`` at most. Whoever has more
comes again in the next, after all other tasks; as does who waited for an answer that came from elsewhere.
"""

import contextlib
import select
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio

from synap.server.exchange import Exchange
from synap.server.lane.answering import Answering
from synap.server.lane.framing import BODY_MAX_BYTES, KnownFields
from synap.server.lane.passage import Passage
from synap.server.lane.patience import Patience
from synap.server.lane.rendering import Renderer
from synap.tasks import open_tasks

T = TypeVar("T")

TURN_MAX_CONNECTIONS = 128
"""Served in one turn. The more writes come in one, the fewer commits they take. With a request or two each, other tasks
wait a few milliseconds; where all of them send whole rounds ahead (``passage.ROUND_MAX_REQUESTS``), some 10 to 25."""

FORGET_EVERY_S = 60.0
"""Header fields may hold passwords and keys, so they are not kept in memory for long after their client has left."""


class Lane:
    """The fast door. Connections are served while ``run`` runs. ``now_s`` is the time since the epoch."""

    def __init__(self, exchange: Exchange, now_s: Callable[[], float], body_max_bytes: int = BODY_MAX_BYTES) -> None:
        self.renderer = Renderer(now_s)
        self.patience = Patience()
        self.known = KnownFields()
        self.answering = Answering(exchange, self.renderer, self.patience, self._start, self._soon)
        self.answered: list[Passage] = []
        self.stopping = False
        self._body_max_bytes = min(body_max_bytes, BODY_MAX_BYTES)
        self._epoll = select.epoll()
        self._passages: dict[int, Passage] = {}
        self._acts: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._acts_came = trio.Event()
        self._tasks: trio.Nursery | None = None

    async def run(self) -> None:
        """Serve until cancelled."""
        with self._epoll:
            async with open_tasks() as self._tasks:
                self._tasks.start_soon(self.patience.run)
                self._tasks.start_soon(self._act)
                self._tasks.start_soon(self._forget)
                while True:
                    await trio.lowlevel.wait_readable(self._epoll)
                    for number, _ in self._epoll.poll(0, TURN_MAX_CONNECTIONS):
                        self._passages[number].ready()

    async def serve(self, connection: socket.socket, address: str) -> bytes | None:
        """Serve a connection that does not block; ``address`` is the client's. Whoever calls this closes it.

        Returns what was read and not answered, to be handed over with the connection, or None where it has ended.
        """
        if self.stopping:
            return None
        passage = Passage(self, connection, address, self._body_max_bytes)
        number = connection.fileno()
        self._passages[number] = passage
        self.patience.add(passage)
        try:
            self.listen(connection, select.EPOLLIN)
            await passage.over.wait()
        finally:
            passage.end()  # Also where this is cancelled: nobody shall go on with a socket that is closed.
            self.patience.discard(passage)
            del self._passages[number]
        return passage.rest

    def stop(self) -> None:
        """Let each connection end with the answer to what it has begun to ask; who asks nothing ends at once."""
        self.stopping = True
        self.answering.stop()
        for passage in tuple(self._passages.values()):
            passage.stop()

    # --- for passages

    def listen(self, connection: socket.socket, events: int) -> None:
        """Call a connection's passage when one of these events (``select.EPOLLIN`` and so on) is there; 0 for none."""
        if self._epoll.closed:
            return  # Everything ends, in no certain order.
        if not events:
            with contextlib.suppress(FileNotFoundError):
                self._epoll.unregister(connection)
            return
        try:
            self._epoll.modify(connection, events)
        except FileNotFoundError:
            self._epoll.register(connection, events)

    def go_on_later(self, passage: Passage) -> None:
        """Let a passage go on in the next turn."""
        self._soon(Passage.go_on, passage)

    # --- for answering

    def _start(self, task: Callable[[], Awaitable[None]]) -> None:
        assert self._tasks is not None, "nobody is served unless this runs"
        self._tasks.start_soon(task)

    def _soon(self, act: Callable[[T], None], with_what: T) -> None:
        """Call something, but not in here: this is called from the middle of a commit, or of a turn."""
        if not self._acts:
            self._acts_came.set()
        self._acts.append((act, with_what))

    async def _act(self) -> None:
        """Do what is to be done soon; what comes up meanwhile has its turn after all other tasks."""
        while True:
            await self._acts_came.wait()
            for _ in range(min(len(self._acts), TURN_MAX_CONNECTIONS)):
                act, with_what = self._acts.popleft()
                act(with_what)
            # Without anything in between: the kernel wakes a client that has many connections, such as a proxy, less
            # often.
            answered, self.answered = self.answered, []
            for passage in answered:
                passage.send_answered()
            if not self._acts:
                self._acts_came = trio.Event()

    async def _forget(self) -> None:
        while True:
            await trio.sleep(FORGET_EVERY_S)
            self.known.forget()
            self.answering.forget()
