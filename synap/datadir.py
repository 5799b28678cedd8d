r"""The data directory: whose it is, that only one server has it, and what lies where in it.

::

    LOCK         held (flock) by the one server that has the directory; its pid inside
    STORE        written once: what makes the directory a store
    wal/         the log's segments
    quarantine/  what was cut off or set aside, never deleted by Synap

``STORE`` is 64 bytes, integers little-endian: magic ``89 'SYNSTR' 0A``; major and minor version (2 bytes each); 4
zeros; store id (16); created, ms since the epoch (8); 20 zeros; CRC-32 of all before it (4).

A new store comes into being with the rename of ``STORE.tmp`` to ``STORE``, when the first segment is in place. Until
then the directory counts as new, and an interrupted first start is simply finished or done again. Segments without
``STORE`` (or ``STORE`` without segments) therefore mean that something was lost: an error, never a new store.
"""

import contextlib
import errno
import os
import secrets
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import msgspec

from synap.errors import (
    DamagedError,
    DataDirectoryLockedError,
    DataDirectoryUnusableError,
    DiskFullError,
    LogFailedError,
    NewerFormatError,
    NotOursError,
)
from synap.fs import FileSystem, Lock, LockHeldError, read_all, write_all
from synap.wal.format import CHAIN_START, FrameType, SegmentHeader, segment_name
from synap.wal.reader import segment_seqs
from synap.wal.segment import read_segment_header
from synap.wal.writer import SegmentWriter

MAGIC = b"\x89SYNSTR\n"
MAJOR, MINOR = 1, 0

_STORE = struct.Struct("<8sHH4x16sQ20x")
_CRC = struct.Struct("<I")
_OURS = frozenset({"LOCK", "STORE", "STORE.tmp", "wal", "snapshot", "quarantine", "lost+found"})

_EXIT_NO_SPACE = 71
_EXIT_NOT_ALLOWED = 77
_EXIT_IO_ERROR = 74
_EXIT_CODES = {
    errno.ENOSPC: _EXIT_NO_SPACE,
    errno.EDQUOT: _EXIT_NO_SPACE,
    errno.EACCES: _EXIT_NOT_ALLOWED,
    errno.EPERM: _EXIT_NOT_ALLOWED,
    errno.EROFS: _EXIT_NOT_ALLOWED,
    errno.EIO: _EXIT_IO_ERROR,
}


class StoreFile(msgspec.Struct, frozen=True):
    """The content of ``STORE``."""

    store_id: UUID
    created_ms: int


class DataDirectory:
    """A data directory that this process has locked. ``store_id`` tells its files from another store's."""

    def __init__(self, fs: FileSystem, path: Path, wal_directory: Path, store_id: UUID, lock: Lock) -> None:
        self.fs = fs
        self.path = path
        self.wal_directory = wal_directory
        self.quarantine = path / "quarantine"
        self.store_id = store_id
        self._lock = lock

    def close(self) -> None:
        """Let the next server have it."""
        self._lock.release()


def open_data_directory(
    fs: FileSystem,
    path: Path,
    *,
    now_ms: int,
    wal_directory: Path | None = None,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> DataDirectory:
    """Lock the directory and make sure that it is a store; make it one if it is new.

    Raises a ``DataDirectoryError`` that says what is wrong, in which case nothing of it was changed.
    """
    wal_directory = wal_directory or path / "wal"
    with explained(path):
        if fs.exists(path) and not fs.is_directory(path):
            raise DataDirectoryUnusableError(path, f"{path} is not a directory; a data directory is needed")
        fs.make_directory(path)
        _refuse_foreign(fs, path)
        lock = _lock(fs, path)
    try:
        with explained(path):
            # The one before may have been killed between a rename and its sync: what is read must be there to stay.
            fs.sync_directory(path)
            store = read_store_file(fs, path / "STORE")
            if store is None:
                store = _create(fs, path, wal_directory, now_ms, random_bytes)
    except BaseException:
        lock.release()
        raise
    return DataDirectory(fs, path, wal_directory, store.store_id, lock)


def read_store_file(fs: FileSystem, path: Path) -> StoreFile | None:
    """The content of ``STORE``, or None where there is no such file."""
    if not fs.exists(path):
        return None
    data = read_all(fs, path)
    if not data.startswith(MAGIC):
        raise NotOursError(path, f"{path} was not written by Synap")
    if len(data) != _STORE.size + _CRC.size or _CRC.unpack_from(data, _STORE.size) != (
        zlib.crc32(data[: _STORE.size]),
    ):
        raise DamagedError(path, "its checksum is wrong", seq=0, offset=0)
    _, major, minor, store_id, created_ms = _STORE.unpack_from(data)
    if major > MAJOR:
        raise NewerFormatError(path, f"{path} has format {major}.{minor}; this version of Synap reads {MAJOR}")
    return StoreFile(UUID(bytes=store_id), created_ms)


def pack_store_file(store: StoreFile) -> bytes:
    """The bytes of ``STORE``."""
    body = _STORE.pack(MAGIC, MAJOR, MINOR, store.store_id.bytes, store.created_ms)
    return body + _CRC.pack(zlib.crc32(body))


def _refuse_foreign(fs: FileSystem, path: Path) -> None:
    """Refuse a directory that another program uses. Hidden files are nobody's (``.gitignore``, ``.DS_Store``)."""
    names = fs.names(path)
    if "STORE" in names:
        return
    foreign = [name for name in names if name not in _OURS and not name.startswith(".")]
    if foreign:
        raise NotOursError(
            path, f"{path} holds files that are not Synap's ({', '.join(foreign[:3])}); choose an empty directory"
        )


def _lock(fs: FileSystem, path: Path) -> Lock:
    try:
        return fs.lock(path / "LOCK", f"{os.getpid()}\n")
    except LockHeldError as held:
        pid = held.text.strip()
        raise DataDirectoryLockedError(path, int(pid) if pid.isdigit() else None) from None


def _create(
    fs: FileSystem, path: Path, wal_directory: Path, now_ms: int, random_bytes: Callable[[int], bytes]
) -> StoreFile:
    """Make a new store, or finish making it."""
    final, temporary = path / "STORE", path / "STORE.tmp"
    fs.make_directory(wal_directory)
    if segments := segment_seqs(fs, wal_directory):
        fs.sync_directory(wal_directory)
        store = _unfinished(fs, temporary, wal_directory, segments)
        if store is None:
            raise DamagedError(final, f"it is missing, but {wal_directory} holds segments of a log", seq=0)
    else:
        store = StoreFile(UUID(bytes=random_bytes(16), version=4), now_ms)
        if fs.exists(temporary):
            fs.remove(temporary)
        with contextlib.closing(fs.create(temporary)) as file:
            write_all(file, pack_store_file(store))
            file.datasync()
        fs.sync_directory(path)
        _make_first_segment(fs, wal_directory, store, int.from_bytes(random_bytes(4), "little"))
    fs.rename(temporary, final)
    fs.sync_directory(path)
    return store


def _unfinished(fs: FileSystem, temporary: Path, wal_directory: Path, segments: tuple[int, ...]) -> StoreFile | None:
    """What an interrupted first start had written; None where the segments are not just its one empty segment."""
    try:
        store = read_store_file(fs, temporary)
        if store is None or segments != (1,):
            return None
        path = wal_directory / segment_name(1)
        data = read_all(fs, path)
        header = read_segment_header(path, data, store.store_id)
    except (DamagedError, NotOursError, NewerFormatError):
        return None
    return store if header.epoch == 0 else None


def _make_first_segment(fs: FileSystem, directory: Path, store: StoreFile, salt: int) -> None:
    """The empty segment of epoch 0, sealed. It shows that the log never held anything more."""
    header = SegmentHeader(
        salt=salt, store_id=store.store_id, epoch=0, first_seq=1, created_ms=store.created_ms, chain=CHAIN_START
    )
    segment = SegmentWriter(fs, directory, header)
    segment.seal(*segment.build(FrameType.SEAL, store.created_ms))
    segment.publish()


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one that says what is wrong with the data directory."""
    try:
        yield
    except OSError as cause:
        message = f"{path} cannot be used: {cause.strerror} ({cause.filename or path})"
        raise DataDirectoryUnusableError(path, message, _EXIT_CODES.get(cause.errno or 0, 73)) from cause
    except DiskFullError as cause:
        raise DataDirectoryUnusableError(path, f"{path} cannot be used: {cause}", _EXIT_NO_SPACE) from cause
    except LogFailedError as cause:
        code = _EXIT_CODES.get(cause.errno or 0, _EXIT_IO_ERROR)
        raise DataDirectoryUnusableError(path, f"{path} cannot be used: {cause}", code) from cause
