"""System calls of the running server that fail: what the client is told, that nothing is tried twice, what is left."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.process.harness import Client, Server
from tests.process.saboteur import launcher
from tests.process.tracing import Tracer

pytestmark = [pytest.mark.process, pytest.mark.strace, pytest.mark.usefixtures("strace")]

BEFORE = {"a": "1", "b": "2"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A store with something in it. A server that only just started on it has nothing to write of its own accord."""
    data = tmp_path / "data"
    with Server(data) as server, server.client() as client:
        client.set_all(BEFORE)
        assert server.stop() == 0
    return data


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    with Server(data) as server:
        yield server


def segment(server: Server) -> Path:
    return max((server.data / "wal").glob("*.wal"))


def trace(server: Server, *faults: str) -> Tracer:
    """Faults in what the server does with its active segment."""
    return Tracer(server.pid, "write,fdatasync,ftruncate,close", *faults, paths=[segment(server)])


def assert_ends_for_good(server: Server, client: Client, tracer: Tracer, failing: str) -> None:
    """One write whose outcome is unknown; the end of the process; and no call on the file after the one that failed."""
    with server.client() as reader:
        reply = client.set("c", "3")
        assert reply.status == 500, reply
        assert (reply.field("type"), reply.field("outcome")) == ("log_failed", "unknown")
        assert "unknown" in str(reply.field("error"))
        assert_not_ready(reader)
        assert reader.get("a") == "1"
        assert reader.get("c") is None
    assert server.exit_code() == 74
    # It has written all down when it has ended as well.
    tracer.close()
    calls = [line.partition("(")[0].split()[-1] for line in tracer.record()]
    assert calls.count(failing) == 1
    assert set(calls[calls.index(failing) + 1 :]) <= {"close"}
    assert "Traceback" not in server.output
    assert server.lines[-1].startswith("synap: ")


def assert_not_ready(client: Client) -> None:
    ready = client.request("GET", "/ready")
    assert ready.status == 503
    assert "log failed" in str(ready.body)
    refused = client.set("d", "4")
    assert (refused.status, refused.field("outcome")) == (503, "not_written")


def assert_recovers(data: Path) -> None:
    with Server(data) as server, server.client() as client:
        assert client.get_all(list(BEFORE)) == BEFORE
        assert client.get("c") in {"3", None}
        assert client.get("d") is None
        client.set_all({"e": "5"})
        assert server.stop() == 0


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EDQUOT"])
def test_a_failed_fdatasync_is_final(server: Server, data: Path, error: str) -> None:
    with server.client() as client, trace(server, f"fdatasync:error={error}") as tracer:
        assert_ends_for_good(server, client, tracer, "fdatasync")
    assert_recovers(data)


@pytest.mark.parametrize("error", ["EIO", "EROFS"])
def test_a_failed_write_is_final(server: Server, data: Path, error: str) -> None:
    with server.client() as client, trace(server, f"write:error={error}") as tracer:
        assert_ends_for_good(server, client, tracer, "write")
    assert_recovers(data)


def test_a_failed_ftruncate_is_final(server: Server, data: Path) -> None:
    with server.client() as client, trace(server, "write:error=ENOSPC", "ftruncate:error=EIO") as tracer:
        assert_ends_for_good(server, client, tracer, "ftruncate")
    assert_recovers(data)


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT"])
def test_no_room_is_a_pause(server: Server, data: Path, error: str) -> None:
    with server.client() as client:
        with trace(server, f"write:error={error}"):
            for _ in range(3):
                reply = client.set("c", "3")
                assert (reply.status, reply.field("outcome")) == (507, "not_written")
                assert client.get("a") == "1"
        client.set_all({"c": "3"})
        assert server.stop() == 0
    with Server(data) as again, again.client() as client:
        assert client.get_all([*BEFORE, "c"]) == {**BEFORE, "c": "3"}


def test_a_failed_fdatasync_of_a_tick_is_final(server: Server, data: Path) -> None:
    """No client waits for the empty frame after idleness; but after its failure, too, nothing is known any more."""
    with server.client() as client, trace(server, "fdatasync:error=EIO:when=2") as tracer:
        client.set_all({"c": "3"})
        assert server.exit_code() == 74
    assert len([line for line in tracer.record() if "fdatasync(" in line]) == 2
    with Server(data) as again, again.client() as client:
        assert client.get_all([*BEFORE, "c"]) == {**BEFORE, "c": "3"}


def test_a_client_that_reads_nothing_does_not_keep_a_failed_server_alive(server: Server) -> None:
    with server.client() as client:
        client.set_all({"large": "x" * 8_000_000})
        with closing(socket.create_connection(("127.0.0.1", server.port))) as stalled:
            stalled.sendall(b"GET /kv/get/large HTTP/1.1\r\nHost: synap\r\n\r\n")
            assert stalled.recv(16).startswith(b"HTTP/1.1 200")
            with trace(server, "fdatasync:error=EIO"):
                assert client.set("c", "3").status == 500
                assert server.exit_code() == 74


def test_a_stop_that_cannot_sync_says_so(server: Server, data: Path) -> None:
    with server.client() as client, trace(server, "fdatasync:error=EIO:when=2+") as tracer:
        client.set_all({"c": "3"})
        assert server.stop() == 74
    assert len([line for line in tracer.record() if "fdatasync(" in line]) == 2
    assert_recovers(data)


def test_a_server_that_retries_is_caught(data: Path) -> None:
    with (
        Server(data, launcher=launcher("retry-sync")) as server,
        server.client() as client,
        trace(server, "fdatasync:error=EIO:when=1") as tracer,
        pytest.raises(AssertionError, match="200"),
    ):
        assert_ends_for_good(server, client, tracer, "fdatasync")
