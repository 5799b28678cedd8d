"""A file system that hangs as a whole (fsfreeze) under load: writes wait for it, nothing else does, nothing is lost."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.process.clients import check_stored, loaded, namespaces, wait_for_answers
from tests.process.disks import LoopDisk, loop_disk
from tests.process.harness import Client, Server
from tests.process.saboteur import launcher

pytestmark = [pytest.mark.process, pytest.mark.mount]

STALLED_WITHIN_S = 20.0
"""When readiness must have noticed; it promises to after one second."""

ANSWERS_WITHIN_S = 2.0
"""As in ``test_hung_disk``; this one hangs until it is let go."""


@pytest.fixture
def disk(tmp_path: Path, kind: str) -> Iterator[LoopDisk]:
    with loop_disk(kind, tmp_path / "disk") as disk:
        yield disk


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_writes_wait_and_nothing_else(disk: LoopDisk, seed: int) -> None:
    data = disk.place / "data"
    clients = namespaces()
    with Server(data) as server, server.client() as reader:
        reader.set_all({"a": "1"})
        with loaded(server, clients, random.Random(seed)):
            wait_for_answers(clients)
            with disk.frozen():
                read_until_stalled(reader)
            # Those that waited are answered, and others after them.
            wait_for_answers(clients)
            assert reader.request("GET", "/ready").status == HTTPStatus.OK
        assert "Traceback" not in server.output
    check_stored(data, clients)


def read_until_stalled(reader: Client) -> None:
    """Read, until readiness says that the disk hangs; no answer may take its time."""
    started_s = asked_s = time.monotonic()
    stalled = False
    while not stalled:
        assert reader.get("a") == "1"
        ready = reader.request("GET", "/ready")
        stalled = ready.status == HTTPStatus.SERVICE_UNAVAILABLE and "disk stalled" in str(ready.body)
        answered_s = time.monotonic()
        assert answered_s - asked_s < ANSWERS_WITHIN_S
        assert answered_s - started_s < STALLED_WITHIN_S
        asked_s = answered_s


@pytest.mark.parametrize("kind", ["ext4"])
def test_a_server_that_waits_for_the_disk_is_caught(disk: LoopDisk) -> None:
    with (
        Server(disk.place / "data", launcher=launcher("sync-in-the-loop")) as server,
        server.client(ANSWERS_WITHIN_S) as reader,
        server.client() as writer,
        ThreadPoolExecutor(1) as thread,
    ):
        reader.set_all({"a": "1"})
        with disk.frozen():
            thread.submit(writer.set, "b", "2")
            with pytest.raises((AssertionError, TimeoutError)):
                read_until_stalled(reader)
