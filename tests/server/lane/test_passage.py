"""One connection in the lane, by bytes on the socket: in each state, with every kind of client.

Where a test has ``mock_clock``, time stands still but for its jumps, also on a slow machine.
"""

import json

import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from synap.server.lane import answering as answering_module
from synap.server.lane import passage as passage_module
from synap.server.lane.answering import Answering
from synap.server.lane.passage import READ_MAX_BYTES, ROUND_MAX_BYTES, ROUND_MAX_REQUESTS, State
from synap.server.lane.patience import IDLE_MAX_S, INCOMPLETE_MAX_S, LOOK_EVERY_S, STALLED_MAX_S
from synap.server.lane.rendering import Renderer
from tests.server.lane.corpus import request
from tests.server.lane.support import CLOSE, House, bodies, get_request, open_house, set_request, until

LAST = get_request("last", CLOSE)
PUT_LARGE = request(b"PUT", b"/kv/value/large", body=b"x" * 60_000)
GET_LARGE = request(b"GET", b"/kv/value/large")


async def put_eight_mib(house: House) -> None:
    """A value that no socket takes at once."""
    body = b"x" * 8 * 1024 * 1024
    assert b"201" in (await house.talk(request(b"PUT", b"/kv/value/huge", CLOSE, body=body)))[:20]


# --- in order --------------------------------------------------------------------------------------------


async def test_whole_and_byte_by_byte() -> None:
    sent = set_request("a", 5) + get_request("a") + request(b"GET", b"/nowhere") + get_request("a", CLOSE)
    async with open_house() as house:
        whole = await house.talk(sent)
        async with house.connected() as caller:
            for byte in sent:
                await caller.stream.send_all(bytes([byte]))
            by_bytes = await caller.read_all()
        assert house.listener._streams == set()
    assert [each[:4] for each in bodies(whole)] == [b'{"su', b"5", b'{"er', b"5"]
    assert [each[:4] for each in bodies(by_bytes)] == [b'{"su', b"5", b'{"er', b"5"]


async def test_the_ten_thousandth_request_is_answered_in_order() -> None:
    count = 10_000
    sent = b"".join(get_request(str(n)) if n % 100 else set_request(str(n), n) for n in range(count))
    async with open_house() as house, house.connected() as caller, trio.open_nursery() as nursery:
        nursery.start_soon(caller.stream.send_all, sent + LAST)
        answers = bodies(await caller.read_all())
    assert len(answers) == count + 1
    assert [json.loads(each)["key"] for each in answers[:-1:100]] == [str(n) for n in range(0, count, 100)]
    assert set(answers) - set(answers[:-1:100]) == {b"null"}


@pytest.mark.parametrize("reads", [1, ROUND_MAX_REQUESTS - 1, ROUND_MAX_REQUESTS, ROUND_MAX_REQUESTS + 1, 200])
async def test_a_write_and_many_reads_in_one_packet(reads: int) -> None:
    """When the write is done, nothing comes over the socket that would wake anybody."""
    async with open_house() as house, house.connected(set_request("a", 5) + get_request("a") * reads) as caller:
        answers = await caller.read_answers(1 + reads)
        assert answers[1:] == [b"5"] * reads


async def test_what_is_before_a_write_is_sent_before_it_is_done() -> None:
    async with open_house() as house:
        house.log.shut()
        async with house.connected(get_request("a") * 3 + set_request("a") + get_request("a")) as caller:
            assert await caller.read_answers(3) == [b"null"] * 3
            assert house.states == [State.ANSWERING]
            house.log.release()
            assert (await caller.read_answers(2))[1] == b"1"


async def test_after_a_request_that_closes_nothing_is_answered() -> None:
    async with open_house() as house:
        answers = await house.talk(get_request("a") + set_request("a", 1, CLOSE) + set_request("b"))
        assert len(bodies(answers)) == 2
        assert answers.count(b"Connection: close") == 1
        assert house.store.seq == 1


# --- held up ---------------------------------------------------------------------------------------------


async def test_a_flood_of_requests_whose_answers_nobody_reads() -> None:
    """A client that sends on and on is held up by its socket; what it has here is bounded."""
    async with open_house() as house, house.connected(small=True) as flood, trio.open_nursery() as nursery:
        nursery.start_soon(flood.stream.send_all, get_request("a") * 100_000)
        await house.until_state(State.SENDING)
        (passage,) = house.passages
        for _ in range(50):
            assert bodies(await house.talk(LAST)) == [b"null"]
            assert len(passage._framer.unread) <= READ_MAX_BYTES + len(get_request("a"))
            assert len(passage._unsent) <= ROUND_MAX_BYTES
        assert house.states == [State.SENDING]
        nursery.cancel_scope.cancel()


async def test_a_flood_with_a_write_in_between_and_large_answers() -> None:
    """A write lets what is before it be sent as far as it goes; the rest must not pile up."""
    async with open_house() as house:
        assert b"201" in (await house.talk(PUT_LARGE.replace(b"host:", b"connection: close\r\nhost:")))[:20]
        async with house.connected(small=True) as flood, trio.open_nursery() as nursery:
            nursery.start_soon(flood.stream.send_all, (GET_LARGE * 20 + set_request("a")) * 300)
            await house.until_state(State.SENDING)
            (passage,) = house.passages
            assert len(passage._unsent) <= ROUND_MAX_BYTES + 2 * 61_000
            assert house.store.seq <= 5
            nursery.cancel_scope.cancel()


async def test_reading_waits_while_complete_requests_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a connection has sent ahead is no more than one read, however fast it sends."""
    most = 0
    answer = Answering.answer

    def watched(self: Answering, *rest):  # type: ignore[no-untyped-def]  # as it is
        nonlocal most
        most = max(most, *(len(each._framer.unread) for each in house.passages))
        return answer(self, *rest)

    monkeypatch.setattr(Answering, "answer", watched)
    async with open_house() as house, house.connected() as caller, trio.open_nursery() as nursery:
        nursery.start_soon(caller.stream.send_all, get_request("a") * 20_000 + LAST)
        assert len(bodies(await caller.read_all())) == 20_001
    assert 0 < most <= READ_MAX_BYTES + len(get_request("a"))


async def test_a_client_that_reads_slowly_gets_all_of_it() -> None:
    async with open_house() as house:
        await put_eight_mib(house)
        sent = request(b"GET", b"/kv/value/huge") + set_request("a") + request(b"GET", b"/kv/value/huge", CLOSE)
        async with house.connected(sent, small=True) as caller:
            await house.until_state(State.SENDING)
            answers = bodies(await caller.read_all())
    assert [len(each) for each in answers] == [8 * 1024 * 1024, len(answers[1]), 8 * 1024 * 1024]


async def test_a_client_that_takes_nothing_of_its_answer(mock_clock: MockClock) -> None:
    async with open_house() as house:
        await put_eight_mib(house)
        async with house.connected(request(b"GET", b"/kv/value/huge"), small=True) as caller:
            await house.until_state(State.SENDING)
            mock_clock.jump(STALLED_MAX_S - LOOK_EVERY_S)
            await wait_all_tasks_blocked()
            assert house.states == [State.SENDING]
            mock_clock.jump(2 * LOOK_EVERY_S)
            await until(lambda: house.passages == [])
            assert len(await caller.read_all()) < 8 * 1024 * 1024


async def test_a_client_that_takes_a_little_has_more_time(mock_clock: MockClock) -> None:
    async with open_house() as house:
        await put_eight_mib(house)
        async with house.connected(request(b"GET", b"/kv/value/huge"), small=True) as caller:
            await house.until_state(State.SENDING)
            (passage,) = house.passages
            for _ in range(4):
                left_bytes = len(passage._unsent)
                while len(passage._unsent) > left_bytes - 200_000:
                    await caller.stream.receive_some()
                mock_clock.jump(STALLED_MAX_S - 3 * LOOK_EVERY_S)
                await wait_all_tasks_blocked()
                assert house.states == [State.SENDING]


# --- slow ------------------------------------------------------------------------------------------------


async def test_an_idle_client_is_let_go(mock_clock: MockClock) -> None:
    async with open_house() as house:
        async with house.connected() as silent, house.connected(get_request("a")) as caller:
            await caller.read_answers()
            mock_clock.jump(IDLE_MAX_S - 2 * LOOK_EVERY_S)
            await wait_all_tasks_blocked()
            assert house.states == [State.READING] * 2
            mock_clock.jump(4 * LOOK_EVERY_S)
            assert await silent.read_all() == b""
            assert await caller.read_all() == b""
        assert house.handed_over == 0


@pytest.mark.parametrize(
    ("sent", "rest"),
    [
        (b"G", get_request("a", CLOSE)[1:]),
        (get_request("a", CLOSE)[:-1], b"\n"),
        (set_request("a", 1, CLOSE)[:-1], b"}"),
        (get_request("a") + set_request("a", 1, CLOSE)[:-1], b"}"),
    ],
)
async def test_a_request_that_comes_slowly_is_handed_over(mock_clock: MockClock, sent: bytes, rest: bytes) -> None:
    async with open_house() as house, house.connected(sent) as caller:
        await until(lambda: [passage._framer.unread != b"" for passage in house.passages] == [True])
        mock_clock.jump(INCOMPLETE_MAX_S - LOOK_EVERY_S)
        await wait_all_tasks_blocked()
        assert house.handed_over == 0
        mock_clock.jump(3 * LOOK_EVERY_S)
        await until(lambda: house.handed_over == 1)
        await caller.stream.send_all(rest)
        answers = bodies(await caller.read_all())
        assert answers[-1].startswith((b"null", b'{"success":true'))
        assert len(answers) == 1 + sent.startswith(get_request("a"))


async def test_a_request_of_many_pieces_is_late_too(mock_clock: MockClock) -> None:
    """Every byte of it in time, but not the whole."""
    async with open_house() as house, house.connected(get_request("a")) as caller:
        await caller.read_answers()
        for byte in get_request("a")[:20]:
            await caller.stream.send_all(bytes([byte]))
            await wait_all_tasks_blocked()
            mock_clock.jump(LOOK_EVERY_S / 4)
        assert house.handed_over == 1, "while there are still pieces to come"
        await caller.stream.send_all(get_request("a")[20:])
        assert await caller.read_answers() == [b"null"]


async def test_an_answer_may_take_its_time(mock_clock: MockClock) -> None:
    async with open_house() as house:
        house.log.shut()
        async with house.connected(set_request("a") + b"GET /kv") as caller:
            await house.until_state(State.ANSWERING)
            mock_clock.jump(10 * IDLE_MAX_S)
            await wait_all_tasks_blocked()
            assert house.states == [State.ANSWERING]
            house.log.release()
            assert len(await caller.read_answers()) == 1


# --- clients that leave ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", get_request("a"), set_request("a") + get_request("a") * 500])
async def test_a_client_that_says_no_more_but_still_listens(sent: bytes) -> None:
    async with open_house() as house, house.connected(sent) as caller:
        await caller.stream.send_eof()
        assert len(bodies(await caller.read_all())) == sent.count(b"HTTP/1.1")


async def test_a_client_that_says_no_more_in_the_middle_of_a_request() -> None:
    """The other door says what becomes of it."""
    async with open_house() as house, house.connected(get_request("a") + set_request("a")[:-1]) as caller:
        await caller.read_answers()
        await caller.stream.send_eof()
        assert b" 200 " not in await caller.read_all()
        assert house.store.seq == 0


@pytest.mark.parametrize("politely", [True, False])
async def test_a_client_that_leaves_while_it_is_idle(politely: bool) -> None:
    async with open_house() as house:
        async with house.connected(get_request("a") + b"GET /kv") as caller:
            await caller.read_answers()
            await (caller.stream.aclose() if politely else caller.reset())
        await until(house.is_empty)


@pytest.mark.parametrize("politely", [True, False])
async def test_a_client_that_leaves_while_its_write_is_under_way(politely: bool) -> None:
    """It is carried out; and nobody is told again and again that there is nobody any more."""
    async with open_house() as house:
        house.log.shut()
        async with house.connected(set_request("a") + set_request("b")) as caller:
            await house.until_state(State.ANSWERING)
            (passage,) = house.passages
            told = 0
            ready = type(passage).ready

            def count(self: object) -> None:
                nonlocal told
                told += 1
                ready(passage)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(passage_module.Passage, "ready", count)
                await (caller.stream.aclose() if politely else caller.reset())
                await trio.sleep(0.1)
            assert told <= 2
            house.log.release()
            await until(house.is_empty)
        assert house.store.seq >= 1


async def test_a_client_that_leaves_while_it_is_sent_something() -> None:
    async with open_house() as house:
        await put_eight_mib(house)
        async with house.connected(request(b"GET", b"/kv/value/huge"), small=True) as caller:
            await house.until_state(State.SENDING)
            await caller.reset()
            await until(house.is_empty)


# --- what nobody foresaw ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [set_request("a"), request(b"GET", b"/kv/keys"), get_request("a")])
@pytest.mark.parametrize("what", ["finish", "render"])
async def test_where_a_response_cannot_be_made_only_that_connection_ends(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, what: str
) -> None:
    def broken(*_: object, **__: object) -> bytes:
        raise ZeroDivisionError

    # Its fields are its own: what is known of them already, is answered without these steps.
    async with open_house() as house, house.connected(get_request("b", b"x-other: 1")) as other:
        await other.read_answers()
        with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
            if what == "finish":
                patch.setattr(answering_module, "finish", broken)
            else:
                patch.setattr(Renderer, "render", broken)
            assert await house.talk(sent + get_request("a")) == b""
        assert [log["error"] for log in logs] == ["ZeroDivisionError"]
        await other.stream.send_all(set_request("b"))
        assert len(await other.read_answers()) == 1


async def test_after_an_error_of_an_endpoint_the_connection_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise ZeroDivisionError

    async with open_house() as house, house.connected() as caller:
        with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
            patch.setattr("synap.store.Store.look", broken)
            await caller.stream.send_all(get_request("a"))
            assert json.loads((await caller.read_answers())[0])["code"] == 500
        assert [log["route"] for log in logs] == ["/kv/get/{key}"]
        await caller.stream.send_all(get_request("a"))
        assert await caller.read_answers() == [b"null"]
