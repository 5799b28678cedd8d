"""No file descriptor is left: connections wait; the log, which cannot begin its next segment, ends the server."""

import random
import resource
from pathlib import Path

import pytest

from tests.process.clients import LARGE_VALUE_BYTES, check_served, check_stored, loaded, namespaces
from tests.process.harness import Client, Server, wait_until

pytestmark = [pytest.mark.process]

SMALL_SEGMENTS = {"SYNAP_PERSISTENCE__WAL__MAX_SIZE_MB": "1"}


def allow_descriptors(server: Server, count: int) -> int:
    """Set the limit, which says nothing of the descriptors that are there; return what it was."""
    before, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (count, hard))
    return before


def test_no_descriptor_for_a_segment(tmp_path: Path, seed: int) -> None:
    data = tmp_path / "data"
    rng = random.Random(seed)
    clients = namespaces()

    def use_up_segments(client: Client) -> None:
        client.set("large", rng.randbytes(LARGE_VALUE_BYTES // 2).hex())

    with Server(data, environment=SMALL_SEGMENTS) as server:
        with loaded(server, clients, rng, [use_up_segments]):
            assert wait_until(lambda: len(list((data / "wal").iterdir())) > 1)
            server.doomed = True
            allow_descriptors(server, 0)
            assert server.exit_code() == 74
        assert "Too many open files" in server.lines[-1]
        assert "Traceback" not in server.output
    check_stored(data, clients)
    with Server(data) as server:
        check_served(server, clients)


def test_no_descriptor_for_a_connection(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server, server.client() as client, server.client() as late:
        client.set_all({"a": "1"})
        before = allow_descriptors(server, 0)
        # The kernel makes the connection, and the server finds it waiting.
        late.send("GET", "/health")
        client.set_all({"b": "2"})
        assert client.get_all(["a", "b"]) == {"a": "1", "b": "2"}
        allow_descriptors(server, before)
        assert late.receive().status == 200
        assert server.stop() == 0
