"""One snapshot, written: entries in ascending key order, into blocks, under whatever name the caller gives.

The file counts for nothing until somebody who has verified it gives it a snapshot's name. Errors of the disk come
through as ``OSError``; nothing is tried again.
"""

from pathlib import Path

import zstandard

from synap.cbor import encode_rows
from synap.fs import FileSystem, write_all
from synap.snapshot import format as layout
from synap.snapshot.format import IndexRow, Row, SnapshotFooter, SnapshotHeader

SYNC_EVERY_BYTES = 4 * 1024 * 1024
"""A snapshot is synced piece by piece: hundreds of megabytes in one go would hold up the log on the same disk."""

_ZSTD_LEVEL = 1

_ROW_BYTES = 32
"""What kind, deadline, version and lengths take in a block, at most."""


class SnapshotWriter:
    """A snapshot that is being made. ``close`` gives the file back, finished or not."""

    def __init__(self, fs: FileSystem, path: Path, header: SnapshotHeader) -> None:
        """Make the file, which must not be there yet, and write its header."""
        self._file = fs.create(path)
        self._salt = header.salt
        self._zip = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True, write_content_size=True)
        self._rows: list[Row] = []
        self._rows_bytes = 0
        self._index: list[IndexRow] = []
        self._entry_count = self._entry_bytes = 0
        self._offset = self._synced_offset = 0
        try:
            self._write(layout.pack_header(header))
        except BaseException:
            self._file.close()
            raise

    def add(self, row: Row) -> None:
        """Take one more entry, whose key is greater than the one before."""
        size = len(row[0]) + len(row[2])
        self._entry_bytes += size
        self._rows_bytes += size + _ROW_BYTES
        self._rows.append(row)
        if self._rows_bytes >= layout.BLOCK_TARGET_BYTES:
            self._end_block()

    def finish(self, digest: int) -> SnapshotFooter:
        """Write what is left, the index, and the footer with the digest of the state; all is on the disk on return.

        Its name is not: that is for whoever gives it one.
        """
        if self._rows:
            self._end_block()
        index_offset = self._offset
        self._write_rows(layout.INDEX_MAGIC, self._index, number=len(self._index))
        footer = SnapshotFooter(self._entry_count, len(self._index), self._entry_bytes, index_offset, digest)
        self._write(layout.pack_footer(footer, self._salt))
        self._file.datasync()
        return footer

    def close(self) -> None:
        """Give the file back. A second call does nothing."""
        self._file.close()

    def _end_block(self) -> None:
        number = len(self._index)
        self._index.append((self._rows[0][0][: layout.INDEX_KEY_BYTES], self._offset))
        self._write_rows(layout.BLOCK_MAGIC, self._rows, number=number)
        self._entry_count += len(self._rows)
        self._rows, self._rows_bytes = [], 0
        if self._offset - self._synced_offset >= SYNC_EVERY_BYTES:
            self._file.datasync()
            self._synced_offset = self._offset

    def _write_rows(self, magic: bytes, rows: list[Row] | list[IndexRow], *, number: int) -> None:
        raw = encode_rows(rows)
        block = layout.pack_block(
            magic, self._zip.compress(raw), salt=self._salt, raw_length=len(raw), row_count=len(rows), number=number
        )
        self._write(block)

    def _write(self, data: bytes) -> None:
        write_all(self._file, data)
        self._offset += len(data)
