"""The file system seam: the few calls on files that durability is made of, and nothing else.

Everything Synap writes goes through a ``FileSystem``; ``RealFileSystem`` is the operating system's,
``synap.testing.sim_fs.SimulatedFileSystem`` one that loses unsynced bytes and names, tears writes and fails on
demand. Both pass ``tests/test_fs.py``. Rules for every implementation:

* Bytes are durable after ``datasync`` of their file returned, names after ``sync_directory`` of their directory.
* ``rename`` replaces its target atomically, but is durable only after ``sync_directory``.
* A call that fails raises ``OSError`` with its errno; nothing is retried here. Whether an error is final is
  decided above (``wal/local.py``, ``datadir.py``).
"""

import contextlib
import errno
import fcntl
import os
from pathlib import Path
from typing import Protocol

LOCK_TEXT_BYTES = 64
"""Room for a process id and a few words: as much of a lock's text as is shown to those who come later."""


class File(Protocol):
    """An open file. Writing appends; reading is at an offset."""

    @property
    def path(self) -> Path:
        """Where it was opened."""
        ...

    def write(self, data: bytes | memoryview) -> int:
        """Append a prefix of ``data`` and return its length, which may be short (a full disk, a signal)."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes from ``offset``, fewer only at the end of the file."""
        ...

    def size(self) -> int:
        """Length in bytes."""
        ...

    def datasync(self) -> None:
        """Return when all written bytes, and the length, are on the disk."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to ``size`` bytes."""
        ...

    def drop_cache(self) -> None:
        """Ask that the next read comes from the disk, not from the page cache."""
        ...

    def close(self) -> None:
        """Give the file back. A second call does nothing."""
        ...


class Lock(Protocol):
    """An exclusive lock on a file, held until ``release`` or the end of the process."""

    def release(self) -> None:
        """Give the lock back. A second call does nothing."""
        ...


class LockHeldError(Exception):
    """The lock file is locked already; ``text`` is what its holder wrote into it."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(f"{path} is locked")
        self.path, self.text = path, text


class FileSystem(Protocol):
    """Files and names below some directory."""

    def create(self, path: Path) -> File:
        """A new empty file open for reading and writing; ``FileExistsError`` where the name is taken."""
        ...

    def open(self, path: Path, *, writable: bool = False) -> File:
        """An existing file."""
        ...

    def names(self, directory: Path) -> list[str]:
        """The names in a directory, sorted."""
        ...

    def exists(self, path: Path) -> bool:
        """Whether the name is taken."""
        ...

    def is_directory(self, path: Path) -> bool:
        """Whether the name is a directory's."""
        ...

    def make_directory(self, path: Path) -> None:
        """A new directory, with the parents it needs, all durable on return; nothing is made where it exists."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Give the file at ``source`` the name ``target``, replacing what was there."""
        ...

    def remove(self, path: Path) -> None:
        """Take a file's name away."""
        ...

    def sync_directory(self, directory: Path) -> None:
        """Return when the names in the directory are on the disk as they are now."""
        ...

    def free_bytes(self, directory: Path) -> int:
        """Room left for an unprivileged writer on the directory's disk."""
        ...

    def lock(self, path: Path, text: str) -> Lock:
        """Lock the file exclusively (made if need be) and write ``text`` into it, or raise ``LockHeldError``.

        The text is short, ``LOCK_TEXT_BYTES`` at most. Who comes between the lock and the writing of the text is
        told the previous holder's.
        """
        ...


def write_all(file: File, data: bytes) -> None:
    """Append all of ``data``, however short the single writes are."""
    rest = memoryview(data)
    while rest:
        written = file.write(rest)
        if written == 0:
            raise OSError(errno.EIO, "write accepted no bytes")
        rest = rest[written:]


def read_all(fs: FileSystem, path: Path) -> bytes:
    """The whole content of a file."""
    with contextlib.closing(fs.open(path)) as file:
        return file.read(0, file.size())


def create_durably(fs: FileSystem, path: Path, data: bytes) -> None:
    """Make the file ``path`` with this content, so that after any crash it is there whole or not at all.

    Written under a temporary name, synced, renamed, directory synced; what an earlier attempt left is replaced.
    """
    temporary = path.with_name(path.name + ".tmp")
    if fs.exists(temporary):
        fs.remove(temporary)
    with contextlib.closing(fs.create(temporary)) as file:
        write_all(file, data)
        file.datasync()
    fs.rename(temporary, path)
    fs.sync_directory(path.parent)


class RealFile:
    """A file descriptor."""

    def __init__(self, path: Path, flags: int) -> None:
        self.path = path
        self._fd = os.open(path, flags | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes | memoryview) -> int:
        """See ``File``."""
        return os.write(self._fd, data)

    def read(self, offset: int, size: int) -> bytes:
        """See ``File``."""
        parts = []
        while size > 0 and (part := os.pread(self._fd, size, offset)):
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def size(self) -> int:
        """See ``File``."""
        return os.fstat(self._fd).st_size

    def datasync(self) -> None:
        """See ``File``."""
        os.fdatasync(self._fd)

    def truncate(self, size: int) -> None:
        """See ``File``."""
        os.ftruncate(self._fd, size)

    def drop_cache(self) -> None:
        """See ``File``."""
        os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        """See ``File``."""
        if self._fd >= 0:
            # The descriptor is gone even where close() reports an error, so it must not be closed again.
            fd, self._fd = self._fd, -1
            os.close(fd)


class RealLock:
    """A flock on an open descriptor, so that it ends with the process, however that ends."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        """See ``Lock``."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class RealFileSystem:
    """The operating system's files."""

    def create(self, path: Path) -> RealFile:
        """See ``FileSystem``. Sessions are secrets: only the owner may read the file."""
        return RealFile(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND)

    def open(self, path: Path, *, writable: bool = False) -> RealFile:
        """See ``FileSystem``."""
        return RealFile(path, os.O_RDWR | os.O_APPEND if writable else os.O_RDONLY)

    def names(self, directory: Path) -> list[str]:
        """See ``FileSystem``."""
        return sorted(path.name for path in directory.iterdir())

    def exists(self, path: Path) -> bool:
        """See ``FileSystem``."""
        # Not path.exists(), which from Python 3.14 on takes any error for absence: a disk that fails is not empty.
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def is_directory(self, path: Path) -> bool:
        """See ``FileSystem``."""
        return path.is_dir()

    def make_directory(self, path: Path) -> None:
        """See ``FileSystem``. Each name is synced into its parent before the next is made."""
        missing = [place for place in (path, *path.parents) if not self.exists(place)]
        existing = missing[-1].parent if missing else path
        # The one before may have been killed after it made this name and before it synced it. Where nothing can be
        # written, nothing was made; there a sync may be refused, too.
        if os.access(existing.parent, os.W_OK):
            self.sync_directory(existing.parent)
        for place in reversed(missing):
            place.mkdir(mode=0o700, exist_ok=True)
            # The directory, too, not only its name: where there is no journal, the name alone may come back from a
            # power cut, and stand for whatever was in that place on the disk before.
            self.sync_directory(place)
            self.sync_directory(place.parent)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))

    def rename(self, source: Path, target: Path) -> None:
        """See ``FileSystem``."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """See ``FileSystem``."""
        path.unlink()

    def sync_directory(self, directory: Path) -> None:
        """See ``FileSystem``."""
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def free_bytes(self, directory: Path) -> int:
        """See ``FileSystem``."""
        state = os.statvfs(directory)
        return state.f_bavail * state.f_frsize

    def lock(self, path: Path, text: str) -> RealLock:
        """See ``FileSystem``."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, fd)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held_by = os.pread(fd, LOCK_TEXT_BYTES, 0).decode(errors="replace").rstrip()
                raise LockHeldError(path, held_by) from None
            # One write that covers any earlier text: who reads meanwhile sees the old one or the new one, never
            # a mixture and never nothing. The file does not shrink, so a full disk need not find room for it again.
            os.pwrite(fd, text.encode().ljust(LOCK_TEXT_BYTES), 0)
            undo.pop_all()
        return RealLock(fd)
