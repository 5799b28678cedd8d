"""When the server does not start: one line that says why, the exit code for it, and nothing changed."""

import os
import shutil
import socket
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from synap.datadir import MAJOR as STORE_MAJOR
from synap.datadir import StoreFile, pack_store_file
from synap.wal import format as layout
from tests.process.harness import Server, command_line, contents, fill, run, small_disk

pytestmark = [pytest.mark.process]

NOBODY = 65534


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(data: Path) -> Path:
    """A data directory with something in it, not in use."""
    with Server(data) as server, server.client() as client:
        client.set_all({"a": "1"})
        assert server.stop() == 0
    return data


def refused(
    data: Path,
    exit_code: int,
    *words: str,
    options: Sequence[str] = (),
    prefix: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> None:
    """Start a server and expect it to say no, in one line that has the ``words``; of damage, what to do may follow."""
    before = contents(data) if data.is_dir() else None
    ended = run(command_line(data, *options, prefix=prefix), environment)
    assert ended.returncode == exit_code, ended
    line, *advice = ended.stderr.splitlines()
    assert exit_code == 65 or not advice
    assert line.startswith("synap: ")
    for word in words:
        assert word in line
    assert before == (contents(data) if data.is_dir() else None)


# --- somebody else's -------------------------------------------------------------------------------------


def test_a_second_server_on_the_same_directory(data: Path) -> None:
    with Server(data) as first, first.client() as client:
        client.set_all({"a": "1"})
        ended = run(command_line(data))
        assert ended.returncode == 75
        (line,) = ended.stderr.splitlines()
        assert f"pid {first.pid}" in line
        client.set_all({"b": "2"})
        assert client.get("a") == "1"
        assert first.stop() == 0


def test_a_directory_is_free_again_after_a_kill(data: Path) -> None:
    with Server(data) as first:
        first.kill()
    with Server(data) as second:
        assert second.stop() == 0


def test_a_port_in_use(store: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = str(other.getsockname()[1])
        refused(store, 69, port, "in use", options=["--port", port])
    with Server(store):
        pass


def test_a_port_in_use_leaves_a_whole_store(data: Path) -> None:
    """The directory's lock comes first, so a new store may be begun, but then it is whole."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        assert run(command_line(data, "--port", str(other.getsockname()[1]))).returncode == 69
    with Server(data):
        pass


def test_another_programs_directory(data: Path) -> None:
    data.mkdir()
    (data / "dump.rdb").write_bytes(b"REDIS0011")
    refused(data, 66, "dump.rdb")
    assert [path.name for path in data.iterdir()] == ["dump.rdb"]


def test_a_store_file_of_another_program(data: Path) -> None:
    data.mkdir()
    (data / "STORE").write_bytes(b"the corner shop")
    refused(data, 66, "STORE")


# --- no directory ----------------------------------------------------------------------------------------


def test_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.write_text("precious")
    refused(place, 73, "not a directory")
    assert place.read_text() == "precious"


def test_a_file_above_the_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    ended = run(command_line(tmp_path / "file" / "data"))
    assert ended.returncode == 73
    assert len(ended.stderr.splitlines()) == 1


def test_a_file_in_place_of_the_log(store: Path) -> None:
    shutil.rmtree(store / "wal")
    (store / "wal").write_text("precious")
    refused(store, 73, "wal")


# --- newer and damaged -----------------------------------------------------------------------------------


def test_a_newer_store(store: Path) -> None:
    content = bytearray(pack_store_file(StoreFile(uuid4(), 1)))
    content[8:10] = (STORE_MAJOR + 1).to_bytes(2, "little")
    content[60:] = zlib.crc32(content[:60]).to_bytes(4, "little")
    (store / "STORE").write_bytes(content)
    refused(store, 76, f"format {STORE_MAJOR + 1}.")


def test_a_newer_segment(store: Path) -> None:
    (path,) = (store / "wal").iterdir()
    content = path.read_bytes()
    header = layout.unpack_segment_header(content)
    assert header is not None
    newer = layout.pack_segment_header(msgspec.structs.replace(header, major=layout.MAJOR + 1))
    path.write_bytes(newer + content[len(newer) :])
    refused(store, 76, path.name, f"format {layout.MAJOR + 1}.")


def test_segments_without_a_store(store: Path) -> None:
    (store / "STORE").unlink()
    refused(store, 65, "STORE", "missing")


def test_a_store_without_segments(store: Path) -> None:
    for path in (store / "wal").iterdir():
        path.unlink()
    refused(store, 65, "no segment")


def test_a_store_without_its_log_directory(store: Path) -> None:
    shutil.rmtree(store / "wal")
    refused(store, 65, "wal")


def test_a_damaged_store_file(store: Path) -> None:
    content = bytearray((store / "STORE").read_bytes())
    content[30] ^= 1
    (store / "STORE").write_bytes(content)
    refused(store, 65, "STORE", "checksum")


def test_a_segment_of_another_store(store: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "other") as other:
        assert other.stop() == 0
    (mine,) = (store / "wal").iterdir()
    shutil.copy(tmp_path / "other" / "wal" / "00000000000000000001.wal", mine)
    refused(store, 65, mine.name, "another store")


# --- not allowed, no room --------------------------------------------------------------------------------


def test_a_disk_that_is_read_only(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        data = disk / "data"
        with Server(data) as server, server.client() as client:
            client.set_all({"a": "1"})
            assert server.stop() == 0
        assert run(["mount", "-o", "remount,ro", str(disk)]).returncode == 0
        refused(data, 77, str(data))
        refused(disk / "new", 77, str(disk / "new"))
        assert run(["mount", "-o", "remount,rw", str(disk)]).returncode == 0
        with Server(data) as server, server.client() as client:
            assert client.get("a") == "1"


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory below which anybody may look; pytest's own are only for the user who runs it."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place)


@pytest.mark.parametrize("exists", [False, True], ids=["new", "existing"])
def test_a_directory_without_permission(open_place: Path, exists: bool) -> None:
    place = open_place / "private"
    place.mkdir()
    if exists:
        with Server(place / "data") as server:
            assert server.stop() == 0
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        # Root may do everything; somebody else has to be refused.
        prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        skip_where_impossible(prefix)
    else:
        place.chmod(0o500)
        if exists:
            (place / "data").chmod(0o500)
    try:
        refused(place / "data", 77, "Permission denied", prefix=prefix)
    finally:
        place.chmod(0o700)


def skip_where_impossible(prefix: Sequence[str]) -> None:
    try:
        ended = run([*prefix, *command_line(Path("data"))[:3], "--version"])
    except FileNotFoundError as missing:
        pytest.skip(f"root needs {missing.filename} to become somebody else")
    if ended.returncode != 0:
        pytest.skip(f"another user cannot run this installation: {ended.stderr.strip()[-200:]}")


@pytest.mark.parametrize("exists", [False, True], ids=["new", "existing"])
def test_a_full_disk(tmp_path: Path, exists: bool) -> None:
    with small_disk(tmp_path / "disk", "256k") as disk:
        data, ballast = disk / "data", disk / "ballast"
        if exists:
            with Server(data) as server, server.client() as client:
                client.set_all({"a": "1"})
                assert server.stop() == 0
        fill(ballast)
        ended = run(command_line(data))
        assert ended.returncode == 71, ended
        (line,) = ended.stderr.splitlines()
        assert "No space left" in line
        ballast.unlink()
        with Server(data) as server, server.client() as client:
            assert client.get("a") == ("1" if exists else None)


# --- settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("server: {port: many}", ("server.port",)),
        ("persistence: {wal: {fsync_mode: sometimes}}", ("persistence.wal.fsync_mode", "always, periodic, never")),
        ("persistence: {wall: {}}", ("persistence.wall", "wal")),
        ("kv_store: [", ("YAML",)),
        ("just words", ("sections",)),
        ("replication: {enabled: true}", ("replication",)),
    ],
    ids=["wrong value", "wrong choice", "unknown name", "no YAML", "no sections", "replication"],
)
def test_a_wrong_file(data: Path, tmp_path: Path, content: str, words: tuple[str, ...]) -> None:
    config = tmp_path / "synap.yml"
    config.write_text(content)
    refused(data, 78, str(config), *words, options=["--config", str(config)])
    assert not data.exists()


def test_a_missing_file(data: Path, tmp_path: Path) -> None:
    refused(data, 78, "missing.yml", options=["--config", str(tmp_path / "missing.yml")])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SYNAP_PORT", "http"),
        ("SYNAP_PERSISTENCE__WAL__MAX_SIZE_MB", "0"),
        ("SYNAP_PRT", "1"),
        ("SYNAP_RADIX", "b"),
    ],
)
def test_a_wrong_environment(data: Path, name: str, value: str) -> None:
    refused(data, 78, name, environment={name: value})
    assert not data.exists()


def test_a_wrong_option(data: Path) -> None:
    """The command line's own errors show how it is used, too."""
    ended = run(command_line(data, "--port", "70000"))
    assert ended.returncode == 2
    assert "--port" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert not data.exists()
