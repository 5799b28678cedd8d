"""When the quick ways are taken, and what becomes of their answers. What these say, is tested where they are made.

``taken`` notes each request that was answered in a quick way, or begun in it.
"""

import gzip
import json
from collections.abc import AsyncIterator, Callable

import pytest
import structlog
import trio

from synap.accounts import ApiKeySettings, AuthenticationSettings
from synap.clock import ManualClock
from synap.commands import Kind, Set
from synap.protocol.http import Response
from synap.protocol.http.bodies import PlainSetBody
from synap.protocol.http.message import header
from synap.protocol.http.service import Begun
from synap.results import Written
from synap.server.authentication import Authentication
from synap.server.lane import patience as patience_module
from synap.server.lane.answering import Fate
from synap.server.lane.beliefs import Belief
from synap.server.lane.framing import Framed
from synap.server.lane.passage import State
from synap.server.lane.reads import Reads
from synap.server.lane.rendering import Renderer
from synap.server.lane.writes import Writes
from synap.telemetry import Metrics
from tests.server.lane import corpus
from tests.server.lane.corpus import post, request
from tests.server.lane.support import CLOSE, House, get_request, open_house, set_request, until
from tests.server.lane.test_answering import LONG, TOLD, Scene, guarded, login, memory_store, scene

__all__ = ["guarded", "scene"]

READ, WRITE = get_request("a"), set_request("a")
READER, WRITER, OWNER = (b"x-api-key: %b-key" % name for name in (b"reader", b"writer", b"owner"))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    noted: list[str] = []
    answer, begin = Reads.answer, Writes.begin

    def noted_answer(self: Reads, framed: Framed, belief: Belief) -> bytes | Response | None:
        answered = answer(self, framed, belief)
        if answered is not None:
            noted.append("read")
        return answered

    def noted_begin(self: Writes, body: PlainSetBody, on_done: Callable[[Begun[Written]], None]) -> Response | None:
        noted.append("write")
        return begin(self, body, on_done)

    monkeypatch.setattr(Reads, "answer", noted_answer)
    monkeypatch.setattr(Writes, "begin", noted_begin)
    return noted


async def answer_to(scene: Scene, sent: bytes) -> bytes:
    """The answer as it goes out, whenever it is there."""
    at_once, later = await scene.ask(sent)
    (answer,) = later or [at_once]
    if isinstance(answer, bytes):
        return answer
    assert isinstance(answer, Response), answer
    return scene.renderer.render(answer, closes=False)


async def status_of(scene: Scene, sent: bytes) -> int:
    return int((await answer_to(scene, sent)).split(b" ")[1])


# --- when they are taken ---------------------------------------------------------------------------------


async def test_from_the_second_time_on_reads_are_quick(scene: Scene, taken: list[str]) -> None:
    await scene.store.execute(Set(key=b"a", kind=Kind.JSON, value=b"5"))
    answers = [await answer_to(scene, READ) for _ in range(4)]
    assert len(set(answers)) == 1
    assert answers[0].endswith(b"\r\n\r\n5")
    assert taken == ["read"] * 3


async def test_from_the_second_time_on_writes_are_quick(scene: Scene, taken: list[str]) -> None:
    answers = [await answer_to(scene, WRITE) for _ in range(4)]
    versions = [b'"version":%d}' % version for version in (1, 2, 3, 4)]
    assert [answer[-len(versions[0]) :] for answer in answers] == versions
    assert len({answer[: -len(versions[0])] for answer in answers}) == 1
    assert taken == ["write"] * 3
    assert scene.tasks == 0


@pytest.mark.parametrize(
    "origins", [frozenset[bytes](), frozenset({corpus.ORIGIN.removeprefix(b"origin: ")})], ids=["none", "a page's"]
)
async def test_what_both_doors_are_asked_is_quick_here(taken: list[str], origins: frozenset[bytes]) -> None:
    """The writes of the corpus that are plain: all but the first of the same."""
    for sent in corpus.plain_sets():
        async with trio.open_nursery() as nursery:
            scene = Scene(nursery, memory_store(), origins=origins)
            taken.clear()
            for _ in range(3):
                await answer_to(scene, sent)
            is_foreign = corpus.ORIGIN in sent and not origins
            assert taken == ([] if is_foreign else ["write"] * 2), sent[:300]
            nursery.cancel_scope.cancel()


async def test_what_was_let_in_for_a_read_is_so_for_a_write(scene: Scene, taken: list[str]) -> None:
    """Where the fields are the same, which says how long the body is as well."""
    json_type, length = b"content-type: application/json", b"content-length: %d" % len(WRITE.partition(b"\r\n\r\n")[2])
    fields = b"\r\n".join([b"host: synap", json_type, length])
    assert fields in WRITE
    read = WRITE.replace(b"POST /kv/set", b"GET /kv/get/a")
    for sent in (read, WRITE, read):
        assert await status_of(scene, sent) == 200
    assert taken == ["write", "read"]


async def test_another_connection_is_known_by_its_fields(scene: Scene, taken: list[str]) -> None:
    """Each request of these scenes comes on a connection of its own; but from elsewhere, it is another client's."""
    await answer_to(scene, READ)
    assert scene.answering.answer(scene.framed(READ), "192.0.2.77", lambda _: None) is not Fate.LATER
    assert taken == []
    await answer_to(scene, READ)
    assert taken == ["read"]


@pytest.mark.parametrize("method", [b"HEAD", b"PUT", b"DELETE", b"POST"])
async def test_other_methods_with_the_same_fields_go_the_long_way(
    scene: Scene, taken: list[str], method: bytes
) -> None:
    await answer_to(scene, READ)
    status = await status_of(scene, READ.replace(b"GET", method))
    assert status == (200 if method == b"HEAD" else 405)
    assert taken == []


async def test_other_paths_with_the_same_fields_go_the_long_way(scene: Scene, taken: list[str]) -> None:
    await answer_to(scene, READ)
    for path, status in ((b"/kv/ttl/a", 200), (b"/kv/get/%61", 200), (b"/kv/get/a?touch=5", 200), (b"/kv/get/", 400)):
        assert await status_of(scene, READ.replace(b"/kv/get/a", path)) == status
    assert await scene.ask(READ.replace(b"/kv/get/a", b"/events")) == (Fate.ELSEWHERE, [])
    assert taken == []


@pytest.mark.parametrize("sent", [READ, WRITE], ids=["read", "write"])
async def test_the_last_request_of_a_connection_goes_the_long_way(scene: Scene, taken: list[str], sent: bytes) -> None:
    for _ in range(3):
        assert await status_of(scene, sent.replace(b"\r\n\r\n", b"\r\n" + CLOSE + b"\r\n\r\n")) == 200
    assert taken == []


@pytest.mark.parametrize("sent", [READ, WRITE], ids=["read", "write"])
async def test_when_the_server_stops_every_request_goes_the_long_way(
    scene: Scene, taken: list[str], sent: bytes
) -> None:
    await answer_to(scene, sent)
    await answer_to(scene, sent)
    scene.answering.stop()
    assert await status_of(scene, sent) == 200
    assert len(taken) == 1


@pytest.mark.parametrize("sent", [READ, WRITE], ids=["read", "write"])
async def test_after_a_look_at_the_clock_it_is_the_long_way_once(scene: Scene, taken: list[str], sent: bytes) -> None:
    for looks in (1, 2, 3):
        for _ in range(3):
            await answer_to(scene, sent)
        assert len(taken) == 2 * looks
        scene.patience.now_s += 1


@pytest.mark.parametrize("long", [b"x-a: " + b"y" * 1100, b"\r\n".join([b"x: y"] * 40)], ids=["long", "many"])
async def test_fields_that_are_not_kept_go_the_long_way(scene: Scene, taken: list[str], long: bytes) -> None:
    for _ in range(3):
        assert await status_of(scene, get_request("a", long)) == 200
    assert taken == []


async def test_a_wrong_body_goes_the_long_way_each_time(scene: Scene, taken: list[str]) -> None:
    wrong = WRITE.replace(b"}", b",")
    right = [await status_of(scene, WRITE) for _ in range(2)]
    assert [*right, *[await status_of(scene, wrong) for _ in range(2)]] == [200, 200, 400, 400]
    assert taken == ["write"]


# --- who asks --------------------------------------------------------------------------------------------


@pytest.fixture
async def keyed() -> AsyncIterator[Scene]:
    settings = AuthenticationSettings(
        enabled=True,
        api_keys=(
            ApiKeySettings("reader", "reader", key="reader-key"),
            ApiKeySettings("writer", "writer", key="writer-key"),
            ApiKeySettings("owner", "writer", key="owner-key", prefixes=("a",)),
        ),
    )
    async with trio.open_nursery() as nursery:
        yield Scene(nursery, memory_store(), Authentication(settings, ManualClock(), Metrics()))
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("key", "statuses", "quick"),
    [
        (READER, [200, 403], ["read"] * 2),
        (WRITER, [200, 200], ["read"] * 2 + ["write"] * 2),
        (OWNER, [200, 200], []),
        (b"x-api-key: wrong-key", [401, 401], []),
        (b"x-none: 1", [401, 401], []),
    ],
    ids=["reader", "writer", "owner", "wrong", "nobody"],
)
async def test_each_as_far_as_it_may(
    keyed: Scene, taken: list[str], key: bytes, statuses: list[int], quick: list[str]
) -> None:
    for sent, status in zip((get_request("a", key), set_request("a", 1, key)), statuses, strict=True):
        assert [await status_of(keyed, sent) for _ in range(3)] == [status] * 3
    assert taken == quick


async def test_an_owner_is_looked_at_key_by_key(keyed: Scene, taken: list[str]) -> None:
    for _ in range(2):
        assert await status_of(keyed, get_request("a", OWNER)) == 200
        assert await status_of(keyed, get_request("b", OWNER)) == 403
        assert await status_of(keyed, set_request("b", 1, OWNER)) == 403
    assert taken == []


async def test_what_is_public_opens_nothing_else(keyed: Scene, taken: list[str]) -> None:
    for path, status in ((b"/health", 200), (b"/kv/get/a", 401), (b"/health", 200), (b"/kv/get/a", 401)):
        assert await status_of(keyed, request(b"GET", path)) == status
    for path in (b"/health", b"/kv/get/a", b"/kv/get/a", b"/health", b"/kv/get/a", b"/kv/get/a"):
        assert await status_of(keyed, request(b"GET", path, READER)) == 200
    assert taken == ["read"] * 2


async def test_a_password_is_believed_as_a_key_is(guarded: Scene, taken: list[str]) -> None:
    """Once it was checked in a task, and found to be remembered after that."""
    for sent in (get_request("a", login(b"secret")), set_request("a", 1, login(b"secret"))):
        assert [await status_of(guarded, sent) for _ in range(3)] == [200] * 3
    assert taken == ["read", "write", "write"]
    assert await status_of(guarded, get_request("a", login(b"guess"))) == 401


async def test_a_name_under_which_nobody_may_ask_is_refused_each_time(taken: list[str]) -> None:
    async with trio.open_nursery() as nursery:
        scene = Scene(nursery, memory_store(), hosts=frozenset({"synap"}))
        foreign = READ.replace(b"host: synap", b"host: evil.example")
        health = foreign.replace(b"/kv/get/a", b"/health")
        for sent, status in ((READ, 200), (READ, 200), (health, 200), (foreign, 421), (foreign, 421)):
            assert await status_of(scene, sent) == status
        nursery.cancel_scope.cancel()
    assert taken == ["read"]


# --- what becomes of their answers -----------------------------------------------------------------------


def requests_counted(scene: Scene) -> list[str]:
    lines = scene.service.metrics().body.decode().splitlines()
    return sorted(line for line in lines if line.startswith("synap_http_requests_total{"))


async def test_each_request_is_counted_once(scene: Scene, taken: list[str]) -> None:
    """In either way, whatever comes of it."""
    long_key, no_key = set_request("k" * 1000), set_request("")
    mismatch = post(b"/kv/set", {"key": "a", "value": 1, "if_version": 9})
    for sent in (READ, WRITE, long_key, no_key, mismatch):
        for _ in range(3):
            await answer_to(scene, sent)
    assert taken == ["read"] * 2 + ["write"] * 6
    assert requests_counted(scene) == [
        'synap_http_requests_total{method="GET",route="/kv/get/{key}",status="200"} 3.0',
        'synap_http_requests_total{method="POST",route="/kv/set",status="200"} 6.0',
        'synap_http_requests_total{method="POST",route="/kv/set",status="400"} 3.0',
        'synap_http_requests_total{method="POST",route="/kv/set",status="412"} 3.0',
    ]
    assert (scene.store.counts.gets, scene.store.counts.sets) == (3, 6)


@pytest.mark.parametrize(
    "value", [b"text " * 1000, LONG.encode()], ids=["compressed at once", "compressed in a thread"]
)
@pytest.mark.parametrize("accepted", [b"gzip", b"identity"])
async def test_a_long_value_is_compressed_as_ever(
    scene: Scene, taken: list[str], value: bytes, accepted: bytes
) -> None:
    await scene.store.execute(Set(key=b"a", kind=Kind.TEXT, value=value))
    first, second = [await answer_to(scene, get_request("a", b"accept-encoding: " + accepted)) for _ in range(2)]
    assert first == second
    body = second.partition(b"\r\n\r\n")[2]
    assert json.loads(gzip.decompress(body) if accepted == b"gzip" else body) == value.decode()
    assert taken == ["read"]
    assert scene.store.counts.gets == 2
    assert requests_counted(scene)[0].endswith(" 2.0")


@pytest.mark.parametrize("key_bytes", [1000, 65_500], ids=["compressed at once", "compressed in a thread"])
async def test_a_long_key_makes_a_long_answer(scene: Scene, taken: list[str], key_bytes: int) -> None:
    sent = set_request("k" * key_bytes, 1, b"accept-encoding: gzip")
    for version in (1, 2):
        answer = await scene.later(sent)
        assert header(answer.headers, b"content-encoding") == b"gzip"
        assert json.loads(gzip.decompress(answer.body)) == {
            "success": True,
            "key": "k" * key_bytes,
            "written": True,
            "version": version,
        }
    assert taken == ["write"]
    assert scene.tasks == (2 if key_bytes > 60_000 else 0)


async def test_where_even_the_answer_fails_that_is_said(
    scene: Scene, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise ZeroDivisionError(TOLD)

    await answer_to(scene, WRITE)
    monkeypatch.setattr(Renderer, "render_json", broken)
    with structlog.testing.capture_logs() as logs:
        assert await scene.ask(WRITE) == (Fate.LATER, [Fate.FAILED])
    assert [(log["error"], log["route"]) for log in logs] == [("ZeroDivisionError", "/kv/set")]
    assert TOLD not in str(logs)
    assert taken == ["write"]


# --- over a socket ---------------------------------------------------------------------------------------


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch, taken: list[str]) -> AsyncIterator[House]:
    """Where nobody looks at the clock, and a client with these fields was let in for a read and a write."""
    monkeypatch.setattr(patience_module, "LOOK_EVERY_S", 3600.0)
    async with open_house() as house, house.connected(READ + WRITE) as caller:
        await caller.read_answers(2)
        assert taken == []
        yield house


async def test_many_in_one_packet(house: House, taken: list[str]) -> None:
    async with house.connected((READ + WRITE) * 50 + request(b"GET", b"/nowhere") + READ) as caller:
        answers = await caller.read_answers(102)
    assert [json.loads(answer)["version"] for answer in answers[1:100:2]] == list(range(2, 52))
    assert [*answers[:100:2], answers[101]] == [b"1"] * 51
    assert json.loads(answers[100])["code"] == 404
    assert taken == ["read", "write"] * 50 + ["read"]


async def test_stop_between_a_write_and_its_answer(house: House, taken: list[str]) -> None:
    """What was begun as any other is the last of its connection, and says so."""
    house.log.shut()
    async with house.connected(WRITE + READ) as caller:
        await until(lambda: taken == ["write"])
        house.lane.stop()
        house.log.release()
        answers = await caller.read_all()
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert answers.count(b"HTTP/1.1") == answers.count(b"\r\nConnection: close\r\n") == 1
    assert json.loads(answers.partition(b"\r\n\r\n")[2])["version"] == 2
    assert taken == ["write"]


@pytest.mark.parametrize("politely", [True, False])
async def test_a_client_that_leaves_before_the_answer(house: House, taken: list[str], politely: bool) -> None:
    """The write is carried out and counted, as any request is that nobody waits for any more."""
    house.log.shut()
    async with house.connected(WRITE) as caller:
        await until(lambda: taken == ["write"])
        await (caller.stream.aclose() if politely else caller.reset())
    assert house.store.counts.sets == 1
    house.log.release()
    await until(lambda: house.store.counts.sets == 2)
    await until(lambda: house.states == [State.READING])


@pytest.mark.parametrize("sent", [READ, WRITE], ids=["read", "write"])
async def test_where_an_answer_cannot_be_made_only_that_connection_ends(
    house: House, taken: list[str], sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise ZeroDivisionError

    with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
        patch.setattr(Renderer, "render_json", broken)
        assert await house.talk(sent + READ) == b""
    assert [log["error"] for log in logs] == ["ZeroDivisionError"]
    async with house.connected(WRITE + READ) as other:
        assert (await other.read_answers(2))[1] == b"1"
