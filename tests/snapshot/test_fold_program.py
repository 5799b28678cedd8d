"""The fold as a program: JSON in, JSON out, a good neighbour, and never without the process it works for."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from synap.fs import RealFileSystem
from synap.snapshot.fold import FoldFailure, FoldReport, FoldRequest
from tests.stores import Scene, all_files, two_snapshots

PROGRAM = [sys.executable, "-m", "synap.snapshot.fold"]
LIMIT_S = 20.0

# Starts the program with its own standard input and output, says which process that is, and waits to be killed.
_PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "synap.snapshot.fold", *[str(os.getpid())][:int(sys.argv[1])]])
os.close(1)
os.write(2, b"%d\\n" % child.pid)
child.wait()
"""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return two_snapshots(RealFileSystem(), tmp_path / "data")


def request(scene: Scene) -> FoldRequest:
    return FoldRequest(
        wal_directory=str(scene.wal),
        snapshot_directory=str(scene.snapshots),
        store_id=scene.store_id,
        base_seq=8,
        upto_seq=22,
        output=str(output(scene)),
        now_ms=scene.now_ms,
        salt=1,
    )


def output(scene: Scene) -> Path:
    return scene.snapshots / "next.snap.tmp"


def run(request: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*PROGRAM, *arguments], input=request, capture_output=True, timeout=LIMIT_S, check=False)  # noqa: S603


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def nice_of(pid: int) -> int:
    """See proc_pid_stat(5)."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[16])


# --- in and out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], [str(os.getpid())]], ids=["by hand", "for a server"])
def test_a_report(scene: Scene, arguments: list[str]) -> None:
    ended = run(msgspec.json.encode(request(scene)), *arguments)
    assert (ended.returncode, ended.stderr) == (0, b"")
    report = msgspec.json.decode(ended.stdout, type=FoldReport | FoldFailure)
    size_bytes = output(scene).stat().st_size
    assert isinstance(report, FoldReport)
    assert report == FoldReport(22, 14, report.entries, size_bytes, report.duration_s)
    assert output(scene).stat().st_mode & 0o777 == 0o600, "sessions are secrets"


def test_a_failure(scene: Scene) -> None:
    base = scene.snapshot_path(8)
    base.write_bytes(base.read_bytes()[:-1])
    ended = run(msgspec.json.encode(request(scene)))
    assert (ended.returncode, ended.stderr) == (1, b"")
    failure = msgspec.json.decode(ended.stdout, type=FoldReport | FoldFailure)
    assert isinstance(failure, FoldFailure)
    assert failure.damaged == str(base)


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b'{"base_seq": 1}', b"\xff"])
def test_what_is_no_request(said: bytes) -> None:
    ended = run(said)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr.startswith(b"a request was expected on standard input: ")
    assert len(ended.stderr.splitlines()) == 1


# --- a good neighbour ------------------------------------------------------------------------------------


def test_it_gives_way_to_the_server() -> None:
    """It is what it should be before it is told what to do."""
    with subprocess.Popen(PROGRAM, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:  # noqa: S603
        place = Path(f"/proc/{program.pid}")
        try:
            wait_until(lambda: (place / "oom_score_adj").read_text(encoding="ascii").strip() == "500")
            assert nice_of(program.pid) == min(nice_of(os.getpid()) + 10, 19)
        finally:
            program.kill()


@pytest.mark.parametrize("told", [True, False], ids=["told whom it works for", "started by hand"])
def test_it_ends_when_its_parent_has(scene: Scene, told: bool) -> None:
    """Also where that was killed before there was anything to do."""
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", _PARENT, str(int(told))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stderr is not None
        pid = int(parent.stderr.readline())
        wait_until(lambda: Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii").strip() == "500")
        parent.kill()
        parent.wait()
        parent.stdin.write(msgspec.json.encode(request(scene)))
        parent.stdin.close()
        # The orphan has the other end; it is closed when the orphan ends.
        assert parent.stdout.read() == b""
    assert {path.name for path in all_files(scene.fs, scene.snapshots)} <= {
        scene.snapshot_path(8).name,
        scene.snapshot_path(16).name,
        output(scene).name,
    }


def test_it_does_nothing_for_a_server_that_has_ended_before_it_began(scene: Scene) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait(LIMIT_S)
    run_for_it = run(msgspec.json.encode(request(scene)), str(ended.pid))
    assert (run_for_it.returncode, run_for_it.stdout) == (1, b"")
