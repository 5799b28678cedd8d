"""One connection on its way through the lane: requests in, answers out, in order.

::

            ┌──────────── all that is complete is answered and sent ────────────┐
            v                                                                   │
         READING ──── an answer has to be waited for ────> ANSWERING ───────────┤
            │                                                                   │
            └──── the client is slower than its answers ──> SENDING ────────────┘

In any state the connection may end; from READING it may also be handed over, with all that was read and not answered.
While an answer is waited for or sent, or complete requests wait for their turn, nothing more is read. So a client that
sends ahead and takes no answers is held up by its own socket: what it may have here is one read, one request that is
incomplete, and one round of answers.
"""

import select
import socket
from collections.abc import Callable
from enum import Enum
from functools import wraps
from math import inf
from typing import Concatenate, ParamSpec, Protocol

import trio

from synap.protocol.http import Response
from synap.server.exchange import UNMATCHED, log_unforeseen
from synap.server.lane.answering import LATER, Answer, Answering, Fate
from synap.server.lane.framing import HAND_OVER, MORE, Framed, Framer, KnownFields, Step
from synap.server.lane.patience import IDLE_MAX_S, INCOMPLETE_MAX_S, STALLED_MAX_S, Patience
from synap.server.lane.rendering import Renderer

READ_MAX_BYTES = 64 * 1024
"""Read at once, which is as much as a socket mostly has."""

ROUND_MAX_REQUESTS = 8
"""Answered before the others get their turn: a tenth of a millisecond of reads."""

ROUND_MAX_BYTES = 64 * 1024
"""Answers of a round, but for the last, which may be as large as it is; more wait until the client took these."""

_SLICE_BYTES = 64 * 1024
"""What a client must take of its answers before its patience begins anew."""

P = ParamSpec("P")


class State(Enum):
    """What a passage is waiting for."""

    READING = "reading"
    ANSWERING = "answering"
    SENDING = "sending"
    OVER = "over"


# Looked up once: at each use, Python 3.11 would take longer for that than for all that is done with them.
READING, ANSWERING, SENDING, OVER = State


class Lane(Protocol):
    """What a passage needs of the lane that it goes through; see ``door.Lane``.

    Of those in ``answered``, ``Passage.send_answered`` is called in this turn.
    """

    answering: Answering
    answered: "list[Passage]"
    known: KnownFields
    renderer: Renderer
    patience: Patience
    stopping: bool

    def listen(self, connection: socket.socket, events: int) -> None:
        """Have ``Passage.ready`` called when one of the events is there; 0 for none."""
        ...

    def go_on_later(self, passage: "Passage") -> None:
        """Have ``Passage.go_on`` called in the next turn."""
        ...


def _guarded(act: Callable[Concatenate["Passage", P], None]) -> Callable[Concatenate["Passage", P], None]:
    """A way into a passage, which may fail by a fault of ours. What is called all the time sees to that itself."""

    @wraps(act)
    def guarded(passage: "Passage", /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            act(passage, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  # it ends that connection, and no other
            passage.fail(error)

    return guarded


class Passage:
    """See the module. When ``over`` is set, ``rest`` is what to hand over, None where the connection has ended."""

    def __init__(self, lane: Lane, connection: socket.socket, address: str, body_max_bytes: int) -> None:
        self.over = trio.Event()
        self.rest: bytes | None = None
        self.lasts_until: float = lane.patience.now_s + IDLE_MAX_S
        self._lane = lane
        self._socket = connection
        self._address = address
        self._framer = Framer(lane.known, body_max_bytes)
        self._state: State = READING
        self._is_due = False
        self._client_closes = False
        self._is_last = False
        self._is_muted = False
        self._answers = b""
        self._unsent = memoryview(b"")
        self._slice_ends = 0

    # --- called by the lane

    def ready(self) -> None:
        """There is something to read, or room to write, or the connection is broken."""
        try:
            if self._state is READING:
                if not self._is_due:
                    self._read()
            elif self._state is SENDING:
                self._send_on()
            elif self._state is ANSWERING:
                # It will be heard again when the answer is there; until then it would be told again and again.
                self._is_muted = True
                self._lane.listen(self._socket, 0)
        except Exception as error:  # noqa: BLE001  # it ends this connection, and no other
            self.fail(error)

    @_guarded
    def go_on(self) -> None:
        """It is the turn of this one again, which had more than one round of requests."""
        self._is_due = False
        self._go_on()

    @_guarded
    def run_out_of_patience(self) -> None:
        """See ``Watched``. A request that comes slowly is for the other door, which has patience with it."""
        if self._state is READING:
            self._hand_over()
        else:
            self.end()

    @_guarded
    def stop(self) -> None:
        """The server stops; who asks nothing is let go at once, and who has begun to ask may end that."""
        if self._state is READING and not self._framer.unread:
            self.end()

    # --- reading and answering

    def _go_on(self) -> None:
        """Answer what is complete."""
        if self._state is not READING:
            return
        for _ in range(ROUND_MAX_REQUESTS):
            if len(self._answers) >= ROUND_MAX_BYTES:
                break
            framed = self._framer.next()
            if not isinstance(framed, Framed):
                self._end_round(framed)
                return
            self._client_closes = framed.fields.closes
            self._state = ANSWERING
            self.lasts_until = inf
            answer = self._lane.answering.answer(framed, self._address, self._answered)
            if answer is LATER:
                if self._answers:
                    self._send_meanwhile()
                return
            if not self._take(answer):
                return
            if not self._framer.unread:
                self._end_round(MORE)
                return
        if self._send():
            self._is_due = True
            self._lane.go_on_later(self)

    def _read(self) -> None:
        try:
            data = self._socket.recv(READ_MAX_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.end()
            return
        if data:
            self._framer.receive(data)
            self._go_on()
        else:
            # Where something is incomplete, it stays so, and the other door says what becomes of it.
            self._hand_over()

    def _take(self, answer: Answer) -> bool:
        """Take the answer to the request that is next; False where it is none, or the last."""
        if isinstance(answer, bytes):
            rendered = answer
        elif isinstance(answer, Response):
            self._is_last = self._client_closes or self._lane.stopping
            rendered = self._lane.renderer.render(answer, closes=self._is_last)
        else:
            self._take_none(answer)
            return False
        self._state = READING
        self._framer.take()
        self._answers = self._answers + rendered if self._answers else rendered
        if self._is_last:
            self._send()
        return not self._is_last

    def _take_none(self, fate: Fate) -> None:
        """The request that is next is not answered here."""
        if fate is Fate.ELSEWHERE:
            self._state = READING
            if self._send():
                self._hand_over()
        else:
            self.end()

    def _answered(self, answer: Answer) -> None:
        """What was waited for is there."""
        if self._state is not ANSWERING:
            return
        try:
            if self._is_muted:
                self._is_muted = False
                self._lane.listen(self._socket, select.EPOLLIN)
            if self._take(answer):
                self._lane.answered.append(self)
        except Exception as error:  # noqa: BLE001  # as above
            self.fail(error)

    def send_answered(self) -> None:
        """It is the turn of the answer that was waited for to be sent; then of what came behind its request."""
        try:
            if self._framer.unread:
                self._go_on()
            else:
                self._end_round(MORE)
        except Exception as error:  # noqa: BLE001  # as above
            self.fail(error)

    def _end_round(self, step: Step) -> None:
        """Nothing more is complete: send what was answered, and wait for more."""
        if not self._send():
            return
        now_s = self._lane.patience.now_s
        if step is HAND_OVER:
            self._hand_over()
        elif not self._framer.unread:
            self.lasts_until = now_s + IDLE_MAX_S
            if self._lane.stopping:
                self.end()
        else:
            # Not from every piece of it on: a request of many pieces would never be late.
            self.lasts_until = min(self.lasts_until, now_s + INCOMPLETE_MAX_S)

    # --- sending

    def _send(self) -> bool:
        """Send all answers; False where that takes longer, or the connection is over."""
        if not self._answers:
            return True
        data, self._answers = self._answers, b""
        sent = self._send_some(data)
        if sent is None:
            return False
        if sent < len(data):
            self._state = SENDING
            self._unsent = memoryview(data)[sent:]
            self._begin_slice()
            self._lane.listen(self._socket, select.EPOLLOUT)
            return False
        if self._is_last:
            self.end()
        return not self._is_last

    def _send_meanwhile(self) -> None:
        """Send answers before one that is waited for, as far as the socket takes them at once."""
        sent = self._send_some(self._answers)
        if sent is not None:
            self._answers = self._answers[sent:]

    def _send_on(self) -> None:
        sent = self._send_some(self._unsent)
        if sent is None:
            return
        self._unsent = self._unsent[sent:]
        if len(self._unsent) > 0:
            if len(self._unsent) <= self._slice_ends:
                self._begin_slice()
        elif self._is_last:
            self.end()
        else:
            self._state = READING
            self._lane.listen(self._socket, select.EPOLLIN)
            self._go_on()

    def _begin_slice(self) -> None:
        self._slice_ends = max(0, len(self._unsent) - _SLICE_BYTES)
        self.lasts_until = self._lane.patience.now_s + STALLED_MAX_S

    def _send_some(self, data: bytes | memoryview) -> int | None:
        """How many bytes the socket took; None where the connection is broken, and over."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.end()
            return None

    # --- the end

    def _hand_over(self) -> None:
        # Where the server stops, the other door would let the connection go as well.
        self.rest = None if self._lane.stopping else self._framer.unread or None
        self.end()

    def fail(self, error: Exception) -> None:
        """Something went wrong that nobody foresaw."""
        log_unforeseen(error, UNMATCHED)
        self.end()

    def end(self) -> None:
        """The connection is over, whatever it was waiting for."""
        self._state = OVER
        self.lasts_until = inf
        self._lane.listen(self._socket, 0)
        self.over.set()
