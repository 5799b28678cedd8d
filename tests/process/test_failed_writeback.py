"""A disk that takes writes and then cannot keep them: fsync fails for real, and what it failed for is gone.

The image of the file system is sparse and lies on a disk that is then filled, so that the kernel finds no room when it
writes back what the page cache holds.
"""

import random
import re
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import pytest

from synap.errors import DamagedError
from tests.process.clients import check_served, check_stored, loaded, namespaces, wait_for_answers
from tests.process.disks import LoopDisk, loop_disk
from tests.process.expectation import LostError
from tests.process.harness import Client, Server, fill, small_disk, wait_until
from tests.process.saboteur import launcher

pytestmark = [pytest.mark.process, pytest.mark.mount]


class ThinDisk(NamedTuple):
    """A disk, and a file beside its image that can take all the room that the image has not used yet."""

    disk: LoopDisk
    ballast: Path


@pytest.fixture
def thin(tmp_path: Path, kind: str) -> Iterator[ThinDisk]:
    with small_disk(tmp_path / "small", "100m") as small, loop_disk(kind, tmp_path / "disk", small) as disk:
        ballast = small / "ballast"
        yield ThinDisk(disk, ballast)
        ballast.unlink(missing_ok=True)


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_sync_that_fails_ends_the_server_and_nothing_is_lost(thin: ThinDisk, seed: int) -> None:
    data = thin.disk.place / "data"
    clients = namespaces()
    with Server(data) as server, server.client() as observer, loaded(server, clients, random.Random(seed)):
        wait_for_answers(clients)
        server.doomed = True
        fill(thin.ballast)
        reasons = readiness_until_the_end(observer)
        assert server.exit_code() == 74
    # Where the journal's own writes failed first, the file system has become read-only: then it is write that fails.
    assert any(re.search("503 .*log failed: (fdatasync|write) gave an error", reason) for reason in reasons), reasons
    assert "Traceback" not in server.output
    thin.ballast.unlink()
    thin.disk.remount()
    check_stored(data, clients)
    with Server(data) as again:
        check_served(again, clients)


def readiness_until_the_end(observer: Client) -> list[str]:
    """Everything that ``/ready`` answered other than 200."""
    reasons = []

    def ended() -> bool:
        try:
            ready = observer.request("GET", "/ready")
        except (OSError, HTTPException):
            return True
        if ready.status != 200:
            reasons.append(f"{ready.status} {ready.body}")
        return False

    assert wait_until(ended)
    return reasons


@pytest.mark.parametrize("kind", ["xfs"])
def test_a_server_that_retries_is_caught(thin: ThinDisk, seed: int) -> None:
    """The second fdatasync returns success, for the kernel has given up the pages that the first could not write."""
    data = thin.disk.place / "data"
    clients = namespaces()
    with Server(data, launcher=launcher("retry-sync")) as server, loaded(server, clients, random.Random(seed)):
        wait_for_answers(clients)
        fill(thin.ballast)
        # No client is told of an error.
        time.sleep(0.5)
    thin.ballast.unlink()
    thin.disk.remount()
    with pytest.raises((LostError, DamagedError)):
        check_stored(data, clients)
