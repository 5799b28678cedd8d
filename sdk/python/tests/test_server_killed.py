"""A store that is killed and started again under clients that go on: what they were told of each write is true."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from support import Flavour
from synap_sdk import AsyncClient, Client, OutcomeUnknown, SynapError
from tests.process.harness import Server, unused_port

pytestmark = pytest.mark.process


class Ledger:
    """What became of each write of one client: acknowledged, surely not written, or nobody knows."""

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self.not_written: set[str] = set()
        self.unknown: set[str] = set()

    @contextmanager
    def entry(self, key: str) -> Iterator[None]:
        """Take down what becomes of the write in the body."""
        try:
            yield
        except OutcomeUnknown:
            self.unknown.add(key)
        except SynapError as error:
            if error.outcome != "not_written":
                raise
            self.not_written.add(key)
        else:
            self.acknowledged.add(key)

    def check(self, stored: set[str]) -> None:
        """What the client was told is so."""
        assert self.acknowledged <= stored
        assert self.not_written & stored == set()
        assert stored <= self.acknowledged | self.unknown


def test_clients_that_go_on(tmp_path: Path) -> None:
    port, ledgers, data = unused_port(), [Ledger(), Ledger(), Ledger()], tmp_path / "data"
    with Server(data, "--port", str(port)) as server, writers(f"http://127.0.0.1:{port}", ledgers):
        let_them_write(ledgers)
        server.kill()
        for _ in range(2):
            with Server(data, "--port", str(port)) as next_server:
                let_them_write(ledgers)
                next_server.kill()
    with Server(data) as server, Client(f"http://127.0.0.1:{server.port}") as client:
        for number, ledger in enumerate(ledgers):
            ledger.check(set(client.kv.scan(f"{number}:")))
            assert len(ledger.acknowledged) >= 60
            assert len(ledger.unknown) <= 6, "for each kill the one under way, and one that a dying server still took"


@contextmanager
def writers(url: str, ledgers: list[Ledger]) -> Iterator[None]:
    """A client for each ledger, in threads and in a loop, that writes while the body runs."""
    stop = threading.Event()
    work = [write_on] * (len(ledgers) - 1) + [lambda *args: trio.run(write_on_in_loop, *args)]
    threads = [
        threading.Thread(target=target, args=(url, ledger, stop, number))
        for number, (target, ledger) in enumerate(zip(work, ledgers, strict=True))
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)


def let_them_write(ledgers: list[Ledger]) -> None:
    """Return when each client had 20 more writes acknowledged."""
    wanted = [len(ledger.acknowledged) + 20 for ledger in ledgers]
    limit_s = time.monotonic() + 60
    while any(len(ledger.acknowledged) < count for ledger, count in zip(ledgers, wanted, strict=True)):
        assert time.monotonic() < limit_s
        time.sleep(0.01)


def write_on(url: str, ledger: Ledger, stop: threading.Event, number: int) -> None:
    """One write after the other, whatever becomes of the server."""
    with Client(url) as client:
        count = 0
        while not stop.is_set():
            key, count = f"{number}:{count}", count + 1
            with ledger.entry(key):
                client.kv.set(key, key)


async def write_on_in_loop(url: str, ledger: Ledger, stop: threading.Event, number: int) -> None:
    """As ``write_on``, in trio."""
    async with AsyncClient(url) as client:
        count = 0
        while not stop.is_set():
            key, count = f"{number}:{count}", count + 1
            with ledger.entry(key):
                await client.kv.set(key, key)


def test_a_restart_between_two_calls(tmp_path: Path, flavour: Flavour) -> None:
    """The connection that was kept is dead, and the server back: the caller notices nothing."""
    port = unused_port()
    client = flavour.client(f"http://127.0.0.1:{port}", deadline_s=20.0)
    with Server(tmp_path / "data", "--port", str(port)):
        flavour.call(client, lambda it: it.kv.set("k", "v"))
    with Server(tmp_path / "data", "--port", str(port)):
        assert flavour.call(client, lambda it: it.kv.get("k")) == "v"
    with Server(tmp_path / "data", "--port", str(port)):
        assert flavour.call(client, lambda it: it.kv.set("k", "w")).written
