"""Setting aside what is cut off the log or found damaged: nothing is destroyed before a copy of it is durable."""

import errno
from contextlib import closing
from pathlib import Path

from synap.fs import FileSystem, create_durably, read_all


def cut_tail(fs: FileSystem, segment: Path, offset: int, quarantine: Path) -> Path:
    """Cut the segment to ``offset`` bytes, after copying the rest to a file in ``quarantine``; return its path.

    Durable step by step, so that it can be interrupted anywhere and done again.
    """
    with closing(fs.open(segment, writable=True)) as file:
        tail = file.read(offset, file.size() - offset)
        saved = _save(fs, quarantine / f"{segment.name}.{offset}.tail", tail)
        file.truncate(offset)
        file.datasync()
    return saved


def set_aside(fs: FileSystem, path: Path, quarantine: Path) -> Path:
    """Move a whole file into ``quarantine``, beside any of the same name; return its new path.

    It is not read: its disk may not be able to. Where the quarantine is on another disk, it stays in its directory,
    under a name that means nothing.
    """
    fs.make_directory(quarantine)
    try:
        saved = _move(fs, path, quarantine / path.name)
    except OSError as cause:
        if cause.errno != errno.EXDEV:
            raise
        saved = _move(fs, path, path.with_name(f"{path.name}.set-aside"))
    fs.sync_directory(saved.parent)
    fs.sync_directory(path.parent)
    return saved


def _move(fs: FileSystem, path: Path, wanted: Path) -> Path:
    chosen, number = wanted, 0
    while fs.exists(chosen):
        number += 1
        chosen = wanted.with_name(f"{wanted.name}.{number}")
    fs.rename(path, chosen)
    return chosen


def _save(fs: FileSystem, path: Path, data: bytes) -> Path:
    """Make the file durably, beside any of the same name with another content."""
    fs.make_directory(path.parent)
    # A copy that is there already may be of a process that was killed before its name was durable.
    fs.sync_directory(path.parent)
    chosen, number = path, 0
    while fs.exists(chosen) and read_all(fs, chosen) != data:
        number += 1
        chosen = path.with_name(f"{path.name}.{number}")
    if not fs.exists(chosen):
        create_durably(fs, chosen, data)
    return chosen
