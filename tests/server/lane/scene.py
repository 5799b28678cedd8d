"""A store in memory and both ways to it, the quick one and the long one, for a client that sends the same fields."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import trio

from synap.clock import LogClock, ManualClock
from synap.commands import Write
from synap.errors import LogFailedError
from synap.keyspace import Keyspace, Limits
from synap.protocol.http import Headers, Request, Response, find, finish
from synap.protocol.http.permission import ANYBODY, Grant
from synap.protocol.http.service import Begun
from synap.radix import new_tree
from synap.server.exchange import Admitted, Exchange, Head
from synap.server.lane.beliefs import Belief, Beliefs
from synap.server.lane.framing import Fields, Framed
from synap.server.lane.patience import Patience
from synap.server.lane.reads import Reads
from synap.server.lane.rendering import Renderer
from synap.server.lane.writes import Writes
from synap.server.service import StoreService
from synap.slowlog import Slowlog
from synap.store import MemoryLimit, Store
from synap.tasks import open_tasks
from synap.telemetry import Metrics
from tests.engine import NOW, GateLog
from tests.server.lane.support import LIMIT_S

HERE = "192.0.2.1"
PAGE = b"https://app.example.com"
PLAIN: Headers = ((b"host", b"synap"), (b"accept-encoding", b"gzip"), (b"content-type", b"application/json"))
OF_A_PAGE: Headers = (*PLAIN, (b"origin", PAGE))


def lasting(headers: Headers) -> Fields:
    """Fields as they are when they come again."""
    return Fields(headers, lasting=True)


class Scene:
    """``fields`` are those that the client sends each time; ``belief`` is what is believed of them."""

    def __init__(
        self,
        headers: Headers = PLAIN,
        origins: frozenset[bytes] = frozenset(),
        grant: Grant = ANYBODY,
        *,
        memory_limit: MemoryLimit | None = None,
        slowlog: Slowlog | None = None,
    ) -> None:
        self.clock = ManualClock(NOW)
        self.log = GateLog()
        self.metrics = Metrics()
        self.store = Store(
            Keyspace(new_tree()),
            self.log,
            LogClock(self.clock, 0, lambda _: None),
            Limits(),
            self.metrics,
            memory_limit=memory_limit or MemoryLimit(),
            slowlog=slowlog,
        )
        self.service = StoreService(self.metrics)
        self.service.attach(self.store, 0.0)
        self.exchange = Exchange(self.service, origins=origins)
        self.renderer = Renderer(lambda: 0.0)
        self.reads = Reads(self.exchange, self.renderer)
        self.writes = Writes(self.exchange, self.renderer)
        self.fields = lasting(headers)
        self.belief = self._believed(grant)

    def _believed(self, grant: Grant) -> Belief:
        beliefs = Beliefs(self.exchange, Patience())
        beliefs.note(self.fields, HERE, grant)
        belief = beliefs.of(self.fields, HERE)
        assert belief is not None
        return belief

    def detach(self) -> None:
        """Make the store one that is still loading."""
        self.service = StoreService(self.metrics)
        self.exchange.service = self.service
        self.reads = Reads(self.exchange, self.renderer)
        self.writes = Writes(self.exchange, self.renderer)

    async def run(self) -> None:
        """Let the store run; that its log fails is for its clients to see."""
        with contextlib.suppress(LogFailedError):
            await self.store.run()

    # --- requests

    def read(self, path: bytes = b"/kv/get/a", method: str = "GET", query: bytes = b"") -> Framed:
        return Framed(method, path, query, self.fields, b"")

    def write(self, body: bytes, path: bytes = b"/kv/set", method: str = "POST", query: bytes = b"") -> Framed:
        return Framed(method, path, query, self.fields, body)

    # --- the long way

    async def slowly(self, framed: Framed) -> Response:
        """As the other door answers it, but for what ``finish`` does."""
        started_s = perf_counter()
        headers = framed.fields.headers
        admitted = await self.exchange.enter(Head(framed.method, framed.path, headers, HERE))
        assert isinstance(admitted, Admitted)
        request = Request(framed.method, framed.path, framed.query, headers, framed.body)
        response = await self.exchange.carry_out(admitted, request)
        self.exchange.observe(framed.method, admitted.route, response.status, perf_counter() - started_s)
        return response

    async def slowly_in_the_lane(self, framed: Framed) -> Response:
        """A write as the lane answers it where it is not quick: begun, and not waited for in a task."""
        headers = framed.fields.headers
        admitted = Admitted(find(framed.method, framed.path), ANYBODY)
        request = Request(framed.method, framed.path, framed.query, headers, framed.body)
        call = self.exchange.call_of(admitted, request)
        if isinstance(call, Response):
            return call
        going = Going(lambda begun: self.exchange.respond(admitted, request, call, begun))
        refusal = self.exchange.begin(admitted, request, call, going.note)
        if refusal is not None:
            return refusal
        answer = await going.answer()
        assert isinstance(answer, Response)
        return answer

    def dressed(self, response: Response, method: str = "GET") -> bytes:
        """A response as it goes out."""
        headers = self.fields.headers
        exposed = self.exchange.expose(headers, response)
        return self.renderer.render(finish(method, headers, exposed), closes=False)

    # --- the quick way

    def begin(self, framed: Framed) -> "Going | Response | None":
        """A write on its way; the response where it is not taken, None where it is for the long way."""
        body = self.writes.body_of(framed, self.belief)
        if body is None:
            return None
        going = Going(lambda begun: self.writes.respond(body.key, self.belief, begun))
        refusal = self.writes.begin(body, going.note)
        return going if refusal is None else refusal

    async def write_quickly(self, framed: Framed) -> bytes | Response | None:
        """The answer to a write, as soon as it is there."""
        going = self.begin(framed)
        return await going.answer() if isinstance(going, Going) else going


class Going:
    """A write on its way to its answer; ``done`` is how often it was said to be."""

    def __init__(self, respond: Callable[[Begun[Any]], Response | bytes]) -> None:
        self.done = 0
        self._respond = respond
        self._begun: Begun[Any] | None = None
        self._came = trio.Event()

    def note(self, begun: Begun[Any]) -> None:
        self.done += 1
        self._begun = begun
        self._came.set()

    async def answer(self) -> bytes | Response:
        with trio.fail_after(LIMIT_S):
            await self._came.wait()
        assert self._begun is not None
        return self._respond(self._begun)


@asynccontextmanager
async def playing(*scenes: Scene, before: tuple[Write[object], ...] = ()) -> AsyncIterator[None]:
    """While the body runs, so do the stores, each of which has carried out some commands."""
    async with open_tasks() as tasks:
        for scene in scenes:
            tasks.start_soon(scene.run)
            for command in before:
                await scene.store.execute(command)
        yield
        for scene in scenes:
            scene.log.release()
        tasks.cancel_scope.cancel()
