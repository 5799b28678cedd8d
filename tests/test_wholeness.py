"""Whole to the last byte: what passes, and that nothing else does."""

from contextlib import closing

import pytest

from synap.errors import DamagedError
from synap.fs import read_all
from synap.snapshot.reader import SnapshotReader
from synap.testing import SimulatedFileSystem
from synap.wholeness import check_whole
from tests.snapshot.build import PATH, SNAPSHOTS, blocks_of, entry, opened, write
from tests.stores import two_snapshots


def test_a_whole_snapshot_passes_block_by_block() -> None:
    made = two_snapshots(SimulatedFileSystem())
    path = made.snapshot_path(16)
    passed: list[int] = []
    with closing(SnapshotReader(made.fs, path)) as snapshot:
        check_whole(snapshot, lambda: passed.append(snapshot.bytes_read))
        assert passed == sorted(set(passed))
        assert len(passed) == snapshot.footer.block_count
        assert snapshot.bytes_read == snapshot.size_bytes == len(read_all(made.fs, path))


def test_entries_of_another_digest_do_not() -> None:
    fs = SimulatedFileSystem()
    fs.make_directory(SNAPSHOTS)
    with blocks_of(100):
        write(fs, [entry(b"a"), entry(b"b")])
    with opened(read_all(fs, PATH)) as snapshot, pytest.raises(DamagedError, match="another digest"):
        check_whole(snapshot)


def test_nor_does_one_that_was_cut_or_changed() -> None:
    made = two_snapshots(SimulatedFileSystem())
    whole = read_all(made.fs, made.snapshot_path(16))
    for place in range(len(whole)):
        for data in (whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
            with (
                pytest.raises(DamagedError),
                opened(data, made.snapshot_path(16), made.store_id) as snapshot,
            ):
                check_whole(snapshot)
