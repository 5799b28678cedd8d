"""What only the file system of the operating system can show: modes, descriptors, and how its calls fail."""

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from synap.fs import LockHeldError, RealFileSystem, read_all

from .test_fs import put


def _descriptors(path: Path) -> list[int]:
    fds = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if entry.readlink() == path:
                fds.append(int(entry.name))
    return fds


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    fs = RealFileSystem()
    fs.make_directory(tmp_path / "d")
    put(fs, tmp_path / "d" / "f")
    fs.lock(tmp_path / "d" / "LOCK", "").release()
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "d" / "f").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "d" / "LOCK").stat().st_mode & 0o777 == 0o600


def test_no_descriptor_is_inherited_by_another_program(tmp_path: Path) -> None:
    fs = RealFileSystem()
    created, opened, lock = fs.create(tmp_path / "f"), fs.open(tmp_path / "f"), fs.lock(tmp_path / "LOCK", "")
    fds = _descriptors(tmp_path / "f") + _descriptors(tmp_path / "LOCK")
    assert len(fds) == 3
    assert all(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC for fd in fds)
    created.close()
    opened.close()
    lock.release()
    assert _descriptors(tmp_path / "f") + _descriptors(tmp_path / "LOCK") == []


def test_a_read_goes_on_after_short_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(RealFileSystem(), tmp_path / "f", b"0123456789")
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: pread(fd, min(size, 3), offset))
    assert read_all(RealFileSystem(), tmp_path / "f") == b"0123456789"


def test_a_failing_close_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    close = os.close

    def closing_with_an_error(fd: int) -> None:
        closed.append(fd)
        close(fd)
        raise OSError(errno.EIO, "the last bytes could not be written")

    file = RealFileSystem().create(tmp_path / "f")
    with monkeypatch.context() as patch:
        patch.setattr(os, "close", closing_with_an_error)
        with pytest.raises(OSError, match="last bytes"):
            file.close()
        file.close()
    assert len(closed) == 1


def test_an_error_is_not_taken_for_absence(tmp_path: Path) -> None:
    with pytest.raises(OSError, check=lambda error: error.errno == errno.ENAMETOOLONG):
        RealFileSystem().exists(tmp_path / ("x" * 300))


def test_a_name_without_a_file_behind_it_is_taken(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert RealFileSystem().exists(tmp_path / "link")


class _SyncsNoted(RealFileSystem):
    def __init__(self) -> None:
        self.synced: list[Path] = []

    def sync_directory(self, directory: Path) -> None:
        self.synced.append(directory)
        super().sync_directory(directory)


def test_make_directory_syncs_what_it_makes_and_what_an_interrupted_one_may_have_made(tmp_path: Path) -> None:
    fs = _SyncsNoted()
    fs.make_directory(tmp_path / "a" / "b")
    made = [tmp_path / "a", tmp_path, tmp_path / "a" / "b", tmp_path / "a"]
    assert fs.synced == [tmp_path.parent, *made]
    fs.synced.clear()
    fs.make_directory(tmp_path / "a" / "b")
    assert fs.synced == [tmp_path / "a"]


def test_make_directory_syncs_nothing_where_it_could_have_made_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    fs = _SyncsNoted()
    fs.make_directory(tmp_path)
    assert fs.synced == []


def test_a_lock_whose_text_cannot_be_written_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _data: bytes, _offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, check=lambda error: error.errno == errno.ENOSPC):
            RealFileSystem().lock(tmp_path / "LOCK", "")
    RealFileSystem().lock(tmp_path / "LOCK", "").release()


HOLDER = """
import sys, time
from pathlib import Path
from synap.fs import RealFileSystem
lock = RealFileSystem().lock(Path(sys.argv[1]), "another process")
print("locked", flush=True)
time.sleep(60)
"""


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    fs, path = RealFileSystem(), tmp_path / "LOCK"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:  # noqa: S603 - text of this file
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(LockHeldError) as caught:
            fs.lock(path, "this one")
        assert caught.value.text == "another process"
        holder.send_signal(signal.SIGKILL)
    fs.lock(path, "this one").release()
