"""Power cuts at random moments under concurrent clients, on real file systems: what was acknowledged is there.

Unlike after a kill, what was not synced is gone. After each cut the file system is mounted anew, and holds what its
journal and its blocks really say.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from synap.errors import DataDirectoryError
from tests.process.clients import check_served, check_stored, loaded, namespaces
from tests.process.disks import LoopDisk, loop_disk
from tests.process.expectation import LostError, Namespace, read_entries
from tests.process.harness import MODULE, Client, Server
from tests.process.saboteur import launcher
from tests.process.shim import Shim

pytestmark = [pytest.mark.process, pytest.mark.mount]

ROUNDS = 3
SMALL_SEGMENTS = {"SYNAP_PERSISTENCE__WAL__MAX_SIZE_MB": "1"}
ROUNDS_TO_BE_CAUGHT = 5
INTERVAL_MS = 200
EACH_INTERVAL = {"SYNAP_PERSISTENCE__WAL__FSYNC_INTERVAL_MS": str(INTERVAL_MS)}

SYNC_MAX_S = 2.0
"""Far more than an fsync takes here, also on a machine that is busy with other tests."""

LOADED_S = INTERVAL_MS / 1000 + SYNC_MAX_S + 0.5
"""So long that who never syncs loses too much."""

both = pytest.mark.parametrize("kind", ["ext4", "xfs"])


@pytest.fixture
def disk(tmp_path: Path, kind: str) -> Iterator[LoopDisk]:
    with loop_disk(kind, tmp_path / "disk") as disk:
        yield disk


def run_one_round(
    disk: LoopDisk,
    clients: Sequence[Namespace],
    rng: random.Random,
    *,
    options: Sequence[str] = (),
    launcher: Sequence[str] = MODULE,
    environment: Mapping[str, str] = SMALL_SEGMENTS,
    also: Sequence[Callable[[Client], object]] = (),
) -> None:
    """Start, check everything over HTTP, load (as ``loaded`` does), cut the power, check everything in the files."""
    data = disk.place / "data"
    with Server(data, *options, environment=environment, launcher=launcher) as server:
        check_served(server, clients)
        with loaded(server, clients, rng, also):
            time.sleep(rng.uniform(0.05, 0.7))
            server.doomed = True
            # First, but without waiting for its end: what it had begun to sync is cut off, and nobody hears of it.
            server.send_signal(signal.SIGKILL)
            disk.cut_power()
    disk.restart()
    check_stored(data, clients)


@both
def test_nothing_acknowledged_is_lost(disk: LoopDisk, seed: int, repetition: int) -> None:
    rng = random.Random(f"{seed}/{repetition}")
    clients = namespaces()
    for _ in range(ROUNDS):
        run_one_round(disk, clients, rng)
    with Server(disk.place / "data") as server:
        check_served(server, clients)
    assert sum(each.acknowledged for each in clients) > ROUNDS


@both
def test_a_first_start_leaves_a_store_or_nothing(disk: LoopDisk, seed: int, repetition: int) -> None:
    rng = random.Random(f"{seed}/{repetition}")
    for number in range(2):
        data = disk.place / f"data{number}"
        server = Server(data)
        server.start()
        with closing(server):
            while not (data / "LOCK").exists() and server.running:
                pass  # From here on it makes the store, which takes some 5 ms.
            time.sleep(rng.uniform(0, 0.006))
            disk.cut_power()
        disk.restart()
        with Server(data) as again, again.client() as client:
            assert client.request("GET", "/kv/count?prefix=").field("count") == 0
            client.set_all({"a": "1"})
            assert again.stop() == 0


# --- modes that sync later -------------------------------------------------------------------------------


def cut_after_a_while(disk: LoopDisk, mode: str) -> None:
    """What is lost are the last writes, those of an interval and a sync."""
    data = disk.place / "data"
    acknowledged_s: list[float] = []
    with Server(data, "--fsync", mode, environment=EACH_INTERVAL) as server, server.client() as client:
        started_s = time.monotonic()
        while time.monotonic() < started_s + LOADED_S:
            client.set_all({f"{len(acknowledged_s)}": "x"})
            acknowledged_s.append(time.monotonic())
        disk.cut_power()
        cut_s = time.monotonic()
        server.kill()
    disk.restart()
    found, _ = read_entries(data)
    assert set(found) == {f"{number}" for number in range(len(found))}
    if len(found) < len(acknowledged_s):
        assert cut_s - acknowledged_s[len(found)] < INTERVAL_MS / 1000 + SYNC_MAX_S


@pytest.mark.parametrize("kind", ["ext4"])
def test_periodic_loses_an_interval_at_most(disk: LoopDisk) -> None:
    cut_after_a_while(disk, "periodic")


@pytest.mark.parametrize("kind", ["ext4"])
def test_a_server_that_does_not_keep_to_the_interval_is_caught(disk: LoopDisk) -> None:
    with pytest.raises(AssertionError):
        cut_after_a_while(disk, "never")


# --- the checker must not be fooled ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["xfs"])
def test_a_server_that_does_not_sync_is_caught(disk: LoopDisk, seed: int) -> None:
    assert_caught(disk, seed, partial(run_one_round, launcher=launcher("no-sync")))


@pytest.mark.parametrize("kind", ["ext4"])
def test_a_server_that_acknowledges_before_it_syncs_is_caught(disk: LoopDisk, seed: int) -> None:
    """What ``periodic`` may do, ``always`` must not."""
    assert_caught(disk, seed, partial(run_one_round, options=["--fsync", "periodic"], environment=EACH_INTERVAL))


@pytest.mark.parametrize("kind", ["ext4"])
def test_a_disk_that_lies_is_caught(disk: LoopDisk, shim_library: Path, tmp_path: Path, seed: int) -> None:
    """Its fdatasync returns 0 and does nothing. The server cannot know; the harness must."""
    shim = Shim(shim_library, disk.place, tmp_path)
    shim.arm("fdatasync", "lie", onwards=True)
    assert_caught(disk, seed, partial(run_one_round, environment=shim.environment))
    assert shim.done()


def assert_caught(
    disk: LoopDisk, seed: int, a_round: Callable[[LoopDisk, Sequence[Namespace], random.Random], None]
) -> None:
    """After one round that is as it should be, a few of these."""
    rng, clients = random.Random(seed), namespaces()
    run_one_round(disk, clients, rng)

    def some_rounds() -> None:
        for _ in range(ROUNDS_TO_BE_CAUGHT):
            a_round(disk, clients, rng)

    # What is missing may be so much that it is no log any more.
    with pytest.raises((LostError, DataDirectoryError)):
        some_rounds()
