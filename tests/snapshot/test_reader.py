"""One snapshot, read: what was written comes back, whole and key by key, and every error of the disk has its kind."""

import errno
from collections.abc import Callable
from contextlib import closing
from itertools import chain
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from synap.errors import DamagedError
from synap.fs import read_all
from synap.snapshot import format as layout
from synap.snapshot.reader import SnapshotReader, snapshot_seqs
from synap.testing import FailAt, SimulatedFileSystem
from tests.wal.build import DATA, STORE_ID, disk_of, files_of

from .build import (
    DATA_OF_ROWS,
    DIGEST,
    ENTRIES,
    FOOTER_START,
    HEADER,
    INDEX_START,
    KEYS,
    PATH,
    ROWS,
    SNAPSHOTS,
    STARTS,
    Forge,
    blocks_of,
    empty_disk,
    entry,
    opened,
    path_of,
    random_rows,
    read,
    rows_of,
    write,
    written,
)

# --- what was written comes back -----------------------------------------------------------------------------


@settings(max_examples=200)
@given(ENTRIES, st.sampled_from([1, 100, 1000, layout.BLOCK_TARGET_BYTES]))
def test_what_was_written_is_read(entries: dict[bytes, tuple[int, bytes, int | None, int]], target_bytes: int) -> None:
    rows = rows_of(entries)
    with opened(written(rows, target_bytes)) as reader:
        assert list(reader.rows()) == rows
        blocks = list(reader.blocks())
        assert list(chain.from_iterable(blocks)) == rows
        assert len(blocks) == reader.footer.block_count
        assert (reader.header, reader.footer.digest) == (HEADER, DIGEST)


def test_every_field_of_an_entry_comes_back_at_its_limits() -> None:
    rows = [
        (b"", 0, b"", None, 1),
        (b"\0", 2, b"\0", 0, 2**63),
        (b"k", 1, b"v", 2**53, 2**64 - 1),
        (b"\xff" * 65_536, 2, bytes(range(256)), None, 2**32),
    ]
    assert read(written(rows)) == rows


def test_how_far_reading_has_got_is_known() -> None:
    with opened(DATA_OF_ROWS) as reader:
        assert (reader.bytes_read, reader.size_bytes) == (0, len(DATA_OF_ROWS))
        seen = [reader.bytes_read for _ in reader.blocks()]
        assert seen == [*STARTS[1:], INDEX_START]
        assert reader.bytes_read == len(DATA_OF_ROWS)


def test_reading_changes_nothing() -> None:
    fs = disk_of({PATH: DATA_OF_ROWS})
    with closing(SnapshotReader(fs, PATH, STORE_ID)) as reader:
        reader.distrust_cache()
        list(reader.rows())
        reader.find(b"key")
    assert files_of(fs, SNAPSHOTS) == {PATH: DATA_OF_ROWS}


def test_closing_twice_does_nothing() -> None:
    fs = disk_of({PATH: DATA_OF_ROWS})
    reader = SnapshotReader(fs, PATH, STORE_ID)
    reader.close()
    reader.close()
    assert [call.name for call in fs.trace].count("close") == 1 + 1, "the other one is of making the file"


def test_the_digest_is_for_the_caller_to_compare() -> None:
    with opened(DATA_OF_ROWS) as reader:
        reader.check_digest(DIGEST)
        for wrong in (DIGEST ^ 1, 0, DIGEST - 2**128):
            with pytest.raises(DamagedError, match="another digest") as caught:
                reader.check_digest(wrong)
            assert (caught.value.path, caught.value.offset) == (PATH, INDEX_START)


# --- one key -------------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(ENTRIES, st.sampled_from([1, 100, 1000]), st.lists(KEYS, max_size=20))
def test_finding_equals_a_dict(
    entries: dict[bytes, tuple[int, bytes, int | None, int]], target_bytes: int, others: list[bytes]
) -> None:
    rows = rows_of(entries)
    by_key = {row[0]: row for row in rows}
    neighbours = [near for key in by_key for near in (key + b"\0", key[:-1], key[:64])]
    with opened(written(rows, target_bytes)) as reader:
        for key in (*by_key, *others, *neighbours):
            assert reader.find(key) == by_key.get(key)


@pytest.mark.parametrize("shared", [0, 63, 64, 65, 200])
def test_keys_that_begin_alike_over_several_blocks_are_found(shared: int) -> None:
    """The index knows 64 bytes of a key, and cannot tell these blocks apart."""
    inner = [entry(b"k" * shared + b"%03d" % number, b"%d" % number) for number in range(0, 60, 2)]
    rows = sorted([entry(b"a"), *inner, entry(b"k" * shared + b"~"), entry(b"z")])
    with opened(written(rows, 3 * (shared + 40))) as reader:
        assert reader.footer.block_count >= 9
        for row in rows:
            assert reader.find(row[0]) == row
        for number in range(-1, 62, 2):
            assert reader.find(b"k" * shared + b"%03d" % number) is None
        assert reader.find(b"k" * shared) is None
        assert reader.find(b"") is None


def test_finding_reads_the_index_and_one_block() -> None:
    rows = random_rows(Random(1), 2000, 200)
    fs = empty_disk()
    write(fs, rows)
    with closing(SnapshotReader(fs, PATH)) as reader:
        fs.trace.clear()
        assert reader.find(rows[1234][0]) == rows[1234]
    assert [call.name for call in fs.trace] == ["read"] * 4 + ["close"]


def test_finding_goes_on_where_another_block_is_damaged() -> None:
    damaged = bytearray(DATA_OF_ROWS)
    damaged[STARTS[1] + 40] ^= 1
    with opened(bytes(damaged)) as reader:
        assert reader.find(ROWS[0][0]) == ROWS[0]
        assert reader.find(ROWS[-1][0]) == ROWS[-1]
        with pytest.raises(DamagedError, match="checksum is wrong") as caught:
            reader.find(ROWS[6][0])
        assert caught.value.offset == STARTS[1]


# --- whose it is ---------------------------------------------------------------------------------------------


def test_a_snapshot_of_another_store_is_damage_unless_it_may_be_anybodys() -> None:
    other = UUID(int=5)
    with pytest.raises(DamagedError, match=f"belongs to another store .{STORE_ID}") as caught:
        SnapshotReader(disk_of({PATH: DATA_OF_ROWS}), PATH, other)
    assert (caught.value.path, caught.value.offset, caught.value.seq) == (PATH, 0, HEADER.last_seq)
    with opened(DATA_OF_ROWS, store_id=None) as reader:
        assert reader.header.store_id == STORE_ID


@pytest.mark.parametrize("name", [path_of(HEADER.last_seq + 1).name, path_of(0).name, "backup.snap", "x.tmp.snap"])
def test_a_renamed_snapshot_is_damage(name: str) -> None:
    path = SNAPSHOTS / name
    with pytest.raises(DamagedError, match=f"ends with seq {HEADER.last_seq}: it was renamed") as caught:
        SnapshotReader(disk_of({path: DATA_OF_ROWS}), path, STORE_ID)
    assert (caught.value.path, caught.value.offset) == (path, 0)


@pytest.mark.parametrize("name", [PATH.name + ".tmp", path_of(7).name + ".tmp", "verify.tmp"])
def test_a_file_that_has_no_snapshots_name_yet_may_have_any(name: str) -> None:
    with opened(DATA_OF_ROWS, SNAPSHOTS / name) as reader:
        assert list(reader.rows()) == ROWS


@pytest.mark.parametrize(("name", "seq"), [(path_of(77).name, 77), (path_of(77).name + ".tmp", 77), ("any.tmp", 0)])
def test_where_the_header_is_broken_the_name_tells_the_number(name: str, seq: int) -> None:
    path = SNAPSHOTS / name
    with pytest.raises(DamagedError, match="header is damaged") as caught:
        SnapshotReader(disk_of({path: b"\0" + DATA_OF_ROWS[1:]}), path, STORE_ID)
    assert (caught.value.path, caught.value.offset, caught.value.seq) == (path, 0, seq)


def test_where_the_header_is_whole_the_header_tells_the_number() -> None:
    path = path_of(77).with_name(path_of(77).name + ".tmp")
    with pytest.raises(DamagedError, match="footer is damaged") as caught:
        SnapshotReader(disk_of({path: DATA_OF_ROWS[:-1]}), path, STORE_ID)
    assert caught.value.seq == HEADER.last_seq


def test_a_snapshot_at_any_number_is_read() -> None:
    for last_seq in (0, 1, 2**64 - 1):
        header = structs.replace(HEADER, last_seq=last_seq)
        with opened(Forge(header=header).block(entry(b"k")).finish(), path_of(last_seq)) as reader:
            assert list(reader.rows()) == [entry(b"k")]


# --- errors of the disk --------------------------------------------------------------------------------------


def disk_failing_at(nth: int, code: int) -> SimulatedFileSystem:
    fs = disk_of({PATH: DATA_OF_ROWS})
    fs.faults.append(FailAt("read", nth, code))
    return fs


def whole(fs: SimulatedFileSystem) -> None:
    with closing(SnapshotReader(fs, PATH, STORE_ID)) as reader:
        list(reader.rows())


def one_key(fs: SimulatedFileSystem) -> None:
    with closing(SnapshotReader(fs, PATH, STORE_ID)) as reader:
        reader.find(ROWS[-1][0])


OF_WHOLE = [
    0,
    FOOTER_START,
    *[place for start in STARTS for place in (start, start + 32)],
    INDEX_START,
    INDEX_START + 32,
]
OF_ONE_KEY = [0, FOOTER_START, INDEX_START, INDEX_START + 32, STARTS[-1], STARTS[-1] + 32]


@pytest.mark.parametrize(("reading", "places"), [(whole, OF_WHOLE), (one_key, OF_ONE_KEY)])
def test_a_sector_that_cannot_be_read_is_damage_there(
    reading: Callable[[SimulatedFileSystem], None], places: list[int]
) -> None:
    for nth, place in enumerate(places, 1):
        fs = disk_failing_at(nth, errno.EIO)
        with pytest.raises(DamagedError, match="the disk gives an error") as caught:
            reading(fs)
        assert (caught.value.path, caught.value.offset, caught.value.seq) == (PATH, place, HEADER.last_seq)
        assert fs.trace[-1].name == "close"
    reading(disk_failing_at(len(places) + 1, errno.EIO))


@pytest.mark.parametrize("code", [errno.ENOMEM, errno.EBADF, errno.ENXIO])
def test_any_other_error_is_not_the_files(code: int) -> None:
    for nth in range(1, len(OF_WHOLE) + 1):
        fs = disk_failing_at(nth, code)
        with pytest.raises(OSError, check=lambda error: error.errno == code):
            whole(fs)
        assert fs.trace[-1].name == "close"


def test_what_is_not_there_is_not_found() -> None:
    with pytest.raises(FileNotFoundError):
        SnapshotReader(empty_disk(), PATH, STORE_ID)


@pytest.mark.parametrize("call", ["open", "size"])
def test_a_file_that_the_disk_cannot_even_open_is_damaged(call: str) -> None:
    fs = disk_of({PATH: DATA_OF_ROWS})
    fs.faults.append(FailAt(call, 1, errno.EIO))
    with pytest.raises(DamagedError, match="the disk gives an error"):
        SnapshotReader(fs, PATH, STORE_ID)
    assert fs.trace[-1].name == ("open" if call == "open" else "close")


def test_another_error_of_asking_for_the_length_comes_through_and_the_file_is_given_back() -> None:
    fs = disk_of({PATH: DATA_OF_ROWS})
    fs.faults.append(FailAt("size", 1, errno.ESTALE))
    with pytest.raises(OSError, check=lambda error: error.errno == errno.ESTALE):
        SnapshotReader(fs, PATH, STORE_ID)
    assert fs.trace[-1].name == "close"


def test_what_the_cache_shows_after_a_failed_sync_is_not_believed() -> None:
    """The kernel holds the pages for written; only the disk itself shows that they are not."""
    fs = empty_disk()
    fs.faults.append(FailAt("datasync", 1, errno.EIO))
    with blocks_of(500), pytest.raises(OSError, check=lambda error: error.errno == errno.EIO):
        write(fs, ROWS)
    assert read_all(fs, PATH) == DATA_OF_ROWS
    with closing(SnapshotReader(fs, PATH, STORE_ID)) as reader:
        reader.distrust_cache()
        with pytest.raises(DamagedError):
            list(reader.rows())


# --- names ---------------------------------------------------------------------------------------------------


def test_the_snapshots_of_a_directory_come_in_order() -> None:
    fs = disk_of({path_of(seq): b"" for seq in (7, 10**19, 1, 30)})
    assert snapshot_seqs(fs, SNAPSHOTS) == (1, 7, 30, 10**19)


def test_a_directory_that_is_not_there_holds_none() -> None:
    assert snapshot_seqs(disk_of({DATA / "x": b""}), SNAPSHOTS) == ()
    assert snapshot_seqs(empty_disk(), SNAPSHOTS) == ()


@pytest.mark.parametrize("extra", [path_of(8).name + ".tmp", "notes", ".hidden", "snap", "x.snap.tmp", "x.SNAP"])
def test_other_files_are_left_alone(extra: str) -> None:
    assert snapshot_seqs(disk_of({path_of(7): b"", SNAPSHOTS / extra: b""}), SNAPSHOTS) == (7,)


@pytest.mark.parametrize(
    "extra",
    [
        "1.snap",
        "backup.snap",
        "0000000000000000001.snap",
        "000000000000000000001.snap",
        "-0000000000000000001.snap",
        ".snap",
        "\u0660" * 19 + "\u0662.snap",
        "00000000000000000003 (copy).snap",
        "00000000000000000003.SNAP.snap",
    ],
)
def test_a_file_with_a_snapshots_suffix_and_another_name_is_damage(extra: str) -> None:
    with pytest.raises(DamagedError, match="was it renamed") as caught:
        snapshot_seqs(disk_of({path_of(7): b"", SNAPSHOTS / extra: b""}), SNAPSHOTS)
    assert caught.value.path == SNAPSHOTS / extra
