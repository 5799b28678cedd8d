"""The directory that format 1 was first written with: what is in it must be found by every later version, as it was."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from synap.datadir import DataDirectory, open_data_directory, read_store_file
from synap.fs import RealFileSystem
from synap.keyspace import Keyspace
from synap.radix import new_tree
from synap.recovery import recover, replay
from synap.snapshot.format import snapshot_name
from synap.snapshot.reader import SnapshotReader
from synap.wal.reader import LogReader

GOLDEN = Path(__file__).with_name("format-1")
STORE_ID = "f5b16522-4a58-4791-9f6a-f1d8303e61cd"
DIGESTS = {
    16: 0xB9F6BE2C4079858A574C469B8533B90E,
    34: 0x583D4A1269EED4EE95FA9039F00A11AA,
    52: 0x182086E82E36179F00807E200798E9E1,
}
"""The digest of the state after each snapshot, and at the end."""

ENTRIES = {
    b"bytes": (2, bytes(range(256)), None, 45),
    b"empty": (0, b"", None, 46),
    b"last": (0, b"of run 2", None, 35),
    "session:ü".encode(): (1, b'{"n": 1.50}', 1_700_005_640_000, 44),
}
"""The entries at the end, but for those whose values are noise: kind, value, deadline, version."""

NOISY = {b"session:3:%d" % user for user in (0, 1, 2, 4, 5, 6, 7)}
TORN_BYTES = 79


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[DataDirectory]:
    """A copy, since the first thing a start does to it is to cut off its torn tail."""
    shutil.copytree(GOLDEN, tmp_path / "data")
    with closing(open_data_directory(RealFileSystem(), tmp_path / "data", now_ms=0)) as opened:
        yield opened


def test_the_store_is_known() -> None:
    store = read_store_file(RealFileSystem(), GOLDEN / "STORE")
    assert store is not None
    assert str(store.store_id) == STORE_ID
    assert store.created_ms == 1_700_000_000_000


def test_a_start_finds_every_entry(directory: DataDirectory) -> None:
    keyspace, end, report = recover(directory, lambda _: None)
    found = {key: entry for key, *entry in keyspace.tree.items()}
    assert {key: tuple(found[key]) for key in ENTRIES} == ENTRIES
    assert found.keys() == ENTRIES.keys() | NOISY
    assert (keyspace.seq, keyspace.digest) == (52, DIGESTS[52])
    assert (report.snapshot_seq, report.entries, report.events, report.torn_bytes) == (34, 11, 18, TORN_BYTES)
    assert (end.epoch, end.sealed, report.strange_seqs) == (3, False, ())


@pytest.mark.parametrize("seq", [16, 34])
def test_each_snapshot_and_the_log_lead_to_the_same_state(directory: DataDirectory, seq: int) -> None:
    fs = directory.fs
    path = directory.snapshot_directory / snapshot_name(seq)
    keyspace = Keyspace(new_tree())
    with closing(SnapshotReader(fs, path, directory.store_id)) as snapshot:
        keyspace.load(seq, snapshot.rows())
        snapshot.check_digest(keyspace.digest)
    assert keyspace.digest == DIGESTS[seq]
    log = LogReader(fs, directory.wal_directory, directory.store_id)
    replay(log.frames(seq + 1), keyspace, directory.wal_directory)
    assert (keyspace.seq, keyspace.digest) == (52, DIGESTS[52])


def test_without_the_newest_snapshot_a_start_finds_the_same(directory: DataDirectory) -> None:
    (directory.snapshot_directory / snapshot_name(34)).unlink()
    keyspace, _, report = recover(directory, lambda _: None)
    assert (report.snapshot_seq, keyspace.seq, keyspace.digest) == (16, 52, DIGESTS[52])
