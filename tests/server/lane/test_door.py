"""All connections of the lane: who is next, how many there may be, how they end together.

Where a test has ``mock_clock``, time stands still but for its jumps, and nobody loses patience on a slow machine.
"""

import errno
import json
import time

import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from synap.errors import LogFailedError
from synap.server.lane import door as door_module
from synap.server.lane import passage as passage_module
from synap.server.lane.answering import Answering
from synap.server.lane.door import FORGET_EVERY_S
from synap.server.lane.framing import Framed
from synap.server.lane.passage import ROUND_MAX_REQUESTS, State
from synap.server.lane.patience import INCOMPLETE_MAX_S, LOOK_EVERY_S
from synap.server.listener import STOP_GRACE_S
from tests.server.lane.corpus import request
from tests.server.lane.support import CLOSE, LIMIT_S, House, bodies, get_request, open_house, set_request, until

OPTIONS = request(b"OPTIONS", b"/kv/set")
"""For the other door."""


# --- who is next -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flood_with", [get_request("flood"), set_request("flood") + get_request("flood") * 100])
async def test_an_endless_pipeline_does_not_keep_others_from_their_turn(
    monkeypatch: pytest.MonkeyPatch, flood_with: bytes
) -> None:
    """By order, not by time: between a question and its answer, the flood has a few rounds at most."""
    asked: list[bytes] = []
    answer = Answering.answer

    def noted(self: Answering, framed: Framed, *rest):  # type: ignore[no-untyped-def]  # as it is
        asked.append(framed.path)
        return answer(self, framed, *rest)

    monkeypatch.setattr(Answering, "answer", noted)

    async def send_on(stream: trio.SocketStream) -> None:
        while True:
            await stream.send_all(flood_with * 200)

    async def read_on(stream: trio.SocketStream) -> None:
        async for _ in stream:
            pass

    async with (
        open_house() as house,
        house.connected() as flood,
        house.connected() as polite,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(send_on, flood.stream)
        nursery.start_soon(read_on, flood.stream)
        await until(lambda: len(asked) > 10 * ROUND_MAX_REQUESTS)
        for number in range(20):
            before = len(asked)
            await polite.stream.send_all(get_request(f"polite-{number}"))
            await polite.read_answers()
            assert asked.index(f"/kv/get/polite-{number}".encode()) - before <= 10 * ROUND_MAX_REQUESTS
        nursery.cancel_scope.cancel()
    assert len(asked) > 20 * ROUND_MAX_REQUESTS


async def test_more_connections_than_a_turn_has_are_all_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "TURN_MAX_CONNECTIONS", 3)
    async with open_house() as house, trio.open_nursery() as nursery:

        async def use(number: int) -> None:
            async with house.connected(set_request(str(number), number) + get_request(str(number)) * 50) as caller:
                assert (await caller.read_answers(51))[1:] == [b"%d" % number] * 50

        for number in range(40):
            nursery.start_soon(use, number)


async def test_writes_of_many_connections_are_one_batch() -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        house.log.shut()

        async def write(number: int) -> None:
            async with house.connected(set_request(str(number))) as caller:
                assert json.loads((await caller.read_answers())[0])["written"]

        for number in range(100):
            nursery.start_soon(write, number)
        await house.until_state(*[State.ANSWERING] * 100)
        house.log.release()
    assert house.log.attempts <= 3


async def test_waiting_costs_nothing(mock_clock: MockClock) -> None:
    """Clients that left, are silent, or take nothing, while a write is under way: the lane sleeps."""
    async with open_house() as house:
        house.log.shut()
        async with (
            house.connected(set_request("a") + get_request("a")) as writes,
            house.connected(set_request("b")) as left,
            house.connected(set_request("c")) as half_closed,
            house.connected(b"GET"),
        ):
            await house.until_state(*[State.ANSWERING] * 3, State.READING)
            await left.reset()
            await half_closed.stream.send_eof()
            await writes.stream.send_all(get_request("a"))
            # Each of the three was heard once more, and is not any longer.
            await until(lambda: sum(passage._is_muted for passage in house.passages) == 3)
            turns = 0
            poll = house.lane._epoll

            class Counted:
                closed = False

                def fileno(self) -> int:
                    return poll.fileno()

                def poll(self, *limits: int) -> list[tuple[int, int]]:
                    nonlocal turns
                    turns += 1
                    return poll.poll(*limits)

            before_s = time.process_time()
            house.lane._epoll = Counted()  # type: ignore[assignment]
            await trio.to_thread.run_sync(time.sleep, 0.3)
            assert turns == 0
            assert time.process_time() - before_s < 0.15
            house.lane._epoll = poll
            house.log.release()
            await writes.read_answers(3)
            await half_closed.read_answers(1)


# --- how many --------------------------------------------------------------------------------------------


async def test_connections_that_come_and_go_leave_nothing_behind() -> None:
    """In every way to go; that nothing is left is looked at when the house closes."""
    async with open_house() as house, trio.open_nursery() as nursery:

        async def come_and_go(number: int) -> None:
            for way in range(6):
                sent = (get_request("a"), set_request("a"), b"GET", OPTIONS, get_request("a", CLOSE), b"")[way]
                async with house.connected(sent) as caller:
                    if (number + way) % 3 == 0:
                        await caller.reset()
                    elif (number + way) % 3 == 1:
                        await caller.stream.send_eof()
                        await caller.read_all()

        for number in range(60):
            nursery.start_soon(come_and_go, number)


async def test_the_limit_counts_connections_at_both_doors(mock_clock: MockClock) -> None:
    async with (
        open_house(max_connections=3) as house,
        house.connected(get_request("a")) as one,
        house.connected(OPTIONS) as two,
        house.connected(b"GET") as three,
    ):
        await one.read_answers()
        await two.read_answers()
        await until(lambda: len(house.passages) == 2 and house.handed_over == 1)
        assert (await house.talk(b"")).startswith(b"HTTP/1.1 503")
        # What it has begun to ask is handed over, so its place is free only when the other door lets it go.
        await three.stream.aclose()
        await until(lambda: house.places == 2)
        assert bodies(await house.talk(get_request("a", CLOSE))) == [b"null"]


async def test_a_client_that_is_gone_before_it_is_served() -> None:
    async with open_house() as house:
        for _ in range(50):
            async with house.connected() as caller:
                await caller.reset()
        assert bodies(await house.talk(get_request("a", CLOSE))) == [b"null"]


async def test_header_fields_are_forgotten(mock_clock: MockClock) -> None:
    """They may hold a password, and nobody knows whether their client comes again."""
    async with open_house() as house:
        secret = b"x-api-key: secret"
        await house.talk(get_request("a", secret, CLOSE))
        await house.talk(get_request("a", secret, CLOSE))
        beliefs = house.lane.answering._beliefs
        assert secret in b"".join(house.lane.known._by_bytes)
        assert [fields.headers for fields, _ in beliefs._held] != []
        mock_clock.jump(FORGET_EVERY_S)
        await until(lambda: not house.lane.known._by_bytes and not beliefs._held)


# --- the end ---------------------------------------------------------------------------------------------


async def test_stop_in_each_state(mock_clock: MockClock) -> None:
    """Who asks nothing is let go at once; who asks is answered, and told that it is the last answer."""
    async with open_house() as house:
        huge = request(b"PUT", b"/kv/value/huge", CLOSE, body=b"x" * 8 * 1024 * 1024)
        assert (await house.talk(huge)).startswith(b"HTTP/1.1 201")
        house.log.shut()
        async with (
            house.connected(get_request("a")) as idle,
            house.connected(set_request("a")[:-1]) as asking,
            house.connected(set_request("b") + get_request("b")) as answering,
            house.connected(request(b"GET", b"/kv/value/huge"), small=True) as sending,
        ):
            await idle.read_answers()
            await house.until_state(State.READING, State.READING, State.ANSWERING, State.SENDING)
            await until(lambda: any(passage._framer.unread for passage in house.passages))
            await house.listener.stop()
            assert await idle.read_all() == b""
            await asking.stream.send_all(b"}")
            await house.until_state(State.ANSWERING, State.ANSWERING, State.SENDING)
            house.log.release()
            for caller in (asking, answering):
                answers = await caller.read_all()
                assert answers.startswith(b"HTTP/1.1 200 ")
                assert answers.count(b"HTTP/1.1") == answers.count(b"\r\nConnection: close\r\n") == 1
            assert len(bodies(await sending.read_all())[0]) == 8 * 1024 * 1024
            await house.listener.finished.wait()
            assert not house.listener._connections.cancelled_caught, "nobody had to be cut off"


async def test_stop_with_requests_that_wait_for_their_turn() -> None:
    async with open_house() as house, house.connected(get_request("a") * 5000) as caller:
        with trio.fail_after(LIMIT_S):
            while not (house.passages and house.passages[0]._is_due):  # it is due for a moment only
                await trio.lowlevel.checkpoint()
        await house.listener.stop()
        answers = await caller.read_all()
        assert 0 < answers.count(b"HTTP/1.1") < 5000
        assert answers.count(b"Connection: close") == 1
        assert b"Connection: close" in answers[-300:]


@pytest.mark.parametrize("sent", [b"GET /kv/get", set_request("a")[:-1]])
async def test_stop_waits_for_half_a_request_for_a_while(mock_clock: MockClock, sent: bytes) -> None:
    async with open_house() as house, house.connected(sent) as caller:
        await until(lambda: any(passage._framer.unread for passage in house.passages))
        await house.listener.stop()
        await wait_all_tasks_blocked()
        assert house.states == [State.READING]
        mock_clock.jump(INCOMPLETE_MAX_S + 2 * LOOK_EVERY_S)
        assert await caller.read_all() == b""
        await house.listener.finished.wait()
        assert house.handed_over == 0


async def test_stop_does_not_hand_over(mock_clock: MockClock) -> None:
    async with open_house() as house, house.connected(OPTIONS[:20]) as other, house.connected(b"GET") as lane:
        await until(lambda: house.handed_over == 1 and len(house.passages) == 1)
        await house.listener.stop()
        await lane.stream.send_all(b" /events HTTP/1.1\r\nhost: a\r\n\r\n")
        assert await lane.read_all() == b""
        assert await other.read_all() == b""
        await house.listener.finished.wait()


async def test_who_comes_while_it_stops_is_not_waited_for() -> None:
    async with open_house() as house:
        house.lane.stop()
        assert await house.talk(b"") == b""


async def test_the_grace_has_an_end(mock_clock: MockClock) -> None:
    """A disk that hangs, and a client that reads nothing."""
    async with open_house() as house:
        huge = request(b"PUT", b"/kv/value/huge", CLOSE, body=b"x" * 8 * 1024 * 1024)
        assert (await house.talk(huge)).startswith(b"HTTP/1.1 201")
        house.log.shut()
        async with (
            house.connected(set_request("a")) as answering,
            house.connected(request(b"GET", b"/kv/value/huge"), small=True),
        ):
            await house.until_state(State.ANSWERING, State.SENDING)
            await house.listener.stop()
            with structlog.testing.capture_logs() as logs:
                mock_clock.jump(STOP_GRACE_S)
                assert await answering.read_all() == b""
                await house.listener.finished.wait()
            assert logs == []


async def test_where_the_lane_itself_fails_connections_end_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what the server ends with; no connection adds an error of its own."""

    def broken(_: object) -> None:
        raise ZeroDivisionError

    with structlog.testing.capture_logs() as logs, pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        async with open_house() as house, house.connected() as one, house.connected() as other:
            await house.until_state(State.READING, State.READING)
            monkeypatch.setattr(passage_module.Passage, "ready", broken)
            await one.stream.send_all(b"G")
            await other.read_all()
            await trio.sleep_forever()
    assert logs == []


# --- the log fails ---------------------------------------------------------------------------------------


async def test_when_the_log_fails_who_waits_is_told_so() -> None:
    async def wait(house: House, key: str, told: list[bytes]) -> None:
        async with house.connected(set_request(key)) as caller:
            told.extend(await caller.read_answers())

    told: list[bytes] = []
    with pytest.RaisesGroup(LogFailedError):
        async with open_house() as house, trio.open_nursery() as nursery:
            house.log.shut()
            for number in range(10):
                nursery.start_soon(wait, house, str(number), told)
            await house.until_state(*[State.ANSWERING] * 10)
            house.log.failures.append(LogFailedError("fdatasync", None, OSError(errno.EIO, "I/O error")))  # type: ignore[arg-type]
            house.log.release()
            await until(lambda: len(told) == 10)
    outcomes = {json.loads(each)["outcome"] for each in told}
    assert outcomes <= {"unknown", "not_written"}
    assert "unknown" in outcomes
