"""One snapshot, read: header, every block, index, footer, each checked before it is believed.

Whatever the bytes are, nothing but a typed error comes of them, and no length is believed before it was checked. A
sector that cannot be read any more counts as damage, like one that reads wrong: either way there is an older snapshot.
"""

import errno
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import zstandard

from synap.errors import CodecError, DamagedError, NewerFormatError
from synap.fs import File, FileSystem
from synap.rows import look_over, row_decoder
from synap.snapshot import format as layout
from synap.snapshot.format import BlockHeader, IndexRow, Row, seq_of_name, snapshot_name

T = TypeVar("T")

_decode_entries = row_decoder(list[Row])
_decode_index = row_decoder(list[IndexRow])


class SnapshotReader:
    """A snapshot whose header and footer are whole.

    ``bytes_read`` is how far ``blocks`` has got, of ``size_bytes``. The digest of the state is for the caller to
    compute and to have checked (``check_digest``): what it is computed of, is not known here.
    """

    def __init__(self, fs: FileSystem, path: Path, store_id: UUID | None = None) -> None:
        """Open the snapshot ``path``; ``store_id`` is whose it must be (None: anybody's).

        Raises ``DamagedError`` (also for a foreign one, and where the disk cannot read it), ``NewerFormatError``, or
        another ``OSError`` than EIO.
        """
        self.path = path
        # Until the header is read, the name is all there is to say where the damage is.
        self._seq = seq_of_name(path.name.removesuffix(".tmp")) or 0
        with self._damage_of_disk(0):
            self._file: File = fs.open(path)
        self._unzip = zstandard.ZstdDecompressor()
        self.bytes_read = 0
        try:
            with self._damage_of_disk(0):
                self.size_bytes = self._file.size()
            self.header = self._read_header(store_id)
            self.footer = self._read_footer()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Give the file back. A second call does nothing."""
        self._file.close()

    def distrust_cache(self) -> None:
        """Have what follows read from the disk itself."""
        self._file.drop_cache()

    def rows(self) -> Iterator[Row]:
        """Every entry, in ascending key order. Whoever has seen the end knows that all of the file is whole.

        Raises ``DamagedError``.
        """
        return chain.from_iterable(self.blocks())

    def blocks(self) -> Iterator[list[Row]]:
        """As ``rows``, a block at a time."""
        index: list[IndexRow] = []
        entry_count = entry_bytes = 0
        last_key: bytes | None = None
        offset = layout.HEADER_BYTES
        while offset < self.footer.index_offset:
            rows, following = self._read_rows(offset, len(index))
            text_bytes, ascend = look_over(rows, last_key)
            if not ascend:
                raise self._damaged("the keys of a block do not ascend", offset)
            index.append((rows[0][0][: layout.INDEX_KEY_BYTES], offset))
            entry_count += len(rows)
            entry_bytes += text_bytes
            last_key = rows[-1][0]
            offset = self.bytes_read = following
            yield rows
        counted = (offset, entry_count, entry_bytes, len(index))
        footer = self.footer
        if counted != (footer.index_offset, footer.entry_count, footer.entry_bytes, footer.block_count):
            raise self._damaged("the blocks are not what the footer says", offset)
        if self._read_index() != index:
            raise self._damaged("the index is not that of the blocks", footer.index_offset)
        self.bytes_read = self.size_bytes

    def check_digest(self, digest: int) -> None:
        """Refuse a snapshot whose entries, taken together, are not those of its footer. Raises ``DamagedError``."""
        if digest != self.footer.digest:
            raise self._damaged("its entries have another digest than its footer says", self.footer.index_offset)

    def find(self, key: bytes) -> Row | None:
        """The entry under a key, None where there is none. Reads the index and usually one block.

        Raises ``DamagedError`` where these are not whole; of the other blocks it knows nothing.
        """
        index = self._read_index()
        at = bisect_right(index, key, key=lambda row: row[0]) - 1
        while at >= 0:
            start, offset = index[at]
            rows, _ = self._read_rows(offset, at)
            if rows[0][0][: layout.INDEX_KEY_BYTES] != start:
                raise self._damaged("the index is not that of the blocks", self.footer.index_offset)
            if rows[0][0] <= key:
                return next((row for row in rows if row[0] == key), None)
            # The index knows only the start of a long key, which several blocks may share.
            at -= 1
        return None

    # --- parts -------------------------------------------------------------------------------------------

    def _read_header(self, store_id: UUID | None) -> layout.SnapshotHeader:
        header = layout.unpack_header(self._read(0, layout.HEADER_BYTES))
        if header is None:
            raise self._damaged("its header is damaged", 0)
        if header.major > layout.MAJOR or header.reader_flags:
            raise NewerFormatError(
                self.path,
                f"{self.path} has format {header.major}.{header.minor}; this version of Synap reads {layout.MAJOR}",
            )
        if store_id not in {None, header.store_id}:
            raise self._damaged(f"the snapshot belongs to another store ({header.store_id})", 0)
        if self.path.suffix == ".snap" and self.path.name != snapshot_name(header.last_seq):
            raise self._damaged(f"the snapshot ends with seq {header.last_seq}: it was renamed", 0)
        self._seq = header.last_seq
        return header

    def _read_footer(self) -> layout.SnapshotFooter:
        offset = self.size_bytes - layout.FOOTER_BYTES
        data = self._read(offset, layout.FOOTER_BYTES) if offset >= layout.HEADER_BYTES else b""
        footer = layout.unpack_footer(data, self.header.salt)
        if footer is None:
            raise self._damaged("its footer is damaged or missing", max(offset, 0))
        if not layout.HEADER_BYTES <= footer.index_offset < offset:
            raise self._damaged("its footer names no place for the index", offset)
        return footer

    def _read_rows(self, offset: int, number: int) -> tuple[list[Row], int]:
        """The rows of a block, and the offset behind it."""
        header, payload = self._read_block(offset, self.footer.index_offset, layout.BLOCK_MAX_RAW_BYTES)
        if (header.magic, header.number) != (layout.BLOCK_MAGIC, number) or header.row_count == 0:
            raise self._damaged(f"there is not block {number}", offset)
        rows = self._decode(header, payload, _decode_entries, offset)
        return rows, offset + layout.BLOCK_HEADER_BYTES + header.payload_length

    def _read_index(self) -> list[IndexRow]:
        offset, end = self.footer.index_offset, self.size_bytes - layout.FOOTER_BYTES
        header, payload = self._read_block(offset, end, layout.INDEX_MAX_RAW_BYTES)
        behind = offset + layout.BLOCK_HEADER_BYTES + header.payload_length
        block_count = self.footer.block_count
        found = (header.magic, header.number, header.row_count, behind)
        if found != (layout.INDEX_MAGIC, block_count, block_count, end):
            raise self._damaged("there is not the index", offset)
        return self._decode(header, payload, _decode_index, offset)

    def _read_block(self, offset: int, end: int, max_raw_bytes: int) -> tuple[BlockHeader, bytes]:
        """A block header and its payload, which must end before ``end``; checksums and lengths are right."""
        if offset > end - layout.BLOCK_HEADER_BYTES:
            raise self._damaged("there is no room for a block", offset)
        header = layout.unpack_block_header(self._read(offset, layout.BLOCK_HEADER_BYTES), self.header.salt)
        if header is None:
            raise self._damaged("a block's header is damaged", offset)
        # What zstd cannot shrink, it makes longer by less than a hundredth.
        longest = min(end - offset - layout.BLOCK_HEADER_BYTES, max_raw_bytes + max_raw_bytes // 100)
        if header.raw_length > max_raw_bytes or header.payload_length > longest:
            raise self._damaged("a block is longer than it can be", offset)
        payload = self._read(offset + layout.BLOCK_HEADER_BYTES, header.payload_length)
        if not layout.crc_is(payload, header.payload_crc, self.header.salt):
            raise self._damaged("a block's checksum is wrong", offset)
        return header, payload

    def _decode(self, header: BlockHeader, payload: bytes, decode: Callable[[bytes], list[T]], offset: int) -> list[T]:
        try:
            # Compared before anything is allocated: the size in a zstd frame can claim terabytes.
            if zstandard.frame_content_size(payload) != header.raw_length:
                raise self._damaged("a block has another length than its header says", offset)
            rows = decode(self._unzip.decompress(payload, allow_extra_data=False))
        except (zstandard.ZstdError, CodecError) as cause:
            raise self._damaged(f"a block does not decode: {cause}", offset) from cause
        if len(rows) != header.row_count:
            raise self._damaged("a block has another number of rows than its header says", offset)
        return rows

    def _read(self, offset: int, size: int) -> bytes:
        # Twice a block, so without ``_damage_of_disk``, which would take as long as reading does.
        try:
            return self._file.read(offset, size)
        except OSError as cause:
            if cause.errno != errno.EIO:
                raise
            raise self._unreadable(offset) from cause

    @contextmanager
    def _damage_of_disk(self, offset: int) -> Iterator[None]:
        try:
            yield
        except OSError as cause:
            if cause.errno != errno.EIO:
                raise
            raise self._unreadable(offset) from cause

    def _unreadable(self, offset: int) -> DamagedError:
        return self._damaged("it cannot be read: the disk gives an error", offset)

    def _damaged(self, reason: str, offset: int) -> DamagedError:
        return DamagedError(self.path, reason, seq=self._seq, offset=offset)


def snapshot_seqs(fs: FileSystem, directory: Path) -> tuple[int, ...]:
    """The last events of the snapshots in a directory, ascending; none where there is no such directory.

    A name that ends in ``.snap`` and is no snapshot's raises ``DamagedError``: somebody renamed or put it there.
    """
    names = [name for name in fs.names(directory) if name.endswith(".snap")] if fs.exists(directory) else []
    found = []
    for name in names:
        seq = seq_of_name(name)
        if seq is None:
            raise DamagedError(directory / name, "not a snapshot's name (20 digits and .snap): was it renamed?", seq=0)
        found.append(seq)
    return tuple(found)
