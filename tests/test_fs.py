"""What every file system must do, the real and the simulated one alike. ``test_fs_real.py``: only the real one."""

import contextlib
import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from synap.fs import (
    LOCK_TEXT_BYTES,
    File,
    FileSystem,
    Lock,
    LockHeldError,
    RealFileSystem,
    create_durably,
    read_all,
    write_all,
)
from synap.testing import Call, FailAt, SimulatedFileSystem


@pytest.fixture(params=["real", "simulated"])
def fs(request: pytest.FixtureRequest) -> FileSystem:
    return RealFileSystem() if request.param == "real" else SimulatedFileSystem()


@pytest.fixture
def root(fs: FileSystem, tmp_path: Path) -> Path:
    fs.make_directory(tmp_path)
    return tmp_path


def put(fs: FileSystem, path: Path, data: bytes = b"") -> None:
    with contextlib.closing(fs.create(path)) as file:
        write_all(file, data)


# --- bytes -----------------------------------------------------------------------------------------------


def test_what_was_written_is_read(fs: FileSystem, root: Path) -> None:
    with contextlib.closing(fs.create(root / "f")) as file:
        assert file.path == root / "f"
        assert file.write(b"hello ") == 6
        assert file.write(memoryview(b"world")) == 5
        assert file.size() == 11
        assert file.read(0, 11) == b"hello world"
        assert file.read(6, 3) == b"wor"
    assert read_all(fs, root / "f") == b"hello world"


def test_a_read_ends_where_the_file_ends(fs: FileSystem, root: Path) -> None:
    with contextlib.closing(fs.create(root / "f")) as file:
        file.write(b"abc")
        assert file.read(1, 100) == b"bc"
        assert file.read(3, 1) == b""
        assert file.read(1000, 1) == b""
        assert file.read(0, 0) == b""


def test_an_empty_file_is_read_as_no_bytes(fs: FileSystem, root: Path) -> None:
    put(fs, root / "f")
    assert read_all(fs, root / "f") == b""


def test_a_write_of_nothing_is_no_error(fs: FileSystem, root: Path) -> None:
    with contextlib.closing(fs.create(root / "f")) as file:
        assert file.write(b"") == 0


def test_a_write_appends_after_the_file_was_reopened(fs: FileSystem, root: Path) -> None:
    put(fs, root / "f", b"one ")
    with contextlib.closing(fs.open(root / "f", writable=True)) as file:
        file.write(b"two")
        assert file.read(0, 100) == b"one two"


def test_two_handles_see_one_file(fs: FileSystem, root: Path) -> None:
    with contextlib.closing(fs.create(root / "f")) as writer, contextlib.closing(fs.open(root / "f")) as reader:
        writer.write(b"abc")
        assert reader.read(0, 3) == b"abc"
        assert reader.size() == 3


def test_truncate_cuts_and_the_next_write_continues_there(fs: FileSystem, root: Path) -> None:
    with contextlib.closing(fs.create(root / "f")) as file:
        file.write(b"0123456789")
        file.truncate(4)
        assert file.size() == 4
        file.write(b"x")
        assert file.read(0, 100) == b"0123x"


def test_truncate_beyond_the_end_lengthens_with_zeros(fs: FileSystem, root: Path) -> None:
    with contextlib.closing(fs.create(root / "f")) as file:
        file.write(b"ab")
        file.truncate(4)
        assert file.read(0, 100) == b"ab\0\0"


def test_syncing_and_dropping_the_cache_change_no_byte(fs: FileSystem, root: Path) -> None:
    with contextlib.closing(fs.create(root / "f")) as file:
        file.write(b"a" * 10_000)
        file.datasync()
        file.drop_cache()
        assert file.read(0, 10_000) == b"a" * 10_000
    fs.sync_directory(root)
    assert fs.names(root) == ["f"]


def test_a_negative_offset_or_size_is_invalid(fs: FileSystem, root: Path) -> None:
    with contextlib.closing(fs.create(root / "f")) as file:
        with pytest.raises(OSError, check=lambda error: error.errno == errno.EINVAL):
            file.read(-1, 1)
        with pytest.raises(OSError, check=lambda error: error.errno == errno.EINVAL):
            file.truncate(-1)


def test_a_file_opened_for_reading_refuses_changes(fs: FileSystem, root: Path) -> None:
    put(fs, root / "f", b"abc")
    with contextlib.closing(fs.open(root / "f")) as file:
        with pytest.raises(OSError, check=lambda error: error.errno == errno.EBADF):
            file.write(b"x")
        with pytest.raises(OSError, check=lambda error: error.errno == errno.EINVAL):
            file.truncate(0)
    assert read_all(fs, root / "f") == b"abc"


def test_closing_twice_does_nothing_and_a_closed_file_is_unusable(fs: FileSystem, root: Path) -> None:
    file = fs.create(root / "f")
    file.close()
    file.close()
    uses: list[Callable[[], object]] = [
        lambda: file.write(b"x"),
        lambda: file.read(0, 1),
        lambda: file.truncate(0),
        file.size,
        file.datasync,
        file.drop_cache,
    ]
    for use in uses:
        with pytest.raises((OSError, ValueError)):
            use()


def test_an_open_file_outlives_its_name(fs: FileSystem, root: Path) -> None:
    with contextlib.closing(fs.create(root / "f")) as file:
        file.write(b"abc")
        fs.remove(root / "f")
        assert file.read(0, 3) == b"abc"


# --- names -----------------------------------------------------------------------------------------------


def test_names_are_sorted(fs: FileSystem, root: Path) -> None:
    for name in ("10", "b", "9", "a"):
        put(fs, root / name)
    fs.make_directory(root / "aa")
    assert fs.names(root) == ["10", "9", "a", "aa", "b"]


def test_create_refuses_a_name_that_is_taken(fs: FileSystem, root: Path) -> None:
    put(fs, root / "f", b"old")
    with pytest.raises(FileExistsError) as caught:
        fs.create(root / "f")
    assert caught.value.errno == errno.EEXIST
    assert caught.value.filename is not None
    assert read_all(fs, root / "f") == b"old"


def test_exists_and_is_directory(fs: FileSystem, root: Path) -> None:
    put(fs, root / "f")
    assert fs.exists(root)
    assert fs.is_directory(root)
    assert fs.exists(root / "f")
    assert not fs.is_directory(root / "f")
    for nothing in (root / "missing", root / "f" / "below a file", root / "missing" / "x"):
        assert not fs.exists(nothing)
        assert not fs.is_directory(nothing)


def test_remove_takes_the_name_away(fs: FileSystem, root: Path) -> None:
    put(fs, root / "f")
    fs.remove(root / "f")
    assert fs.names(root) == []
    put(fs, root / "f", b"new")
    assert read_all(fs, root / "f") == b"new"


def test_rename_moves_a_file_with_its_bytes(fs: FileSystem, root: Path) -> None:
    put(fs, root / "old", b"abc")
    fs.rename(root / "old", root / "new")
    assert fs.names(root) == ["new"]
    assert read_all(fs, root / "new") == b"abc"


def test_rename_replaces_its_target(fs: FileSystem, root: Path) -> None:
    put(fs, root / "old", b"of old")
    put(fs, root / "new", b"of new")
    fs.rename(root / "old", root / "new")
    assert fs.names(root) == ["new"]
    assert read_all(fs, root / "new") == b"of old"


def test_rename_goes_between_directories(fs: FileSystem, root: Path) -> None:
    fs.make_directory(root / "there")
    put(fs, root / "f", b"abc")
    fs.rename(root / "f", root / "there" / "g")
    assert fs.names(root) == ["there"]
    assert read_all(fs, root / "there" / "g") == b"abc"


def test_rename_to_itself_changes_nothing(fs: FileSystem, root: Path) -> None:
    put(fs, root / "f", b"abc")
    fs.rename(root / "f", root / "f")
    assert read_all(fs, root / "f") == b"abc"


def test_a_renamed_file_stays_open(fs: FileSystem, root: Path) -> None:
    with contextlib.closing(fs.create(root / "old")) as file:
        fs.rename(root / "old", root / "new")
        file.write(b"abc")
    assert read_all(fs, root / "new") == b"abc"


def test_make_directory_makes_its_parents(fs: FileSystem, root: Path) -> None:
    fs.make_directory(root / "a" / "b" / "c")
    fs.make_directory(root / "a" / "b")
    assert fs.names(root / "a" / "b") == ["c"]


def test_make_directory_leaves_an_existing_one_as_it_is(fs: FileSystem, root: Path) -> None:
    put(fs, root / "f")
    fs.make_directory(root)
    assert fs.names(root) == ["f"]


def test_free_bytes_is_a_positive_number(fs: FileSystem, root: Path) -> None:
    assert fs.free_bytes(root) > 0


# --- errors of names -------------------------------------------------------------------------------------


IN_A_DIRECTORY: dict[str, Callable[[FileSystem, Path], object]] = {
    "create": lambda fs, path: fs.create(path / "x"),
    "lock": lambda fs, path: fs.lock(path / "x", ""),
    "names": lambda fs, path: fs.names(path),
    "rename into": lambda fs, path: fs.rename(path.with_name("file"), path / "x"),
    "sync_directory": lambda fs, path: fs.sync_directory(path),
}
ON_ANYTHING: dict[str, Callable[[FileSystem, Path], object]] = {
    "free_bytes": lambda fs, path: fs.free_bytes(path),
    "open": lambda fs, path: fs.open(path),
    "open for writing": lambda fs, path: fs.open(path, writable=True),
    "remove": lambda fs, path: fs.remove(path),
    "rename": lambda fs, path: fs.rename(path, path.with_name("target")),
    **IN_A_DIRECTORY,
}


@pytest.mark.parametrize("verb", ON_ANYTHING)
def test_what_is_missing_is_not_found(fs: FileSystem, root: Path, verb: str) -> None:
    put(fs, root / "file")
    with pytest.raises(FileNotFoundError) as caught:
        ON_ANYTHING[verb](fs, root / "missing")
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize("verb", IN_A_DIRECTORY)
def test_a_file_is_no_directory(fs: FileSystem, root: Path, verb: str) -> None:
    put(fs, root / "file")
    put(fs, root / "f")
    with pytest.raises(NotADirectoryError) as caught:
        IN_A_DIRECTORY[verb](fs, root / "f")
    assert caught.value.errno == errno.ENOTDIR


@pytest.mark.parametrize("below", ["f", "f/x", "f/x/y"])
def test_no_directory_can_be_made_where_a_file_is(fs: FileSystem, root: Path, below: str) -> None:
    put(fs, root / "f")
    with pytest.raises(NotADirectoryError) as caught:
        fs.make_directory(root / below)
    assert caught.value.errno == errno.ENOTDIR


def test_a_directory_is_no_file(fs: FileSystem, root: Path) -> None:
    fs.make_directory(root / "d")
    put(fs, root / "f")
    calls: list[Callable[[], object]] = [
        lambda: read_all(fs, root / "d"),
        lambda: fs.open(root / "d", writable=True),
        lambda: fs.remove(root / "d"),
        lambda: fs.rename(root / "f", root / "d"),
        lambda: fs.lock(root / "d", ""),
    ]
    for call in calls:
        with pytest.raises(IsADirectoryError) as caught:
            call()
        assert caught.value.errno == errno.EISDIR


# --- locks -----------------------------------------------------------------------------------------------


def test_a_second_lock_is_refused_with_the_text_of_the_first(fs: FileSystem, root: Path) -> None:
    held = fs.lock(root / "LOCK", "pid 123")
    with pytest.raises(LockHeldError) as caught:
        fs.lock(root / "LOCK", "pid 456")
    assert caught.value.text == "pid 123"
    assert caught.value.path == root / "LOCK"
    held.release()


def test_a_released_lock_can_be_taken_again(fs: FileSystem, root: Path) -> None:
    first = fs.lock(root / "LOCK", "a long text of the first holder")
    first.release()
    second = fs.lock(root / "LOCK", "short")
    first.release()
    with pytest.raises(LockHeldError) as caught:
        fs.lock(root / "LOCK", "")
    assert caught.value.text == "short"
    second.release()


def test_as_much_of_a_text_is_shown_as_there_is_room_for(fs: FileSystem, root: Path) -> None:
    held = fs.lock(root / "LOCK", "x" * 100)
    with pytest.raises(LockHeldError) as caught:
        fs.lock(root / "LOCK", "")
    assert caught.value.text == "x" * LOCK_TEXT_BYTES
    held.release()


def test_locks_on_different_files_are_independent(fs: FileSystem, root: Path) -> None:
    locks: list[Lock] = [fs.lock(root / name, name) for name in ("a", "b")]
    for lock in locks:
        lock.release()


# --- helpers on top of the seam --------------------------------------------------------------------------


def test_create_durably_leaves_the_file_and_nothing_else(fs: FileSystem, root: Path) -> None:
    create_durably(fs, root / "STORE", b"content")
    assert fs.names(root) == ["STORE"]
    assert read_all(fs, root / "STORE") == b"content"


def test_create_durably_replaces_what_was_there(fs: FileSystem, root: Path) -> None:
    put(fs, root / "STORE", b"old")
    put(fs, root / "STORE.tmp", b"the rest of an attempt that was interrupted")
    create_durably(fs, root / "STORE", b"new")
    assert fs.names(root) == ["STORE"]
    assert read_all(fs, root / "STORE") == b"new"


@pytest.mark.parametrize("failing", ["create", "write", "datasync", "close", "rename"])
def test_create_durably_shows_no_part_of_a_failed_attempt(tmp_path: Path, failing: str) -> None:
    fs = SimulatedFileSystem(FailAt(failing, 1, errno.EIO))
    fs.make_directory(tmp_path)
    with pytest.raises(OSError, check=lambda error: error.errno == errno.EIO):
        create_durably(fs, tmp_path / "STORE", b"content")
    assert not fs.exists(tmp_path / "STORE")


def _accepting(limit: int) -> tuple[SimulatedFileSystem, File]:
    def accept(call: Call) -> int | None:
        return limit if call.name == "write" else None

    fs = SimulatedFileSystem(accept)
    return fs, fs.create(Path("/f"))


def test_write_all_goes_on_after_short_writes() -> None:
    fs, file = _accepting(3)
    write_all(file, b"0123456789")
    assert file.read(0, 100) == b"0123456789"
    assert [call.size for call in fs.trace if call.name == "write"] == [10, 7, 4, 1]


def test_write_all_of_nothing_writes_nothing() -> None:
    fs, file = _accepting(3)
    write_all(file, b"")
    assert "write" not in {call.name for call in fs.trace}


def test_write_all_fails_where_no_byte_is_accepted() -> None:
    _, file = _accepting(0)
    with pytest.raises(OSError, match="accepted no bytes", check=lambda error: error.errno == errno.EIO):
        write_all(file, b"abc")
