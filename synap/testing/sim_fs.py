"""A file system in memory that loses what was not synced, tears writes and fails on demand.

::

    rng = Random(seed)
    fs = SimulatedFileSystem(CrashAt(17, rng))
    try:
        run_the_program(fs)
    except SimulatedCrash:
        fs.crash(rng)              # the machine lost power; or fs.kill(), where only the process died
    run_recovery(fs)               # on what a disk could show now

It is deterministic: the same calls with the same random numbers give the same bytes, names and errors. What a power
cut can take is said in ``sim_disk.py`` (bytes) and ``sim_names.py`` (names), what else can go wrong in ``faults.py``.
Between ``SimulatedCrash`` and ``crash`` or ``kill`` every call raises ``SimulatedCrash`` again, so that no clean-up
of a dead process reaches the disk; what it had opened or locked stays unusable afterwards.

Paths are absolute, without links, ``.`` or ``..``. Directories are neither renamed nor removed.
"""

import errno
from collections import deque
from pathlib import Path
from random import Random

from synap.fs import LOCK_TEXT_BYTES, LockHeldError
from synap.testing.faults import Call, Fault, SimulatedCrash
from synap.testing.sim_disk import Inode, Survival
from synap.testing.sim_names import Directory, Tree, os_error

TRACE_CALLS = 200
"""How many calls are remembered for the message of a failing test."""

UNLIMITED_BYTES = 1 << 40
"""The room of a disk that was given no limit."""


class SimulatedFile:
    """A file opened by one run of the simulated process."""

    def __init__(self, fs: "SimulatedFileSystem", path: Path, inode: Inode, *, writable: bool) -> None:
        self.path = path
        self._fs, self._inode, self._writable = fs, inode, writable
        self._run = fs.runs
        self._open = True

    def write(self, data: bytes | memoryview) -> int:
        """See ``File``."""
        try:
            limit = self._enter("write", len(data))
        except SimulatedCrash as crash:
            if crash.written > 0 and self._writable:
                self._inode.append(data[: crash.written])
            raise
        if not self._writable:
            raise os_error(errno.EBADF, self.path)
        size = len(data) if limit is None else min(limit, len(data))
        size = min(size, self._fs.room_for(size, self.path))
        self._inode.append(data[:size])
        return size

    def read(self, offset: int, size: int) -> bytes:
        """See ``File``."""
        self._enter("read")
        if offset < 0:
            raise os_error(errno.EINVAL, self.path)
        with memoryview(self._inode.live) as view:
            return bytes(view[offset : offset + size])

    def size(self) -> int:
        """See ``File``."""
        self._enter("size")
        return len(self._inode.live)

    def datasync(self) -> None:
        """See ``File``. Where it fails, a later one does not make up for it."""
        try:
            limit = self._enter("datasync")
        except OSError:
            self._inode.fail_sync()
            raise
        if limit is None:
            self._inode.sync()

    def truncate(self, size: int) -> None:
        """See ``File``."""
        self._enter("truncate")
        if size < 0 or not self._writable:
            raise os_error(errno.EINVAL, self.path)
        self._inode.truncate(size)

    def drop_cache(self) -> None:
        """See ``File``."""
        self._enter("drop_cache")
        self._inode.drop_cache()

    def close(self) -> None:
        """See ``File``. The file is closed even where that fails, as with a real one."""
        if self._open:
            try:
                self._enter("close")
            finally:
                self._open = False

    def _enter(self, name: str, size: int = 0) -> int | None:
        self._fs.check_run(self._run)
        if not self._open:
            raise os_error(errno.EBADF, self.path)
        return self._fs.enter(name, self.path, size)


class SimulatedLock:
    """A lock taken by one run of the simulated process."""

    def __init__(self, fs: "SimulatedFileSystem", path: Path, inode: Inode) -> None:
        self._fs, self._path, self._inode = fs, path, inode
        self._run = fs.runs
        self._held = True

    def release(self) -> None:
        """See ``Lock``."""
        if self._held:
            self._fs.check_run(self._run)
            self._fs.enter("release", self._path)
            self._fs.locked.discard(self._inode)
            self._held = False


class SimulatedFileSystem:
    """See ``FileSystem``. ``faults`` may be changed at any time; they live through ``crash`` and ``kill``."""

    def __init__(self, *faults: Fault, capacity_bytes: int | None = None) -> None:
        self.faults: list[Fault] = list(faults)
        self.capacity_bytes = capacity_bytes
        self.trace: deque[Call] = deque(maxlen=TRACE_CALLS)
        self.runs = 1
        self.locked: set[Inode] = set()
        self._tree = Tree()
        self._calls = 0
        self._dead = False

    # --- what the machine does ---------------------------------------------------------------------------

    def crash(self, rng: Random, survival: Survival | None = None) -> None:
        """Lose power and start again, with any part of what was not synced, or with a given one."""
        self._tree.lose_power(rng, survival or Survival.draw(rng))
        self.kill()

    def kill(self) -> None:
        """End the process and start another: handles and locks are gone, nothing else is."""
        self.runs += 1
        self.locked.clear()
        self._dead = False

    def history(self) -> str:
        """The last calls, a line each."""
        return "\n".join(map(str, self.trace))

    # --- the seam ----------------------------------------------------------------------------------------

    def create(self, path: Path) -> SimulatedFile:
        """See ``FileSystem``."""
        self.enter("create", path)
        inode = Inode()
        self._tree.add(path, inode)
        return SimulatedFile(self, path, inode, writable=True)

    def open(self, path: Path, *, writable: bool = False) -> SimulatedFile:
        """See ``FileSystem``."""
        self.enter("open", path)
        return SimulatedFile(self, path, self._tree.file(path), writable=writable)

    def names(self, directory: Path) -> list[str]:
        """See ``FileSystem``."""
        self.enter("names", directory)
        return sorted(self._tree.directory(directory).names)

    def exists(self, path: Path) -> bool:
        """See ``FileSystem``."""
        self.enter("exists", path)
        return self._tree.exists(path)

    def is_directory(self, path: Path) -> bool:
        """See ``FileSystem``."""
        self.enter("is_directory", path)
        return self._tree.exists(path) and isinstance(self._tree.node(path), Directory)

    def make_directory(self, path: Path) -> None:
        """See ``FileSystem``. Each name is a call, and its sync another."""
        missing = [place for place in (path, *path.parents) if not self._tree.exists(place)]
        existing = missing[-1].parent if missing else path
        self.sync_directory(existing.parent)
        for place in reversed(missing):
            self.enter("make_directory", place)
            self._tree.add(place, Directory())
            self.sync_directory(place.parent)
        self._tree.directory(path)

    def rename(self, source: Path, target: Path) -> None:
        """See ``FileSystem``."""
        self.enter("rename", source, target=target)
        self._tree.rename(source, target)

    def remove(self, path: Path) -> None:
        """See ``FileSystem``."""
        self.enter("remove", path)
        self._tree.remove(path)

    def sync_directory(self, directory: Path) -> None:
        """See ``FileSystem``."""
        limit = self.enter("sync_directory", directory)
        node = self._tree.directory(directory)
        if limit is None:
            self._tree.sync(node)

    def free_bytes(self, directory: Path) -> int:
        """See ``FileSystem``."""
        self.enter("free_bytes", directory)
        self._tree.directory(directory)
        return self._free_bytes()

    def lock(self, path: Path, text: str) -> SimulatedLock:
        """See ``FileSystem``."""
        self.enter("lock", path)
        if not self._tree.exists(path):
            self._tree.add(path, Inode())
        inode = self._tree.file(path)
        if inode in self.locked:
            raise LockHeldError(path, inode.live.decode()[:LOCK_TEXT_BYTES])
        inode.truncate(0)
        inode.append(text.encode())
        self.locked.add(inode)
        return SimulatedLock(self, path, inode)

    # --- for the files and locks of this file system -----------------------------------------------------

    def enter(self, name: str, path: Path, size: int = 0, target: Path | None = None) -> int | None:
        """Note a call and ask the faults; the answer is how much of it is carried out, None for all."""
        self.check_run(self.runs)
        self._calls += 1
        call = Call(self._calls, name, path, size, target)
        self.trace.append(call)
        limits = []
        for fault in self.faults:
            try:
                limit = fault(call)
            except SimulatedCrash:
                self._dead = True
                raise
            if limit is not None:
                limits.append(limit)
        return min(limits, default=None)

    def check_run(self, run: int) -> None:
        """Refuse what belongs to a process that has ended."""
        if self._dead or run != self.runs:
            raise SimulatedCrash("the process that makes this call has ended")

    def room_for(self, size: int, path: Path) -> int:
        """How many of ``size`` bytes fit on the disk; none at all is an error."""
        if self.capacity_bytes is None or size == 0:
            return size
        room = self._free_bytes()
        if room == 0:
            raise os_error(errno.ENOSPC, path)
        return min(size, room)

    def _free_bytes(self) -> int:
        capacity = UNLIMITED_BYTES if self.capacity_bytes is None else self.capacity_bytes
        return max(0, capacity - sum(len(inode.live) for inode in self._tree.files()))
