"""No memory is left: however the process ends, or refuses, it is as after a crash: nothing acknowledged is lost."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.process.expectation import read_entries
from tests.process.harness import MODULE, Server
from tests.process.memory import LIMITS
from tests.process.saboteur import launcher

pytestmark = [pytest.mark.process]

CLIENTS = 4
ROOM_BYTES = 24 * 1024 * 1024
REFUSALS_ENOUGH = 50


class Hoarder:
    """A client that stores ever more; it knows what was acknowledged, and what was refused for certain."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.written: dict[str, str] = {}
        self.refused: set[str] = set()
        self._name = name
        self._rng = rng

    def hoard(self, server: Server) -> None:
        """Until the server is gone, or has refused often enough."""
        failures = 0
        while server.running and failures < REFUSALS_ENOUGH:
            try:
                with server.client() as client:
                    for key, value in self._entries():
                        reply = client.set(key, value)
                        if reply.status == 200:
                            self.written[key] = value
                            continue
                        failures += 1
                        # Where there was no memory for a sentence either, nothing is known.
                        if reply.body is not None and reply.field("outcome") == "not_written":
                            self.refused.add(key)
            except (OSError, HTTPException):
                failures += 1

    def _entries(self) -> Iterator[tuple[str, str]]:
        for _ in range(1000):
            yield f"{self._name}:{self._rng.random()}", self._rng.randbytes(self._rng.randrange(50, 100_000)).hex()


def hoard_until_the_end(data: Path, seed: int, limit: str, launcher: tuple[str, ...] = MODULE) -> None:
    hoarders = [Hoarder(f"client{number}", random.Random(f"{seed}/{number}")) for number in range(CLIENTS)]
    with Server(data, launcher=launcher) as server:
        with LIMITS[limit](server.pid, ROOM_BYTES):
            with ThreadPoolExecutor(CLIENTS) as threads:
                list(threads.map(lambda hoarder: hoarder.hoard(server), hoarders))
            server.close()
        assert server.exit_code() != 0
    found, _ = read_entries(data)
    for hoarder in hoarders:
        assert hoarder.written.items() <= {key: entry.value for key, entry in found.items()}.items()
        assert hoarder.refused.isdisjoint(found)
    assert sum(len(hoarder.written) for hoarder in hoarders) > 0
    with Server(data) as server, server.client() as client:
        assert client.request("GET", "/kv/count?prefix=client").field("count") == len(found)
        assert server.stop() == 0


@pytest.mark.parametrize("limit", LIMITS)
def test_nothing_acknowledged_is_lost(tmp_path: Path, seed: int, limit: str) -> None:
    hoard_until_the_end(tmp_path / "data", seed, limit)


def test_a_server_that_keeps_writes_in_memory_is_caught(tmp_path: Path, seed: int) -> None:
    with pytest.raises(AssertionError):
        hoard_until_the_end(tmp_path / "data", seed, "control group", launcher("write-behind"))
