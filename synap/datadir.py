r"""The data directory: whose it is, that only one server has it, and what lies where in it.

::

    LOCK         held (flock) by the one server that has the directory; its pid inside
    STORE        written once: what makes the directory a store
    wal/         the log's segments
    snapshot/    the last two snapshots; made with the first one
    quarantine/  what was cut off or set aside, never deleted by Synap

``STORE`` is 64 bytes, integers little-endian: magic ``89 'SYNSTR' 0A``; major and minor version (2 bytes each); 4
zeros; store id (16); created, ms since the epoch (8); 20 zeros; CRC-32 of all before it (4).

A new store comes into being with the rename of ``STORE.tmp`` to ``STORE``, when the first segment is in place. Until
then the directory counts as new, and an interrupted first start is simply finished or done again. Segments without
``STORE`` (or ``STORE`` without segments) therefore mean that something was lost: an error, never a new store.

A directory that is made to hold what another store held (``founding.py``) has ``STORE.unfinished`` until it does, and
is refused: it must not become an empty store.
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
from synap.snapshot.reader import snapshot_seqs
from synap.wal.format import CHAIN_START, FrameType, SegmentHeader, segment_name
from synap.wal.reader import segment_seqs
from synap.wal.segment import read_segment_header
from synap.wal.writer import SegmentWriter

MAGIC = b"\x89SYNSTR\n"
MAJOR, MINOR = 1, 0

UNFINISHED = "STORE.unfinished"
"""What ``STORE`` is called while the directory is not yet filled with what it is to hold."""

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


class Places(msgspec.Struct, frozen=True):
    """Where log and snapshots are, if not in the data directory."""

    wal: Path | None = None
    snapshot: Path | None = None


IN_THE_DIRECTORY = Places()


class StoreDirectory:
    """A data directory, to look at. ``store_id`` tells its files from another store's."""

    def __init__(self, fs: FileSystem, path: Path, places: Places, store_id: UUID) -> None:
        self.fs = fs
        self.path = path
        self.wal_directory = places.wal or path / "wal"
        self.snapshot_directory = places.snapshot or path / "snapshot"
        self.quarantine = path / "quarantine"
        self.store_id = store_id


class DataDirectory(StoreDirectory):
    """A data directory that this process has locked, so that it may change it."""

    def __init__(self, fs: FileSystem, path: Path, places: Places, store_id: UUID, lock: Lock) -> None:
        super().__init__(fs, path, places, store_id)
        self._lock = lock

    def close(self) -> None:
        """Let the next server have it."""
        self._lock.release()


def open_data_directory(
    fs: FileSystem,
    path: Path,
    *,
    now_ms: int,
    places: Places = IN_THE_DIRECTORY,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> DataDirectory:
    """Lock the directory and make sure that it is a store; make it one if it is new.

    Raises a ``DataDirectoryError`` that says what is wrong, in which case nothing of it was changed.
    """
    with explained(path):
        if fs.exists(path) and not fs.is_directory(path):
            raise DataDirectoryUnusableError(path, f"{path} is not a directory; a data directory is needed")
        fs.make_directory(path)
        _refuse_foreign(fs, path)
        lock = lock_directory(fs, path)
    try:
        with explained(path):
            # The one before may have been killed between a rename and its sync: what is read must be there to stay.
            fs.sync_directory(path)
            store = read_store_file(fs, path / "STORE")
            if store is None:
                _refuse_snapshots(fs, path, places.snapshot or path / "snapshot")
                store = _create(fs, path, places.wal or path / "wal", now_ms, random_bytes)
    except BaseException:
        lock.release()
        raise
    return DataDirectory(fs, path, places, store.store_id, lock)


def look_at_data_directory(fs: FileSystem, path: Path, places: Places = IN_THE_DIRECTORY) -> StoreDirectory:
    """A data directory as it is, also one that a server has; nothing is changed.

    Raises a ``DataDirectoryError`` where there is none.
    """
    with explained(path):
        if not fs.exists(path):
            raise DataDirectoryUnusableError(path, f"there is no directory {path}")
        if not fs.is_directory(path):
            raise DataDirectoryUnusableError(path, f"{path} is not a directory; a data directory is needed")
        store = read_store_file(fs, path / "STORE")
        if store is None:
            raise NotOursError(path, f"{path} is no data directory of Synap: there is no file STORE in it")
    return StoreDirectory(fs, path, places, store.store_id)


def read_store_file(fs: FileSystem, path: Path) -> StoreFile | None:
    """The content of ``STORE``, or None where there is no such file."""
    if not fs.exists(path):
        return None
    with contextlib.closing(fs.open(path)) as file:
        # One byte more than there should be shows as well as all of them that it is too long.
        data = file.read(0, _STORE.size + _CRC.size + 1)
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
    if UNFINISHED in names:
        raise DataDirectoryUnusableError(
            path, f"{path} is no store yet: what was to fill it was interrupted; do that again, or delete the directory"
        )
    if foreign := foreign_names(names):
        raise NotOursError(
            path, f"{path} holds files that are not Synap's ({', '.join(foreign[:3])}); choose an empty directory"
        )


def foreign_names(names: list[str]) -> list[str]:
    """Those of the names in a directory that Synap does not use itself and that are not hidden."""
    return [name for name in names if name not in _OURS and not name.startswith(".")]


def lock_directory(fs: FileSystem, path: Path) -> Lock:
    """The lock of a directory that exists. Raises ``DataDirectoryLockedError``."""
    try:
        return fs.lock(path / "LOCK", f"{os.getpid()}\n")
    except LockHeldError as held:
        pid = held.text.strip()
        raise DataDirectoryLockedError(path, int(pid) if pid.isdigit() else None) from None


def _refuse_snapshots(fs: FileSystem, path: Path, directory: Path) -> None:
    """Refuse to make a store where there was one."""
    if snapshot_seqs(fs, directory):
        raise DamagedError(path / "STORE", f"it is missing, but {directory} holds snapshots", seq=0)


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
        write_store_file(fs, temporary, store)
        make_empty_segment(
            fs,
            wal_directory,
            SegmentHeader(
                salt=random_salt(random_bytes),
                store_id=store.store_id,
                epoch=0,
                first_seq=1,
                created_ms=store.created_ms,
                chain=CHAIN_START,
            ),
        )
    publish_store_file(fs, temporary)
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


# --- parts, also for those who make a directory otherwise --------------------------------------------------


def write_store_file(fs: FileSystem, path: Path, store: StoreFile) -> None:
    """Make ``STORE`` under the name that it has until all the rest is in place; durable on return."""
    if fs.exists(path):
        fs.remove(path)
    with contextlib.closing(fs.create(path)) as file:
        write_all(file, pack_store_file(store))
        file.datasync()
    fs.sync_directory(path.parent)


def publish_store_file(fs: FileSystem, path: Path) -> None:
    """Give that file the name which makes its directory a store; durable on return."""
    fs.rename(path, path.with_name("STORE"))
    fs.sync_directory(path.parent)


def make_empty_segment(fs: FileSystem, directory: Path, header: SegmentHeader) -> None:
    """A segment with a seal and nothing else; durable on return.

    It shows that the log never held anything more, and holds the place for the next one to be written. Raises
    ``DiskFullError``, ``LogFailedError`` or ``OSError``.
    """
    segment = SegmentWriter(fs, directory, header)
    segment.seal(*segment.build(FrameType.SEAL, header.created_ms))
    segment.publish()


def random_salt(random_bytes: Callable[[int], bytes]) -> int:
    """What the checksums of a new segment or snapshot begin with."""
    return int.from_bytes(random_bytes(4), "little")


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
