"""A disk that hangs holds up the writes, and nothing else."""

import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.process.harness import Client, Server, wait_until
from tests.process.tracing import Tracer

pytestmark = [pytest.mark.process, pytest.mark.strace, pytest.mark.usefixtures("strace")]

HANGS_FOR_S = 4.0
ANSWERS_WITHIN_S = 2.0
"""Far more than a read takes, also on a machine that is busy with other tests; far less than the disk hangs."""


def test_reads_go_on_while_the_disk_hangs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Server(data) as server, server.client() as client:
        client.set_all({"a": "1"})
        assert server.stop() == 0
    with Server(data) as server, server.client() as writer, server.client() as reader:
        fault = f"fdatasync:delay_enter={HANGS_FOR_S * 1_000_000:.0f}:when=1"
        with Tracer(server.pid, "fdatasync", fault), ThreadPoolExecutor(1) as thread:
            started_s = time.monotonic()
            writing = thread.submit(timed_set, writer)
            slowest_s, saw_stall, reads = 0.0, False, 0
            while not writing.done():
                asked_s = time.monotonic()
                assert reader.get("a") == "1"
                # Nobody sees what is not on the disk yet.
                assert reader.get("b") is None or time.monotonic() - started_s > HANGS_FOR_S
                ready = reader.request("GET", "/ready")
                slowest_s = max(slowest_s, time.monotonic() - asked_s)
                saw_stall |= ready.status == HTTPStatus.SERVICE_UNAVAILABLE and "disk stalled" in str(ready.body)
                reads += 1
            assert writing.result() > HANGS_FOR_S - ANSWERS_WITHIN_S
        assert reads > 10
        assert slowest_s < ANSWERS_WITHIN_S
        assert saw_stall
        assert wait_until(lambda: reader.request("GET", "/ready").status == HTTPStatus.OK)
        assert reader.get("b") == "2"
        assert "Traceback" not in server.output


def timed_set(client: Client) -> float:
    """How long a write took, seconds."""
    started_s = time.monotonic()
    client.set_all({"b": "2"})
    return time.monotonic() - started_s
