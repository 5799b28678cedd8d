"""A process that is stopped for a while (SIGSTOP) and goes on: what came due meanwhile is gone, and nothing else."""

import random
import signal
import time
from pathlib import Path

import pytest

from tests.process.clients import check_stored, loaded, namespaces, set_until, wait_for_answers
from tests.process.expectation import LostError, Namespace, Span, check_presence, now_ms
from tests.process.harness import Client, Server
from tests.process.saboteur import launcher

pytestmark = [pytest.mark.process]

SESSIONS = 60


def stop_and_go_on(server: Server, client: Client, namespace: Namespace, rng: random.Random, stopped_s: float) -> None:
    """Sessions end before, while and after the process is stopped; what it answers first must be right already."""
    for number in range(SESSIONS):
        deadline_ms = now_ms() + rng.randrange(100, int(stopped_s * 2000))
        namespace.perform(client, set_until(f"{namespace.prefix}{number}", "x", deadline_ms))
    server.send_signal(signal.SIGSTOP)
    try:
        time.sleep(stopped_s)
        # The kernel takes it; the server finds it when it wakes.
        client.send("GET", f"/kv/keys?pattern={namespace.prefix}*")
    finally:
        woken_ms = now_ms()
        server.send_signal(signal.SIGCONT)
    listed = client.receive().field("keys")
    assert isinstance(listed, list)
    check_presence(namespace.entries, set(listed), Span(woken_ms, now_ms()))
    namespace.check_served(client)


def test_time_passes_while_it_is_stopped(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    namespace = Namespace("session:")
    with Server(tmp_path / "data") as server, server.client() as client:
        stop_and_go_on(server, client, namespace, rng, 2.0)
        assert client.metric("synap_clock_steps_total") == 0
        assert server.stop() == 0


def test_a_server_that_is_stopped_under_load_loses_nothing(tmp_path: Path, seed: int) -> None:
    data = tmp_path / "data"
    clients = namespaces()
    with Server(data) as server, loaded(server, clients, random.Random(seed)):
        for _ in range(3):
            server.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            server.send_signal(signal.SIGCONT)
            wait_for_answers(clients)
    check_stored(data, clients)


def test_a_server_that_looks_at_the_clock_seldom_is_caught(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)

    def ten_times(server: Server, client: Client) -> None:
        for number in range(10):
            stop_and_go_on(server, client, Namespace(f"{number}:"), rng, 0.2)

    with (
        Server(tmp_path / "data", launcher=launcher("look-at-the-clock-seldom")) as server,
        server.client() as client,
        pytest.raises(LostError, match="is there, but its deadline was"),
    ):
        ten_times(server, client)
