"""``LocalLog`` and what an error of the disk means: final, or only no room."""

import errno
from random import Random

import pytest
import trio

from synap.errors import DiskFullError, LogConflictError, LogFailedError
from synap.fs import read_all
from synap.testing import NOTHING, Call, FailAt, ShortWrites, SimulatedFileSystem
from synap.wal import format as layout
from synap.wal.interface import Batch
from synap.wal.local import FsyncMode, LocalLog
from synap.wal.verdict import Suspect, Verdict, judge

from .build import SEED, T0_MS, WAL, append, name, start
from .conformance import fill
from .local_logs import calls, now, payloads, restarted, started


@pytest.fixture
def fs() -> SimulatedFileSystem:
    return SimulatedFileSystem()


# --- errors of the disk that are final -----------------------------------------------------------------------


async def refuses_everything(fs: SimulatedFileSystem, log: LocalLog) -> None:
    """After a failure nothing on the disk is touched any more, whatever is asked for."""
    fs.faults.clear()
    since = now(fs)
    with pytest.raises(LogFailedError):
        await append(log, b"later")
    with pytest.raises(LogFailedError):
        await log.append(Batch(b"conflict", 1, 1000, T0_MS))
    with pytest.raises(LogFailedError):
        with trio.fail_after(5):
            await log.upkeep()
    await log.close()
    assert now(fs) == since, fs.history()


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS])
async def test_a_failed_fdatasync_is_final_whatever_its_errno(fs: SimulatedFileSystem, code: int) -> None:
    log = started(fs)
    await append(log, b"a")
    fs.faults.append(FailAt("datasync", 1, code))
    with pytest.raises(LogFailedError, match="fdatasync") as caught:
        await append(log, b"b")
    assert (caught.value.call, caught.value.path, caught.value.errno) == ("fdatasync", name(1), code)
    assert log.last_seq == 1, "nobody was told that it happened"
    await refuses_everything(fs, log)
    assert payloads(log) == [b"a"]
    assert payloads(restarted(fs)) == [b"a"], "the cache had shown the second batch"


@pytest.mark.parametrize(
    ("call", "pattern", "described"),
    [
        ("datasync", "00000000000000000002.wal.tmp", "fdatasync"),
        ("datasync", "00000000000000000001.wal.tmp", "fdatasync"),
        ("write", "00000000000000000001.wal.tmp", "write"),
        ("close", "00000000000000000001.wal.tmp", "close"),
        ("rename", "*.wal", "rename"),
        ("sync_directory", "wal", "fsync of the directory"),
    ],
)
async def test_every_call_of_a_rotation_that_fails_is_final(
    fs: SimulatedFileSystem, call: str, pattern: str, described: str
) -> None:
    log = started(fs, segment_max_bytes=200)
    await append(log, b"a" * 50)
    # For writing, ENOSPC would be another matter; everywhere else it is as final as EIO.
    fs.faults.append(FailAt(call, 1, errno.EIO if call == "write" else errno.ENOSPC, pattern))
    with pytest.raises(LogFailedError, match=described):
        await append(log, b"b" * 50)
    await refuses_everything(fs, log)
    assert payloads(restarted(fs)) == [b"a" * 50]


@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS, errno.EBADF])
@pytest.mark.parametrize("call", ["write", "create"])
async def test_other_errors_of_writing_are_final(fs: SimulatedFileSystem, call: str, code: int) -> None:
    log = started(fs, segment_max_bytes=200)
    await append(log, b"a" * 50)
    fs.faults.append(FailAt(call, 1, code))
    with pytest.raises(LogFailedError, match=f"{call} of"):
        await append(log, b"b" * 50)
    await refuses_everything(fs, log)
    assert payloads(restarted(fs)) == [b"a" * 50]


@pytest.mark.parametrize("call", ["truncate", "datasync"])
async def test_a_cut_that_fails_is_final(fs: SimulatedFileSystem, call: str) -> None:
    log = started(fs)
    await append(log, b"a")
    fs.faults += [FailAt("write", 1, errno.ENOSPC), FailAt(call, 1, errno.EIO)]
    with pytest.raises(LogFailedError, match="ftruncate" if call == "truncate" else "fdatasync"):
        await append(log, b"b")
    await refuses_everything(fs, log)


@pytest.mark.parametrize("call", ["datasync", "write", "close"])
async def test_closing_that_fails_is_final(fs: SimulatedFileSystem, call: str) -> None:
    log = started(fs, FsyncMode.NEVER)
    await append(log, b"a")
    fs.faults.append(FailAt(call, 1, errno.EIO))
    with pytest.raises(LogFailedError):
        await log.close()
    await refuses_everything(fs, log)


@pytest.mark.parametrize("mode", [FsyncMode.ALWAYS, FsyncMode.PERIODIC])
async def test_a_sync_in_the_background_that_fails_is_final(fs: SimulatedFileSystem, mode: FsyncMode) -> None:
    log = started(fs, mode)
    await append(log, b"a")
    fs.faults.append(FailAt("datasync", 1, errno.EIO))
    with pytest.raises(LogFailedError), trio.fail_after(5):
        await log.upkeep()
    await refuses_everything(fs, log)


@pytest.mark.parametrize("call", ["remove", "sync_directory"])
async def test_trimming_that_fails_is_final(fs: SimulatedFileSystem, call: str) -> None:
    log = started(fs, segment_max_bytes=200)
    await fill(log, 1, 1, 1)
    fs.faults.append(FailAt(call, 1, errno.EIO))
    with pytest.raises(LogFailedError, match="unlink"):
        await log.trim(3)
    with pytest.raises(LogFailedError):
        await log.trim(3)
    await refuses_everything(fs, log)


def half_written(call: Call) -> int | None:
    return call.size // 2 if call.name == "write" else None


# --- no room -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
async def test_no_room_is_cut_back_and_the_next_append_succeeds(fs: SimulatedFileSystem, code: int) -> None:
    log = started(fs)
    await append(log, b"a")
    size = len(read_all(fs, name(1)))
    fs.faults += [half_written, FailAt("write", 2, code)]
    with pytest.raises(DiskFullError, match="nothing was written, reads go on") as caught:
        await append(log, Random(1).randbytes(1000))
    assert caught.value.retry_after_s > 0
    assert (log.full, log.last_seq) == (True, 1)
    assert len(read_all(fs, name(1))) == size
    assert payloads(log) == [b"a"], "reads go on"
    fs.faults.clear()
    await append(log, b"b")
    assert not log.full
    fs.crash(Random(1), NOTHING)
    assert payloads(restarted(fs)) == [b"a", b"b"]


async def test_a_disk_that_fills_up_really(fs: SimulatedFileSystem) -> None:
    log = started(fs, segment_max_bytes=3000)
    written = []
    fs.capacity_bytes = 20_000
    rng = Random(SEED)
    while not log.full:
        payload = rng.randbytes(700)
        try:
            await append(log, payload)
        except DiskFullError:
            assert log.full
        else:
            written.append(payload)
    assert len(written) > 15
    for _ in range(3):
        with pytest.raises(DiskFullError):
            await append(log, rng.randbytes(700))
    fs.capacity_bytes = None
    await append(log, b"again")
    await log.close()
    assert payloads(restarted(fs)) == [*written, b"again"]


async def test_what_was_cut_off_is_cut_off_durably_before_anything_takes_its_place(fs: SimulatedFileSystem) -> None:
    """The order of the calls, and what a disk could show were it another one.

    A disk that had written a sector of the half frame, and after that a sector of the frame in its place, shows a
    complete frame with a wrong checksum and no zeros: the server would refuse to start over a batch that nobody was
    told of.
    """
    log = started(fs)
    fs.faults += [half_written, FailAt("write", 2, errno.ENOSPC)]
    since = now(fs)
    with pytest.raises(DiskFullError):
        await append(log, Random(1).randbytes(4000))
    fs.faults.clear()
    await append(log, Random(2).randbytes(4000))
    assert calls(fs, since, name(1)) == ["write", "write", "truncate", "datasync", "write", "datasync"]

    new = read_all(fs, name(1))
    header = layout.unpack_segment_header(new)
    assert header is not None
    mixed = new[:512] + Random(3).randbytes(512) + new[1024:]
    frame = layout.unpack_frame_header(mixed, 128, header.salt)
    verdict, _ = judge(Suspect(mixed, 128, frame, header.salt, 1, segment_is_last=True, segment_is_sealed=False))
    assert verdict is Verdict.CORRUPT


async def test_short_writes_are_continued(fs: SimulatedFileSystem, seed: int) -> None:
    fs.faults.append(ShortWrites(Random(seed)))
    log = started(fs, segment_max_bytes=3000)
    written = [Random(number).randbytes(900) for number in range(6)]
    await append(log, *written)
    assert payloads(log) == written


async def test_a_write_that_takes_nothing_is_final(fs: SimulatedFileSystem) -> None:
    log = started(fs)
    fs.faults.append(lambda call: 0 if call.name == "write" else None)
    with pytest.raises(LogFailedError):
        await append(log, b"a")


@pytest.mark.parametrize(("call", "segment"), [("create", 2), ("write", 2), ("write", 1)])
async def test_no_room_for_a_rotation_leaves_the_old_segment_usable(
    fs: SimulatedFileSystem, call: str, segment: int
) -> None:
    log = started(fs, segment_max_bytes=200)
    await append(log, b"a" * 50)
    for nth in range(2):
        fs.faults[:] = [FailAt(call, 1, errno.ENOSPC, f"{name(segment).name}.tmp")]
        with pytest.raises(DiskFullError):
            await append(log, b"b" * 50)
        assert payloads(log) == [b"a" * 50]
        assert [path for path in fs.names(WAL) if path.endswith(".tmp")] == [], f"time {nth}"
    fs.faults.clear()
    await append(log, b"b" * 50, b"c" * 50)
    await log.close()
    assert fs.names(WAL) == [name(1).name, name(2).name, name(3).name]
    assert payloads(restarted(fs)) == [b"a" * 50, b"b" * 50, b"c" * 50]


async def test_a_log_on_a_full_disk_is_closed_synced_but_not_sealed(fs: SimulatedFileSystem) -> None:
    log = started(fs, FsyncMode.NEVER)
    await append(log, b"a")
    fs.capacity_bytes = 0
    await log.close()
    fs.capacity_bytes = None
    fs.crash(Random(1), NOTHING)
    begun = start(fs, Random(1))
    assert ([frame.payload for frame in begun.frames], begun.end.sealed) == ([b"a"], False)


async def test_a_start_on_a_full_disk_is_refused_and_loses_nothing(fs: SimulatedFileSystem) -> None:
    await append(started(fs), b"a")
    fs.kill()
    fs.capacity_bytes = 0
    for _ in range(3):
        with pytest.raises(DiskFullError):
            start(fs, Random(1))
        fs.kill()
    fs.capacity_bytes = None
    assert payloads(restarted(fs)) == [b"a"]


async def test_a_conflict_writes_nothing(fs: SimulatedFileSystem) -> None:
    log = started(fs)
    await append(log, b"a")
    since = now(fs)
    with pytest.raises(LogConflictError):
        await log.append(Batch(b"b", 1, 0, T0_MS))
    assert calls(fs, since, name(1)) == []
