"""A store that is not there, is another program, or hangs: the client says so in time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio

from sockets import Speaker
from support import FLAVOURS, Flavour
from synap_sdk import (
    AsyncClient,
    DeadlineExceeded,
    OutcomeUnknown,
    SynapError,
    TransportError,
    UnexpectedResponse,
    Unreachable,
)
from tests.process.harness import unused_port

# A SynapClient is one of the others at each call; what takes two seconds need not be seen twice.
each_side = pytest.mark.parametrize("flavour", FLAVOURS[:3], ids=lambda flavour: flavour.name)

SPARE_S = 5.0
"""What a busy machine may add to a deadline; without one, each of these would take far longer."""


@contextmanager
def takes(low_s: float, high_s: float) -> Iterator[None]:
    """The body takes so long."""
    started_s = time.monotonic()
    yield
    assert low_s <= time.monotonic() - started_s <= high_s


def read(client: Any) -> Any:
    return client.kv.get("k")


def write(client: Any) -> Any:
    return client.kv.set("k", "v")


# --- not there, or somebody else ---------------------------------------------------------------------------


@each_side
@pytest.mark.parametrize("operate", [read, write])
def test_nobody_listens(flavour: Flavour, operate: Callable[[Any], Any]) -> None:
    client = flavour.client(f"http://localhost:{unused_port()}")
    with takes(1.0, 2.0 + SPARE_S), pytest.raises(Unreachable) as caught:
        flavour.call(client, operate)
    assert caught.value.attempts > 3
    assert isinstance(caught.value, ConnectionError)


def test_no_such_host(flavour: Flavour) -> None:
    client = flavour.client("http://synap.invalid:15500", deadline_s=0.2)
    with pytest.raises(Unreachable):
        flavour.call(client, read)


def test_another_program_answers(flavour: Flavour) -> None:
    page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\r\nhello"
    with Speaker(page) as server, pytest.raises(UnexpectedResponse, match="text/html"):
        flavour.call(flavour.client(server.url), read)


@pytest.mark.parametrize(("operate", "error"), [(read, TransportError), (write, OutcomeUnknown)])
def test_another_protocol(flavour: Flavour, operate: Callable[[Any], Any], error: type[SynapError]) -> None:
    with Speaker(b"220 mail.test ESMTP\r\n", hang_up=True) as server, pytest.raises(error):
        flavour.call(flavour.client(server.url, deadline_s=0.3), operate)


# --- there, but silent -------------------------------------------------------------------------------------


@each_side
@pytest.mark.parametrize(("operate", "error"), [(read, DeadlineExceeded), (write, OutcomeUnknown)])
def test_a_server_that_hangs(flavour: Flavour, operate: Callable[[Any], Any], error: type[SynapError]) -> None:
    with Speaker() as server:
        client = flavour.client(server.url)
        with takes(1.9, 2.0 + SPARE_S), pytest.raises(error):
            flavour.call(client, operate)
        assert len(server.requests) == 1


def test_an_answer_that_stops_in_the_middle(flavour: Flavour) -> None:
    half = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"half'
    with Speaker(half) as server:
        client = flavour.client(server.url, deadline_s=0.5)
        with takes(0.4, 0.5 + SPARE_S), pytest.raises(DeadlineExceeded):
            flavour.call(client, read)


def test_an_answer_that_breaks_off(flavour: Flavour) -> None:
    half = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"half'
    with Speaker(half, hang_up=True) as server:
        with pytest.raises(OutcomeUnknown, match="broke"):
            flavour.call(flavour.client(server.url), write)
        with pytest.raises(TransportError):
            flavour.call(flavour.client(server.url, deadline_s=0.2), read)


def test_a_body_that_is_not_taken(flavour: Flavour) -> None:
    """The request is larger than what all buffers between here and a reader that stopped reading can hold."""
    with Speaker() as server:
        client = flavour.client(server.url, deadline_s=0.5)
        with takes(0.4, 0.5 + SPARE_S), pytest.raises(OutcomeUnknown):
            flavour.call(client, lambda it: it.kv.set("k", "v" * 30_000_000))


def test_one_hanging_call_holds_up_no_other() -> None:
    """In an event loop, and over connections of their own."""

    async def work() -> float:
        async with AsyncClient(server.url, deadline_s=1.0) as client, trio.open_nursery() as nursery:
            started_s = trio.current_time()
            for _ in range(20):
                nursery.start_soon(hang, client)
        return trio.current_time() - started_s

    async def hang(client: AsyncClient) -> None:
        with pytest.raises(DeadlineExceeded):
            await client.kv.get("k")

    with Speaker() as server:
        assert trio.run(work) < 1.0 + SPARE_S
