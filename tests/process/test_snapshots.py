"""Snapshots of the real server: killed with it, without it and under it, stopped, without room, damaged on the disk."""

import json
import random
import re
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.process.clients import check_served, check_stored, loaded, namespaces, set_until
from tests.process.expectation import LostError, Namespace, now_ms, read_entries
from tests.process.folds import Leash, folds_of, is_alive
from tests.process.harness import (
    STOP_LIMIT_S,
    Client,
    Server,
    command_line,
    contents,
    fill,
    run,
    small_disk,
    wait_until,
)
from tests.process.saboteur import launcher

pytestmark = [pytest.mark.process]

ROUNDS = 6
SMALL_SEGMENTS = {"SYNAP_PERSISTENCE__WAL__MAX_SIZE_MB": "1"}
_TAKEN = '"event": "snapshot taken"'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def leash(tmp_path: Path) -> Leash:
    return Leash(tmp_path / "leash")


@pytest.fixture
def server(data: Path, leash: Leash) -> Iterator[Server]:
    with Server(data, environment=leash.environment) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.client() as client:
        yield client


def snapshots(data: Path) -> list[Path]:
    return sorted((data / "snapshot").iterdir())


def take(client: Client, **pairs: str) -> int:
    """Write and take a snapshot; its last event."""
    client.set_all(pairs)
    reply = client.request("POST", "/snapshot")
    assert reply.status == 200, reply
    seq = reply.field("seq")
    assert isinstance(seq, int)
    return seq


# --- under load ------------------------------------------------------------------------------------------


def run_one_round(data: Path, clients: Sequence[Namespace], rng: random.Random, least: int) -> None:
    """Start, check over HTTP, load with writes and snapshots, kill at any moment after so many, check the files."""
    with Server(data, environment=SMALL_SEGMENTS) as server:
        check_served(server, clients)
        with loaded(server, clients, rng, [take] * 2):
            assert wait_until(lambda: server.output.count(_TAKEN) >= least)
            time.sleep(rng.uniform(0, 0.4))
            orphans = folds_of(server.pid)
        assert wait_until(lambda: not any(map(is_alive, orphans))), "a fold outlives its server"
    check_stored(data, clients)


def test_nothing_acknowledged_is_lost(data: Path, seed: int, repetition: int) -> None:
    rng = random.Random(f"{seed}/{repetition}")
    clients = namespaces()
    for number in range(ROUNDS):
        run_one_round(data, clients, rng, number % 3)
    with Server(data) as server, server.client() as client:
        check_served(server, clients)
        # One may be left that was to go when the server was killed.
        take(client)
        assert len(snapshots(data)) == 2
    assert all(each.acknowledged > ROUNDS for each in clients)


def test_a_server_that_believes_any_fold_is_caught(data: Path) -> None:
    """In the files, where log and snapshot do not lead to the same state; and by who asks for what is not there."""
    still = Namespace("still:")
    with Server(data, launcher=launcher("believe-the-fold")) as server, server.client() as client:
        still.perform(client, set_until("still:there", "x", now_ms() + 3_600_000))
        assert take(client) == 1
        server.kill()
    with pytest.raises(LostError, match="lead to another state"):
        check_stored(data, [still])
    with Server(data) as server, pytest.raises(LostError, match="still:there is missing"):
        check_served(server, [still])


def test_many_snapshots_in_a_row_take_no_more_room(server: Server, client: Client, data: Path) -> None:
    """Two snapshots and the log since the older: of a state that stays as large as it is."""
    values = [random.Random(number).randbytes(25_000).hex() for number in range(4)]
    for number in range(12):
        take(client, **{f"key{key}": values[(key + number) % 4] for key in range(4)})
        if number > 1:
            assert sum(map(len, contents(data).values())) < 5 * sum(map(len, values))
            assert [len(list((data / place).iterdir())) for place in ("snapshot", "wal")] == [2, 2]


def test_one_is_taken_without_being_asked_for(data: Path) -> None:
    """And as many are kept as the settings say."""
    environment = {
        "SYNAP_PERSISTENCE__SNAPSHOT__OPERATION_THRESHOLD": "5",
        "SYNAP_PERSISTENCE__SNAPSHOT__KEEP_COUNT": "3",
        "SYNAP_PERSISTENCE__SNAPSHOT__DIRECTORY": str(data.parent / "elsewhere"),
    }
    with Server(data, environment=environment) as server, server.client() as client:
        client.set_all({str(number): "x" for number in range(5)})
        server.wait_for(re.compile(_TAKEN))
        for number in range(6, 9):
            assert take(client, **{str(number): "x"}) == number
        assert server.stop() == 0
    names = sorted(path.name for path in (data.parent / "elsewhere").iterdir())
    assert names == [f"{seq:020d}.snap" for seq in (6, 7, 8)]
    assert sorted(path.name for path in (data / "wal").iterdir()) == [f"{seq:020d}.wal" for seq in (7, 8, 9)]
    with Server(data, environment=environment) as server:
        assert greeting(server)["snapshot_seq"] == 8


# --- what becomes of the fold ----------------------------------------------------------------------------


def test_a_fold_that_is_killed_costs_a_snapshot_and_nothing_else(
    server: Server, client: Client, leash: Leash, data: Path
) -> None:
    client.set_all({"a": "1"})
    with leash.hold(server) as fold:
        client.set_all({"b": "2"})
        assert client.get("b") == "2"
        fold.send_signal(signal.SIGKILL)
        reply = fold.asked.result()
    assert (reply.status, reply.field("type")) == (500, "snapshot_failed")
    server.wait_for(re.compile(r"no snapshot was taken; the log stays"))
    assert "ended by a signal (Killed)" in server.output
    assert snapshots(data) == []
    assert take(client, c="3") == 3
    assert server.stop() == 0
    assert set(read_entries(data)[0]) == {"a", "b", "c"}


def test_a_fold_that_stands_still_does_not_keep_the_server(
    server: Server, client: Client, leash: Leash, data: Path
) -> None:
    """It ends in the time that was promised, cleanly, and takes the fold along."""
    client.set_all({"a": "1"})
    with leash.hold(server) as fold:
        client.set_all({"b": "2"})
        server.doomed = True
        server.send_signal(signal.SIGTERM)
        assert server.exit_code(STOP_LIMIT_S) == 0
        assert not is_alive(fold.pid)
        # Whoever waits is told, or finds the connection closed.
        with suppress(OSError, HTTPException):
            assert fold.asked.result().status == 503
    assert snapshots(data) == []
    entries, end = read_entries(data)
    assert (set(entries), end.sealed) == ({"a", "b"}, True)
    assert "Traceback" not in server.output


def test_a_fold_whose_server_is_killed_ends_as_well(server: Server, client: Client, leash: Leash, data: Path) -> None:
    client.set_all({"a": "1"})
    with leash.hold(server) as fold:
        server.kill()
        fold.send_signal(signal.SIGCONT)
        assert wait_until(lambda: not is_alive(fold.pid))
    with Server(data) as again, again.client() as other:
        assert snapshots(data) == [], "what it left is gone"
        assert take(other, b="2") == 2
        assert other.get_all(["a", "b"]) == {"a": "1", "b": "2"}


# --- no room ---------------------------------------------------------------------------------------------


def noise(number: int) -> str:
    """A value of 64 KiB that compression makes half as long, in the log and in a snapshot."""
    return random.Random(number).randbytes(32 * 1024).hex()


@pytest.mark.parametrize("room_bytes", [0, 256 * 1024], ids=["not even to rotate", "to rotate, but not to fold"])
def test_a_disk_without_room_for_a_snapshot(tmp_path: Path, room_bytes: int) -> None:
    """Whoever asks is told; what fits is still written; the log stays, and with room it works again."""
    with small_disk(tmp_path / "disk", "8m") as disk:
        data, ballast, reserve = disk / "data", disk / "ballast", disk / "reserve"
        with Server(data) as server, server.client() as client:
            written = {f"key{number}": noise(number) for number in range(30)}
            client.set_all(written)
            reserve.write_bytes(bytes(room_bytes))
            fill(ballast)
            reserve.unlink()
            for _ in range(2):
                reply = client.request("POST", "/snapshot")
                assert (reply.status, reply.field("type")) == (507, "disk_full"), reply
                assert reply.field("outcome") == "not_written"
            assert client.get_all(list(written)) == written
            if room_bytes:
                client.set_all({"small": "1"})
                assert client.request("GET", "/ready").status == 200
            assert snapshots(data) == []
            ballast.unlink()
            assert take(client, after="1") == len(written) + (2 if room_bytes else 1)
            assert client.request("GET", "/snapshots").field("snapshots")
            server.kill()
        assert set(read_entries(data)[0]) >= {*written, "after"}


# --- a start with snapshots ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that was stopped, with snapshots at 2 and 4 and the log since 2."""
    data = tmp_path_factory.mktemp("once") / "data"
    with Server(data) as server, server.client() as client:
        assert [take(client, a="1", b="2"), take(client, c="3", d="4"), take(client)] == [2, 4, 4]
        client.set_all({"e": "5"})
        assert server.stop() == 0
    assert [path.name for path in sorted((data / "wal").iterdir())] == [f"{seq:020d}.wal" for seq in (3, 5)]
    return data


@pytest.fixture
def trimmed(once: Path, data: Path) -> Path:
    """A copy of it, to be damaged."""
    shutil.copytree(once, data)
    return data


def greeting(server: Server) -> dict[str, object]:
    """The line with which it says that it serves."""
    found: dict[str, object] = json.loads(next(line for line in server.lines if " serves http" in line))
    return found


ALL = {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}


def test_a_start_begins_with_the_newest_snapshot(trimmed: Path) -> None:
    with Server(trimmed) as server, server.client() as client:
        told = greeting(server)
        assert (told["snapshot_seq"], told["events"], told["clean_stop"]) == (4, 1, True)
        assert client.get_all(list(ALL)) == ALL


def flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def test_a_damaged_snapshot_is_made_up_for_and_told_of(trimmed: Path, seed: int) -> None:
    older, newest = snapshots(trimmed)
    flip(newest, random.Random(seed))
    damaged = newest.read_bytes()
    with Server(trimmed) as server, server.client() as client:
        told = greeting(server)
        assert (told["snapshot_seq"], told["events"]) == (2, 3)
        complaint = json.loads(server.lines[0])
        assert (complaint["level"], Path(complaint["now"]).read_bytes()) == ("error", damaged)
        assert str(newest) in complaint["why"]
        assert client.get_all(list(ALL)) == ALL
        assert snapshots(trimmed) == [older]
        assert take(client, f="6") == 6
        assert [path.name for path in snapshots(trimmed)] == [f"{seq:020d}.snap" for seq in (2, 6)]


def test_damage_that_nothing_makes_up_for(trimmed: Path, seed: int) -> None:
    rng = random.Random(seed)
    for path in snapshots(trimmed):
        flip(path, rng)
    refused(trimmed, 65, "the log begins only at seq 3")


def test_a_snapshot_without_the_log_behind_it(trimmed: Path) -> None:
    (trimmed / "wal" / f"{5:020d}.wal").unlink()
    refused(trimmed, 65, "events are missing")


def test_snapshots_without_a_store(trimmed: Path) -> None:
    (trimmed / "STORE").unlink()
    refused(trimmed, 65, "it is missing, but")


def refused(data: Path, exit_code: int, words: str) -> None:
    """The server does not start, says why, and changes nothing."""
    before = contents(data)
    ended = run(command_line(data))
    assert ended.returncode == exit_code, ended
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert contents(data) == before
