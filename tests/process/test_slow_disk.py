"""A disk that takes long to sync: nobody is told before it is over, and one sync is for all who waited for it."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.process.harness import Server
from tests.process.shim import Shim

pytestmark = [pytest.mark.process]

WRITERS = 16
SYNC_S = 0.4


def write_at_once(shim: Shim, data: Path, mode: str) -> None:
    shim.disarm()
    keys = [f"key{number}" for number in range(WRITERS)]
    with (
        Server(data, "--fsync", mode, environment=shim.environment) as server,
        ThreadPoolExecutor(WRITERS) as threads,
        server.client() as reader,
    ):
        reader.set_all({"before": "1"})
        shim.arm("fdatasync", "slow", onwards=True, argument=int(SYNC_S * 1000))
        started_s = time.monotonic()
        writing = [threads.submit(timed_set, server, key) for key in keys]
        while not any(each.done() for each in writing):
            # Who saw it could act on what a power cut may take back.
            assert not reader.get_all(keys) or time.monotonic() > started_s + SYNC_S
        assert all(each.result() >= SYNC_S for each in writing)
        # One for who came first and one for all who came meanwhile; on a busy machine, some connect later.
        assert len(shim.done()) <= WRITERS / 2


def timed_set(server: Server, key: str) -> float:
    """How long a write took, seconds."""
    with server.client() as client:
        started_s = time.monotonic()
        client.set_all({key: "x"})
        return time.monotonic() - started_s


def test_nobody_is_told_before_the_sync_is_over(shim: Shim, tmp_path: Path) -> None:
    write_at_once(shim, tmp_path / "data", "always")


def test_a_server_that_acknowledges_before_it_syncs_is_caught(shim: Shim, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        write_at_once(shim, tmp_path / "data", "never")
