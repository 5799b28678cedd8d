"""The real command line as a process of its own: pipes, signals, a terminal, and a server that is at work."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from tests.process.harness import START_LIMIT_S, Client, Server, clean_environment, run, wait_until

from .build import DataDir, contents, put

pytestmark = [pytest.mark.process]

LOOKS = range(4, 60)
"""How often a server at work is asked everything: until it has trimmed its log, and no less than a few times."""

QUESTIONS = (("summary",), ("state", "--limit", "1"), ("get", "first"), ("events",), ("history", "first"))

TOOL = (sys.executable, "-m", "synap.replay")
SNAPSHOTS_OFTEN = {
    "SYNAP_PERSISTENCE__SNAPSHOT__OPERATION_THRESHOLD": "100",
}


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is killed in the end, if it still runs."""
    environment = clean_environment()
    process = subprocess.Popen(  # noqa: S603  # our own command line
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def full(data: DataDir) -> DataDir:
    data.live(*(put(f"key{number}", "v" * 100) for number in range(3000)))
    return data


def test_both_names_of_the_tool(full: DataDir) -> None:
    before = contents(full.path)
    module = run([*TOOL, str(full.path), "--json"])
    command = run([sys.executable, "-m", "synap", "replay", str(full.path), "--json"])
    assert (module.returncode, module.stderr) == (command.returncode, command.stderr) == (0, "")
    first, second = json.loads(module.stdout), json.loads(command.stdout)
    assert (first["store_id"], first["last_seq"]) == (second["store_id"], second["last_seq"])
    assert contents(full.path) == before


def test_errors(tmp_path: Path) -> None:
    done = run([*TOOL, str(tmp_path)])
    assert (done.returncode, done.stdout) == (66, "")
    assert done.stderr == f"synap: {tmp_path} is no data directory of Synap: there is no file STORE in it\n"


def test_a_tree_that_there_is_not(tmp_path: Path) -> None:
    done = run([*TOOL, str(tmp_path)], {"SYNAP_RADIX": "red-black"})
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith("synap: SYNAP_RADIX is 'red-black'")


@pytest.mark.parametrize("arguments", [("events",), ("events", "--json"), ("state",), ("state", "--json")])
def test_a_reader_who_has_had_enough(full: DataDir, arguments: tuple[str, ...]) -> None:
    with started(*TOOL, str(full.path), *arguments) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(START_LIMIT_S) == 141


@pytest.mark.parametrize("command", [TOOL, (sys.executable, "-m", "synap", "replay")])
def test_ctrl_c(full: DataDir, command: tuple[str, ...]) -> None:
    with started(*command, str(full.path), "events", "--follow") as process:
        assert process.stdout is not None
        for _ in range(3000):
            assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=START_LIMIT_S)
        assert (process.returncode, out, err) == (130, "", "")


def test_on_a_terminal(full: DataDir) -> None:
    """Colours and progress are there, and nothing of the data is believed."""
    full.live(put("\x1b]0;title\x07[red]", "v"))
    shown = b""
    ours, theirs = pty.openpty()
    environment = clean_environment({"TERM": "xterm-256color", "COLUMNS": "80"})
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(  # noqa: S603  # our own command line
        [*TOOL, str(full.path), "state", "--prefix", "\x1b"], env=environment, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        while part := read_from_terminal(ours):
            shown += part
        assert process.wait(START_LIMIT_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    text = shown.decode()
    assert "\\x1b]0;title\\x07[red]" in text
    assert "\x1b]0;" not in text
    assert "\x07" not in text
    assert "reading" in text
    assert re.search(r"\x1b\[1m.*version", text)


def read_from_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        # The other end was closed.
        return b""


# --- beside a server -------------------------------------------------------------------------------------


class Load:
    """Sets keys over HTTP, one after the other, until it is told to stop. ``written`` is how many."""

    def __init__(self, client: Client) -> None:
        self.written = 0
        self._client = client
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._stopping.is_set():
            reply = self._client.set(f"key{self.written}", "v" * 2000, ttl=3600)
            assert reply.status == 200, reply
            self.written += 1


class Reading:
    """Reads all that a process writes to standard output: whoever follows a log must be kept up with."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self._process = process
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._thread.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.lines.extend(self._process.stdout)


def log_begins_at(path: Path) -> int:
    return min(int(segment.stem) for segment in path.glob("wal/*.wal"))


def test_beside_a_server_that_writes_rotates_and_trims(tmp_path: Path) -> None:
    """Whatever is asked meanwhile is answered, and nothing that the server does is taken for damage."""
    path = tmp_path / "data"
    with (
        Server(path, "--fsync", "never", environment=SNAPSHOTS_OFTEN) as server,
        server.client() as client,
        started(*TOOL, str(path), "events", "--follow", "--json") as follower,
        Reading(follower) as followed,
    ):
        assert client.set("first", "v").status == 200
        with Load(client) as load:
            for look in range(LOOKS.stop):
                for command in QUESTIONS:
                    done = run([*TOOL, str(path), "--json", *command])
                    assert (done.returncode, done.stderr) == (0, ""), command
                if look >= LOOKS.start and log_begins_at(path) > 1:
                    break
        last = f'{{"seq":{load.written + 1},'
        assert wait_until(lambda: followed.lines[-1].startswith(last))
        follower.send_signal(signal.SIGINT)
        assert follower.wait(START_LIMIT_S) == 130
        assert follower.stderr is not None
        said = follower.stderr.read()
    assert log_begins_at(path) > 1, "something was trimmed"
    # On a machine that is busy elsewhere the follower may have been too late; then it says so.
    missed = {
        seq for first, end in re.findall(r"events (\d+) to (\d+)", said) for seq in range(int(first), int(end) + 1)
    }
    expected = [seq for seq in range(1, load.written + 2) if seq not in missed]
    assert [json.loads(line)["seq"] for line in followed.lines] == expected
