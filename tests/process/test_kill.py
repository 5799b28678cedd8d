"""SIGKILL at random moments under concurrent clients: what was acknowledged is there, to the version and the ms."""

import random
import time
from pathlib import Path

import pytest

from tests.process.clients import loaded, wait_for_answers
from tests.process.expectation import LostError, Namespace, read_entries
from tests.process.harness import MODULE, Server, StartError
from tests.process.saboteur import launcher

pytestmark = [pytest.mark.process]

CLIENTS = 8
ROUNDS = 30
SMALL_SEGMENTS = {"SYNAP_PERSISTENCE__WAL__MAX_SIZE_MB": "1"}


def test_nothing_acknowledged_is_lost(tmp_path: Path, seed: int, repetition: int) -> None:
    kill_again_and_again(tmp_path / "data", "always", ROUNDS, random.Random(f"{seed}/{repetition}"))


@pytest.mark.parametrize("mode", ["periodic", "never"])
def test_modes_that_sync_later_lose_nothing_to_a_kill(tmp_path: Path, seed: int, repetition: int, mode: str) -> None:
    """The kernel has what was acknowledged; only the machine's end could take it back."""
    kill_again_and_again(tmp_path / "data", mode, 4, random.Random(f"{seed}/{repetition}/{mode}"))


def kill_again_and_again(data: Path, mode: str, rounds: int, rng: random.Random) -> None:
    namespaces = [Namespace(f"client{number}:") for number in range(CLIENTS)]
    for _ in range(rounds):
        if rng.random() < 0.2:
            kill_while_starting(data, mode, rng)
        run_one_round(data, namespaces, rng, "--fsync", mode)
    with Server(data) as server, server.client() as client:
        for namespace in namespaces:
            namespace.check_served(client)
            assert namespace.acknowledged > rounds


def kill_while_starting(data: Path, mode: str, rng: random.Random) -> None:
    server = Server(data, "--fsync", mode, environment=SMALL_SEGMENTS)
    server.start()
    time.sleep(rng.uniform(0.3, 0.8))
    server.close()


def run_one_round(
    data: Path,
    namespaces: list[Namespace],
    rng: random.Random,
    *options: str,
    launcher: tuple[str, ...] = MODULE,
) -> None:
    """Start, check everything over HTTP, load, kill, check everything in the files."""
    with Server(data, *options, environment=SMALL_SEGMENTS, launcher=launcher) as server:
        with server.client() as client:
            for namespace in namespaces:
                namespace.check_served(client)
        with loaded(server, namespaces, rng):
            if launcher == MODULE:
                # The clients of a server that was caught wait for nothing any more.
                wait_for_answers(namespaces)
            time.sleep(rng.uniform(0.05, 0.7))
    found, _ = read_entries(data)
    for namespace in namespaces:
        namespace.check_stored(found)


# --- the checker must not be fooled -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sabotage", "evidence"),
    [
        ("acknowledge-first", "is missing|should not be there|has another value|has deadline|its deadline"),
        ("split-requests", "under way: POST /kv/mset"),
        ("longer-lives", "ms left at .*, but its deadline is|should not be there|is there, but its deadline was"),
    ],
    ids=["acknowledge-first", "split-requests", "longer-lives"],
)
def test_a_sabotaged_server_is_caught(tmp_path: Path, seed: int, sabotage: str, evidence: str) -> None:
    rng = random.Random(f"{seed}/{sabotage}")
    namespaces = [Namespace(f"client{number}:") for number in range(CLIENTS)]

    def twenty_rounds() -> None:
        for _ in range(20):
            run_one_round(tmp_path / "data", namespaces, rng, launcher=launcher(sabotage))

    with pytest.raises(LostError, match=evidence):
        twenty_rounds()


def test_a_flipped_bit_is_noticed_only_by_who_checks(tmp_path: Path) -> None:
    data = tmp_path / "data"
    value = "so short that it is not compressed"
    with Server(data, launcher=launcher("check-nothing")) as server, server.client() as client:
        client.set_all({"a": "first", "b": value, "c": "last"})
        server.stop()
    (segment,) = (data / "wal").iterdir()
    content = bytearray(segment.read_bytes())
    content[content.index(value.encode())] ^= 1
    segment.write_bytes(content)
    with pytest.raises(StartError, match="damaged at seq 2"), Server(data):
        pass
    with Server(data, launcher=launcher("check-nothing")) as server, server.client() as client:
        assert client.get("b") not in {value, None}
