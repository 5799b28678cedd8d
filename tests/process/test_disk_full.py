"""No room: writes are refused and say so, reads go on, and writing goes on by itself when there is room again."""

import random
import resource
from pathlib import Path

import pytest

from tests.process.harness import Client, Server, StartError, active_segment, fill, has_ticked, small_disk, wait_until
from tests.process.saboteur import launcher

pytestmark = [pytest.mark.process]

VALUE = "x" * 1000


def test_a_full_disk_is_a_pause(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        data, ballast = disk / "data", disk / "ballast"
        ballast.write_bytes(bytes(2 * 1024 * 1024))
        with Server(data) as server, server.client() as client:
            written = write_until_refused(client, "before")
            fill(ballast)
            assert_refused(client)
            assert client.get_all(list(written)) == written
            ready = client.request("GET", "/ready")
            assert ready.status == 503
            assert "disk full" in str(ready.body)

            ballast.unlink()
            # Room that nobody asked for counts as well: readiness comes back without a write.
            assert wait_until(lambda: client.request("GET", "/ready").status == 200)
            client.set_all({"after": VALUE})
            server.kill()
        written["after"] = VALUE
        assert_all_there(data, written)


def noise(number: int) -> str:
    """A value that compression cannot fit into the rest of a page; 8 KiB."""
    return random.Random(number).randbytes(4096).hex()


def write_until_refused(client: Client, prefix: str) -> dict[str, str]:
    """Incompressible writes up to the first that finds no room; what was acknowledged."""
    written: dict[str, str] = {}
    for number in range(10_000):
        key, value = f"{prefix}{number}", noise(number)
        reply = client.set(key, value)
        if reply.status != 200:
            return written
        written[key] = value
    raise AssertionError("the disk is never full")


def assert_refused(client: Client) -> None:
    reply = client.set("refused", noise(1))
    assert reply.status == 507
    assert int(reply.headers["retry-after"]) >= 1
    assert reply.field("outcome") == "not_written"
    assert client.get("refused") is None


def assert_all_there(data: Path, written: dict[str, str]) -> None:
    with Server(data) as server, server.client() as client:
        keys = list(written)
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            assert client.get_all(part) == {key: written[key] for key in part}
        assert client.get("refused") is None
        listed = client.request("GET", "/kv/count?prefix=").field("count")
        assert listed == len(written)


def limit_files(server: Server, size: int) -> None:
    """Let no file of the server grow over ``size`` bytes."""
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, hard))


@pytest.mark.parametrize("room", [0, 1, 71, 72, 500])
def test_a_file_that_must_not_grow(tmp_path: Path, room: int) -> None:
    """EFBIG, after a part of the frame was taken: as a full disk, to the byte."""
    data = tmp_path / "data"
    with Server(data) as server, server.client() as client:
        client.set_all({"a": VALUE})
        assert wait_until(lambda: has_ticked(data))
        limit_files(server, active_segment(data).stat().st_size + room)
        for _ in range(3):
            reply = client.set("refused", noise(room))
            assert reply.status == 507, reply
        assert client.get("a") == VALUE
        limit_files(server, resource.RLIM_INFINITY)
        client.set_all({"b": VALUE})
        server.kill()
    assert_all_there(data, {"a": VALUE, "b": VALUE})


def test_a_server_that_leaves_half_a_frame_is_caught(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Server(data, launcher=launcher("keep-what-did-not-fit")) as server, server.client() as client:
        client.set_all({"a": VALUE})
        assert wait_until(lambda: has_ticked(data))
        limit_files(server, active_segment(data).stat().st_size + 100)
        assert client.set("refused", noise(1)).status == 507
        limit_files(server, resource.RLIM_INFINITY)
        client.set_all({"b": VALUE})
        server.kill()
    # What follows the half frame is lost with it: as damage, or silently, as a torn tail.
    with pytest.raises((AssertionError, StartError)):
        assert_all_there(data, {"a": VALUE, "b": VALUE})
