"""What is tried again, how often and how long: with a clock that passes only where somebody waits."""

import anyio.lowlevel
import httpx
import pytest

from support import Flavour, ManualClock, Script, answer, refuse
from synap_sdk import (
    DeadlineExceeded,
    Disconnected,
    DiskFull,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ServerError,
    SynapError,
    Unavailable,
    Unreachable,
)

REFUSED = httpx.ConnectError("refused")
BROKEN = httpx.RemoteProtocolError("Server disconnected without sending a response.")


def read(client: object) -> object:
    return client.kv.get("k")  # type: ignore[attr-defined]


def write(client: object) -> object:
    return client.kv.delete("k")  # type: ignore[attr-defined]


READ, WRITTEN = answer("v"), answer({"deleted": True, "key": "k"})


def not_now(status: int = 503, retry_after: str | None = None, **fields: object) -> httpx.Response:
    return refuse(status, "not_now", {"retry-after": retry_after} if retry_after else {}, **fields)


@pytest.mark.parametrize(
    "trouble",
    [
        REFUSED,
        httpx.ConnectTimeout("timed out"),
        BROKEN,
        httpx.ReadError(""),
        httpx.WriteError(""),
        httpx.DecodingError(""),
        not_now(),
        not_now(429),
        not_now(502),
        not_now(504),
        not_now(507),
    ],
    ids=str,
)
def test_a_read_is_tried_again(flavour: Flavour, trouble: httpx.Response | Exception) -> None:
    clock = ManualClock()
    server = Script(trouble, trouble, answer("v"))
    assert flavour.call(flavour.client(handler=server, clock=clock), read) == "v"
    assert clock.slept == [0.05, 0.1]


@pytest.mark.parametrize(
    "trouble",
    [
        REFUSED,
        httpx.ConnectTimeout("timed out"),
        not_now(outcome="not_written"),
        not_now(507, outcome="not_written"),
        not_now(429, outcome="not_written"),
        not_now(429),
    ],
    ids=str,
)
def test_a_write_that_surely_did_not_happen_is_tried_again(
    flavour: Flavour, trouble: httpx.Response | Exception
) -> None:
    clock = ManualClock()
    server = Script(trouble, answer({"deleted": True, "key": "k"}))
    assert flavour.call(flavour.client(handler=server, clock=clock), write) is True
    assert clock.slept == [0.05]


@pytest.mark.parametrize(
    "trouble",
    [
        BROKEN,
        httpx.ReadError(""),
        httpx.WriteError(""),
        httpx.ReadTimeout(""),
        httpx.WriteTimeout(""),
        httpx.DecodingError(""),
        not_now(),
        not_now(502),
        not_now(504),
        not_now(507),
        not_now(500),
        not_now(500, outcome="unknown"),
    ],
    ids=str,
)
def test_a_write_that_may_have_happened_is_not(flavour: Flavour, trouble: httpx.Response | Exception) -> None:
    server = Script(trouble)
    with pytest.raises(OutcomeUnknown) as caught:
        flavour.call(flavour.client(handler=server), write)
    assert len(server.seen) == 1
    assert caught.value.outcome == "unknown"
    assert caught.value.status == (trouble.status_code if isinstance(trouble, httpx.Response) else None)


def test_a_read_that_touches_is_as_good_twice(flavour: Flavour) -> None:
    server = Script(BROKEN, answer("v"), BROKEN, httpx.Response(200, headers={"etag": '"1"'}))
    client = flavour.client(handler=server, clock=ManualClock())
    assert flavour.call(client, lambda it: it.kv.get("k", touch=60)) == "v"
    assert flavour.call(client, lambda it: it.kv.touch("k", 60)) is True


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413, 500])
def test_an_answer_that_would_stay_the_same_is_final(flavour: Flavour, status: int) -> None:
    server = Script(refuse(status, "a_type"))
    with pytest.raises(SynapError):
        flavour.call(flavour.client(handler=server), read)
    assert len(server.seen) == 1


# --- how long ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operate", [read, write])
def test_a_store_that_is_away_is_given_up_before_the_deadline(flavour: Flavour, operate: object) -> None:
    clock = ManualClock()
    with pytest.raises(Unreachable) as caught:
        flavour.call(flavour.client(handler=Script(*[REFUSED] * 20), clock=clock), operate)  # type: ignore[arg-type]
    assert clock.slept == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5]
    assert clock.time_s - 1000 <= 2.0
    assert caught.value.attempts == 7
    assert caught.value.outcome == "not_written"
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


def test_the_deadline_is_the_clients_to_say(flavour: Flavour) -> None:
    clock = ManualClock()
    client = flavour.client(handler=Script(*[REFUSED] * 20), clock=clock, deadline_s=0.1)
    with pytest.raises(Unreachable):
        flavour.call(client, read)
    assert clock.slept == [0.05]


def test_waits_are_spread_by_chance(flavour: Flavour) -> None:
    clock = ManualClock(chance=0.0)
    flavour.call(flavour.client(handler=Script(REFUSED, REFUSED, answer("v")), clock=clock), read)
    assert clock.slept == [0.025, 0.05]


def test_slow_tries_use_up_the_time(flavour: Flavour) -> None:
    clock = ManualClock()
    server = Script(*[BROKEN] * 20, clock=clock, takes_s=0.9)
    with pytest.raises(Disconnected) as caught:
        flavour.call(flavour.client(handler=server, clock=clock), read)
    assert caught.value.attempts == 3


def test_retry_after_is_respected(flavour: Flavour) -> None:
    clock = ManualClock()
    server = Script(not_now(503, "1", outcome="not_written"), answer({"deleted": False, "key": "k"}))
    assert flavour.call(flavour.client(handler=server, clock=clock), write) is False
    assert clock.slept == [1.05]


@pytest.mark.parametrize(("status", "error"), [(503, Unavailable), (507, DiskFull), (429, RateLimited)])
def test_a_retry_after_that_is_too_late_is_told_at_once(flavour: Flavour, status: int, error: type[SynapError]) -> None:
    clock = ManualClock()
    server = Script(not_now(status, "5", outcome="not_written"))
    with pytest.raises(error) as caught:
        flavour.call(flavour.client(handler=server, clock=clock), write)
    assert clock.slept == []
    assert caught.value.retry_after_s == 5


def test_a_retry_after_with_a_date_is_left_to_the_back_off(flavour: Flavour) -> None:
    clock = ManualClock()
    server = Script(not_now(503, "Fri, 01 Jan 2027 00:00:00 GMT"), answer("v"))
    assert flavour.call(flavour.client(handler=server, clock=clock), read) == "v"
    assert clock.slept == [0.05]


# --- what httpx is told, and says --------------------------------------------------------------------------


def test_the_phases_of_a_try_share_the_time(flavour: Flavour) -> None:
    """Each may take what those before it have left, and connecting no more than a second."""
    clock = ManualClock()
    seen = []

    def server(request: httpx.Request) -> httpx.Response:
        timeouts = request.extensions["timeout"]
        seen.append((timeouts.get("pool"), timeouts.get("connect")))
        clock.time_s += 1.5
        seen.append((timeouts.get("read"), timeouts.get("connect")))
        assert dict(timeouts) == {"connect": 0.5, "pool": 0.5, "write": 0.5, "read": 0.5}
        assert len(timeouts) == 4
        return answer("v")

    assert flavour.call(flavour.client(handler=server, clock=clock), read) == "v"
    assert seen == [(2.0, 1.0), (0.5, 0.5)]


def test_a_read_without_an_answer(flavour: Flavour) -> None:
    with pytest.raises(DeadlineExceeded) as caught:
        flavour.call(flavour.client(handler=Script(httpx.ReadTimeout(""))), read)
    assert caught.value.outcome is None


def test_no_connection_is_free(flavour: Flavour) -> None:
    with pytest.raises(DeadlineExceeded, match="in use") as caught:
        flavour.call(flavour.client(handler=Script(httpx.PoolTimeout(""))), write)
    assert caught.value.outcome == "not_written"


def test_a_body_that_trickles_is_cut_off(flavour: Flavour) -> None:
    clock = ManualClock()

    class Trickle(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self):  # type: ignore[no-untyped-def]
            for _ in range(1000):
                clock.time_s += 0.5
                yield b" "

        async def __aiter__(self):  # type: ignore[no-untyped-def]
            for each in self:
                yield each
                await anyio.lowlevel.checkpoint()

    client = flavour.client(handler=lambda _: httpx.Response(200, stream=Trickle()), clock=clock)
    with pytest.raises(DeadlineExceeded):
        flavour.call(client, read)
    assert clock.time_s - 1000 <= 3.0, "and a chunk or two while the read is cancelled"


def test_a_body_without_an_end_is_cut_off(flavour: Flavour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synap_sdk._shells.wire.RESPONSE_MAX_BYTES", 10)
    client = flavour.client(handler=lambda _: answer("a longer answer"), clock=ManualClock(), deadline_s=0.01)
    with pytest.raises(Disconnected, match="more than 10 bytes"):
        flavour.call(client, read)


def test_an_error_of_somebody_in_between(flavour: Flavour) -> None:
    client = flavour.client(handler=lambda _: httpx.Response(404, content=b"<h1>nginx</h1>"))
    with pytest.raises(NotFound, match="not by Synap") as caught:
        flavour.call(client, read)
    assert caught.value.type is None


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"error": 1, "type": 2}'])
def test_an_error_that_cannot_be_read(flavour: Flavour, body: bytes) -> None:
    response = httpx.Response(500, headers={"content-type": "application/json"}, content=body)
    with pytest.raises(ServerError, match="status 500") as caught:
        flavour.call(flavour.client(handler=Script(response)), read)
    assert caught.value.type is None
