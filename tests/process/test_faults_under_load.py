"""A fault in the files of a server that many clients write to: what was acknowledged is there, or missed aloud."""

import errno
import random
from pathlib import Path

import pytest

from synap.errors import DamagedError
from synap.wal.format import FRAME_MAGIC
from tests.process.clients import (
    LARGE_VALUE_BYTES,
    check_served,
    check_stored,
    loaded,
    namespaces,
    wait_for_answers,
)
from tests.process.expectation import LostError
from tests.process.harness import MODULE, Client, Server, active_segment, command_line, has_ticked, run, wait_until
from tests.process.saboteur import launcher
from tests.process.shim import Shim

pytestmark = [pytest.mark.process]

SMALL_SEGMENTS = {"SYNAP_PERSISTENCE__WAL__MAX_SIZE_MB": "1"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def shimmed(shim: Shim, data: Path, launcher: tuple[str, ...] = MODULE) -> Server:
    shim.disarm()
    return Server(data, environment={**SMALL_SEGMENTS, **shim.environment}, launcher=launcher)


def use_up_segments(client: Client) -> None:
    client.set("large", random.randbytes(LARGE_VALUE_BYTES // 2).hex())


# --- writes that are cut short ---------------------------------------------------------------------------


def test_a_torn_write_is_cut_off(shim: Shim, data: Path, seed: int, repetition: int) -> None:
    """The process ends in the middle of a frame: it is as if that had never been begun."""
    rng = random.Random(f"{seed}/{repetition}")
    clients = namespaces()
    for _ in range(3):
        with shimmed(shim, data) as server:
            check_served(server, clients)
            with loaded(server, clients, rng):
                wait_for_answers(clients)
                server.doomed = True
                shim.arm("write", "torn", first=rng.randrange(1, 100), argument=rng.randrange(100, 1000))
                server.exit_code()
        check_stored(data, clients)
    with Server(data) as server:
        check_served(server, clients)
    assert any((data / "quarantine").iterdir())


def write_in_pieces(shim: Shim, data: Path, seed: int, launcher: tuple[str, ...] = MODULE) -> None:
    clients = namespaces()
    with shimmed(shim, data, launcher) as server:
        shim.arm("write", "short", onwards=True, argument=600)
        with loaded(server, clients, random.Random(seed)):
            assert wait_until(lambda: len(shim.done()) > 100)
    check_stored(data, clients)


def test_short_writes_are_continued(shim: Shim, data: Path, seed: int) -> None:
    write_in_pieces(shim, data, seed)


def test_a_server_that_does_not_continue_is_caught(shim: Shim, data: Path, seed: int) -> None:
    with pytest.raises((LostError, DamagedError)):
        write_in_pieces(shim, data, seed, launcher("write-once"))


# --- bytes that change on their way ----------------------------------------------------------------------


def test_a_flipped_bit_is_found_by_the_next_start(shim: Shim, data: Path, seed: int, repetition: int) -> None:
    rng = random.Random(f"{seed}/{repetition}")
    clients = namespaces()
    with shimmed(shim, data) as server, loaded(server, clients, rng):
        wait_for_answers(clients)
        # Not in the last bytes of the frame: nobody reads the padding.
        shim.arm("write", "flip", first=rng.randrange(1, 20), argument=rng.randrange(900))
        assert wait_until(lambda: bool(shim.done()))
        wait_for_answers(clients)
    assert_refused(data)
    with pytest.raises(DamagedError):
        check_stored(data, clients)


def flip_a_bit_of_a_value(shim: Shim, data: Path, launcher: tuple[str, ...]) -> str:
    """Three writes, and a flipped bit in the value of the second, which is returned."""
    values = [f"so short that it is not compressed {number}" for number in range(3)]
    with shimmed(shim, data, launcher) as server, server.client() as client:
        client.set("a", values[0])
        assert wait_until(lambda: has_ticked(data))
        content = active_segment(data).read_bytes()
        frame, tick = content.index(FRAME_MAGIC), content.rindex(FRAME_MAGIC)
        place = content.index(values[0].encode()) + 3 - frame
        shim.arm("write", "flip", argument=(1000 * place + 999) // (tick - frame))
        client.set_all({"b": values[1], "c": values[2]})
        assert len(shim.done()) == 1
        assert server.stop() == 0
    return values[1]


def test_a_flipped_bit_of_a_value_is_found(shim: Shim, data: Path) -> None:
    flip_a_bit_of_a_value(shim, data, MODULE)
    assert_refused(data)


def test_a_server_that_serves_a_flipped_bit_is_caught(shim: Shim, data: Path) -> None:
    value = flip_a_bit_of_a_value(shim, data, launcher("check-nothing"))
    with Server(data, launcher=launcher("check-nothing")) as server, server.client() as client:
        assert client.get("b") not in {value, None}
    assert_refused(data)


def assert_refused(data: Path) -> None:
    ended = run(command_line(data))
    assert ended.returncode == 65, ended
    assert "damaged at seq" in ended.stderr


# --- calls that fail -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("call", "nth"), [("fdatasync", 20), ("rename", 2), ("fsync", 2)], ids=str)
def test_an_error_ends_the_server_and_nothing_is_lost(shim: Shim, data: Path, seed: int, call: str, nth: int) -> None:
    """Of any thread's calls the n-th; those that rename, and sync a directory, begin a new segment."""
    clients = namespaces()
    with shimmed(shim, data) as server:
        with loaded(server, clients, random.Random(seed), [use_up_segments]):
            wait_for_answers(clients)
            server.doomed = True
            shim.arm(call, "error", first=nth, argument=errno.EIO)
            assert server.exit_code() == 74
        assert len(shim.done()) == 1
        assert "Traceback" not in server.output
    check_stored(data, clients)
    with Server(data) as server:
        check_served(server, clients)


def test_no_room_for_one_write_is_a_pause(shim: Shim, data: Path, seed: int) -> None:
    """Those of one batch hear of it; the others notice nothing."""
    clients = namespaces()
    with shimmed(shim, data) as server, server.client() as client, loaded(server, clients, random.Random(seed)):
        wait_for_answers(clients)
        server.doomed = True
        shim.arm("write", "error", first=20, argument=errno.ENOSPC)
        assert wait_until(lambda: bool(shim.done()))
        client.set_all({"afterwards": "1"})
        assert client.request("GET", "/ready").status == 200
    check_stored(data, clients)
    with Server(data) as server, server.client() as client:
        check_served(server, clients)
        assert client.get("afterwards") == "1"
