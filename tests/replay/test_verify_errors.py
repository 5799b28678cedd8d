"""What keeps verification from an answer, and what does not: failing disks, what is no store, newer files."""

import errno
import struct
import zlib

import pytest

from synap.datadir import UNFINISHED
from synap.errors import DataDirectoryUnusableError, NewerFormatError, NotOursError
from synap.fs import read_all
from synap.testing import FailAt, SimulatedFileSystem
from tests.replay.test_verify import found, looked_at, put, scene, snap, wal
from tests.wal.build import DATA, disk_of


def test_a_disk_that_cannot_read_a_segment_or_a_snapshot() -> None:
    for name in (wal(9), wal(23), snap(8)):
        made = scene()
        assert isinstance(made.fs, SimulatedFileSystem)
        made.fs.faults.append(FailAt("read", 1, errno.EIO, f"*/{name}"))
        findings = looked_at(made.fs)
        assert [(path, findings.exit_code) for _, path, _ in found(findings)] == [(name, 2)]


def test_what_is_no_store_is_not_damaged() -> None:
    with pytest.raises(DataDirectoryUnusableError, match="there is no /data") as caught:
        looked_at(SimulatedFileSystem())
    assert caught.value.exit_code == 73
    with pytest.raises(NotOursError) as foreign:
        looked_at(disk_of({DATA / "PG_VERSION": b"15"}))
    assert foreign.value.exit_code == 66
    with pytest.raises(NotOursError):
        looked_at(disk_of({DATA / "STORE": b"SQLite format 3"}))
    with pytest.raises(DataDirectoryUnusableError, match="is no store yet"):
        looked_at(disk_of({DATA / UNFINISHED: b"", DATA / "wal" / "x.wal": b""}))


@pytest.mark.parametrize("name", [wal(17), snap(8)])
def test_a_file_of_a_newer_version(name: str) -> None:
    made = scene()
    data = bytearray(read_all(made.fs, DATA / name))
    data[8] = 9
    salt = int.from_bytes(data[20:24], "little")
    data[124:128] = struct.pack("<I", zlib.crc32(data[:124], salt))
    put(made, name, bytes(data))
    with pytest.raises(NewerFormatError) as caught:
        looked_at(made.fs)
    assert caught.value.exit_code == 76
