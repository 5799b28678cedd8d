"""Watching, as far as it is a matter of whose credentials last how long."""

import math
from collections.abc import Iterable

import msgspec
import pytest
import trio

from synap.errors import NotAuthenticatedError
from synap.protocol.http import Request, answers
from synap.protocol.http.endpoints.events import HEARTBEAT_S
from synap.protocol.http.service import Errand, Follower, Question
from synap.results import Change
from tests.protocol.http.support import request, resolve
from tests.protocol.http.test_service import Constant

CHANGE = Change(7, 1_700_000_000_000, "removed", "deleted", key=b"a")


class Told:
    """A follower that something is told to each time; ``waited_s`` is how long it would have waited."""

    seq = 6
    ended = False

    def __init__(self) -> None:
        self.waited_s: list[float] = []

    async def next(self, timeout_s: float) -> list[Change]:
        await trio.lowlevel.checkpoint()
        self.waited_s.append(timeout_s)
        return [CHANGE]


class Following(Constant):
    """A service that gives one follower to whoever asks."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def follow(self, prefix: bytes, after_seq: int | None) -> Follower:
        assert (prefix, after_seq) == (b"", None)
        return self._follower


def asked(target: str, left_s: Iterable[float]) -> Request:
    """A request whose credentials are good for so long, each time somebody asks."""
    left = iter(left_s)
    return msgspec.structs.replace(request("GET", target), left_s=lambda: next(left))


async def streamed(left_s: Iterable[float]) -> tuple[list[bytes], list[float]]:
    follower = Told()
    call = resolve(asked("/events", left_s))
    assert isinstance(call.wish, Question)
    stream = call.respond(follower).stream
    assert stream is not None
    return [chunk async for chunk in stream.chunks], follower.waited_s


async def test_a_stream_ends_with_the_credentials() -> None:
    told, waited_s = await streamed([math.inf, math.inf, 10.0, 9.0, 0.5, 0.0])
    assert [b"data:" in chunk for chunk in told] == [False, True, True], "nothing is told when they have expired"
    assert waited_s == [HEARTBEAT_S, 10.0, 0.5]


async def test_a_stream_that_comes_too_late() -> None:
    told, waited_s = await streamed([-3.0, -3.0])
    assert (len(told), waited_s) == (1, [0.0])


@pytest.mark.parametrize(("left_s", "waited_s"), [((math.inf, math.inf), 20), ((5.0, 0.1), 5.0)])
async def test_a_wait(left_s: tuple[float, ...], waited_s: float) -> None:
    call = resolve(asked("/events?wait=20", left_s))
    assert isinstance(call.wish, Errand)
    follower = Told()
    result = await call.wish.run(Following(follower))
    assert isinstance(result, answers.EventsResult)
    assert (len(result.events), follower.waited_s) == (1, [waited_s])


async def test_a_wait_ends_with_the_credentials() -> None:
    call = resolve(asked("/events?wait=20", (5.0, 0.0)))
    assert isinstance(call.wish, Errand)
    with pytest.raises(NotAuthenticatedError, match="expired"):
        await call.wish.run(Following(Told()))
