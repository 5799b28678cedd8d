"""How a server ends when it is told to: in time, with what it owes answered, and the log sealed."""

import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.process.expectation import read_entries
from tests.process.harness import STOP_LIMIT_S, Server, wait_until

pytestmark = [pytest.mark.process]

_STOPPING = re.compile('"event": "stopping"')
_SLOW_CLIENT_S = 0.5
_SET = b'{"key": "late", "value": "but not too late"}'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    with Server(data) as server:
        yield server


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_cleanly(server: Server, data: Path, number: signal.Signals) -> None:
    with server.client() as client:
        client.set_all({"a": "1"})
        server.send_signal(number)
        assert server.exit_code(STOP_LIMIT_S) == 0
    entries, end = read_entries(data)
    assert end.sealed
    assert entries["a"].value == "1"
    assert "Traceback" not in server.output
    assert json.loads(server.lines[-1])["event"] == "stopped; everything is on the disk"


def test_finishes_a_request_under_way(server: Server, data: Path) -> None:
    """Half a request is there when the signal comes; the other half may take its time, and is still answered."""
    with closing(half_a_request(server)) as connection:
        server.send_signal(signal.SIGTERM)
        server.wait_for(_STOPPING)
        time.sleep(_SLOW_CLIENT_S)
        connection.send(_SET[10:])
        response = connection.getresponse()
        body = json.loads(response.read())
    assert server.exit_code(STOP_LIMIT_S) == 0
    entries, end = read_entries(data)
    assert end.sealed
    # Whether such a late write is still taken may be decided either way, but the client must be told which.
    assert (response.status == 200) == ("late" in entries)
    assert response.status == 200 or (response.status, body["outcome"]) == (503, "not_written")


def test_accepts_no_connection_after_the_signal(server: Server) -> None:
    with closing(half_a_request(server)):
        server.send_signal(signal.SIGTERM)
        server.wait_for(_STOPPING)
        # The sockets are closed within the same turn of the event loop that wrote the line, or the next.
        assert wait_until(lambda: not accepts(server))
    assert server.exit_code(STOP_LIMIT_S) == 0


def test_does_not_wait_for_clients_that_stall(server: Server, data: Path) -> None:
    """One reads nothing of its answer, one sends half a request, one sends nothing at all."""
    with server.client() as client:
        client.set_all({"large": "x" * 8_000_000})
    with (
        closing(socket.create_connection(("127.0.0.1", server.port))) as reads_nothing,
        closing(half_a_request(server)),
        closing(socket.create_connection(("127.0.0.1", server.port))),
    ):
        reads_nothing.sendall(b"GET /kv/get/large HTTP/1.1\r\nHost: synap\r\n\r\n")
        assert reads_nothing.recv(16).startswith(b"HTTP/1.1 200")
        assert server.stop() == 0
    assert read_entries(data)[1].sealed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(server: Server, data: Path, number: signal.Signals) -> None:
    with server.client() as client:
        client.set_all({"a": "1"})
    with closing(half_a_request(server)):
        server.send_signal(signal.SIGTERM)
        server.wait_for(_STOPPING)
        server.send_signal(number)
        server.exit_code(STOP_LIMIT_S / 2)
    assert "Traceback" not in server.output
    assert read_entries(data)[0]["a"].value == "1"


def accepts(server: Server) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port)).close()
    except ConnectionRefusedError:
        return False
    return True


def half_a_request(server: Server) -> HTTPConnection:
    """A connection on which a write was begun, and which the server has read from."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/health")
    assert connection.getresponse().read()
    connection.putrequest("POST", "/kv/set")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(_SET)))
    connection.endheaders(_SET[:10])
    with server.client() as other:
        # Answered after the above was read: the server takes sockets in the order in which they became readable.
        other.request("GET", "/health")
    return connection
