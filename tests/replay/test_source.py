"""Opening a directory to look at: what is one, what is none, and what can be read although STORE is damaged."""

import struct
import zlib
from pathlib import Path
from uuid import UUID

import pytest

from synap.datadir import Places, StoreFile, open_data_directory, pack_store_file
from synap.errors import DamagedError, DataDirectoryUnusableError, NewerFormatError, NotOursError
from synap.fs import RealFileSystem
from synap.replay.source import Source, open_source

from .build import CRASH, SNAPSHOT, T0_MS, DataDir, contents, flip, put


def opened(path: Path, places: Places | None = None) -> Source:
    return open_source(RealFileSystem(), path, places or Places())


def of_version(store: bytes, major: int) -> bytes:
    """The content of a STORE file, under another version."""
    body = store[:8] + struct.pack("<H", major) + store[10:-4]
    return body + struct.pack("<I", zlib.crc32(body))


def test_a_store(data: DataDir) -> None:
    data.live(put("a"))
    before = contents(data.path)
    source = opened(data.path)
    assert (source.created_ms, source.damage) == (T0_MS, None)
    assert source.segment_seqs() == (1,)
    assert source.segment_header(1).first_seq == 1
    assert source.snapshot_seqs() == ()
    assert source.log_bytes() == data.segments[0].stat().st_size
    assert contents(data.path) == before


def test_log_and_snapshots_elsewhere(tmp_path: Path) -> None:
    places = Places(tmp_path / "log", tmp_path / "snapshots")
    data = DataDir(tmp_path / "data", places)
    data.live(put("a"), SNAPSHOT)
    source = opened(data.path, places)
    assert (source.segment_seqs(), source.snapshot_seqs()) == ((1, 2), (1,))
    source.open_snapshot(1).close()


@pytest.mark.parametrize("name", [None, "notes.txt"])
def test_what_is_no_store(tmp_path: Path, name: str | None) -> None:
    if name is not None:
        tmp_path.joinpath(name).touch()
    with pytest.raises(NotOursError, match="no file STORE"):
        opened(tmp_path)


def test_what_is_not_there_or_no_directory(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DataDirectoryUnusableError, match="there is no directory"):
        opened(tmp_path / "nowhere")
    with pytest.raises(DataDirectoryUnusableError, match="not a directory"):
        opened(file)


def test_a_file_of_that_name_by_another_program(tmp_path: Path) -> None:
    tmp_path.joinpath("STORE").write_bytes(b"a department store")
    with pytest.raises(NotOursError, match="was not written by Synap"):
        opened(tmp_path)


def test_a_newer_format(data: DataDir) -> None:
    data.live(put("a"))
    store = data.path / "STORE"
    store.write_bytes(of_version(store.read_bytes(), 2))
    with pytest.raises(NewerFormatError):
        opened(data.path)


def test_a_first_start_that_was_cut_short(tmp_path: Path) -> None:
    """Up to its end: the first segment is there, and only the rename that counts is missing."""
    tmp_path.joinpath("STORE.tmp").write_bytes(pack_store_file(StoreFile(UUID(int=1), T0_MS)))
    with pytest.raises(NotOursError, match="its first start was cut short"):
        opened(tmp_path)
    data = tmp_path / "data"
    open_data_directory(RealFileSystem(), data, now_ms=T0_MS).close()
    data.joinpath("STORE").rename(data / "STORE.tmp")
    with pytest.raises(NotOursError, match="its first start was cut short"):
        opened(data)


@pytest.mark.parametrize("what", ["missing", "damaged"])
def test_where_store_is_not_whole_the_log_says_whose_it_is(data: DataDir, what: str) -> None:
    data.live(put("a"), CRASH)
    store = data.path / "STORE"
    expected = opened(data.path)
    if what == "missing":
        store.unlink()
    else:
        flip(store, 20)
    source = opened(data.path)
    assert isinstance(source.damage, DamagedError)
    assert source.damage.path == store
    assert source.directory.store_id == expected.directory.store_id
    assert source.created_ms == T0_MS


def test_where_nothing_says_whose_it_is(data: DataDir) -> None:
    data.live(put("a"))
    flip(data.path / "STORE", 20)
    flip(data.segments[0], 30)
    with pytest.raises(DamagedError, match="its checksum is wrong"):
        opened(data.path)


def test_where_to_begin_to_read_for_a_time(data: DataDir) -> None:
    data.live(put("a"), 1000, put("b"), 1000, put("c"), segment_bytes=200)
    source = opened(data.path)
    assert source.segment_seqs() == (1, 2, 3)
    assert [source.seq_before(T0_MS + ms) for ms in (-1, 0, 1, 1000, 1001, 2000, 2001, 9999)] == [
        1,
        1,
        1,
        1,
        2,
        2,
        3,
        3,
    ]
    flip(data.segments[1], 30)
    assert source.seq_before(T0_MS + 2000) == 1


def test_what_is_gone_has_no_length(data: DataDir) -> None:
    data.live(put("a"))
    assert opened(data.path).size_bytes(data.path / "wal" / "gone.wal") == 0
