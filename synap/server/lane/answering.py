"""What becomes of a request in the lane: a response at once, or later, or none, where it is for the other door.

Reads and questions are answered at once. A write is answered when it is durable: the store calls back, so nobody waits
in a task for it. A password that is to be checked, and a walk over many keys, are waited for in a task of their own.
What sends a body piece by piece, and what may take seconds by its nature (a snapshot, a backup, an event to come), is
for the other door, which watches whether the client is still there.
"""

from collections.abc import Awaitable, Callable
from enum import Enum
from functools import partial
from time import perf_counter
from typing import Any, TypeAlias

import msgspec
import trio

from synap.commands import Walk, Write
from synap.protocol.http import Request, Response, finish
from synap.protocol.http.router import Call
from synap.protocol.http.service import Begun, Errand
from synap.server.exchange import UNMATCHED, Admitted, Exchange, Head, log_unforeseen
from synap.server.lane import reads, writes
from synap.server.lane.beliefs import Belief, Beliefs
from synap.server.lane.framing import Framed
from synap.server.lane.patience import Patience
from synap.server.lane.reads import Reads
from synap.server.lane.rendering import Renderer
from synap.server.lane.writes import Writes

FINISH_INLINE_MAX_BYTES = 64 * 1024
"""A larger body takes more than a millisecond to compress, so that is done in a thread."""


class Fate(Enum):
    """What may become of a request that is not answered at once."""

    LATER = "later"
    ELSEWHERE = "elsewhere"
    """It is for the other door."""

    FAILED = "failed"
    """Something went wrong that nobody foresaw, and that is logged; the connection ends."""


LATER = Fate.LATER

Answer: TypeAlias = Response | bytes | Fate
"""A response, also as the bytes that it comes to, where more requests may follow on the connection."""

Answered: TypeAlias = Callable[[Answer], None]
"""Takes the response that was waited for, or hears that the request is for the other door after all.

It is called by what ``Soon`` has called, never directly."""

Start: TypeAlias = Callable[[Callable[[], Awaitable[None]]], None]
"""Begins a task."""

Soon: TypeAlias = Callable[[Callable[[Any], None], Any], None]
"""Has something called with something soon, but not at once."""


Respond: TypeAlias = Callable[[Begun[Any]], Response | bytes]
"""Makes the answer to a write that is done. Of what it is the result, is forgotten: all of them go the same way."""


class _Asked(msgspec.Struct, frozen=True, gc=False):
    """A request on its way to its answer."""

    framed: Framed
    address: str
    answered: Answered
    started_s: float

    def head(self) -> Head:
        """What stands before the body."""
        framed = self.framed
        return Head(framed.method, framed.path, framed.fields.headers, self.address)

    def whole(self) -> Request:
        """All of it."""
        framed = self.framed
        return Request(framed.method, framed.path, framed.query, framed.fields.headers, framed.body)


class Answering:
    """Answers what comes through the lane; ``start`` and ``soon`` are for what cannot be answered at once."""

    def __init__(self, exchange: Exchange, renderer: Renderer, patience: Patience, start: Start, soon: Soon) -> None:
        self._exchange = exchange
        self._beliefs = Beliefs(exchange, patience)
        self._reads = Reads(exchange, renderer)
        self._writes = Writes(exchange, renderer)
        self._start = start
        self._soon = soon
        self._stopped = False

    def stop(self) -> None:
        """From now on each request may be the last of its connection, and is answered the long way."""
        self._stopped = True
        self._writes.stop()

    def forget(self) -> None:
        """Keep nothing of what was asked before."""
        self._beliefs.forget()

    def answer(self, framed: Framed, address: str, answered: Answered) -> Answer:
        """What becomes of a request; where that is ``Fate.LATER``, ``answered`` is called once."""
        asked = _Asked(framed, address, answered, perf_counter())
        if not (framed.fields.closes or self._stopped):
            belief = self._beliefs.of(framed.fields, address)
            quick = None if belief is None else self._answer_quickly(asked, belief)
            if quick is not None:
                return quick
        return self._answer(asked)

    def _answer_quickly(self, asked: _Asked, belief: Belief) -> Answer | None:
        """Answer the most frequent requests; None for the long way."""
        framed = asked.framed
        if framed.method == "GET":
            read = self._reads.answer(framed, belief)
            return self._finished_somewhere(asked, reads.ROUTE, read) if isinstance(read, Response) else read
        body = self._writes.body_of(framed, belief)
        if body is None:
            return None
        respond = partial(self._writes.respond, body.key, belief)
        refusal = self._writes.begin(body, self._giving(asked, writes.ROUTE, respond))
        return LATER if refusal is None else self._finished(asked, writes.ROUTE, refusal)

    def _answer(self, asked: _Asked) -> Answer:
        """Answer the long way."""
        entered = self._exchange.enter_at_once(asked.head())
        if isinstance(entered, Admitted):
            self._beliefs.note(asked.framed.fields, asked.address, entered.grant)
            return self._carry_out(asked, entered)
        if entered is not None:
            return self._finished(asked, entered.route, entered.response)
        return self._later(asked, partial(self._enter, asked))

    async def _enter(self, asked: _Asked) -> Answer:
        """Go on when it is known who asks."""
        entered = await self._exchange.enter(asked.head())
        if isinstance(entered, Admitted):
            return self._carry_out(asked, entered)
        return self._finished(asked, entered.route, entered.response)

    def _carry_out(self, asked: _Asked, admitted: Admitted) -> Answer:
        request = asked.whole()
        call = self._exchange.call_of(admitted, request)
        if isinstance(call, Response):
            return self._finished(asked, admitted.route, call)
        if isinstance(call.wish, Write):
            return self._write(asked, admitted, request, call)
        if isinstance(call.wish, Walk):
            return self._later(asked, partial(self._walk, asked, admitted, request, call))
        if isinstance(call.wish, Errand):
            return Fate.ELSEWHERE
        return self._look(asked, admitted, request, call)

    def _look(self, asked: _Asked, admitted: Admitted, request: Request, call: Call) -> Answer:
        """Answer what changes nothing."""
        response = self._exchange.answer_at_once(admitted, request, call)
        if response.stream is not None:
            response.stream.close()
            return Fate.ELSEWHERE
        return self._finished_somewhere(asked, admitted.route, response)

    def _finished_somewhere(self, asked: _Asked, route: str, response: Response) -> Answer:
        if len(response.body) > FINISH_INLINE_MAX_BYTES:
            return self._later(asked, partial(self._finish_in_thread, asked, route, response))
        return self._finished(asked, route, response)

    def _write(self, asked: _Asked, admitted: Admitted, request: Request, call: Call) -> Answer:
        respond = partial(self._exchange.respond, admitted, request, call)
        refusal = self._exchange.begin(admitted, request, call, self._giving(asked, admitted.route, respond))
        return LATER if refusal is None else self._finished(asked, admitted.route, refusal)

    def _giving(self, asked: _Asked, route: str, respond: Respond) -> Callable[[Begun[Any]], None]:
        """What is called when a write is done, from the middle of a commit; the answer is given soon behind it."""
        return partial(self._soon, partial(self._give, asked, route, respond))

    def _give(self, asked: _Asked, route: str, respond: Respond, begun: Begun[Any]) -> None:
        """Answer a write, whose outcome is there."""
        try:
            response = respond(begun)
            if isinstance(response, bytes):
                answer: Answer = response
                self._exchange.service.observe(asked.framed.method, route, 200, perf_counter() - asked.started_s)
            elif len(response.body) > FINISH_INLINE_MAX_BYTES:
                self._later(asked, partial(self._finish_in_thread, asked, route, response))
                return
            else:
                answer = self._finished(asked, route, response)
        except Exception as error:  # noqa: BLE001  # one request must not end the others
            log_unforeseen(error, route)
            answer = Fate.FAILED
        asked.answered(answer)

    async def _walk(self, asked: _Asked, admitted: Admitted, request: Request, call: Call) -> Answer:
        response = await self._exchange.answer(admitted, request, call)
        return await self._finish_in_thread(asked, admitted.route, response)

    def _later(self, asked: _Asked, find_answer: Callable[[], Awaitable[Answer]]) -> Answer:
        """Have an answer waited for in a task."""

        async def wait() -> None:
            try:
                answer = await find_answer()
            except Exception as error:  # noqa: BLE001  # as above
                log_unforeseen(error, UNMATCHED)
                answer = Fate.FAILED
            if answer is not LATER:
                self._soon(asked.answered, answer)

        self._start(wait)
        return LATER

    async def _finish_in_thread(self, asked: _Asked, route: str, response: Response) -> Answer:
        if len(response.body) > FINISH_INLINE_MAX_BYTES:
            return self._counted(asked, route, await trio.to_thread.run_sync(self._dressed, asked, response))
        return self._finished(asked, route, response)

    def _finished(self, asked: _Asked, route: str, response: Response) -> Response:
        """The response as it goes out, counted."""
        return self._counted(asked, route, self._dressed(asked, response))

    def _dressed(self, asked: _Asked, response: Response) -> Response:
        headers = asked.framed.fields.headers
        return finish(asked.framed.method, headers, self._exchange.expose(headers, response))

    def _counted(self, asked: _Asked, route: str, response: Response) -> Response:
        self._exchange.observe(asked.framed.method, route, response.status, perf_counter() - asked.started_s)
        return response
