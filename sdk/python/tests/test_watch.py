"""Watches, with every kind of client, of a feed that is a function: no gap, no repeat, and an end that says why."""

from typing import Any

import httpx
import pytest

from streams import HEARTBEAT, Events, event, feed
from support import FLAVOURS, Flavour, ManualClock, answer, refuse
from synap_sdk import (
    BadRequest,
    Change,
    HistoryTrimmed,
    ServerError,
    SynapError,
    Unauthorized,
    UnexpectedResponse,
    Unreachable,
)

BROKEN = httpx.ReadError("reset")
REFUSED = httpx.ConnectError("refused")

IN_A_LOOP = [each for each in FLAVOURS if each.is_async]


def watched(
    flavour: Flavour, count: int, server: Events, clock: ManualClock | None = None, **options: Any
) -> list[Any]:
    """The first changes that a client sees; the numbers of those, mostly."""
    client = flavour.client(handler=server, clock=clock or ManualClock())
    return flavour.first(count, client, lambda it: it.watch(**{"after": 0, **options}))


def numbers(changes: list[Change]) -> list[int]:
    return [change.seq for change in changes]


# --- what is seen ------------------------------------------------------------------------------------------


def test_changes(flavour: Flavour) -> None:
    server = Events(feed(event(8, "p:a", value="v", deadline_ms=1), event(9, "p:b", type="expired", version=None)))
    seen = watched(flavour, 2, server, prefix="p:", after=7, values=True)
    assert seen == [
        Change(8, "set", "p:a", "client", 8, 1, "v"),
        Change(9, "expired", "p:b", "client", None, None),
    ]
    (request,) = server.requests
    assert request.url.raw_path == b"/events?prefix=p%3A&after=7&values=true"
    assert request.headers["accept"] == "text/event-stream"


def test_a_prefix_that_was_removed(flavour: Flavour) -> None:
    sent = b'data: {"seq": 3, "time_ms": 5, "type": "removed", "cause": "prefix_deleted", "prefix": "p:"}\n\n'
    assert watched(flavour, 1, Events(feed(sent))) == [
        Change(3, "removed", None, "prefix_deleted", prefix="p:", time_ms=5)
    ]


@pytest.mark.parametrize(
    ("sent", "value"), [({"base64": "AP8="}, b"\x00\xff"), ({"a": [1]}, {"a": [1]}), (None, None), ("{}", "{}")]
)
def test_values(flavour: Flavour, sent: object, value: object) -> None:
    (change,) = watched(flavour, 1, Events(feed(event(1, value=sent))), values=True)
    assert change.value == value
    assert "base64" not in repr(change), "a value is nothing for a log"


def test_from_now_on(flavour: Flavour) -> None:
    """The number is asked for before the feed is opened, after a read that only a store that is loaded answers."""
    server = Events(feed(event(43)), seq=42)
    assert numbers(watched(flavour, 1, server, after=None, prefix="p:")) == [43]
    assert server.asked == ["/kv/count?prefix=p%3A", "/kv/stats", "/events?prefix=p%3A&after=42"]


def test_events_torn_in_chunks_and_heartbeats(flavour: Flavour) -> None:
    sent = HEARTBEAT + event(1, "é") + HEARTBEAT + event(2)
    server = Events(feed(*[sent[at : at + 1] for at in range(len(sent))]))
    assert numbers(watched(flavour, 2, server)) == [1, 2]


# --- no gap, no repeat -------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [None, BROKEN, httpx.ReadTimeout("silent"), httpx.RemoteProtocolError("cut")])
def test_it_goes_on_where_it_was(flavour: Flavour, end: Exception | None) -> None:
    """Also where the server repeats itself, and where an event was cut in the middle."""
    server = Events(
        feed(event(1), event(2) + event(3)[:20], end=end),
        feed(event(2), event(3), HEARTBEAT, end=end),
        feed(event(3), event(5)),
    )
    assert numbers(watched(flavour, 4, server)) == [1, 2, 3, 5]
    assert [request.url.params["after"] for request in server.requests] == ["0", "2", "3"]


def test_a_break_before_the_first_event(flavour: Flavour) -> None:
    server = Events(feed(end=BROKEN), feed(event(43)), seq=42)
    assert numbers(watched(flavour, 1, server, after=None)) == [43]
    assert [request.url.params["after"] for request in server.requests] == ["42", "42"]


def test_a_number_without_an_event_moves_on(flavour: Flavour) -> None:
    """Under a quiet prefix the log goes on, and is trimmed one day."""
    server = Events(feed(event(1), b"id: 70\n\n", b"id: 60\n\n", b"id: x\n\n", end=BROKEN), feed(event(71)))
    assert numbers(watched(flavour, 2, server)) == [1, 71]
    assert server.requests[1].url.params["after"] == "70"


def test_troubles_in_between(flavour: Flavour) -> None:
    clock = ManualClock()
    server = Events(
        feed(event(1)),
        REFUSED,
        refuse(503, "not_ready", {"retry-after": "1"}),
        refuse(429, "rate_limited"),
        httpx.ConnectTimeout(""),
        feed(event(2)),
        REFUSED,
        feed(event(3)),
    )
    assert numbers(watched(flavour, 3, server, clock)) == [1, 2, 3]
    assert clock.slept == [0.05, 0.1, 1.2, 0.4, 0.8, 0.05, 0.1], "and short again after each event"


def test_a_store_that_is_away_for_long_is_waited_for(flavour: Flavour) -> None:
    clock = ManualClock()
    server = Events(feed(event(1)), *[REFUSED] * 100, feed(event(2)))
    assert numbers(watched(flavour, 2, server, clock)) == [1, 2]
    assert max(clock.slept) == 5.0
    assert sum(clock.slept) > 400


# --- an end that says why ----------------------------------------------------------------------------------


def test_history_that_is_gone(flavour: Flavour) -> None:
    server = Events(feed(event(1)), refuse(410, "history_trimmed", earliest_seq=900))
    with pytest.raises(HistoryTrimmed) as caught:
        watched(flavour, 2, server)
    assert caught.value.earliest_seq == 900


@pytest.mark.parametrize("opened_before", [False, True])
@pytest.mark.parametrize(
    ("response", "error"),
    [
        (refuse(400, "invalid_parameter"), BadRequest),
        (refuse(401, "unauthorized"), Unauthorized),
        (refuse(500, "internal_error"), ServerError),
        (answer({}), UnexpectedResponse),
        (feed(b"data: {\n\n"), UnexpectedResponse),
        (feed(b"data: []\n\n"), UnexpectedResponse),
        (feed(b'data: {"seq": 3}\n\n'), UnexpectedResponse),
        (feed(b"data: \xff\n\n"), UnexpectedResponse),
    ],
)
def test_what_would_stay_the_same(
    flavour: Flavour, response: httpx.Response, error: type[SynapError], opened_before: bool
) -> None:
    fresh = httpx.Response(response.status_code, headers=response.headers, stream=response.stream)
    server = Events(*([feed(event(1))] if opened_before else []), fresh)
    with pytest.raises(error):
        watched(flavour, 2, server)


@pytest.mark.parametrize("after", [0, None])
def test_a_wrong_address_does_not_look_like_a_quiet_store(flavour: Flavour, after: int | None) -> None:
    clock = ManualClock()

    def server(_: httpx.Request) -> httpx.Response:
        raise REFUSED

    client = flavour.client(handler=server, clock=clock)
    with pytest.raises(Unreachable):
        flavour.first(1, client, lambda it: it.watch(after=after))
    assert clock.time_s - 1000 <= 2.0


def test_it_ended_and_stays_so(flavour: Flavour) -> None:
    client = flavour.client(handler=Events(refuse(410, "history_trimmed", earliest_seq=9)), clock=ManualClock())
    if not flavour.is_async:
        watch = client.watch(after=0)
        with pytest.raises(HistoryTrimmed):
            next(watch)
        assert list(watch) == []
        return

    async def end(client: Any) -> list[Change]:
        watch = client.watch(after=0)
        with pytest.raises(HistoryTrimmed):
            await anext(watch)
        return [change async for change in watch]

    assert flavour.call(client, end) == []


def test_how_long_the_server_may_be_silent(flavour: Flavour) -> None:
    """Until it answers as in any call, afterwards for three heartbeats."""
    seen = []

    class Server(Events):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            response = super().__call__(request)
            self.timeouts = request.extensions["timeout"]
            seen.append(dict(self.timeouts))
            return response

    server = Server(feed(event(1)))
    watched(flavour, 1, server)
    assert seen == [{"connect": 1.0, "pool": 2.0, "write": 2.0, "read": 2.0}]
    assert server.timeouts["read"] == 45.0
