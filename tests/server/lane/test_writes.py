"""Writes in one go: the same bytes as the long way, the same events, counted the same, and only where all is plain."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import structlog
from hypothesis import given, settings
from trio.testing import wait_all_tasks_blocked

from synap import committer as committer_module
from synap.commands import Kind, Set
from synap.errors import DiskFullError, LogFailedError
from synap.events import Event
from synap.protocol.http import Headers, Response
from synap.protocol.http.bodies import PlainSetBody, SetBody
from synap.protocol.http.decoding import decode_plain, decode_text
from synap.protocol.http.endpoints import entries
from synap.protocol.http.permission import Grant
from synap.protocol.http.render import COMPRESS_MIN_BYTES
from synap.protocol.http.service import Role
from synap.server.lane import writes as writes_module
from synap.slowlog import Slowlog
from synap.store import MemoryLimit
from tests.server.lane.made import made_bodies
from tests.server.lane.scene import OF_A_PAGE, PAGE, PLAIN, Going, Scene, playing

BEFORE = (
    Set(key=b"text", kind=Kind.TEXT, value=b"old"),
    Set(key=b"ends", kind=Kind.JSON, value=b"5", ttl_ms=60_000),
)
"""What there is: a text at version 1, and a number at version 2 that ends in a minute."""


def body(key: object = "a", value: object = 1, **fields: object) -> bytes:
    return json.dumps({"key": key, "value": value, **fields}).encode()


def events(scene: Scene) -> list[list[Event]]:
    return scene.log.batches()


async def both_ways(quick: Scene, slow: Scene, sent: bytes) -> tuple[bytes | Response | None, Response]:
    """A body, to one store in the quick way and to the other in the long one; both hold the same after it."""
    async with playing(quick, slow, before=BEFORE):
        answers = await quick.write_quickly(quick.write(sent)), await slow.slowly(slow.write(sent))
        assert events(quick) == events(slow)
        return answers


def same(quick: Scene, answer: bytes | Response | None, expected: Response) -> bool:
    """Whether an answer is what the long way says; what is left to do to a response is for the long way."""
    return answer == expected if isinstance(answer, Response) else answer == quick.dressed(expected, "POST")


# --- as the long way -------------------------------------------------------------------------------------

LONG_KEY = "k" * 1000
TEN_YEARS_S = 10 * 365 * 24 * 60 * 60

WRITTEN = {
    "a new key": body(),
    "over a text": body("text", "new"),
    "over a number": body("ends", 6),
    "the same again": body("text", "old"),
    "a text": body("a", "text"),
    "an empty text": body("a", ""),
    "escapes": rb'{"key":"a\u0041\n\"\\\/\u00e9","value":"\u0000\t\"\\\ud83d\ude00"}',
    "beyond ASCII": '{"key":"Zoë 🙂","value":"日本"}'.encode(),
    "zero bytes in a key": rb'{"key":"\u0000a","value":1}',
    "an object": b'{"key":"a","value": {"n": 1.10, "n": [2 , null]} }',
    "an array": body("a", [1, "b", None]),
    "null": body("a", None),
    "true": body("a", True),
    "a large number": b'{"key":"a","value":123456789012345678901234567890e99}',
    "blanks": b' \r\n\t{ "value" : 1 , "key" : "a" } \n',
    "fields twice": b'{"key":"b","key":"a","value":1,"value":2}',
    "names with escapes": rb'{"\u006bey":"a","value":1}',
    "a ttl": body("a", 1, ttl=60),
    "the shortest ttl": body("a", 1, ttl=1),
    "the longest ttl": body("a", 1, ttl=TEN_YEARS_S),
    "two ttls": b'{"key":"a","value":1,"ttl":7,"ttl":8}',
    "a ttl on what has one": body("ends", 1, ttl=5),
    "no ttl on what has one": body("ends", 1),
    "nearly compressed": body("k" * (COMPRESS_MIN_BYTES - 55)),
    "just compressed": body("k" * (COMPRESS_MIN_BYTES - 50)),
    "a long key": body(LONG_KEY),
    "a long value": body("a", "x" * 60_000),
}

REFUSED = {
    "a ttl over ten years": (body("a", 1, ttl=TEN_YEARS_S + 1), 400),
    "the longest ttl that is plain": (body("a", 1, ttl=999_999_999), 400),
    "an empty key": (body(""), 400),
    "too long a key": (body("k" * 65_537), 413),
    "too large a value": (body("a", "x" * (8 * 1024 * 1024 + 1)), 413),
}
"""What is known to be wrong only when it is decided, with the status."""


@pytest.mark.parametrize("sent", WRITTEN.values(), ids=WRITTEN.keys())
async def test_it_is_the_answer_of_the_long_way(sent: bytes) -> None:
    quick = Scene()
    answer, expected = await both_ways(quick, Scene(), sent)
    assert expected.status == 200
    assert same(quick, answer, expected)
    assert isinstance(answer, bytes) is (len(expected.body) < COMPRESS_MIN_BYTES)


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_refused_is_refused_as_there(sent: bytes, status: int) -> None:
    quick = Scene()
    answer, expected = await both_ways(quick, Scene(), sent)
    assert (expected.status, answer) == (status, expected)


@pytest.mark.parametrize(
    ("headers", "origins"),
    [(PLAIN, frozenset({PAGE})), (OF_A_PAGE, frozenset({PAGE}))],
    ids=["who might be a page", "a page"],
)
@pytest.mark.parametrize("sent", [body(), body(LONG_KEY), body("")], ids=["short", "long", "refused"])
async def test_a_page_may_read_the_answer(headers: Headers, origins: frozenset[bytes], sent: bytes) -> None:
    quick = Scene(headers, origins)
    answer, expected = await both_ways(quick, Scene(headers, origins), sent)
    assert same(quick, answer, expected)


def out_of_memory(scene: Scene) -> None:
    """There is a limit, and it is below what will be sent."""
    assert scene.store.memory_limit.max_bytes is not None


def disk_full(scene: Scene) -> None:
    scene.log.failures = [DiskFullError("no room")]


def log_failed(scene: Scene) -> None:
    scene.log.failures = [LogFailedError("fdatasync", Path("x.wal"), OSError(errno.EIO, "Input/output error"))]


def draining(scene: Scene) -> None:
    scene.store._committer._accepts = False


FAILURES = {
    "no memory": (out_of_memory, 507, "memory_limit", "not_written"),
    "no room on the disk": (disk_full, 507, "disk_full", "not_written"),
    "the log": (log_failed, 500, "log_failed", "unknown"),
    "the server stops": (draining, 503, "not_ready", "not_written"),
}


@pytest.mark.parametrize(("fail", "status", "name", "outcome"), FAILURES.values(), ids=FAILURES.keys())
async def test_what_fails_fails_as_there(fail: Callable[[Scene], None], status: int, name: str, outcome: str) -> None:
    answers: list[bytes | Response | None] = []
    for quickly in (True, False):
        scene = Scene(memory_limit=MemoryLimit(8192, "none") if fail is out_of_memory else None)
        async with playing(scene, before=BEFORE):
            fail(scene)
            write = scene.write(body("a", "x" * 10_000))
            answers.append(await scene.write_quickly(write) if quickly else await scene.slowly(write))
            assert len(events(scene)) == len(BEFORE)
    answer, expected = answers
    assert answer == expected
    assert isinstance(expected, Response)
    told = json.loads(expected.body)
    assert (expected.status, told["type"], told["outcome"]) == (status, name, outcome)


async def test_a_queue_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer_module, "QUEUE_MAX_COMMANDS", 1)
    quick = Scene()
    async with playing(quick):
        quick.log.shut()
        first = quick.begin(quick.write(body("first")))
        await wait_all_tasks_blocked()
        second = quick.begin(quick.write(body("second")))
        refused = quick.begin(quick.write(body("third")))
        assert refused == await quick.slowly(quick.write(body("third")))
        assert isinstance(refused, Response)
        assert (refused.status, json.loads(refused.body)["type"]) == (503, "overloaded")
        quick.log.release()
        for going in (first, second):
            assert isinstance(going, Going)
            assert isinstance(await going.answer(), bytes)
    assert quick.store.seq == 2


async def test_before_there_is_a_store() -> None:
    quick = Scene()
    quick.detach()
    answer = quick.begin(quick.write(body()))
    assert answer == await quick.slowly(quick.write(body()))
    assert isinstance(answer, Response)
    assert (answer.status, json.loads(answer.body)["outcome"]) == (503, "not_written")


# --- what is not for it ----------------------------------------------------------------------------------

OPTIONS = {
    "unknown fields": body("a", 1, priority=[1, {}]),
    "a field in capitals": body("a", 1, Key="b"),
    "a ttl with decimals": b'{"key":"a","value":1,"ttl":0.0045}',
    "a ttl with an exponent": b'{"key":"a","value":1,"ttl":1.55e2}',
    "a ttl and no end of it": b'{"key":"a","value":1,"ttl":1e400}',
    "a ttl over the plain ones": body("a", 1, ttl=10**9),
    "a ttl of nothing": body("a", 1, ttl=0),
    "a ttl below 0": body("a", 1, ttl=-1),
    "a ttl that is no number": body("a", 1, ttl="5"),
    "a ttl of null": body("a", 1, ttl=None),
    "a ttl of many digits": b'{"key":"a","value":1,"ttl":%b}' % (b"1" * 100),
    "the ttl that there is": body("ends", 1, keepttl=True),
    "an expiry": body("a", 1, expiry={"type": "milliseconds", "value": 1500}),
    "an expiry in hours": body("a", 1, expiry={"type": "hours", "value": 1}),
    "if it is missing": body("text", 1, nx=True),
    "if it is there": body("a", 1, xx=True),
    "at its version": body("ends", 1, if_version=2),
    "at another version": body("text", 1, if_version=7),
    "at no version": body("a", 1, if_version=0),
    "the old value": body("text", 1, get=True),
    "every option off": body("a", 1, nx=False, xx=False, keepttl=False, get=False),
}

WRONG = {
    "nothing": b"",
    "no JSON": b"nonsense",
    "half of it": b'{"key":"a","value":',
    "more than it": b'{"key":"a","value":1} 2',
    "an array": b"[]",
    "a text": b'"a"',
    "null": b"null",
    "no key": b'{"value":1}',
    "no value": b'{"key":"a"}',
    "a number for a key": b'{"key":1,"value":1}',
    "null for a key": b'{"key":null,"value":1}',
    "a value that is none": b'{"key":"a","value":01}',
    "NaN": b'{"key":"a","value":NaN}',
    "not UTF-8": b'{"key":"a","value":"\xff"}',
    "not UTF-8, where nobody looks": b'{"key":"a","value":1,"other":"\xff"}',
    "half of a pair": rb'{"key":"a","value":"\ud83d"}',
    "half of a pair in the key": rb'{"key":"\ud83d","value":1}',
    "UTF-16": '{"key":"a","value":1}'.encode("utf-16"),
    "a mark": b'\xef\xbb\xbf{"key":"a","value":1}',
    "far too deep": b'{"key":"a","value":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
}


@pytest.mark.parametrize("sent", OPTIONS.values(), ids=OPTIONS.keys())
async def test_options_go_the_long_way(sent: bytes) -> None:
    scene = Scene()
    assert scene.begin(scene.write(sent)) is None


@pytest.mark.parametrize("sent", WRONG.values(), ids=WRONG.keys())
async def test_what_is_wrong_goes_the_long_way(sent: bytes) -> None:
    answer, expected = await both_ways(Scene(), Scene(), sent)
    assert answer is None
    assert expected.status in {400, 422}


@settings(max_examples=300)
@given(made_bodies())
def test_what_is_plain_is_the_command_of_the_long_way(sent: bytes) -> None:
    plain = decode_plain(sent, PlainSetBody)
    if plain is not None:
        assert entries.to_plain_set(plain) == entries.to_set(decode_text(sent, SetBody))


@pytest.mark.parametrize(
    "change",
    [
        {"path": b"/kv/set/"},
        {"path": b"/kv/Set"},
        {"path": b"/kv/%73et"},
        {"path": b"/kv/mset"},
        {"path": b"/kv/get/a"},
        {"method": "PUT"},
        {"method": "GET"},
        {"method": "HEAD"},
        {"query": b"a=b"},
    ],
    ids=str,
)
async def test_what_is_special_goes_the_long_way(change: dict[str, object]) -> None:
    scene = Scene()
    assert scene.begin(msgspec.structs.replace(scene.write(body()), **change)) is None


@pytest.mark.parametrize(
    ("headers", "grant"),
    [
        (PLAIN, Grant("reader", Role.READER)),
        (PLAIN, Grant("of some keys", Role.WRITER, (b"a",))),
        ((*PLAIN, (b"if-match", b'"1"')), Grant("writer", Role.WRITER)),
        ((*PLAIN, (b"origin", b"https://evil.example")), Grant("writer", Role.WRITER)),
        (PLAIN[:1], Grant("writer", Role.WRITER)),
    ],
    ids=["a reader", "a writer of some keys", "on a condition", "of a strange page", "of no type"],
)
async def test_who_is_not_believed_goes_the_long_way(headers: Headers, grant: Grant) -> None:
    scene = Scene(headers, frozenset(), grant)
    assert scene.begin(scene.write(body())) is None


# --- counted ---------------------------------------------------------------------------------------------


def counted(scene: Scene) -> list[str]:
    """What the metrics and counts say of commands and requests; but not how long they took."""
    lines = scene.service.metrics().body.decode().splitlines()
    told = [line for line in lines if line.startswith("synap_kv_operation") and "_bucket" not in line]
    told = [line for line in told if "_seconds_sum" not in line]
    counts = scene.store.counts
    return [*told, f"{counts.gets} {counts.sets} {counts.dels} {counts.hits}"]


COUNTED = {
    "written": (body(), 1),
    "refused": (body(""), 0),
}


@pytest.mark.parametrize(("sent", "sets"), COUNTED.values(), ids=COUNTED.keys())
async def test_it_is_counted_once_as_any_write(sent: bytes, sets: int) -> None:
    quick, slow = Scene(), Scene()
    await both_ways(quick, slow, sent)
    assert counted(quick) == counted(slow)
    assert len(counted(quick)) > 1
    assert quick.store.counts.sets == len(BEFORE) + sets


async def test_what_is_not_taken_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer_module, "QUEUE_MAX_COMMANDS", 0)
    quick, slow = Scene(), Scene()
    assert isinstance(await quick.write_quickly(quick.write(body())), Response)
    assert (await slow.slowly(slow.write(body()))).status == 503
    assert counted(quick) == counted(slow)


@pytest.mark.parametrize("sent", [body("a", "secret"), body("", "secret")], ids=["written", "refused"])
async def test_it_stands_in_the_slow_log_once(sent: bytes) -> None:
    quick, slow = Scene(slowlog=Slowlog(0)), Scene(slowlog=Slowlog(0))
    await both_ways(quick, slow, sent)
    shown = [[(entry.command, entry.args) for entry in scene.store.slowlog.latest(9)] for scene in (quick, slow)]
    assert shown[0] == shown[1]
    assert len(shown[0]) == len(BEFORE) + 1


# --- as it goes ------------------------------------------------------------------------------------------


async def test_nothing_is_answered_before_it_is_durable() -> None:
    scene = Scene()
    async with playing(scene):
        scene.log.shut()
        going = scene.begin(scene.write(body()))
        assert isinstance(going, Going)
        await wait_all_tasks_blocked()
        assert (going.done, scene.store.seq) == (0, 0)
        scene.log.release()
        assert isinstance(await going.answer(), bytes)
        await wait_all_tasks_blocked()
        assert going.done == 1


async def test_writes_that_come_together_are_one_batch() -> None:
    scene = Scene()
    async with playing(scene):
        every = [scene.begin(scene.write(body("a", number))) for number in range(20)]
        versions = []
        for going in every:
            assert isinstance(going, Going)
            answer = await going.answer()
            assert isinstance(answer, bytes)
            versions.append(json.loads(answer.partition(b"\r\n\r\n")[2])["version"])
    assert versions == list(range(1, 21))
    assert len(events(scene)) == 1


async def test_when_the_server_stops_the_rest_of_the_answer_is_for_others() -> None:
    """It may be the last on its connection, and has to say so."""
    quick, slow = Scene(), Scene()
    async with playing(quick, slow):
        going = quick.begin(quick.write(body()))
        assert isinstance(going, Going)
        quick.writes.stop()
        assert await going.answer() == await slow.slowly(slow.write(body()))


@pytest.mark.parametrize(
    ("where", "outcome"),
    [("service.begin", "unknown"), ("service.result", "unknown"), ("to_plain_set", "not_written")],
)
async def test_what_nobody_foresaw_is_the_same_answer_too(
    monkeypatch: pytest.MonkeyPatch, where: str, outcome: str
) -> None:
    """The answer is that of the long way, which begins a write without waiting where it comes through the lane."""

    def broken(*_: object) -> object:
        raise ZeroDivisionError("what a client sent")

    scene = Scene()
    if where == "to_plain_set":
        monkeypatch.setattr(writes_module, where, broken)
        monkeypatch.setattr(entries, "to_set", broken)
    else:
        monkeypatch.setattr(scene.service, where.removeprefix("service."), broken)
    async with playing(scene):
        with structlog.testing.capture_logs() as logs:
            answer = await scene.write_quickly(scene.write(body()))
            expected = await scene.slowly_in_the_lane(scene.write(body()))
    assert answer == expected
    assert isinstance(answer, Response)
    told = json.loads(answer.body)
    assert (answer.status, told["type"], told["outcome"]) == (500, "internal_error", outcome)
    assert [(log["error"], log["route"]) for log in logs] == [("ZeroDivisionError", "/kv/set")] * 2
    assert b"what a client sent" not in answer.body
