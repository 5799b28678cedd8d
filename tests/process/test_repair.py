"""A damaged log: the server says what is wrong and what to type, and typing that gives the events before the damage."""

import shlex
import shutil
import sys
from pathlib import Path

import pytest

from synap.fs import RealFileSystem
from synap.wal.format import FRAME_MAGIC, SEGMENT_HEADER_BYTES
from synap.wal.reader import segment_seqs
from tests.process.harness import Server, command_line, contents, run

pytestmark = [pytest.mark.process]

WRITES = {f"key{number}": f"value {number}" for number in range(1, 10)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three segments with three events each, in a directory whose name a shell would take apart."""
    data = tmp_path / "my data; really"
    for start in range(0, 9, 3):
        with Server(data) as server, server.client() as client:
            client.set_all(dict(list(WRITES.items())[start : start + 3]))
            assert server.stop() == 0
    return data


def segments(data: Path) -> list[Path]:
    return [data / "wal" / f"{seq:020d}.wal" for seq in segment_seqs(RealFileSystem(), data / "wal")]


def damage(segment: Path, seq: int) -> int:
    """Flip a bit in the frame of an event; return the frame's offset."""
    content = bytearray(segment.read_bytes())
    # Not the n-th frame: on a busy machine there are ticks between the events.
    offset = content.rindex(FRAME_MAGIC, 0, content.index(f"value {seq}".encode()))
    content[offset + 80] ^= 1
    segment.write_bytes(content)
    return offset


def refusal(data: Path, *options: str) -> tuple[str, list[str]]:
    """The sentence with which the server does not start, and the command that it prints, ready to be run."""
    ended = run(command_line(data, *options))
    assert ended.returncode == 65, ended
    assert "Traceback" not in ended.stderr
    (typed,) = (line.strip() for line in ended.stderr.splitlines() if line.strip().startswith("synap repair"))
    return ended.stderr.splitlines()[0], [sys.executable, "-m", *shlex.split(typed)]


@pytest.mark.parametrize(("segment", "kept"), [(0, 1), (1, 3), (1, 5), (2, 7)], ids=["1/1", "2/0", "2/2", "3/1"])
def test_the_printed_command_repairs(data: Path, segment: int, kept: int) -> None:
    whole = segments(data)
    offset = damage(whole[segment], kept + 1)
    before = contents(data)
    sentence, command = refusal(data)
    assert f"{whole[segment]}, byte {offset}" in sentence
    assert f"seq {kept + 1} " in sentence
    assert contents(data) == before

    repaired = run([*command, "--yes"])
    assert repaired.returncode == 0, repaired
    assert f"ends at seq {kept}" in repaired.stdout
    assert_everything_is_kept(before, contents(data))
    with Server(data) as server, server.client() as client:
        assert client.get_all(list(WRITES)) == dict(list(WRITES.items())[:kept])
        assert client.set("new", "life").status == 200
        assert server.stop() == 0
    with Server(data) as server, server.client() as client:
        assert client.get("new") == "life"


@pytest.fixture
def with_snapshots(tmp_path: Path) -> Path:
    """Snapshots after the third event and the sixth, and the log from the fourth to the ninth, in two segments."""
    data = tmp_path / "data"
    with Server(data) as server, server.client() as client:
        for start in range(0, 9, 3):
            client.set_all(dict(list(WRITES.items())[start : start + 3]))
            if start < 6:
                assert client.request("POST", "/snapshot").status == 200
        assert server.stop() == 0
    assert [path.stem[-1] for path in segments(data)] == ["4", "7"]
    return data


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("snapshot_too", "segment", "offset", "kept"),
    [(False, 1, SEGMENT_HEADER_BYTES, 6), (False, 1, 50, 6), (True, 0, SEGMENT_HEADER_BYTES, 3), (True, 1, 50, 6)],
    ids=["the frame behind it", "the header behind it", "before it, and itself", "behind it, and itself"],
)
def test_the_printed_command_repairs_what_has_snapshots(
    with_snapshots: Path, snapshot_too: bool, segment: int, offset: int, kept: int
) -> None:
    data = with_snapshots
    whole = segments(data)
    flip(whole[segment], offset)
    if snapshot_too:
        flip(data / "snapshot" / "00000000000000000006.snap", 200)
    before = contents(data)
    _, command = refusal(data)
    assert contents(data) == before
    repaired = run([*command, "--yes"])
    assert repaired.returncode == 0, repaired
    assert f"ends at seq {kept}" in repaired.stdout
    after = contents(data)
    remaining = b"".join(content for name, content in sorted(after.items()) if name.startswith("quarantine/"))
    for name, content in before.items():
        if name.startswith(("wal/", "snapshot/")):
            assert after.get(name) == content or content.removeprefix(after.get(name, b"")) in remaining
    with Server(data) as server, server.client() as client:
        assert client.get_all(list(WRITES)) == dict(list(WRITES.items())[:kept])
        assert client.set("new", "life").field("version") == kept + 1
        assert client.request("POST", "/snapshot").status == 200
        assert server.stop() == 0
    assert run([sys.executable, "-m", "synap", "verify", str(data)]).returncode == 0


def assert_everything_is_kept(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """What was in a segment is still in it, or in quarantine."""
    for name, content in before.items():
        if name.endswith(".wal"):
            saved = [cut for path, cut in after.items() if path.startswith(f"quarantine/{Path(name).name}")]
            assert content == b"".join((after.get(name, b""), *saved))


def test_the_question_can_be_answered_with_no(data: Path) -> None:
    damage(segments(data)[1], 5)
    before = contents(data)
    _, command = refusal(data)
    assert run(command).returncode == 1
    assert contents(data) == before


def test_repair_refuses_while_the_server_runs(data: Path) -> None:
    with Server(data) as server:
        ended = run([sys.executable, "-m", "synap", "repair", str(data), "--truncate-at", "2", "--yes"])
        assert ended.returncode == 75
        assert f"pid {server.pid}" in ended.stderr


def test_the_command_finds_a_log_in_another_place(data: Path, tmp_path: Path) -> None:
    """Where settings were needed to start, they are needed to repair."""
    elsewhere, config = tmp_path / "else where", tmp_path / "my synap.yml"
    shutil.move(data / "wal", elsewhere)
    config.write_text(f'persistence: {{wal: {{path: "{elsewhere}"}}}}')
    damage(elsewhere / "00000000000000000004.wal", 5)
    _, command = refusal(data, "--config", str(config))
    assert run([*command, "--yes"]).returncode == 0
    with Server(data, "--config", str(config)) as server, server.client() as client:
        assert client.get_all(list(WRITES)) == dict(list(WRITES.items())[:4])
