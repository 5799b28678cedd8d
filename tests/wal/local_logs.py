"""What the tests of ``LocalLog`` share: logs on a simulated disk, and looking at what they left there."""

from pathlib import Path
from random import Random

from synap.fs import FileSystem, read_all
from synap.testing import SimulatedFileSystem
from synap.wal import format as layout
from synap.wal.format import FrameHeader
from synap.wal.interface import Log
from synap.wal.local import FsyncMode, LocalLog, LogOptions

from .build import SEED, name, start


def started(fs: FileSystem, mode: FsyncMode = FsyncMode.ALWAYS, segment_max_bytes: int = 1 << 20) -> LocalLog:
    return start(fs, Random(SEED), LogOptions(mode, 10, segment_max_bytes)).log


def restarted(fs: SimulatedFileSystem) -> LocalLog:
    fs.kill()
    fs.faults.clear()
    return started(fs)


def payloads(log: Log) -> list[bytes]:
    return [frame.payload for frame in log.read(log.first_seq)]


def headers(fs: FileSystem, first_seq: int = 1) -> list[FrameHeader]:
    """The headers of all frames of a segment."""
    data = read_all(fs, name(first_seq))
    segment = layout.unpack_segment_header(data)
    assert segment is not None
    found, offset = [], layout.SEGMENT_HEADER_BYTES
    while header := layout.unpack_frame_header(data, offset, segment.salt):
        found.append(header)
        offset += layout.frame_bytes(header)
    assert offset == len(data)
    return found


def calls(fs: SimulatedFileSystem, since: int, path: Path) -> list[str]:
    """What was called on a segment, whose file keeps the temporary name that it was opened under."""
    return [call.name for call in fs.trace if call.number > since and str(call.path).removesuffix(".tmp") == str(path)]


def now(fs: SimulatedFileSystem) -> int:
    return fs.trace[-1].number
