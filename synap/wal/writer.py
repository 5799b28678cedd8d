"""One segment, written. Knows what an error of the disk means (see ``LocalLog``), but no threads and no modes.

A segment is made under a temporary name, its header synced, and then renamed, so whatever bears a segment's name has
a whole header. Frames are only ever appended; a frame that did not fit is cut off again.
"""

import contextlib
import errno
from collections.abc import Callable
from pathlib import Path

from synap.errors import DiskFullError, LogFailedError
from synap.fs import File, FileSystem, write_all
from synap.wal.format import (
    FLAG_ZSTD,
    MAX_RAW_BYTES,
    SEGMENT_HEADER_BYTES,
    FrameType,
    SegmentHeader,
    build_frame,
    pack_segment_header,
    segment_name,
)

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of ``write`` after which the file is as sound as before: there was only no room."""


class SegmentWriter:
    """A segment being appended to.

    ``size`` is its length up to the last whole frame, ``durable_seq`` the highest number known to be synced. Methods
    raise ``DiskFullError`` where there was no room (the segment goes on) and ``LogFailedError`` on every other error
    of the disk (the segment must not be touched again).
    """

    def __init__(self, fs: FileSystem, directory: Path, header: SegmentHeader) -> None:
        """Make the file under a temporary name; ``publish`` gives it its own."""
        self.header = header
        self.path = directory / segment_name(header.first_seq)
        self.next_seq = header.first_seq
        self.chain = header.chain
        self.size = SEGMENT_HEADER_BYTES
        self.durable_seq = header.first_seq - 1
        self._fs = fs
        self._temporary = self.path.with_name(self.path.name + ".tmp")
        self._file = _create(fs, self._temporary, pack_segment_header(header))
        self._call("fdatasync", self._file.datasync)

    def publish(self) -> None:
        """Give the file its name, durably; an empty segment that bears it is replaced."""
        self._call("rename", lambda: self._fs.rename(self._temporary, self.path))
        self._call("fsync of the directory", lambda: self._fs.sync_directory(self.path.parent))

    def discard(self) -> None:
        """Take an unpublished file away again."""
        _discard(self._fs, self._file)

    def build(
        self, frame_type: FrameType, now_ms: int, payload: bytes = b"", *, count: int = 0, raw_length: int = 0
    ) -> tuple[bytes, bytes]:
        """The bytes of the next frame and its chain value; ``payload`` is a zstd frame, or empty."""
        assert raw_length <= MAX_RAW_BYTES
        return build_frame(
            frame_type,
            payload,
            salt=self.header.salt,
            previous_chain=self.chain,
            flags=FLAG_ZSTD if payload else 0,
            count=count,
            raw_length=raw_length,
            first_seq=self.next_seq,
            durable_seq=self.durable_seq,
            wall_ms=now_ms,
            epoch=self.header.epoch,
        )

    def append(self, frame: bytes, chain: bytes, count: int) -> None:
        """Write a frame that ``build`` made; durable only after ``sync``."""
        try:
            write_all(self._file, frame)
        except OSError as cause:
            if cause.errno not in NO_ROOM:
                raise LogFailedError("write", self.path, cause) from cause
            # A part of the frame may be in the file; the next frame must begin where this one did.
            self._call("ftruncate", lambda: self._file.truncate(self.size))
            # Were the cut not durable, a power cut could mix what was cut off with the frame that comes in its place:
            # a complete frame with a wrong checksum, which is taken for corruption.
            self.sync()
            raise _no_room_or_failed("write", self.path, cause) from cause
        self.size += len(frame)
        self.next_seq += count
        self.chain = chain

    def sync(self) -> None:
        """Return when every frame is on the disk."""
        self._call("fdatasync", self._file.datasync)
        self.durable_seq = self.next_seq - 1

    def seal(self, frame: bytes, chain: bytes) -> None:
        """Write the last frame, sync, and close."""
        self.append(frame, chain, count=0)
        self.sync()
        self.close()

    def close(self) -> None:
        """Give the file back as it is."""
        self._call("close", self._file.close)

    def _call(self, name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except OSError as cause:
            raise LogFailedError(name, self.path, cause) from cause


def _create(fs: FileSystem, path: Path, content: bytes) -> File:
    """A new file with this content, or none at all; what an interrupted attempt left is replaced."""
    try:
        if fs.exists(path):
            fs.remove(path)
        file = fs.create(path)
    except OSError as cause:
        raise _no_room_or_failed("create", path, cause) from cause
    try:
        write_all(file, content)
    except OSError as cause:
        _discard(fs, file)
        raise _no_room_or_failed("write", path, cause) from cause
    return file


def _discard(fs: FileSystem, file: File) -> None:
    # Nothing depends on the file, and the next attempt replaces what is left of it.
    with contextlib.suppress(OSError):
        file.close()
    with contextlib.suppress(OSError):
        fs.remove(file.path)


def _no_room_or_failed(call: str, path: Path, cause: OSError) -> DiskFullError | LogFailedError:
    if cause.errno in NO_ROOM:
        return DiskFullError(f"no room to write {path.name}: {cause.strerror}; nothing was written, reads go on")
    return LogFailedError(call, path, cause)
