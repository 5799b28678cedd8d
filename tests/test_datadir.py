"""The data directory: whose it is, that only one has it, and that a first start can be interrupted anywhere."""

import errno
import os
import struct
import zlib
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from synap.datadir import Places, StoreFile, explained, open_data_directory, pack_store_file, read_store_file
from synap.errors import (
    DamagedError,
    DataDirectoryError,
    DataDirectoryLockedError,
    DataDirectoryUnusableError,
    DiskFullError,
    LogFailedError,
    NewerFormatError,
    NotOursError,
)
from synap.fs import RealFileSystem, read_all
from synap.testing import NOTHING, CrashAt, FailAt, LyingSync, SimulatedCrash, SimulatedFileSystem
from tests.wal.build import DATA, STORE_ID, T0_MS, WAL, append, disk_of, events, files_of, name, start

STORE = DATA / "STORE"
CONTENT = pack_store_file(StoreFile(STORE_ID, T0_MS))
"""What stands in the ``STORE`` of these tests."""


def opened(fs: SimulatedFileSystem, number: int = 1) -> UUID:
    """Open the directory as a process of its own, and end it."""
    directory = open_data_directory(fs, DATA, now_ms=T0_MS, random_bytes=Random(number).randbytes)
    fs.kill()
    return directory.store_id


# --- STORE ---------------------------------------------------------------------------------------------------


def test_the_bytes_of_store_never_change() -> None:
    golden = "8953594e5354520a" + "01000000" + "00000000" + STORE_ID.bytes.hex() + "0068e5cf8b010000" + "00" * 20
    assert CONTENT.hex() == golden + struct.pack("<I", zlib.crc32(bytes.fromhex(golden))).hex()
    assert len(CONTENT) == 64
    assert read_store_file(disk_of({STORE: CONTENT}), STORE) == StoreFile(STORE_ID, T0_MS)


def test_no_store_is_none() -> None:
    assert read_store_file(disk_of({DATA / "x": b""}), STORE) is None


def test_every_flipped_bit_of_store_is_noticed() -> None:
    for bit in range(len(CONTENT) * 8):
        data = bytearray(CONTENT)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotOursError if bit < 64 else DamagedError):
            read_store_file(disk_of({STORE: bytes(data)}), STORE)


def test_every_truncation_of_store_is_noticed() -> None:
    for length in range(len(CONTENT)):
        with pytest.raises((NotOursError, DamagedError)):
            read_store_file(disk_of({STORE: CONTENT[:length]}), STORE)
    with pytest.raises(DamagedError):
        read_store_file(disk_of({STORE: CONTENT + b"\0"}), STORE)


def with_major(major: int) -> bytes:
    body = CONTENT[:8] + struct.pack("<H", major) + CONTENT[10:60]
    return body + struct.pack("<I", zlib.crc32(body))


def test_not_ours_newer_and_damaged_are_three_errors() -> None:
    outcomes = {}
    for case, content in {"not ours": b"SQLite format 3", "newer": with_major(2), "damaged": CONTENT[:-1]}.items():
        fs = disk_of({STORE: content})
        with pytest.raises(DataDirectoryError) as caught:
            opened(fs)
        outcomes[case] = (type(caught.value), caught.value.exit_code, caught.value.path)
        fs.kill()
        assert files_of(fs, DATA)[STORE] == content
    assert outcomes == {
        "not ours": (NotOursError, 66, STORE),
        "newer": (NewerFormatError, 76, STORE),
        "damaged": (DamagedError, 65, STORE),
    }


def test_a_newer_minor_version_is_read() -> None:
    body = CONTENT[:10] + b"\x07\x00" + CONTENT[12:60]
    content = body + struct.pack("<I", zlib.crc32(body))
    assert read_store_file(disk_of({STORE: content}), STORE) == StoreFile(STORE_ID, T0_MS)


# --- whose it is ---------------------------------------------------------------------------------------------


def test_a_new_directory_becomes_a_store_and_stays_that_store() -> None:
    fs = SimulatedFileSystem()
    first = opened(fs, 1)
    assert opened(fs, 2) == first
    fs.crash(Random(1), NOTHING)
    assert opened(fs, 3) == first
    assert sorted(path.name for path in files_of(fs, DATA, WAL)) == ["00000000000000000001.wal", "LOCK", "STORE"]


def test_random_numbers_are_real_unless_given(tmp_path: Path) -> None:
    ids = set()
    for place in ("a", "b"):
        directory = open_data_directory(RealFileSystem(), tmp_path / place, now_ms=T0_MS)
        directory.close()
        ids.add(directory.store_id)
    assert len(ids) == 2


@pytest.mark.parametrize("foreign", ["PG_VERSION", "ibdata1", "index.html", "stores", "store"])
def test_a_directory_with_files_of_others_is_refused_and_left_alone(foreign: str) -> None:
    fs = disk_of({DATA / foreign: b"theirs"})
    with pytest.raises(NotOursError, match=foreign) as caught:
        opened(fs)
    assert caught.value.path == DATA
    assert files_of(fs, DATA) == {DATA / foreign: b"theirs"}, "not even a lock was made"


@pytest.mark.parametrize("harmless", [".gitignore", ".DS_Store", "lost+found", "LOCK", "quarantine"])
def test_hidden_files_and_what_a_disk_comes_with_are_no_hindrance(harmless: str) -> None:
    fs = disk_of({DATA / harmless: b""})
    assert opened(fs) == opened(fs)


def test_a_store_may_hold_files_of_others() -> None:
    fs = SimulatedFileSystem()
    store_id = opened(fs)
    fs.create(DATA / "backup-notes.txt")
    assert opened(fs) == store_id


def test_a_file_is_no_directory() -> None:
    fs = disk_of({DATA.parent / "data": b""})
    with pytest.raises(DataDirectoryUnusableError, match="is not a directory"):
        opened(fs)


def test_segments_without_store_are_an_error_and_no_new_store() -> None:
    fs = SimulatedFileSystem()
    opened(fs)
    fs.remove(STORE)
    before = files_of(fs, DATA, WAL)
    with pytest.raises(DamagedError, match="it is missing, but /data/wal holds segments"):
        opened(fs)
    assert files_of(fs, DATA, WAL) == before


@pytest.mark.parametrize("directory_too", [True, False])
def test_store_without_segments_is_an_error_and_no_new_log(directory_too: bool) -> None:
    fs = disk_of({STORE: CONTENT} if directory_too else {STORE: CONTENT, WAL / "notes": b""})
    with pytest.raises(DamagedError, match="there is no segment"):
        start(fs, Random(1))


def leftovers() -> dict[str, dict[Path, bytes]]:
    """Directories that look like an unfinished first start, and are not one."""
    fs = SimulatedFileSystem()
    open_data_directory(fs, DATA, now_ms=T0_MS, random_bytes=Random(1).randbytes)
    files = files_of(fs, DATA, WAL)
    segment, content = files[name(1)], files[STORE]
    ours, temporary = DATA / "LOCK", DATA / "STORE.tmp"
    used = SimulatedFileSystem()
    start(used, Random(1))
    epoch_1 = files_of(used, WAL)[name(1)]
    return {
        "a second segment": {temporary: content, name(1): segment, name(2): segment},
        "another first segment": {temporary: content, name(2): segment},
        "a segment of another store": {temporary: CONTENT, name(1): segment},
        "a segment that was written to": {temporary: content, name(1): epoch_1},
        "a damaged segment": {temporary: content, name(1): segment[:100]},
        "a damaged STORE.tmp": {temporary: content[:-1], name(1): segment},
        "a STORE.tmp of others": {temporary: b"theirs", name(1): segment},
        "a newer STORE.tmp": {temporary: with_major(2), name(1): segment},
        "no STORE.tmp": {ours: b"", name(1): segment},
    }


@pytest.mark.parametrize("case", leftovers())
def test_only_what_a_first_start_leaves_is_finished(case: str) -> None:
    files = leftovers()[case]
    fs = disk_of(files)
    with pytest.raises(DamagedError, match="it is missing"):
        opened(fs)
    fs.kill()
    assert {path: data for path, data in files_of(fs, DATA, WAL).items() if path.name != "LOCK"} == {
        path: data for path, data in files.items() if path.name != "LOCK"
    }


def test_the_log_may_lie_elsewhere(tmp_path: Path) -> None:
    fs, wal = RealFileSystem(), tmp_path / "fast" / "disk" / "log"
    directory = open_data_directory(fs, tmp_path / "data", now_ms=T0_MS, places=Places(wal=wal))
    assert (directory.wal_directory, directory.quarantine) == (wal, tmp_path / "data" / "quarantine")
    assert fs.names(wal) == ["00000000000000000001.wal"]
    assert not fs.exists(tmp_path / "data" / "wal")
    directory.close()
    again = open_data_directory(fs, tmp_path / "data", now_ms=T0_MS, places=Places(wal=wal))
    assert again.store_id == directory.store_id
    again.close()


# --- the lock ------------------------------------------------------------------------------------------------


def test_only_one_has_the_directory(tmp_path: Path) -> None:
    fs = RealFileSystem()
    first = open_data_directory(fs, tmp_path, now_ms=T0_MS)
    with pytest.raises(DataDirectoryLockedError, match=f"the server with pid {os.getpid()}") as caught:
        open_data_directory(fs, tmp_path, now_ms=T0_MS)
    assert (caught.value.pid, caught.value.exit_code, caught.value.path) == (os.getpid(), 75, tmp_path)
    first.close()
    open_data_directory(fs, tmp_path, now_ms=T0_MS).close()


def test_a_holder_that_does_not_say_its_pid_is_another_process() -> None:
    fs = SimulatedFileSystem()
    fs.make_directory(DATA)
    fs.lock(DATA / "LOCK", "no number")
    with pytest.raises(DataDirectoryLockedError, match="another process") as caught:
        open_data_directory(fs, DATA, now_ms=T0_MS)
    assert caught.value.pid is None


def test_the_lock_is_taken_before_anything_is_read() -> None:
    fs = SimulatedFileSystem()
    opened(fs)
    since = fs.trace[-1].number
    opened(fs)
    calls = [call.name for call in fs.trace if call.number > since]
    assert calls.index("lock") < min(calls.index(call) for call in ("open", "read"))


def test_a_refusal_gives_the_lock_back() -> None:
    fs = disk_of({STORE: CONTENT[:-1]})
    for _ in range(2):
        with pytest.raises(DamagedError):
            open_data_directory(fs, DATA, now_ms=T0_MS)


# --- a first start, interrupted ------------------------------------------------------------------------------


def first_start(fs: SimulatedFileSystem, number: int) -> None:
    start(fs, Random(number))


def rounds(seed: int) -> int:
    """Crash a first start at every call; check that the next one succeeds; return the number of cases."""
    cases = 0
    for nth in range(1, 100):
        for outcome in range(12):
            rng = Random(f"{seed} {nth} {outcome}")
            fs = SimulatedFileSystem(CrashAt(nth, rng))
            try:
                first_start(fs, outcome)
            except SimulatedCrash:
                pass
            else:
                assert nth > 20
                return cases
            fs.faults.clear()
            if outcome == 0:
                fs.kill()
            else:
                fs.crash(rng)
            was_store = fs.exists(STORE) and read_store_file(fs, STORE)
            begun = start(fs, rng)
            assert begun.frames == []
            assert not was_store or was_store.store_id == begun.directory.store_id
            fs.crash(rng, NOTHING)
            assert opened(fs) == begun.directory.store_id
            cases += 1
    raise AssertionError("a first start never came to its end")


def test_a_first_start_can_be_interrupted_at_every_call(seed: int) -> None:
    assert rounds(seed) > 200


async def test_a_first_start_can_be_killed_the_next_one_too_and_then_the_power_cut(seed: int) -> None:
    """What a killed process had renamed and not synced is visible to the next, and may yet be undone."""
    for nth in range(1, 100):
        for second in range(1, 100):
            fs = SimulatedFileSystem(CrashAt(nth, Random(nth)))
            try:
                first_start(fs, 1)
            except SimulatedCrash:
                pass
            else:
                return
            fs.kill()
            fs.faults[:] = [CrashAt(second, Random(second))]
            acknowledged: tuple[tuple[int, bytes], ...] = ()
            try:
                log = start(fs, Random(2)).log
                await append(log, b"acknowledged")
                acknowledged = ((1, b"acknowledged"),)
            except SimulatedCrash:
                pass
            fs.faults.clear()
            fs.crash(Random(f"{seed} {nth} {second}"), NOTHING if second % 2 else None)
            found = events(start(fs, Random(3)).frames)
            assert found[: len(acknowledged)] == acknowledged, fs.history()
            assert found in {(), ((1, b"acknowledged"),)}
            if acknowledged:
                break


@pytest.mark.parametrize("lie", [LyingSync("sync_directory", "wal"), LyingSync("datasync", "STORE.tmp")])
def test_the_rounds_notice_when_a_sync_is_left_out(lie: LyingSync, monkeypatch: pytest.MonkeyPatch) -> None:
    def lying_start(fs: SimulatedFileSystem, number: int) -> None:
        fs.faults.append(lie)
        start(fs, Random(number))

    monkeypatch.setattr("tests.test_datadir.first_start", lying_start)
    with pytest.raises((AssertionError, DataDirectoryError)):
        rounds(1)


# --- errors of the operating system, explained ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (errno.ENOSPC, 71),
        (errno.EDQUOT, 71),
        (errno.EACCES, 77),
        (errno.EROFS, 77),
        (errno.EPERM, 77),
        (errno.EIO, 74),
        (errno.ENOTDIR, 73),
        (errno.EMFILE, 73),
    ],
)
@pytest.mark.parametrize("call", ["make_directory", "names", "lock", "create", "write", "datasync"])
def test_an_error_of_the_disk_says_what_is_wrong(call: str, code: int, exit_code: int) -> None:
    fs = SimulatedFileSystem(FailAt(call, 1, code))
    with pytest.raises(DataDirectoryUnusableError, match=f"/data cannot be used: {os.strerror(code)}") as caught:
        opened(fs)
    assert (caught.value.exit_code, caught.value.path) == (exit_code, DATA)
    fs.kill()
    assert opened(fs) == opened(fs), "and the next start succeeds"


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (DiskFullError("no room"), 71),
        (LogFailedError("fdatasync", WAL, OSError(errno.EIO, "bad")), 74),
        (LogFailedError("rename", WAL, OSError(errno.EROFS, "read-only")), 77),
        (LogFailedError("close", WAL, OSError("?")), 74),
        (OSError("?"), 73),
    ],
)
def test_errors_of_the_first_segment_are_explained_too(error: Exception, exit_code: int) -> None:
    with pytest.raises(DataDirectoryUnusableError, match="/data cannot be used") as caught, explained(DATA):
        raise error
    assert caught.value.exit_code == exit_code


def test_the_pid_stands_in_the_lock() -> None:
    fs = SimulatedFileSystem()
    open_data_directory(fs, DATA, now_ms=T0_MS)
    assert read_all(fs, DATA / "LOCK").strip() == str(os.getpid()).encode()
