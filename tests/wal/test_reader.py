"""A directory of segments: what is missing, there twice, exchanged, foreign or left over, and what none can see."""

import errno
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TypeAlias
from uuid import UUID

import pytest

from synap.errors import DamagedError, NewerFormatError
from synap.fs import read_all
from synap.testing import NOTHING, FailAt, SimulatedFileSystem
from synap.wal import format as layout
from synap.wal.interface import Frame
from synap.wal.local import LogOptions
from synap.wal.reader import LogReader, read_header, segment_seqs

from .build import (
    DATA,
    SEED,
    STORE_ID,
    WAL,
    Events,
    Forge,
    append,
    disk_of,
    events,
    files_of,
    name,
    read_frames,
    start,
)

Files: TypeAlias = dict[Path, bytes]
SMALL = LogOptions(segment_max_bytes=800)
"""Room for two batches of 200 bytes."""


async def history(*, clean: bool = True) -> tuple[Files, Events]:
    """The files of a store that rotated, was stopped, was killed and went on; and the batches in its log."""
    fs, rng = SimulatedFileSystem(), Random(SEED)
    directory, _, _, log = start(fs, rng, SMALL)
    await append(log, *(rng.randbytes(200) for _ in range(4)))
    await log.close()
    directory.close()
    _, _, _, log = start(fs, rng, SMALL)
    await append(log, *(rng.randbytes(200) for _ in range(3)))
    fs.kill()
    directory, _, _, log = start(fs, rng, SMALL)
    await append(log, rng.randbytes(200), rng.randbytes(200))
    if clean:
        await log.close()
    fs.kill()
    files = files_of(fs, WAL.parent, WAL)
    return files, events(read_frames(fs, WAL, directory.store_id))


def segments(files: Files) -> list[Path]:
    return sorted(path for path in files if path.suffix == ".wal")


def found(files: Files) -> Events:
    """What a start finds."""
    return events(start(disk_of(files), Random(1)).frames)


def damage(files: Files) -> DamagedError:
    """The refusal to start, after which nothing has changed."""
    fs = disk_of(files)
    with pytest.raises(DamagedError) as caught:
        start(fs, Random(1))
    fs.kill()
    assert {path: data for path, data in files_of(fs, WAL.parent, WAL).items() if path.name != "LOCK"} == {
        path: data for path, data in files.items() if path.name != "LOCK"
    }
    return caught.value


async def test_the_history_is_read_over_all_its_segments() -> None:
    files, batches = await history()
    assert [int(path.stem) for path in segments(files)] == [1, 3, 5, 7, 8]
    assert [seq for seq, _ in batches] == list(range(1, 10))
    assert found(files) == batches


@pytest.mark.parametrize("from_seq", range(1, 11))
async def test_reading_begins_at_any_number(from_seq: int) -> None:
    files, batches = await history()
    fs = disk_of(files)
    store_id = start(fs, Random(1)).directory.store_id
    reader = LogReader(fs, WAL, store_id)
    assert events(list(reader.frames(from_seq))) == batches[from_seq - 1 :]
    assert reader.end.last_seq == 9
    assert reader.bytes_read == reader.bytes_on_disk > 0


async def test_reading_stops_where_it_is_told_to() -> None:
    files, batches = await history()
    files[segments(files)[-1]] += b"damage"
    fs = disk_of(files)
    store_id = read_store_id(files)
    for upto in range(1, 10):
        reader = LogReader(fs, WAL, store_id)
        assert events(list(reader.frames(1, upto_seq=upto))) == batches[:upto]


def read_store_id(files: Files) -> UUID:
    header = layout.unpack_segment_header(files[segments(files)[0]])
    assert header is not None
    return header.store_id


# --- segment by segment ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("from_seq", range(1, 11))
async def test_the_segments_hold_the_frames(from_seq: int) -> None:
    """From the one on that holds the event that was asked for, whole: who asks for frames gets no earlier ones."""
    files, batches = await history()
    reader = LogReader(disk_of(files), WAL, read_store_id(files))
    firsts: list[int] = []
    found: list[Frame] = []
    for segment in reader.segments(from_seq):
        firsts.append(segment.header.first_seq)
        assert segment.header == layout.unpack_segment_header(files[segment.path])
        found += segment.frames()
        assert segment.sealed == (segment.header.first_seq != 7)
    assert firsts == [first for first, following in pairwise((1, 3, 5, 7, 8, 100)) if following > from_seq]
    assert events(found) == batches[firsts[0] - 1 :]
    assert events(list(reader.frames(from_seq))) == batches[from_seq - 1 :]
    assert (reader.end.last_seq, reader.bytes_read) == (9, reader.bytes_on_disk)


async def test_the_segments_are_checked_as_the_frames_are() -> None:
    files, _ = await history()
    gone = segments(files)[2]
    del files[gone]
    reading = LogReader(disk_of(files), WAL, read_store_id(files)).segments(1)
    assert [len(list(next(reading).frames())) for _ in range(2)] == [2, 2]
    with pytest.raises(DamagedError, match="events are missing") as caught:
        next(reading)
    assert caught.value.seq == int(gone.stem)


async def test_where_it_has_got_to_is_known_segment_by_segment() -> None:
    files, _ = await history()
    reader = LogReader(disk_of(files), WAL, read_store_id(files))
    done = 0
    for segment in reader.segments(1):
        assert (reader.position, reader.bytes_read) == ((segment.path, 128), done + 128)
        list(segment.frames())
        done += len(files[segment.path])
        assert (reader.position, reader.bytes_read) == ((segment.path, len(files[segment.path])), done)


# --- only a header --------------------------------------------------------------------------------------------


async def test_the_header_of_a_segment_is_read_and_nothing_behind_it() -> None:
    files, _ = await history()
    store_id = read_store_id(files)
    for path in segments(files):
        damaged = files | {path: files[path][:128] + b"whatever follows"}
        fs = disk_of(damaged)
        header = read_header(fs, WAL, int(path.stem), store_id)
        assert header == layout.unpack_segment_header(files[path])
        assert [call.name for call in fs.trace][-3:] == ["open", "read", "close"]


def header_damage(data: bytes, first_seq: int = 1) -> DamagedError:
    fs = disk_of({name(first_seq): data})
    with pytest.raises(DamagedError) as caught:
        read_header(fs, WAL, first_seq, STORE_ID)
    assert (caught.value.path, caught.value.offset, caught.value.seq) == (name(first_seq), 0, first_seq)
    assert fs.trace[-1].name == "close"
    return caught.value


def test_a_header_that_is_broken_foreign_or_renamed_is_damage() -> None:
    data = bytes(Forge().batch().data)
    for length in range(128):
        assert "header is damaged" in header_damage(data[:length]).reason
    for place in range(128):
        flipped = data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]
        assert "header is damaged" in header_damage(flipped).reason
    foreign = Forge(store_id=UUID(int=5))
    assert "belongs to another store" in header_damage(bytes(foreign.data)).reason
    assert "begins at seq 1: it was renamed" in header_damage(data, 7).reason


def test_a_header_that_is_not_there_is_damage_because_events_are_missing() -> None:
    for files in ({name(1): bytes(Forge().data)}, {WAL.parent / "x": b""}):
        with pytest.raises(DamagedError, match="events are missing: the segment is not there") as caught:
            read_header(disk_of(files), WAL, 7, STORE_ID)
        assert (caught.value.path, caught.value.offset, caught.value.seq) == (name(7), None, 7)


def test_a_header_of_a_newer_version_is_refused_as_newer() -> None:
    for offset in (8, 12, 16):
        fs = disk_of({name(1): bytes(Forge(patch={offset: b"\x02"}).data)})
        with pytest.raises(NewerFormatError, match="this version of Synap reads 1"):
            read_header(fs, WAL, 1, STORE_ID)


def test_an_error_of_the_disk_is_not_taken_for_damage_of_a_header() -> None:
    fs = disk_of({name(1): bytes(Forge().data)})
    fs.faults.append(FailAt("read", 1, errno.EIO))
    with pytest.raises(OSError, check=lambda error: error.errno == errno.EIO):
        read_header(fs, WAL, 1, STORE_ID)
    assert fs.trace[-1].name == "close"


# --- gaps, overlaps, exchanges --------------------------------------------------------------------------------


async def test_a_missing_segment_is_a_gap() -> None:
    files, _ = await history()
    for gone in segments(files)[1:-1]:
        rest = {path: data for path, data in files.items() if path != gone}
        error = damage(rest)
        assert "missing" in error.reason
        assert error.seq == int(gone.stem)


async def test_a_missing_first_segment_is_a_missing_start() -> None:
    files, _ = await history()
    del files[segments(files)[0]]
    error = damage(files)
    assert (error.path, error.seq) == (WAL, 1)
    assert "missing its start: it begins at seq 3" in error.reason


async def test_a_missing_last_segment_cannot_be_noticed() -> None:
    """The log of a store that lost its newest file is the log of that store at an earlier time.

    Nothing outside of the log counts the acknowledged events. A snapshot that includes more than the log holds would
    show it, and so does a client that kept a version.
    """
    files, batches = await history()
    del files[segments(files)[-1]]
    assert found(files) == batches[:7]


async def test_no_segment_at_all_is_a_missing_start() -> None:
    files, _ = await history()
    error = damage({path: data for path, data in files.items() if path.suffix != ".wal"})
    assert "there is no segment" in error.reason


async def test_an_overlap_is_noticed() -> None:
    files, _ = await history()
    forged = Forge(first_seq=2, store_id=read_store_id(files), epoch=1)
    error = damage(files | {name(2): bytes(forged.batch().data)})
    assert "there twice" in error.reason
    assert (error.path, error.seq) == (name(2), 3)


async def test_a_duplicate_under_another_name_is_a_renamed_file() -> None:
    files, _ = await history()
    files[name(10)] = files[segments(files)[-1]]
    error = damage(files)
    assert "it was renamed" in error.reason
    assert (error.path, error.seq) == (name(10), 10)


async def test_exchanged_names_are_noticed() -> None:
    files, _ = await history()
    paths = segments(files)
    for left, right in pairwise(paths):
        swapped = files | {left: files[right], right: files[left]}
        error = damage(swapped)
        assert "it was renamed" in error.reason
        assert (error.path, error.offset) == (left, 0)


async def test_a_segment_of_another_store_is_noticed() -> None:
    files, _ = await history()
    for path in segments(files):
        files_with = files | {path: bytes(Forge(first_seq=int(path.stem)).batch().data)}
        error = damage(files_with)
        assert f"belongs to another store ({STORE_ID})" in error.reason
        assert (error.path, error.seq) == (path, int(path.stem))


async def test_a_renamed_segment_is_noticed() -> None:
    files, _ = await history()
    for path in segments(files):
        renamed = {name(77) if place == path else place: data for place, data in files.items()}
        damage(renamed)


async def test_an_older_copy_of_a_segment_is_noticed_by_what_follows() -> None:
    """Cut anywhere: at a frame's end the count or the chain does not fit, elsewhere the frame is bad."""
    files, _ = await history()
    for path in segments(files)[:-1]:
        for length in range(layout.SEGMENT_HEADER_BYTES, len(files[path]), 8):
            damage(files | {path: files[path][:length]})


async def test_a_segment_of_a_fork_is_noticed() -> None:
    """The same store, continued twice from one copy: same id, same numbers, another content."""
    files, _ = await history()
    upto = segments(files)[:3]
    fork = disk_of({path: data for path, data in files.items() if path.suffix != ".wal" or path in upto})
    _, _, _, log = start(fork, Random(99), SMALL)
    await append(log, *(b"other" * 60 for _ in range(4)))
    others = files_of(fork, WAL)
    for path in sorted(set(others) & set(segments(files)) - set(upto)):
        error = damage(files | {path: others[path]})
        assert "does not continue" in error.reason or "there twice" in error.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda forge: forge.chain, "does not continue"),
        (lambda _: b"another chain 16", "does not continue"),
    ],
)
def test_the_chain_is_handed_over(change: Callable[[Forge], bytes], reason: str) -> None:
    first = Forge().batch()
    second = Forge(first_seq=2, chain=first.chain).batch()
    assert len(read_frames(disk_of({name(1): bytes(first.data), name(2): bytes(second.data)}), WAL, STORE_ID)) == 2
    first.tick()
    wrong = Forge(first_seq=2, chain=change(second)).batch()
    with pytest.raises(DamagedError, match=reason):
        read_frames(disk_of({name(1): bytes(first.data), name(2): bytes(wrong.data)}), WAL, STORE_ID)


@pytest.mark.parametrize(("epoch", "earlier_ms"), [(2, 0), (3, 1)])
def test_a_segment_that_is_older_than_the_one_before_is_damage(epoch: int, earlier_ms: int) -> None:
    first = Forge(epoch=3).batch()
    second = Forge(first_seq=2, chain=first.chain, epoch=epoch, created_ms=first.wall_ms - earlier_ms)
    with pytest.raises(DamagedError, match="it is older than"):
        read_frames(disk_of({name(1): bytes(first.data), name(2): bytes(second.data)}), WAL, STORE_ID)


# --- names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra",
    [
        "1.wal",
        "backup.wal",
        "0000000000000000001.wal",
        "000000000000000000001.wal",
        "-0000000000000000001.wal",
        ".wal",
        "\u0660" * 19 + "\u0662.wal",
        "00000000000000000003 (copy).wal",
        "00000000000000000003.WAL.wal",
    ],
)
async def test_a_file_with_a_segments_suffix_and_another_name_is_damage(extra: str) -> None:
    files, _ = await history()
    error = damage(files | {WAL / extra: b""})
    assert error.path == WAL / extra
    assert "was it renamed" in error.reason


@pytest.mark.parametrize("extra", ["00000000000000000008.wal.tmp", "00000000000000000077.wal.tmp", "notes", ".hidden"])
async def test_other_files_are_left_alone(extra: str) -> None:
    files, batches = await history()
    fs = disk_of(files | {WAL / extra: b"left over"})
    begun = start(fs, Random(1))
    assert events(begun.frames) == batches
    assert read_all(fs, WAL / extra) == b"left over"


async def test_a_left_over_temporary_segment_is_replaced() -> None:
    """Rotation, or a start, was interrupted before it gave the new segment its name."""
    files, batches = await history()
    fs = disk_of(files | {WAL / "00000000000000000010.wal.tmp": b"left over"})
    begun = start(fs, Random(1))
    await append(begun.log, b"new")
    fs.crash(Random(1), NOTHING)
    assert events(start(fs, Random(1)).frames) == (*batches, (10, b"new"))


def test_the_names_of_a_directory_that_is_gone_are_none() -> None:
    assert segment_seqs(SimulatedFileSystem(), WAL) == ()


# --- the end --------------------------------------------------------------------------------------------------


async def test_the_end_of_a_log_that_was_closed() -> None:
    files, _ = await history()
    begun = start(disk_of(files), Random(1))
    assert (begun.end.last_seq, begun.end.sealed, begun.end.torn, begun.end.empty_segment) == (9, True, None, None)
    assert begun.end.first_seqs == (1, 3, 5, 7, 8)


async def test_the_end_of_a_log_that_was_not() -> None:
    files, _ = await history(clean=False)
    begun = start(disk_of(files), Random(1))
    assert (begun.end.last_seq, begun.end.sealed, begun.end.torn) == (9, False, None)


async def test_an_empty_last_segment_is_replaced_by_one_that_continues_what_is_before_it() -> None:
    """Also where it holds ticks, or the torn beginning of its first batch; and as often as the server is started."""
    fs, rng = SimulatedFileSystem(), Random(SEED)
    _, _, _, log = start(fs, rng)
    await append(log, b"one")
    epochs = []
    for tail in (b"", b"SYNF torn", bytes(100)):
        fs.kill()
        _, frames, _, log = start(fs, rng)
        assert [frame.payload for frame in frames] == [b"one"]
        log._tick(log._last_now_ms)
        file = fs.open(name(2), writable=True)
        file.write(tail)
        fs.kill()
        header = layout.unpack_segment_header(read_all(fs, name(2)))
        assert header is not None
        epochs.append(header.epoch)
        _, _, _, log = start(fs, rng)
        assert read_all(fs, name(2))[128:] == b""
    assert epochs == [2, 4, 6]
    await append(log, b"two")
    fs.crash(rng, NOTHING)
    assert [frame.payload for frame in start(fs, rng).frames] == [b"one", b"two"]
    assert sorted(files_of(fs, DATA / "quarantine").values()) == [bytes(100), b"SYNF torn"]


async def test_the_last_segment_is_read_from_the_disk_and_not_from_the_cache() -> None:
    """After a failed sync the page cache shows a batch that the disk does not have."""
    fs, rng = SimulatedFileSystem(), Random(SEED)
    _, _, _, log = start(fs, rng)
    await append(log, b"durable")
    fs.faults.append(FailAt("datasync", 1, 5))
    with pytest.raises(Exception, match="fdatasync"):
        await append(log, b"lost" * 300)
    fs.kill()
    names = len(fs.trace)
    begun = start(fs, rng)
    assert [frame.payload for frame in begun.frames] == [b"durable"]
    calls = [call.name for call in list(fs.trace)[names:] if call.path in {WAL, name(1)}]
    sync, directory, drop = (calls.index(call) for call in ("datasync", "sync_directory", "drop_cache"))
    assert sync < drop < calls.index("read", drop)
    assert directory < drop


def test_the_end_is_known_only_after_reading() -> None:
    reader = LogReader(disk_of({name(1): bytes(Forge().batch().data)}), WAL, STORE_ID)
    assert reader.bytes_read == 0
    with pytest.raises(AssertionError):
        reader.end  # noqa: B018  # looking at it is the test
    with pytest.raises(AssertionError):
        reader.position  # noqa: B018  # likewise
    list(reader.frames(1))
    assert reader.end.last_seq == 1
    assert reader.position == (name(1), reader.bytes_on_disk)


async def test_a_start_after_a_start_finds_the_same() -> None:
    files, batches = await history(clean=False)
    files[segments(files)[-1]] += b"SYNF torn"
    fs = disk_of(files)
    for _ in range(4):
        begun = start(fs, Random(1))
        assert events(begun.frames) == batches
        fs.kill()


def test_reading_changes_nothing() -> None:
    fs = disk_of({name(1): bytes(Forge().batch().data) + b"SYNF torn"})
    before = files_of(fs, WAL)
    reader = LogReader(fs, WAL, STORE_ID)
    list(reader.frames(1, distrust_cache=True))
    assert reader.end.torn is not None
    assert files_of(fs, WAL) == before
