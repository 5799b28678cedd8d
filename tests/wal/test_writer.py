"""One segment, written: what is where after each call, and which error says that it must not be touched again."""

import errno
from random import Random

import pytest

from synap.errors import DiskFullError, LogFailedError
from synap.fs import read_all
from synap.testing import NOTHING, FailAt, SimulatedFileSystem
from synap.wal.format import CHAIN_START, FrameType, SegmentHeader, pack_segment_header
from synap.wal.writer import SegmentWriter

from .build import SALT, STORE_ID, T0_MS, WAL, name, read_segment, zipped

HEADER = SegmentHeader(SALT, STORE_ID, 1, 1, T0_MS, CHAIN_START)
TEMPORARY = name(1).with_name(name(1).name + ".tmp")


@pytest.fixture
def fs() -> SimulatedFileSystem:
    made = SimulatedFileSystem()
    made.make_directory(WAL)
    return made


def write_batch(writer: SegmentWriter, raw: bytes) -> None:
    writer.append(*writer.build(FrameType.BATCH, T0_MS, zipped(raw), count=2, raw_length=len(raw)), count=2)


def test_a_segment_has_its_name_only_when_its_header_is_durable(fs: SimulatedFileSystem) -> None:
    writer = SegmentWriter(fs, WAL, HEADER)
    assert fs.names(WAL) == [TEMPORARY.name]
    writer.publish()
    fs.crash(Random(1), NOTHING)
    assert fs.names(WAL) == [name(1).name]
    assert read_all(fs, name(1)) == pack_segment_header(HEADER)


def test_what_is_written_is_what_is_read(fs: SimulatedFileSystem) -> None:
    writer = SegmentWriter(fs, WAL, HEADER)
    writer.publish()
    assert (writer.path, writer.size, writer.next_seq, writer.durable_seq) == (name(1), 128, 1, 0)
    write_batch(writer, b"a")
    assert (writer.next_seq, writer.durable_seq) == (3, 0)
    writer.sync()
    assert writer.durable_seq == 2
    write_batch(writer, b"b")
    writer.seal(*writer.build(FrameType.SEAL, T0_MS))
    data = read_all(fs, name(1))
    frames, segment = read_segment(data)
    assert [frame.payload for frame in frames] == [b"a", b"b"]
    assert (segment.sealed, segment.next_seq, segment.chain) == (True, writer.next_seq, writer.chain)
    assert writer.size == len(data)


def test_what_an_interrupted_attempt_left_is_replaced(fs: SimulatedFileSystem) -> None:
    fs.create(TEMPORARY).write(b"left over")
    SegmentWriter(fs, WAL, HEADER).publish()
    assert read_all(fs, name(1)) == pack_segment_header(HEADER)


def test_a_discarded_segment_leaves_nothing_whatever_the_disk_says(fs: SimulatedFileSystem) -> None:
    SegmentWriter(fs, WAL, HEADER).discard()
    assert fs.names(WAL) == []
    writer = SegmentWriter(fs, WAL, HEADER)
    fs.faults += [FailAt("close", 1, errno.EIO), FailAt("remove", 1, errno.EIO)]
    writer.discard()
    assert fs.names(WAL) == [TEMPORARY.name]


@pytest.mark.parametrize("call", ["remove", "create", "write"])
@pytest.mark.parametrize(("code", "error"), [(errno.ENOSPC, DiskFullError), (errno.EIO, LogFailedError)])
def test_a_segment_that_cannot_be_made(
    fs: SimulatedFileSystem, call: str, code: int, error: type[DiskFullError | LogFailedError]
) -> None:
    fs.create(TEMPORARY)
    fs.faults.append(FailAt(call, 1, code))
    with pytest.raises(error):
        SegmentWriter(fs, WAL, HEADER)
    SegmentWriter(fs, WAL, HEADER).publish()
    assert read_all(fs, name(1)) == pack_segment_header(HEADER)


def test_a_frame_that_did_not_fit_leaves_the_segment_as_it_was(fs: SimulatedFileSystem) -> None:
    writer = SegmentWriter(fs, WAL, HEADER)
    writer.publish()
    write_batch(writer, b"a")
    before = (writer.size, writer.next_seq, writer.chain)
    fs.faults += [lambda call: 20 if call.name == "write" else None, FailAt("write", 2, errno.EDQUOT)]
    with pytest.raises(DiskFullError):
        write_batch(writer, b"b")
    fs.faults.clear()
    assert (writer.size, writer.next_seq, writer.chain) == before
    write_batch(writer, b"c")
    frames, _ = read_segment(read_all(fs, name(1)))
    assert [frame.payload for frame in frames] == [b"a", b"c"]


def test_more_than_the_largest_batch_is_never_written(fs: SimulatedFileSystem) -> None:
    with pytest.raises(AssertionError):
        SegmentWriter(fs, WAL, HEADER).build(FrameType.BATCH, T0_MS, b"x", count=1, raw_length=1 << 30)
