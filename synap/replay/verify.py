"""Verification: every checksum, every link, every event and every digest, and all that is wrong in one go.

A data directory is verified as a whole (``verify_log.py``), any one of its files by itself (``verify_file.py``). It
changes nothing, needs no lock, and goes on behind what it finds, wherever that means anything: at the next segment, the
next snapshot. A file of a newer version of Synap ends it, since nobody here can tell what is in it.
"""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from synap.datadir import (
    IN_THE_DIRECTORY,
    UNFINISHED,
    Places,
    StoreDirectory,
    explained,
    read_store_file,
)
from synap.errors import DamagedError, DataDirectoryUnusableError, NotOursError
from synap.fs import FileSystem
from synap.replay.findings import Findings
from synap.replay.source import open_source
from synap.replay.verify_file import NOBODY, verify_file
from synap.replay.verify_log import LogCheck
from synap.snapshot.format import seq_of_name
from synap.wal.format import segment_name

_TEMPORARY = "a file that was being made; whoever made it takes it away, or the next start does"


def verify(
    fs: FileSystem,
    path: Path,
    places: Places = IN_THE_DIRECTORY,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> Findings:
    """What there is to say against a data directory, or against a single segment, snapshot or ``STORE``.

    ``on_bytes`` is told how many bytes were read. Raises a ``DataDirectoryError`` where there is none, where it is not
    Synap's, or of a newer version.
    """
    findings = Findings()
    with explained(path):
        if not fs.exists(path):
            raise DataDirectoryUnusableError(path, f"there is no {path}")
        if fs.is_directory(path):
            _Directory(fs, path, places, findings).verify(on_bytes)
        else:
            verify_file(fs, path, findings, on_bytes)
    return findings


class _Directory:
    """A data directory, and what lies in it."""

    def __init__(self, fs: FileSystem, path: Path, places: Places, findings: Findings) -> None:
        self._fs = fs
        self._path = path
        self._findings = findings
        self._places = places
        self._layout = StoreDirectory(fs, path, places, NOBODY)

    def verify(self, on_bytes: Callable[[int], None]) -> None:
        if UNFINISHED in self._fs.names(self._path) and not self._fs.exists(self._path / "STORE"):
            message = f"{self._path} is no store yet: what was to fill it was interrupted"
            raise DataDirectoryUnusableError(self._path, message)
        store_id = self._store_id()
        self._report_others()
        LogCheck(self._layout, store_id, self._findings, relist=self._list, on_bytes=on_bytes).run()
        self._report_quarantine()

    def _store_id(self) -> UUID | None:
        """Whose directory it is; where ``STORE`` does not say it, its oldest segment may. None: nobody tells."""
        findings = self._findings
        try:
            source = open_source(self._fs, self._path, self._places)
        except NotOursError:
            if not self._list()[0]:
                raise
            findings.damaged(self._path / "STORE", "it is missing, but there are snapshots")
            return None
        except DamagedError:
            # Nothing of the log tells whose it is, or not even its names do; they will be reported for themselves.
            return self._id_in_store_file()
        if source.damage is not None:
            findings.damage(source.damage)
        return source.directory.store_id

    def _id_in_store_file(self) -> UUID | None:
        try:
            store = read_store_file(self._fs, self._path / "STORE")
        except DamagedError as damage:
            self._findings.damage(damage)
            return None
        if store is None:
            self._findings.damaged(self._path / "STORE", "it is missing, but there are files of a log")
        return None if store is None else store.store_id

    # --- names -------------------------------------------------------------------------------------------

    def _list(self) -> tuple[list[int], list[int]]:
        """The numbers of the snapshots and of the segments, ascending.

        In this order: what the log has lost when it is looked at, a newer snapshot includes.
        """
        snapshots = [seq_of_name(name) for name in self._names(self._layout.snapshot_directory)]
        segments = [_segment_seq(name) for name in self._names(self._layout.wal_directory)]
        return [seq for seq in snapshots if seq is not None], [seq for seq in segments if seq is not None]

    def _report_others(self) -> None:
        """Files that do not belong where segments and snapshots are."""
        for directory, number in (
            (self._layout.wal_directory, _segment_seq),
            (self._layout.snapshot_directory, seq_of_name),
        ):
            for name in self._names(directory):
                if name.endswith(".tmp"):
                    self._findings.note(directory / name, _TEMPORARY)
                elif number(name) is None and not name.startswith("."):
                    self._findings.damaged(directory / name, "it does not belong here: was it renamed, or put here?")
        if self._fs.exists(self._path / "STORE.tmp"):
            self._findings.note(self._path / "STORE.tmp", _TEMPORARY)

    def _report_quarantine(self) -> None:
        for name in self._names(self._layout.quarantine):
            self._findings.note(self._layout.quarantine / name, "it was set aside earlier")

    def _names(self, directory: Path) -> list[str]:
        return self._fs.names(directory) if self._fs.is_directory(directory) else []


def _segment_seq(name: str) -> int | None:
    """The first event in the segment of this name; None where it is no segment's name."""
    number = name.removesuffix(".wal")
    return int(number) if number.isdecimal() and name == segment_name(int(number)) else None
