"""The fold's process as the server sees it: whatever becomes of it is an answer, and nothing of it is left behind.

Where a test needs a child that misbehaves, a script takes Python's place.
"""

import errno
import fcntl
import json
import os
import sys
from contextlib import closing
from pathlib import Path

import pytest
import trio
from msgspec import structs

from synap.fold_process import fold_in_child
from synap.fs import RealFileSystem
from synap.recovery import load_snapshot
from synap.snapshot.fold import FoldFailure, FoldReport, FoldRequest
from synap.snapshot.reader import SnapshotReader
from tests.stores import Scene, two_snapshots

LIMIT_S = 20.0


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return two_snapshots(RealFileSystem(), tmp_path / "data")


@pytest.fixture
def request_(scene: Scene) -> FoldRequest:
    return FoldRequest(
        wal_directory=str(scene.wal),
        snapshot_directory=str(scene.snapshots),
        store_id=scene.store_id,
        base_seq=8,
        upto_seq=22,
        output=str(scene.snapshots / "next.snap.tmp"),
        now_ms=scene.now_ms,
        salt=1,
    )


class Impostor:
    """A shell script in the place of Python."""

    def __init__(self, path: Path, patch: pytest.MonkeyPatch) -> None:
        self._path = path
        patch.setattr(sys, "executable", str(path))

    def does(self, script: str) -> None:
        self._path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        self._path.chmod(0o700)


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Impostor:
    return Impostor(tmp_path / "impostor", monkeypatch)


async def failure(request: FoldRequest) -> FoldFailure:
    with trio.fail_after(LIMIT_S):
        outcome = await fold_in_child(request)
    assert isinstance(outcome, FoldFailure), outcome
    return outcome


# --- as it should be -------------------------------------------------------------------------------------


async def test_a_report(scene: Scene, request_: FoldRequest) -> None:
    report = await fold_in_child(request_)
    assert isinstance(report, FoldReport), report
    assert (report.last_seq, report.events) == (22, 14)
    with closing(SnapshotReader(scene.fs, Path(request_.output), scene.store_id)) as made:
        assert load_snapshot(made).digest == scene.states[22]


async def test_a_failure(scene: Scene, request_: FoldRequest) -> None:
    scene.segment(17).unlink()
    told = await failure(request_)
    assert told.damaged == str(scene.segment(23))
    assert "events are missing" in told.reason


async def test_what_lies_in_the_working_directory_is_not_run(
    request_: FoldRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("synap", "msgspec", "zstandard"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not this one')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert isinstance(await fold_in_child(request_), FoldReport)


async def test_what_the_child_gets(request_: FoldRequest, impostor: Impostor, tmp_path: Path) -> None:
    """The request, the pid of the server, and none of its files."""
    opened = os.open(tmp_path / "secret", os.O_CREAT | os.O_RDWR)
    # The shell's own descriptor of its script is one of its first numbers that are free, so this is a high one.
    secret = fcntl.fcntl(opened, fcntl.F_DUPFD, 100)
    os.close(opened)
    try:
        impostor.does(f'cat > {tmp_path}/request; echo "$@" > {tmp_path}/arguments; ls /proc/$$/fd > {tmp_path}/files')
        await failure(request_)
    finally:
        os.close(secret)
    assert json.loads((tmp_path / "request").read_bytes())["upto_seq"] == 22
    arguments = (tmp_path / "arguments").read_text(encoding="ascii").split()
    assert arguments == ["-P", "-m", "synap.snapshot.fold", str(os.getpid())]
    assert str(secret) not in (tmp_path / "files").read_text(encoding="ascii").split()


async def test_a_session_of_its_own(request_: FoldRequest, impostor: Impostor, tmp_path: Path) -> None:
    """What is typed at the server's terminal is not for the child."""
    impostor.does(f"cut -d' ' -f1,6 /proc/$$/stat > {tmp_path}/session")
    await failure(request_)
    pid, session = (tmp_path / "session").read_text(encoding="ascii").split()
    assert pid == session


# --- as it should not be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo nonsense", "its process ended with code 0 and said: nothing"),
        ("exit 0", "its process ended with code 0 and said: nothing"),
        ("echo '[]'", "its process ended with code 0 and said: nothing"),
        ('echo \'{"type": "report", "last_seq": "many"}\'', "its process ended with code 0 and said: nothing"),
        ("echo '  no   module' >&2; echo of it >&2; exit 3", "its process ended with code 3 and said: no module of it"),
        ("kill -KILL $$", "its process was ended by a signal (Killed)"),
        ("kill -SEGV $$", "its process was ended by a signal (Segmentation fault)"),
        ("kill -35 $$", "its process was ended by a signal (Real-time signal 1)"),
    ],
)
async def test_whatever_it_does_is_an_answer(
    request_: FoldRequest, impostor: Impostor, script: str, reason: str
) -> None:
    impostor.does(script)
    assert await failure(request_) == FoldFailure(reason)


async def test_of_what_it_says_at_the_end_the_end_is_told(request_: FoldRequest, impostor: Impostor) -> None:
    impostor.does("yes 0123456789 | head -n 90000 >&2; echo the reason >&2; exit 1")
    reason = (await failure(request_)).reason
    assert reason.endswith("0123456789 the reason")
    assert len(reason) < 600


@pytest.mark.parametrize(("made", "number"), [(False, errno.ENOENT), (True, errno.EACCES)])
async def test_it_cannot_be_started(
    request_: FoldRequest, impostor: Impostor, tmp_path: Path, made: bool, number: int
) -> None:
    if made:
        (tmp_path / "impostor").write_bytes(b"not for anybody to run")
    told = await failure(request_)
    assert (told.errno, told.damaged) == (number, None)
    assert told.reason.startswith("its process cannot be started: ")


async def test_a_directory_whose_name_cannot_be_told(request_: FoldRequest) -> None:
    strange = structs.replace(request_, wal_directory=os.fsdecode(b"/data\xff"))
    assert await failure(strange) == FoldFailure("the name of its directory is not UTF-8")


async def test_whoever_stops_waiting_stops_the_child(request_: FoldRequest, impostor: Impostor, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    impostor.does(f"echo $$ > {pid_file}.tmp; mv {pid_file}.tmp {pid_file}; exec sleep 1000")
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fold_in_child, request_)
            while not pid_file.exists():  # noqa: ASYNC110  # the child has no other way to tell
                await trio.sleep(0.005)
            nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text(encoding="ascii")), 0)


async def test_a_stopped_child_can_be_stopped_for_good(
    request_: FoldRequest, impostor: Impostor, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    impostor.does(f"echo $$ > {pid_file}.tmp; mv {pid_file}.tmp {pid_file}; kill -STOP $$")
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fold_in_child, request_)
            while not pid_file.exists():  # noqa: ASYNC110  # the child has no other way to tell
                await trio.sleep(0.005)
            nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text(encoding="ascii")), 0)
