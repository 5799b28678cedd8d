"""Founding: a new data directory that holds given entries, as if it had always been at that sequence number.

::

    STORE                               made last: until then the directory is no store
    snapshot/00000000000000000345.snap  the entries, as of seq 345
    wal/00000000000000000346.wal        empty and sealed: the log goes on from here

The directory is a store of its own, with an id of its own. The log that led to its entries is not in it, so its chain
begins anew behind the snapshot.

It can be interrupted at any time: what is there then is refused by the server, and taken away when it is done again.
"""

import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from uuid import UUID

import msgspec

from synap.datadir import (
    UNFINISHED,
    StoreFile,
    explained,
    foreign_names,
    lock_directory,
    make_empty_segment,
    publish_store_file,
    random_salt,
    write_store_file,
)
from synap.errors import DataDirectoryUnusableError
from synap.fs import FileSystem
from synap.keyspace import Digest, state_bytes
from synap.snapshot.format import Row, SnapshotFooter, SnapshotHeader, snapshot_name
from synap.snapshot.reader import SnapshotReader
from synap.snapshot.writer import SnapshotWriter
from synap.wal.format import CHAIN_START, STATE_UNKNOWN, SegmentHeader
from synap.wholeness import check_whole


class Founded(msgspec.Struct, frozen=True):
    """What was made: the store ``store_id`` with this many entries, and the digest of its state."""

    store_id: UUID
    entries: int
    digest: int


def found(
    fs: FileSystem,
    path: Path,
    rows: Iterable[Row],
    *,
    seq: int,
    wall_ms: int,
    now_ms: int,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> Founded:
    """Make ``path`` a store that holds exactly these rows, which come in ascending key order; durable on return.

    The next event of the store will be ``seq + 1``, so no row may have a later version; with ``seq`` 0 there are none.
    Its log time (ms since the epoch) goes on from ``wall_ms``; ``now_ms`` is when it is made.

    The directory must be new or empty. Raises a ``DataDirectoryError`` that says what is wrong, and then leaves nothing
    but empty directories and a lock that nobody holds.
    """
    store = StoreFile(UUID(bytes=random_bytes(16), version=4), now_ms)
    footer, state = SnapshotFooter(0, 0, 0, 0, 0), STATE_UNKNOWN
    with new_directory(fs, path, store) as place:
        if seq > 0:
            header = SnapshotHeader(random_salt(random_bytes), store.store_id, seq, now_ms, wall_ms, CHAIN_START)
            footer = _write_snapshot(fs, place.snapshot_directory, header, rows)
            state = state_bytes(footer.digest)
        else:
            assert not list(rows), "entries before the first event"
        make_empty_segment(
            fs,
            place.wal_directory,
            SegmentHeader(random_salt(random_bytes), store.store_id, 0, seq + 1, wall_ms, CHAIN_START, state),
        )
    return Founded(store.store_id, footer.entry_count, footer.digest)


def _write_snapshot(fs: FileSystem, directory: Path, header: SnapshotHeader, rows: Iterable[Row]) -> SnapshotFooter:
    """Write a snapshot, and read it back from the disk itself."""
    path = directory / snapshot_name(header.last_seq)
    digest = Digest()
    with contextlib.closing(SnapshotWriter(fs, path, header)) as writer:
        for row in digest.of(rows):
            writer.add(row)
        footer = writer.finish(digest.value)
    with contextlib.closing(SnapshotReader(fs, path, header.store_id)) as written:
        written.distrust_cache()
        check_whole(written)
        assert written.footer == footer
    fs.sync_directory(directory)
    return footer


# --- a directory that becomes a store, or nothing ---------------------------------------------------------


class NewDirectory:
    """A directory that is being filled; nobody else has it. See ``new_directory``."""

    def __init__(self, fs: FileSystem, path: Path) -> None:
        self.wal_directory = path / "wal"
        self.snapshot_directory = path / "snapshot"
        self._fs = fs
        self._path = path
        self._unfinished = path / UNFINISHED

    def begin(self, store: StoreFile) -> None:
        """Take away what is from before, and say that the directory is unfinished before anything else is in it."""
        self.clear()
        write_store_file(self._fs, self._unfinished, store)
        for directory in (self.wal_directory, self.snapshot_directory):
            self._fs.make_directory(directory)

    def finish(self) -> None:
        """Make the directory a store."""
        publish_store_file(self._fs, self._unfinished)

    def clear(self) -> None:
        """Take away every file that was put into the directory, durably."""
        for directory in (self.wal_directory, self.snapshot_directory):
            if self._fs.exists(directory):
                for name in self._fs.names(directory):
                    self._fs.remove(directory / name)
                self._fs.sync_directory(directory)

    def undo(self) -> None:
        """Leave no file. What says that the directory is no store goes last, and stays where something else must."""
        final = self._unfinished.with_name("STORE")
        if self._fs.exists(final):
            # Its name may be on the disk or not; that was the question when the error came.
            self._fs.rename(final, self._unfinished)
            self._fs.sync_directory(self._path)
        self.clear()
        self._fs.remove(self._unfinished)
        self._fs.sync_directory(self._path)


@contextlib.contextmanager
def new_directory(fs: FileSystem, path: Path, store: StoreFile) -> Iterator[NewDirectory]:
    """A directory that is the store ``store`` when the body ends, and holds nothing if that raises.

    The body puts everything else into it, durably. Raises ``DataDirectoryUnusableError`` where the directory is not
    new or empty, or an unfinished one; ``DataDirectoryLockedError``; and explains errors of the operating system.
    """
    with explained(path):
        fs.make_directory(path)
        refuse_filled(fs, path)
        lock = lock_directory(fs, path)
        try:
            # Somebody else may have been faster, and finished.
            refuse_filled(fs, path)
            place = NewDirectory(fs, path)
            try:
                place.begin(store)
                yield place
                place.finish()
            except BaseException:
                with contextlib.suppress(OSError):
                    place.undo()
                raise
        finally:
            lock.release()


def refuse_filled(fs: FileSystem, path: Path) -> None:
    """Refuse a directory that holds anything but what an interrupted founding leaves.

    ``new_directory`` does so by itself; whoever has much to do before may ask early. Raises as that does.
    """
    with explained(path):
        names = fs.names(path) if fs.exists(path) else []
        found = [name for name in names if name in {"STORE", "STORE.tmp", "quarantine"}]
        if UNFINISHED not in names:
            found += [name for name in names if name in {"wal", "snapshot"} and fs.names(path / name)]
    found += [name for name in foreign_names(names) if name != UNFINISHED]
    if found:
        raise DataDirectoryUnusableError(path, f"{path} is not empty ({', '.join(found[:3])}); choose a new directory")
