"""Reads in one go: the same bytes as the long way, and only where nothing is special."""

import msgspec
import pytest

from synap.commands import Kind
from synap.protocol.http import Headers, Response
from synap.protocol.http.permission import ANYBODY, Grant
from synap.protocol.http.service import Role
from synap.server.lane.framing import Framed
from tests.server.lane.scene import OF_A_PAGE, PAGE, PLAIN, Scene

Value = tuple[Kind, bytes]


def holding(
    value: Value | None,
    headers: Headers = PLAIN,
    origins: frozenset[bytes] = frozenset(),
    grant: Grant = ANYBODY,
) -> Scene:
    """A store whose key ``a`` is at version 7."""
    scene = Scene(headers, origins, grant)
    if value is not None:
        scene.store.keyspace.tree.put(b"a", *value, None, 7)
    return scene


def quickly(scene: Scene, framed: Framed) -> bytes | Response | None:
    return scene.reads.answer(framed, scene.belief)


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
    value: Value | None, headers: Headers, origins: frozenset[bytes]
) -> None:
    scene = holding(value, headers, origins)
    answer = quickly(scene, scene.read())
    expected = await scene.slowly(scene.read())
    if isinstance(answer, Response):
        assert answer == expected, "what is left to do to it is for the long way"
    else:
        assert answer == scene.dressed(expected)


async def test_only_short_text_and_json_come_as_bytes() -> None:
    for value, whole in (
        ((Kind.TEXT, b"x" * 1021), True),
        ((Kind.TEXT, b"x" * 1022), False),
        ((Kind.BYTES, b"x"), False),
    ):
        scene = holding(value)
        assert isinstance(quickly(scene, scene.read()), bytes) is whole


async def test_it_is_counted_as_any_read() -> None:
    scene = holding((Kind.TEXT, b"v"))
    quickly(scene, scene.read())
    quickly(scene, scene.read(b"/kv/get/b"))
    assert (scene.store.counts.gets, scene.store.counts.hits) == (2, 1)
    assert 'route="/kv/get/{key}",status="200"} 2.0' in scene.service.metrics().body.decode()


async def test_where_there_is_more_to_do_whoever_does_it_counts_the_request() -> None:
    scene = holding((Kind.BYTES, b"v"))
    assert isinstance(quickly(scene, scene.read()), Response)
    assert scene.store.counts.gets == 1
    assert "synap_http_requests_total{" not in scene.service.metrics().body.decode()


@pytest.mark.parametrize(
    "change",
    [
        {"path": b"/kv/get/"},
        {"path": b"/kv/get/%61"},
        {"path": b"/kv/get/a/b"},
        {"path": b"/kv/ttl/a"},
        {"path": b"/kv/set"},
        {"method": "HEAD"},
        {"method": "POST"},
        {"query": b"touch=5"},
    ],
    ids=str,
)
async def test_what_is_special_goes_the_long_way(change: dict[str, object]) -> None:
    scene = holding((Kind.TEXT, b"v"))
    assert quickly(scene, msgspec.structs.replace(scene.read(), **change)) is None
    assert scene.store.counts.gets == 0


@pytest.mark.parametrize(
    ("grant", "may"),
    [(Grant("reader", Role.READER), True), (Grant("of some keys", Role.ADMIN, (b"a",)), False)],
    ids=lambda each: each.name if isinstance(each, Grant) else "",
)
async def test_who_may_not_read_everything_is_looked_at_each_time(grant: Grant, may: bool) -> None:
    scene = holding((Kind.TEXT, b"v"), grant=grant)
    assert (quickly(scene, scene.read()) is not None) is may
    assert scene.store.counts.gets == may


async def test_what_fails_is_met_again_on_the_long_way() -> None:
    scene = holding(None)
    scene.detach()
    assert quickly(scene, scene.read()) is None
    assert (await scene.slowly(scene.read())).status == 503
