"""What becomes of a request: answered at once, later, at the other door, or not at all; without a socket."""

import base64
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import bcrypt
import pytest
import structlog
import trio

from synap.accounts import ApiKeySettings, AuthenticationSettings, UserSettings
from synap.clock import ManualClock
from synap.commands import Kind, Set
from synap.keyspace import Limits
from synap.protocol.http import Response
from synap.protocol.http.message import header
from synap.server.authentication import Authentication
from synap.server.exchange import Exchange
from synap.server.lane import answering as answering_module
from synap.server.lane.answering import FINISH_INLINE_MAX_BYTES, Answer, Answering, Fate
from synap.server.lane.framing import Framed, Framer, KnownFields
from synap.server.lane.patience import Patience
from synap.server.lane.rendering import Renderer
from synap.server.service import StoreService
from synap.store import Store, open_memory_store
from synap.telemetry import Metrics
from tests.server.lane.corpus import post, request
from tests.server.lane.support import LIMIT_S, get_request, set_request

HERE = "192.0.2.1"
TOLD = "what a client sent"
LONG = "x" * (2 * FINISH_INLINE_MAX_BYTES)


class Scene:
    """An ``Answering`` over a store in memory, which runs. ``soon`` is done as soon as something is waited for."""

    def __init__(
        self,
        nursery: trio.Nursery,
        store: Store,
        authentication: Authentication | None = None,
        *,
        origins: frozenset[bytes] = frozenset(),
        hosts: frozenset[str] | None = None,
    ) -> None:
        self.store = store
        self.service = StoreService(Metrics())
        self.patience = Patience()
        self.renderer = Renderer(lambda: 0.0)
        self.service.attach(store, 0.0)
        self.tasks = 0
        self._nursery = nursery
        self._soon, self._to_do = trio.open_memory_channel[tuple[Callable[[Any], None], Any]](100)
        self._known = KnownFields()
        self.answering = self._answering(Exchange(self.service, authentication, origins, hosts))
        nursery.start_soon(store.run)
        nursery.start_soon(self._act)

    def _answering(self, exchange: Exchange) -> Answering:
        def soon(act: Callable[[Any], None], with_what: object) -> None:
            self._soon.send_nowait((act, with_what))

        return Answering(exchange, self.renderer, self.patience, self._start, soon)

    def detach(self) -> None:
        """Make the store one that is still loading."""
        self.answering = self._answering(Exchange(StoreService(Metrics())))

    def _start(self, task: Callable[[], Awaitable[None]]) -> None:
        self.tasks += 1
        self._nursery.start_soon(task)

    async def _act(self) -> None:
        async for act, with_what in self._to_do:
            act(with_what)

    def framed(self, sent: bytes) -> Framed:
        """A request of another connection each time."""
        framer = Framer(self._known)
        framer.receive(sent)
        found = framer.next()
        assert isinstance(found, Framed)
        return found

    async def ask(self, sent: bytes) -> tuple[Answer, list[Answer]]:
        """What is said at once; and later, once."""
        later: list[Answer] = []
        came = trio.Event()

        def answered(answer: Answer) -> None:
            later.append(answer)
            came.set()

        at_once = self.answering.answer(self.framed(sent), HERE, answered)
        if at_once is Fate.LATER:
            with trio.fail_after(LIMIT_S):
                await came.wait()
        await trio.testing.wait_all_tasks_blocked()
        return at_once, later

    async def at_once(self, sent: bytes) -> Response:
        """The answer to what has to be answered without waiting."""
        answer, later = await self.ask(sent)
        assert isinstance(answer, Response)
        assert later == []
        return answer

    async def later(self, sent: bytes) -> Response:
        """The answer to what has to be waited for."""
        fate, answers = await self.ask(sent)
        assert fate is Fate.LATER
        (answer,) = answers
        assert isinstance(answer, Response)
        return answer


def memory_store() -> Store:
    return open_memory_store(ManualClock(), limits=Limits(), metrics=Metrics())


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with trio.open_nursery() as nursery:
        yield Scene(nursery, memory_store())
        nursery.cancel_scope.cancel()


async def test_a_read_is_answered_at_once(scene: Scene) -> None:
    await scene.store.execute(Set(key=b"a", kind=Kind.JSON, value=b"5"))
    answer = await scene.at_once(get_request("a"))
    assert (answer.status, answer.body, header(answer.headers, b"content-length")) == (200, b"5", b"1")
    assert scene.tasks == 0


async def test_questions_are_answered_at_once(scene: Scene) -> None:
    for target in (b"/health", b"/ready", b"/kv/stats", b"/slowlog", b"/snapshots"):
        assert (await scene.at_once(request(b"GET", target))).status == 200


async def test_a_head_has_no_body(scene: Scene) -> None:
    answer = await scene.at_once(request(b"HEAD", b"/kv/get/a"))
    assert (answer.status, answer.body, header(answer.headers, b"content-length")) == (200, b"", b"4")


async def test_a_write_is_answered_when_it_is_done(scene: Scene) -> None:
    answer = await scene.later(set_request("a"))
    assert (answer.status, json.loads(answer.body)["version"]) == (200, 1)
    assert scene.tasks == 0, "nobody waits in a task for it"


async def test_a_write_that_is_refused_waits_as_well(scene: Scene) -> None:
    await scene.store.execute(Set(key=b"a", kind=Kind.TEXT, value=b"x"))
    answer = await scene.later(request(b"POST", b"/kv/incr/a"))
    assert (answer.status, json.loads(answer.body)["type"]) == (400, "invalid_value")


async def test_a_walk_is_waited_for(scene: Scene) -> None:
    answer = await scene.later(request(b"GET", b"/kv/keys"))
    assert (answer.status, json.loads(answer.body)["keys"]) == (200, [])


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
async def test_what_is_large_is_packed_in_a_thread_and_counted_once(scene: Scene, method: bytes) -> None:
    await scene.store.execute(Set(key=b"a", kind=Kind.TEXT, value=LONG.encode()))
    answer = await scene.later(request(method, b"/kv/get/a", b"accept-encoding: gzip"))
    assert header(answer.headers, b"content-encoding") == b"gzip"
    assert int(header(answer.headers, b"content-length") or b"") < len(LONG) / 10
    assert answer.body == b"" if method == b"HEAD" else json.loads(gzip.decompress(answer.body)) == LONG
    assert scene.store.counts.gets == 1


async def test_a_write_may_have_a_large_answer(scene: Scene) -> None:
    await scene.store.execute(Set(key=b"a", kind=Kind.TEXT, value=LONG.encode()))
    answer = await scene.later(post(b"/kv/getset/a", {"value": "b"}))
    assert json.loads(answer.body) == LONG


@pytest.mark.parametrize(
    "sent",
    [
        request(b"GET", b"/events"),
        request(b"POST", b"/slowlog/clear"),
        request(b"POST", b"/snapshot"),
        request(b"GET", b"/admin/backup"),
    ],
)
async def test_what_is_for_the_other_door(scene: Scene, sent: bytes) -> None:
    assert await scene.ask(sent) == (Fate.ELSEWHERE, [])


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(b"GET", b"/nowhere"), 404),
        (request(b"DELETE", b"/kv/set"), 405),
        (request(b"POST", b"/kv/set", body=b"{}"), 415),
        (post(b"/kv/set", {}), 422),
        (post(b"/kv/set", b"{"), 400),
        (request(b"GET", b"/events?after=99"), 400),
    ],
)
async def test_what_is_refused_is_refused_at_once(scene: Scene, sent: bytes, status: int) -> None:
    assert (await scene.at_once(sent)).status == status


async def test_before_there_is_a_store_everything_but_questions_is_refused(scene: Scene) -> None:
    scene.detach()
    for sent in (get_request("a"), set_request("a")):
        answer = await scene.at_once(sent)
        assert (answer.status, json.loads(answer.body)["outcome"]) == (503, "not_written")
    assert (await scene.at_once(request(b"GET", b"/health"))).status == 200


# --- who asks --------------------------------------------------------------------------------------------


@pytest.fixture
async def guarded() -> AsyncIterator[Scene]:
    password = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    settings = AuthenticationSettings(
        enabled=True,
        users=(UserSettings("alice", password, "admin"),),
        api_keys=(ApiKeySettings("reader", "reader", key="reader-key"),),
    )
    async with trio.open_nursery() as nursery:
        yield Scene(nursery, memory_store(), Authentication(settings, ManualClock(), Metrics()))
        nursery.cancel_scope.cancel()


def login(word: bytes) -> bytes:
    return b"authorization: Basic " + base64.b64encode(b"alice:" + word)


async def test_a_key_is_known_at_once(guarded: Scene) -> None:
    assert (await guarded.at_once(get_request("a", b"x-api-key: reader-key"))).status == 200
    assert (await guarded.at_once(set_request("a", 1, b"x-api-key: reader-key"))).status == 403
    assert (await guarded.at_once(get_request("a"))).status == 401
    assert (await guarded.at_once(get_request("a", b"x-api-key: wrong"))).status == 401


async def test_a_password_is_waited_for_once(guarded: Scene) -> None:
    assert (await guarded.later(get_request("a", login(b"secret")))).status == 200
    assert (await guarded.at_once(get_request("a", login(b"secret")))).status == 200
    assert guarded.tasks == 1


@pytest.mark.parametrize(
    "sent", [set_request("a", 1, login(b"secret")), request(b"GET", b"/kv/keys", login(b"secret"))]
)
async def test_what_comes_after_the_password_may_have_to_be_waited_for_too(guarded: Scene, sent: bytes) -> None:
    assert (await guarded.later(sent)).status == 200


async def test_what_comes_after_the_password_may_be_for_the_other_door(guarded: Scene) -> None:
    assert await guarded.ask(request(b"POST", b"/slowlog/clear", login(b"secret"))) == (Fate.LATER, [Fate.ELSEWHERE])


async def test_a_wrong_password_is_refused(guarded: Scene) -> None:
    assert (await guarded.later(set_request("a", 1, login(b"guess")))).status == 401
    assert guarded.store.seq == 0


# --- what nobody foresaw ---------------------------------------------------------------------------------


async def test_an_error_of_an_endpoint_is_a_response(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> object:
        raise ZeroDivisionError(TOLD)

    monkeypatch.setattr(scene.service, "look", broken)
    with structlog.testing.capture_logs() as logs:
        answer = await scene.at_once(get_request("a"))
    assert (answer.status, json.loads(answer.body)["type"]) == (500, "internal_error")
    assert [log["error"] for log in logs] == ["ZeroDivisionError"]
    assert TOLD not in str(logs) + str(answer.body)


@pytest.mark.parametrize("sent", [set_request("a"), request(b"GET", b"/kv/keys")])
async def test_where_even_the_response_fails_that_is_said(
    scene: Scene, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Response:
        raise ZeroDivisionError(TOLD)

    monkeypatch.setattr(answering_module, "finish", broken)
    with structlog.testing.capture_logs() as logs:
        assert await scene.ask(sent) == (Fate.LATER, [Fate.FAILED])
    assert [log["error"] for log in logs] == ["ZeroDivisionError"]
    assert TOLD not in str(logs)
