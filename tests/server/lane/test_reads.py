"""Reads in one go: the same bytes as the long way, and only where nothing is special."""

import msgspec
import pytest

from synap.clock import ManualClock
from synap.commands import Kind
from synap.protocol.http import Headers, Request, Response, finish
from synap.protocol.http.permission import ANYBODY, Grant
from synap.protocol.http.service import Role
from synap.server.exchange import Admitted, Exchange, Head
from synap.server.lane.framing import Framed
from synap.server.lane.patience import Patience
from synap.server.lane.reads import Reads, Seat
from synap.server.lane.rendering import Renderer
from synap.server.service import StoreService
from synap.store import Limits, open_memory_store
from synap.telemetry import Metrics

PAGE = b"https://app.example.com"
PLAIN: Headers = ((b"host", b"synap"), (b"accept-encoding", b"gzip"))
OF_A_PAGE: Headers = (*PLAIN, (b"origin", PAGE))


class Scene:
    """``Reads`` over a store in memory that holds ``value``, for who was let in the long way with ``headers``."""

    def __init__(
        self,
        value: tuple[Kind, bytes] | None = None,
        *,
        headers: Headers = PLAIN,
        origins: frozenset[bytes] = frozenset(),
        grant: Grant = ANYBODY,
    ) -> None:
        self.store = open_memory_store(ManualClock(), limits=Limits(), metrics=Metrics())
        if value is not None:
            self.store.keyspace.tree.put(b"a", *value, None, 7)
        self.service = StoreService(Metrics())
        self.service.attach(self.store, 0.0)
        self.exchange = Exchange(self.service, origins=origins)
        self.renderer = Renderer(lambda: 0.0)
        self.patience = Patience()
        self.reads = Reads(self.exchange, self.renderer, self.patience)
        self.headers = headers
        self.seat = Seat("192.0.2.1")
        self.believe(grant)

    def believe(self, grant: Grant = ANYBODY) -> None:
        admitted = self.exchange.enter_at_once(Head("GET", b"/kv/get/a", self.headers, self.seat.address))
        assert isinstance(admitted, Admitted)
        self.reads.believe(self.seat, self.read(), Admitted(admitted.match, grant))

    def read(
        self, path: bytes = b"/kv/get/a", method: str = "GET", query: bytes = b"", *, closes: bool = False
    ) -> Framed:
        return Framed(method, path, query, self.headers, b"", closes)

    def quickly(self, framed: Framed) -> bytes | Response | None:
        return self.reads.answer(framed, self.seat)

    async def slowly(self, framed: Framed) -> Response:
        """The long way."""
        admitted = await self.exchange.enter(Head(framed.method, framed.path, framed.headers, ""))
        assert isinstance(admitted, Admitted)
        request = Request(framed.method, framed.path, framed.query, framed.headers, framed.body)
        return await self.exchange.carry_out(admitted, request)

    def dressed(self, response: Response) -> bytes:
        exposed = self.exchange.expose(self.headers, response)
        return self.renderer.render(finish("GET", self.headers, exposed), closes=False)


@pytest.mark.parametrize(
    "value",
    [
        None,
        (Kind.TEXT, b""),
        (Kind.TEXT, '{"user": "Zoë", "\\u0000": "\x00\x7f"}'.encode()),
        (Kind.JSON, b'{"n": 1.10, "n": 2}'),
        (Kind.TEXT, b"x" * 1021),
        (Kind.TEXT, b"x" * 1022),
        (Kind.JSON, b'"' + b"x" * 100_000 + b'"'),
        (Kind.BYTES, b"\0\xff"),
    ],
    ids=["missing", "empty", "text", "json", "nearly compressed", "just compressed", "long", "octets"],
)
@pytest.mark.parametrize(
    ("headers", "origins"),
    [(PLAIN, frozenset[bytes]()), (PLAIN, frozenset({PAGE})), (OF_A_PAGE, frozenset({PAGE}))],
    ids=["nobody", "who might be a page", "a page"],
)
async def test_it_is_the_answer_of_the_long_way(
    value: tuple[Kind, bytes] | None, headers: Headers, origins: frozenset[bytes]
) -> None:
    scene = Scene(value, headers=headers, origins=origins)
    quickly = scene.quickly(scene.read())
    expected = await scene.slowly(scene.read())
    if isinstance(quickly, Response):
        assert quickly == expected, "what is left to do to it is for the long way"
    else:
        assert quickly == scene.dressed(expected)


async def test_only_short_text_and_json_come_as_bytes() -> None:
    for value, whole in (
        ((Kind.TEXT, b"x" * 1021), True),
        ((Kind.TEXT, b"x" * 1022), False),
        ((Kind.BYTES, b"x"), False),
    ):
        scene = Scene(value)
        assert isinstance(scene.quickly(scene.read()), bytes) is whole


async def test_it_is_counted_as_any_read() -> None:
    scene = Scene((Kind.TEXT, b"v"))
    scene.quickly(scene.read())
    scene.quickly(scene.read(b"/kv/get/b"))
    assert (scene.store.counts.gets, scene.store.counts.hits) == (2, 1)
    assert 'route="/kv/get/{key}",status="200"} 2.0' in scene.service.metrics().body.decode()


@pytest.mark.parametrize(
    "change",
    [
        {"path": b"/kv/get/"},
        {"path": b"/kv/get/%61"},
        {"path": b"/kv/get/a/b"},
        {"path": b"/kv/ttl/a"},
        {"method": "HEAD"},
        {"query": b"touch=5"},
        {"closes": True},
    ],
    ids=str,
)
async def test_what_is_special_goes_the_long_way(change: dict[str, object]) -> None:
    scene = Scene((Kind.TEXT, b"v"))
    assert scene.quickly(msgspec.structs.replace(scene.read(), **change)) is None
    assert scene.store.counts.gets == 0


async def test_nobody_is_believed_who_was_not_let_in() -> None:
    scene = Scene((Kind.TEXT, b"v"))
    assert scene.quickly(msgspec.structs.replace(scene.read(), headers=(*PLAIN,))) is None
    assert scene.reads.answer(scene.read(), Seat("192.0.2.1")) is None


async def test_nobody_is_believed_for_long() -> None:
    scene = Scene((Kind.TEXT, b"v"))
    scene.patience.now_s += 1
    assert scene.quickly(scene.read()) is None
    scene.believe()
    assert scene.quickly(scene.read()) is not None


@pytest.mark.parametrize(
    ("grant", "may"),
    [
        (Grant("reader", Role.READER), True),
        (Grant("of some keys", Role.ADMIN, (b"a",)), False),
        (Grant("nobody", Role.PUBLIC), False),
        (Grant("until some day", Role.READER, ends_ms=2_000_000_000_000), False),
    ],
    ids=lambda each: each.name if isinstance(each, Grant) else "",
)
async def test_who_may_not_read_everything_is_looked_at_each_time(grant: Grant, may: bool) -> None:
    scene = Scene((Kind.TEXT, b"v"), grant=grant)
    assert (scene.quickly(scene.read()) is not None) is may


async def test_when_the_server_stops_each_answer_may_be_the_last() -> None:
    scene = Scene((Kind.TEXT, b"v"))
    scene.reads.stop()
    assert scene.quickly(scene.read()) is None


async def test_what_fails_is_met_again_on_the_long_way() -> None:
    scene = Scene()
    scene.reads = Reads(Exchange(StoreService(Metrics())), scene.renderer, scene.patience)
    scene.believe()
    assert scene.quickly(scene.read()) is None
