"""A running store as one tar file: what its data directory would have to hold, made up as it is read.

The files are opened at once and then read at leisure: what the server trims meanwhile stays readable. In the archive
the newest snapshot comes first, then the segments behind it, then ``STORE``: as long as that is missing, what was
unpacked is no store. The active segment is there as it was just begun, empty; whoever makes an archive has sealed the
one before.
"""

import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec

from synap.datadir import StoreDirectory
from synap.fs import File
from synap.snapshot.format import snapshot_name
from synap.wal.format import SEGMENT_HEADER_BYTES, segment_name

_CHUNK_BYTES = 256 * 1024
_BLOCK_BYTES = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK_BYTES)


class _Member(msgspec.Struct, frozen=True):
    """A file of the archive: its name there, and how much of ``file`` it has."""

    name: str
    file: File
    size_bytes: int


class Archive:
    """A tar file that is yet to be read. ``close`` gives the files back, read or not."""

    def __init__(
        self, directory: StoreDirectory, snapshot_seq: int | None, segment_seqs: Sequence[int], now_ms: int
    ) -> None:
        """Open the snapshot (None: there is none) and the segments, of which the last is the active one.

        Blocks on the disk. Raises ``OSError``, ``FileNotFoundError`` where a file was just trimmed.
        """
        self._mtime_s = now_ms // 1000
        self._members: list[_Member] = []
        with ExitStack() as opened:
            self._opened = opened
            if snapshot_seq is not None:
                self._add(directory, directory.snapshot_directory / snapshot_name(snapshot_seq), "snapshot")
            *sealed, active = segment_seqs
            for seq in sealed:
                self._add(directory, directory.wal_directory / segment_name(seq), "wal")
            self._add(directory, directory.wal_directory / segment_name(active), "wal", SEGMENT_HEADER_BYTES)
            self._add(directory, directory.path / "STORE")
            self._opened = opened.pop_all()

    @property
    def size_bytes(self) -> int:
        """The length of the archive."""
        return len(_END) + sum(_BLOCK_BYTES + _padded(member.size_bytes) for member in self._members)

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the archive. Blocks on the disk; raises ``OSError``."""
        for member in self._members:
            yield self._head(member)
            offset = 0
            while offset < member.size_bytes:
                chunk = member.file.read(offset, min(_CHUNK_BYTES, member.size_bytes - offset))
                if not chunk:
                    raise OSError(f"{member.name} has become shorter while it was read")
                yield chunk
                offset += len(chunk)
            if padding := bytes(_padded(offset) - offset):
                yield padding
        yield _END

    def when_closed(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when the files are given back."""
        self._opened.callback(call)

    def close(self) -> None:
        """Give the files back. A second call does nothing."""
        self._opened.close()

    def _add(self, directory: StoreDirectory, path: Path, folder: str = "", size_bytes: int | None = None) -> None:
        file = self._opened.enter_context(closing(directory.fs.open(path)))
        size = file.size() if size_bytes is None else size_bytes
        self._members.append(_Member(str(Path(folder, path.name)), file, size))

    def _head(self, member: _Member) -> bytes:
        info = tarfile.TarInfo(member.name)
        # Sessions are secrets: what is unpacked is for its owner, as in a data directory.
        info.size, info.mtime, info.mode = member.size_bytes, self._mtime_s, 0o600
        return info.tobuf(tarfile.GNU_FORMAT)


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // _BLOCK_BYTES) * _BLOCK_BYTES
