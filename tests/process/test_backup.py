"""Backups, verification and restored stores, beside a real server that writes, rotates, takes snapshots and trims."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.process.harness import Server, clean_environment, run

pytestmark = [pytest.mark.process]

BUSY = {
    "SYNAP_PERSISTENCE__WAL__MAX_SIZE_MB": "1",
    "SYNAP_PERSISTENCE__SNAPSHOT__LOG_SIZE_MB": "1",
    "SYNAP_PERSISTENCE__SNAPSHOT__OPERATION_THRESHOLD": "50",
}
"""Segments of 1 MiB, and a snapshot every second, after which the segments before the last but one go."""

WRITERS = 4
KEYS = 20


class Writer:
    """Counts under its own keys, in turn; ``acknowledged`` is the last number whose write was answered."""

    def __init__(self, name: str, server: Server) -> None:
        self.name = name
        self.acknowledged = 0
        self._server = server
        self._random = random.Random(name)

    def run(self, stop: threading.Event) -> None:
        with self._server.client() as client:
            while not stop.is_set():
                number = self.acknowledged + 1
                filling = self._random.randbytes(4000).hex()
                reply = client.set(self._key(number), f"{number}:{filling}")
                assert reply.status == 200, reply
                self.acknowledged = number

    def check(self, server: Server, at_least: int) -> None:
        """A copy has some state that there was, not before ``at_least``: every key its last number until then."""
        keys = [self._key(number) for number in range(KEYS)]
        with server.client() as client:
            found = {key: int(str(value).split(":", maxsplit=1)[0]) for key, value in client.get_all(keys).items()}
        last = max(found.values(), default=0)
        assert last >= at_least
        expected = {self._key(number): number for number in range(max(1, last - KEYS + 1), last + 1)}
        assert found == expected

    def _key(self, number: int) -> str:
        return f"{self.name}:{number % KEYS}"


@contextmanager
def busy(data: Path) -> Iterator[tuple[Server, list[Writer]]]:
    """A server under load."""
    stop = threading.Event()
    with Server(data, environment=BUSY) as server:
        writers = [Writer(f"writer{number}", server) for number in range(WRITERS)]
        threads = [threading.Thread(target=writer.run, args=[stop]) for writer in writers]
        for thread in threads:
            thread.start()
        try:
            yield server, writers
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def synap(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-m", "synap", *map(str, arguments)])


def names(data: Path, pattern: str) -> set[str]:
    return {path.name for path in data.glob(pattern)}


def test_a_copy_has_everything_acknowledged_before_it_was_begun(tmp_path: Path) -> None:
    data = tmp_path / "data"
    copies: list[tuple[Path, list[int]]] = []
    first = "00000000000000000001.wal"
    with busy(data) as (_, writers):
        while len(copies) < 6 or first in names(data, "wal/*.wal"):
            before = [writer.acknowledged for writer in writers]
            to = tmp_path / f"copy{len(copies)}"
            ended = synap("backup", data, to)
            assert (ended.returncode, ended.stderr) == (0, ""), ended
            copies.append((to, before))
            assert len(copies) < 50, "nothing was trimmed"
    assert any(names(to, "snapshot/*.snap") for to, _ in copies)
    for to, before in copies:
        checked = synap("verify", to)
        assert checked.returncode == 0, checked
        with Server(to) as server:
            for writer, at_least in zip(writers, before, strict=True):
                writer.check(server, at_least)
            assert server.stop() == 0


def test_a_directory_is_verified_while_a_server_writes_to_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with busy(data):
        for _ in range(6):
            ended = synap("verify", data)
            # At worst, a frame was being written.
            assert ended.returncode in {0, 1}, ended
    assert synap("verify", data).returncode in {0, 1}


def test_a_backup_that_is_killed_is_no_store_and_can_be_done_again(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    data, to = tmp_path / "data", tmp_path / "copy"
    with busy(data) as (_, writers):
        time.sleep(1)
        # Killed at any moment of it, or just too late, however slow the machine is.
        started_s = time.monotonic()
        assert synap("backup", data, tmp_path / "whole").returncode == 0
        takes_s = time.monotonic() - started_s
        interrupted = 0
        for _ in range(20):
            process = subprocess.Popen(  # noqa: S603  # our own command line
                [sys.executable, "-m", "synap", "backup", str(data), str(to)],
                env=clean_environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(rng.uniform(0, 1.5 * takes_s))
            process.send_signal(rng.choice([signal.SIGKILL, signal.SIGINT]))
            process.wait(20)
            if (to / "STORE").exists():
                break
            if (to / "STORE.unfinished").exists():
                interrupted += 1
                refused = synap("serve", "--port", "0", "--data-dir", to)
                assert (refused.returncode, "is no store yet" in refused.stderr) == (73, True)
        before = [writer.acknowledged for writer in writers]
        if not (to / "STORE").exists():
            assert synap("backup", data, to).returncode == 0
        else:
            before = [0] * WRITERS
    assert interrupted > 0 or before == [0] * WRITERS
    with Server(to) as server:
        for writer, at_least in zip(writers, before, strict=True):
            writer.check(server, at_least)


def test_a_server_goes_on_from_what_was_restored_or_imported(tmp_path: Path) -> None:
    data, restored, imported = tmp_path / "data", tmp_path / "restored", tmp_path / "imported"
    values = {f"key{number}": f"value {number}" for number in range(1, 10)}
    with Server(data) as server, server.client() as client:
        client.set_all(values)
        assert client.request("POST", "/snapshot").status == 200
        client.set_all({"late": "x"})
        assert synap("replay", data, "restore", "--at", 9, "--to", restored).returncode == 0
        assert synap("replay", data, "export", "--at", 9, "--output", tmp_path / "file").returncode == 0
        assert server.stop() == 0
    assert synap("replay", imported, "import", tmp_path / "file").returncode == 0
    for new in (restored, imported):
        for version in (10, 11):
            with Server(new) as server, server.client() as client:
                assert client.get_all([*values, "late"]) == values
                assert client.set("more", "x").field("version") == version
                assert client.request("POST", "/snapshot").status == 200
                assert server.stop() == 0
        assert synap("verify", new).returncode == 0
