"""A watch over a store that is killed again and again under load: every event once, each acknowledged write too."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from synap_sdk import AsyncClient, Change, Client, OutcomeUnknown, SynapError
from tests.process.harness import Server, unused_port, wait_until

pytestmark = pytest.mark.process

LIMIT_S = 60.0
"""How long anything may take on a busy machine before the test gives up."""

KILLS = 3
WRITERS = 4
WRITES_BETWEEN_KILLS = 30
"""Of each writer, acknowledged."""

END = "end"
"""The key that is set last; whoever sees it has seen everything."""


class Writer:
    """One client that writes all the time. ``written`` is what was acknowledged, by the number of its event."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.written: dict[int, tuple[str, object]] = {}
        self.unknown = 0
        self._prefix, self._rng = f"{number}:", rng

    def work(self, url: str, stop: threading.Event) -> None:
        with Client(url) as client:
            while not stop.is_set():
                try:
                    self._write(client)
                except OutcomeUnknown:
                    self.unknown += 1
                except SynapError as error:
                    if error.outcome != "not_written":
                        raise

    def _write(self, client: Client) -> None:
        """Mostly sets, of which each says its number; some that expire soon, and some that are removed."""
        key = f"{self._prefix}{self._rng.randrange(50)}"
        chance = self._rng.random()
        if chance < 0.1:
            client.kv.delete(key)
        elif chance < 0.12:
            client.kv.delete_prefix(f"{self._prefix}1")
        else:
            value = self._rng.randbytes(8).hex()
            written = client.kv.set(key, value, ttl=0.3 if chance < 0.3 else None)
            self.written[written.version] = key, value


class Watcher:
    """What one watch saw, until the last key; ``error`` is what ended it before that."""

    def __init__(self, watch: Callable[["Watcher"], None]) -> None:
        self.seen: list[Change] = []
        self.error: BaseException | None = None
        self._watch = watch
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def take(self, change: Change) -> bool:
        """Keep a change; whether it was the last."""
        self.seen.append(change)
        return change.key == END

    def join(self) -> None:
        """Wait until it has seen the last."""
        self.thread.join(LIMIT_S)
        assert not self.thread.is_alive(), f"it waits, behind {self.seen[-1:]}"
        assert self.error is None

    def _run(self) -> None:
        try:
            self._watch(self)
        except BaseException as error:
            self.error = error
            raise


# A watch that was never open gives up after the usual deadline; these may begin while the store is away.


def blocking(url: str, **options: Any) -> Watcher:
    def watch(watcher: Watcher) -> None:
        with Client(url, deadline_s=LIMIT_S) as client, client.watch(values=True, **options) as changes:
            assert any(watcher.take(change) for change in changes)

    return Watcher(watch)


def awaited(url: str, **options: Any) -> Watcher:
    async def watch(watcher: Watcher) -> None:
        async with AsyncClient(url, deadline_s=LIMIT_S) as client, client.watch(values=True, **options) as changes:
            async for change in changes:
                if watcher.take(change):
                    return

    return Watcher(lambda watcher: trio.run(watch, watcher))


@pytest.mark.parametrize("seed", [4])
def test_no_gap_and_no_repeat(tmp_path: Path, seed: int) -> None:
    """One watch in a thread, one in a loop, one under a quiet prefix, and one that comes back after the first crash."""
    port, data, rng = unused_port(), tmp_path / "data", random.Random(seed)
    url = f"http://127.0.0.1:{port}"
    writers = [Writer(number, random.Random(rng.random())) for number in range(WRITERS)]
    watchers = [blocking(url, after=0), awaited(url, after=0), awaited(url, after=0, prefix="e")]
    with working(writers, url):
        serve_and_kill(data, port, writers)
        middle = min(max(writer.written) for writer in writers)
        watchers.append(blocking(url, after=middle))
        for _ in range(1, KILLS):
            serve_and_kill(data, port, writers)
    with Server(data, "--port", str(port)), Client(url) as client:
        last = client.kv.set(END, END).version
        for watcher in watchers:
            watcher.join()
    acknowledged = {seq: write for writer in writers for seq, write in writer.written.items()}
    assert len(acknowledged) >= KILLS * WRITERS * WRITES_BETWEEN_KILLS
    for watcher, first in zip(watchers, (1, 1, last, middle + 1), strict=True):
        check(watcher, first, last, acknowledged)


def serve_and_kill(data: Path, port: int, writers: list[Writer]) -> None:
    """One life of the store, under load to its end."""
    with Server(data, "--port", str(port)) as server:
        let_them_write(writers)
        server.kill()


def check(watcher: Watcher, first: int, last: int, acknowledged: dict[int, tuple[str, object]]) -> None:
    """Each number once, in their order; and each write that was acknowledged is what has its number."""
    assert [change.seq for change in watcher.seen] == list(range(first, last + 1))
    seen = {change.seq: (change.key, change.value) for change in watcher.seen}
    expected = {seq: write for seq, write in acknowledged.items() if seq >= first}
    assert {seq: seen[seq] for seq in expected} == expected
    if first == 1:
        assert {"set", "deleted", "prefix_deleted", "expired"} <= {change.cause for change in watcher.seen}


@contextmanager
def working(writers: list[Writer], url: str) -> Iterator[None]:
    """While the body runs, all of them write."""
    stop = threading.Event()
    threads = [threading.Thread(target=writer.work, args=(url, stop)) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(LIMIT_S)


def let_them_write(writers: list[Writer]) -> None:
    """Return when each had some more writes acknowledged."""
    wanted = [len(writer.written) + WRITES_BETWEEN_KILLS for writer in writers]
    assert wait_until(
        lambda: all(len(writer.written) >= count for writer, count in zip(writers, wanted, strict=True)), LIMIT_S
    )
