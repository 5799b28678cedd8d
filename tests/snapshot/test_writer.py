"""One snapshot, written: where blocks end, what the index holds, what is on the disk when, and errors of the disk."""

import errno
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from synap.errors import DamagedError
from synap.fs import RealFileSystem, read_all
from synap.snapshot import format as layout
from synap.snapshot.format import BlockHeader, IndexRow, Row, SnapshotFooter
from synap.snapshot.reader import SnapshotReader
from synap.snapshot.writer import _ROW_BYTES, SYNC_EVERY_BYTES, SnapshotWriter
from synap.testing import (
    NOTHING,
    Call,
    CrashAt,
    FailAt,
    ShortWrites,
    SimulatedCrash,
    SimulatedFileSystem,
)
from tests.wal.build import SALT

from .build import (
    DIGEST,
    HEADER,
    PATH,
    SNAPSHOTS,
    blocks_of,
    empty_disk,
    entry,
    in_pieces,
    opened,
    random_rows,
    read,
    write,
    written,
)


@pytest.fixture
def fs() -> SimulatedFileSystem:
    return empty_disk()


def block_headers(data: bytes) -> list[BlockHeader]:
    """Those of the blocks, and of the index behind them."""
    _, blocks, index, _ = in_pieces(data)
    found = []
    for piece in (*blocks, index):
        header = layout.unpack_block_header(piece[:32], SALT)
        assert header is not None
        found.append(header)
    return found


def index_of(data: bytes) -> list[IndexRow]:
    with opened(data) as reader:
        return reader._read_index()


# --- blocks and index ----------------------------------------------------------------------------------------


def test_a_block_holds_about_64_kib() -> None:
    data = written(random_rows(Random(1), 3000, 200))
    *blocks, _ = block_headers(data)
    assert len(blocks) == 12
    for block in blocks[:-1]:
        assert 0.85 * layout.BLOCK_TARGET_BYTES < block.raw_length <= layout.BLOCK_TARGET_BYTES
    assert 0 < blocks[-1].raw_length <= layout.BLOCK_TARGET_BYTES
    assert [block.number for block in blocks] == list(range(12))
    assert sum(block.row_count for block in blocks) == 3000


def test_a_row_takes_no_more_than_is_reckoned_with() -> None:
    """However long its numbers are, so that no block is larger than its target and one entry."""
    rows: list[Row] = [(b"%06d" % number, 2, bytes(70_000), 2**53, 2**64 - 1) for number in range(20)]
    for block in block_headers(written(rows, 5_000_000))[:-1]:
        assert block.raw_length - block.row_count * (6 + 70_000) <= block.row_count * _ROW_BYTES
    long_keys = [entry(bytes((number,)) * 65_536, b"", 2**53, 2**64 - 1) for number in range(20)]
    for block in block_headers(written(long_keys, 500_000))[:-1]:
        assert block.raw_length - block.row_count * 65_536 <= block.row_count * _ROW_BYTES


def test_the_index_has_a_row_for_each_block() -> None:
    rows = random_rows(Random(1), 1000, 200)
    data = written(rows)
    index = index_of(data)
    *blocks, last = block_headers(data)
    assert (last.magic, last.number, last.row_count) == (b"SYNI", len(blocks), len(blocks))
    number, offset = 0, layout.HEADER_BYTES
    for block, line in zip(blocks, index, strict=True):
        assert line == (rows[number][0], offset)
        number += block.row_count
        offset += layout.BLOCK_HEADER_BYTES + block.payload_length
    assert number == len(rows)


def test_the_index_has_the_start_of_long_keys() -> None:
    rows = [entry(b"%05d" % number + b"k" * 65_531) for number in range(20)]
    data = written(rows)
    assert index_of(data) == [(row[0][:64], offset) for row, (_, offset) in zip(rows, index_of(data), strict=True)]
    assert read(data) == rows


def test_the_footer_counts_what_was_written(fs: SimulatedFileSystem) -> None:
    rows = random_rows(Random(1), 1000, 200)
    footer = write(fs, rows)
    data = read_all(fs, PATH)
    _, blocks, index, foot = in_pieces(data)
    assert footer == SnapshotFooter(
        entry_count=1000,
        block_count=len(blocks),
        entry_bytes=sum(len(key) + len(value) for key, _, value, _, _ in rows),
        index_offset=len(data) - len(foot) - len(index),
        digest=DIGEST,
    )
    assert layout.unpack_footer(foot, SALT) == footer


def test_an_empty_snapshot_has_no_blocks(fs: SimulatedFileSystem) -> None:
    assert write(fs, []) == SnapshotFooter(0, 0, 0, layout.HEADER_BYTES, DIGEST)
    data = read_all(fs, PATH)
    assert in_pieces(data)[1] == []
    assert read(data) == []
    assert index_of(data) == []
    with opened(data) as reader:
        assert reader.find(b"") is None
        assert reader.find(b"key") is None


def test_one_giant_value_has_a_block_of_its_own() -> None:
    """The largest that a command can bring in, behind as much as fits before it."""
    rows = [entry(b"a", bytes(65_000)), entry(b"b", Random(1).randbytes(1 << 20) * 48), entry(b"c")]
    data = written(rows)
    assert [block.row_count for block in block_headers(data)[:-1]] == [2, 1]
    assert block_headers(data)[0].raw_length < layout.BLOCK_MAX_RAW_BYTES
    with opened(data) as reader:
        assert list(reader.rows()) == rows
        assert reader.find(b"b") == rows[1]
        assert reader.find(b"c") == rows[2]


def test_the_longest_keys_come_back() -> None:
    rows = [entry(bytes((number,)) * 65_536, b"") for number in range(40)]
    data = written(rows)
    assert read(data) == rows
    assert len(block_headers(data)) == 41
    with opened(data) as reader:
        assert [reader.find(row[0]) for row in rows] == rows
        assert reader.find(bytes((7,)) * 65_535) is None


def test_the_same_entries_give_the_same_bytes() -> None:
    rows = random_rows(Random(1), 500, 300)
    assert written(rows) == written(iter(rows))


def test_compression_pays() -> None:
    rows = [
        entry(b"session:%06d" % number, b'{"user":%d,"roles":["reader","writer"]}' % number) for number in range(5000)
    ]
    data = written(rows)
    assert read(data) == rows
    assert len(data) < 0.4 * sum(len(row[0]) + len(row[2]) for row in rows)


# --- what is on the disk when --------------------------------------------------------------------------------


def calls(fs: SimulatedFileSystem) -> list[str]:
    return [call.name for call in fs.trace if call.path == PATH]


def test_everything_is_written_before_the_last_sync_and_nothing_after(fs: SimulatedFileSystem) -> None:
    write(fs, [entry(b"k")])
    # Header, block, index, footer.
    assert calls(fs) == ["create", "write", "write", "write", "write", "datasync", "close"]
    assert [call.size for call in fs.trace if call.name == "write"][-1] == layout.FOOTER_BYTES


def test_a_finished_snapshot_survives_a_power_cut_under_a_name_that_does(fs: SimulatedFileSystem) -> None:
    rows = random_rows(Random(1), 100, 200)
    with blocks_of(1000):
        write(fs, rows)
    fs.sync_directory(SNAPSHOTS)
    fs.crash(Random(1), NOTHING)
    assert read(read_all(fs, PATH)) == rows
    # The name is for whoever gives the file one: the writer does not see to it.
    write(fs, rows, path=SNAPSHOTS / "other.tmp")
    fs.crash(Random(1), NOTHING)
    assert fs.names(SNAPSHOTS) == [PATH.name]


def test_a_large_snapshot_is_synced_piece_by_piece(fs: SimulatedFileSystem) -> None:
    """So that the log, on the same disk, never waits for hundreds of megabytes."""
    unsynced = [0]

    def watch(call: Call) -> None:
        if call.name == "datasync":
            unsynced.append(0)
        unsynced[-1] += call.size

    fs.faults.append(watch)
    write(fs, random_rows(Random(1), 150, 100_000))
    assert len(unsynced) == 1 + 3 + 1
    assert unsynced.pop() == 0, "nothing is written behind the last sync"
    assert all(SYNC_EVERY_BYTES <= size < SYNC_EVERY_BYTES + 200_000 for size in unsynced[:-1])
    assert 0 < unsynced[-1] < SYNC_EVERY_BYTES + 200_000


def test_what_was_never_finished_is_never_whole(seed: int) -> None:
    """The machine stops at each call, and any part of what was not synced survives."""
    rows = random_rows(Random(1), 12, 100)
    for nth in range(1, 60):
        for round_ in range(10):
            rng = Random(f"{seed} {nth} {round_}")
            fs = empty_disk()
            fs.faults.append(CrashAt(nth, rng))
            try:
                with blocks_of(300):
                    write(fs, rows)
            except SimulatedCrash:
                fs.faults.clear()
                fs.crash(rng)
            else:
                assert nth > 6
                return
            if fs.exists(PATH):
                try:
                    # All of it was written, and only the sync was still to come.
                    assert read(read_all(fs, PATH)) == rows
                except DamagedError:
                    continue
    raise AssertionError("it never came to its end")


# --- errors of the disk --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize(("call", "count"), [("write", 7), ("datasync", 1)])
def test_an_error_of_the_disk_comes_through_and_the_file_is_given_back(
    fs: SimulatedFileSystem, call: str, count: int, code: int
) -> None:
    """Wherever it comes, the writing of the header included; and nothing is tried again."""
    rows = random_rows(Random(1), 12, 100)
    with blocks_of(300):
        write(fs, rows)
        assert calls(fs).count(call) == count
        for nth in range(1, count + 1):
            path = PATH.with_name(f"{nth}.tmp")
            fs.faults[:] = [FailAt(call, nth, code)]
            with pytest.raises(OSError, check=lambda error: error.errno == code):
                write(fs, rows, path=path)
            assert [each.name for each in fs.trace if each.path == path][-2:] == [call, "close"]


def test_closing_twice_does_nothing(fs: SimulatedFileSystem) -> None:
    writer = SnapshotWriter(fs, PATH, HEADER)
    writer.close()
    writer.close()
    assert calls(fs) == ["create", "write", "close"]


def test_an_error_of_closing_comes_through(fs: SimulatedFileSystem) -> None:
    fs.faults.append(FailAt("close", 1, errno.EIO))
    with pytest.raises(OSError, check=lambda error: error.errno == errno.EIO):
        write(fs, [entry(b"k")])


def test_a_file_that_is_there_is_not_written_to(fs: SimulatedFileSystem) -> None:
    write(fs, [entry(b"k")])
    before = read_all(fs, PATH)
    with pytest.raises(FileExistsError):
        SnapshotWriter(fs, PATH, HEADER)
    assert read_all(fs, PATH) == before


def test_short_writes_are_continued(fs: SimulatedFileSystem, seed: int) -> None:
    rows = random_rows(Random(1), 50, 100)
    fs.faults.append(ShortWrites(Random(seed)))
    with blocks_of(1000):
        write(fs, rows)
        assert read_all(fs, PATH) == written(rows, 1000)


def test_a_real_file_comes_back(tmp_path: Path) -> None:
    rows = random_rows(Random(1), 1000, 200)
    path = tmp_path / PATH.name
    write(RealFileSystem(), rows, path=path)
    with closing(SnapshotReader(RealFileSystem(), path)) as reader:
        assert list(reader.rows()) == rows
        assert reader.find(rows[500][0]) == rows[500]
    assert path.stat().st_mode & 0o777 == 0o600
