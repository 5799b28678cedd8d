"""Contents that no writer makes, under checksums that are right: typed errors, and no length is believed.

Checksums keep out accidents, not malice, so every check behind them is tested with pieces whose checksums are right.
"""

import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cbor2
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from synap.cbor import encode_rows
from synap.errors import DamagedError, NewerFormatError
from synap.fs import RealFileSystem
from synap.snapshot import format as layout
from synap.snapshot.format import Row
from synap.snapshot.reader import SnapshotReader
from tests.wal.build import bomb, zipped

from .build import HEADER, PATH, STARTS, Forge, blocks_of_rows, damage, entry, opened, read

PEAK_BYTES = 10_000_000


@contextmanager
def modest() -> Iterator[None]:
    """What is done within takes little memory."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < PEAK_BYTES, "no claimed length is believed"


def damage_modestly(data: bytes) -> DamagedError:
    with modest():
        return damage(data)


# --- zstd ----------------------------------------------------------------------------------------------------

UNSIZED = zstandard.ZstdCompressor(write_content_size=False).compress(b"payload")
LONG = zipped(bytes(1_000_000))
ONE_ROW = encode_rows([entry(b"k")])

ZSTD: dict[str, tuple[bytes, int, str]] = {
    "terabytes declared": (bomb(1 << 42), 100, "another length"),
    "terabytes declared, and truncated into the header": (bomb((1 << 42) + 100), 100, "another length"),
    "largest number declared": (bomb(2**64 - 1), 100, "another length|does not decode"),
    "no size declared": (UNSIZED, 7, "another length"),
    "more than the header says": (LONG, 999_999, "another length"),
    "less than the header says": (LONG, 1_000_001, "another length"),
    "sizes agree, and both lie": (bomb(5_000_000), 5_000_000, "does not decode"),
    "garbage after the frame": (zipped(ONE_ROW) + b"garbage", len(ONE_ROW), "does not decode"),
    "a second frame": (zipped(ONE_ROW) * 2, len(ONE_ROW), "does not decode"),
    "cut": (zipped(ONE_ROW)[:-5], len(ONE_ROW), "does not decode"),
    "flipped": (LONG[:-1] + bytes((LONG[-1] ^ 1,)), 1_000_000, "does not decode"),
    "not zstd": (b"payload", 7, "does not decode"),
    "not compressed": (ONE_ROW, len(ONE_ROW), "does not decode"),
    "nothing": (b"", 0, "does not decode"),
    "a frame of nothing": (zipped(b""), 0, "does not decode"),
    "a skippable frame": (b"\x50\x2a\x4d\x18\x04\0\0\0skip", 4, "another length|does not decode"),
}


@pytest.mark.parametrize("case", ZSTD)
def test_a_payload_that_does_not_decompress_to_what_it_should_is_damage(case: str) -> None:
    payload, raw_length, reason = ZSTD[case]
    forge = Forge().block(entry(b"before")).zipped_block(payload, raw_length, 1)
    error = damage_modestly(forge.finish())
    assert error.offset == forge.starts[1]
    assert any(each in error.reason for each in reason.split("|"))
    forge = Forge().block(entry(b"before")).zipped_index(payload, raw_length, 1)
    error = damage_modestly(forge.footer())
    assert error.offset == forge.index_offset
    with modest(), opened(forge.footer()) as reader, pytest.raises(DamagedError):
        reader.find(b"before")


def test_a_length_over_the_limit_is_damage_before_anything_is_read(tmp_path: Path) -> None:
    """The file is as long as the payload says, for it consists of a hole."""
    path = tmp_path / PATH.name
    hole = 200_000_000
    forge = Forge().zipped_block(b"", 7, 1, patch={4: struct.pack("<I", hole)})
    start, end = forge.data, len(forge.data) + hole
    rest = forge.index().footer(patch={32: struct.pack("<Q", end)})[len(start) :]
    with path.open("wb") as file:
        file.write(start)
        file.seek(end)
        file.write(rest)
    with modest(), closing(SnapshotReader(RealFileSystem(), path)) as reader, pytest.raises(DamagedError) as caught:
        list(reader.rows())
    assert (caught.value.reason, caught.value.offset) == ("a block is longer than it can be", layout.HEADER_BYTES)


# --- CBOR ----------------------------------------------------------------------------------------------------

K = (b"k", 0, b"v", None, 1)


def row_with(place: int, field: object) -> list[object]:
    return [[*K[:place], field, *K[place + 1 :]]]


ROWS: dict[str, bytes | object] = {
    "nothing": b"",
    "cut": ONE_ROW[:-1],
    "a trailing byte": ONE_ROW + b"\0",
    "two payloads": ONE_ROW * 2,
    "null": None,
    "a number": 7,
    "a map": {1: 2},
    "a text": "rows",
    "undefined": b"\xf7",
    "a break": b"\xff",
    "rows that are no arrays": [1],
    "rows that are maps": [{1: 2}],
    "an empty row": [[]],
    "a field too few": [[*K[:4]]],
    "a field too many": [[*K, 1]],
    "a row of the index": [[b"k", 128]],
    "an event": [[1, b"k", 0, b"v", None]],
    "a key as text": row_with(0, "k"),
    "a key as number": row_with(0, 5),
    "a key as null": row_with(0, None),
    "a key as array": row_with(0, [1]),
    "a kind that is none": row_with(1, 3),
    "the kind of a removed key": row_with(1, 255),
    "a negative kind": row_with(1, -1),
    "a kind as boolean": row_with(1, True),
    "a kind as float": row_with(1, 1.5),
    "a kind as null": row_with(1, None),
    "a value as text": row_with(2, "v"),
    "a value as null": row_with(2, None),
    "a negative deadline": row_with(3, -1),
    "a deadline beyond 2^53": row_with(3, 2**53 + 1),
    "a deadline beyond 2^64": row_with(3, 2**64),
    "a deadline as float": row_with(3, 5.5),
    "a deadline as text": row_with(3, "5"),
    "a deadline that is undefined": b"\x81\x85\x41k\x00\x41v\xf7\x01",
    "no version": row_with(4, 0),
    "a negative version": row_with(4, -1),
    "a version beyond 2^64": row_with(4, 2**64),
    "a version as null": row_with(4, None),
    "a version as boolean": row_with(4, True),
    "an array of indefinite length": b"\x9f" + ONE_ROW[1:] + b"\xff",
    "bytes of indefinite length": b"\x81\x85\x5f\x41k\xff\x00\x41v\xf6\x01",
    "1,000 arrays deep": b"\x81" * 1000 + b"\0",
    "100,000 tags deep": b"\xc1" * 100_000 + b"\0",
    "an array that claims 2^64 - 1 items": b"\x9b" + b"\xff" * 8,
    "an array that claims a terabyte": b"\x9b" + struct.pack(">Q", 1 << 40) + bytes(100),
    "a key that claims a terabyte": b"\x81\x85\x5b" + struct.pack(">Q", 1 << 40) + bytes(100),
    "a value that claims 2^64 - 1 bytes": b"\x81\x85\x41k\x00\x5b" + b"\xff" * 8,
    "a tagged row": b"\x81\xc1" + ONE_ROW[1:],
    "a tagged payload": b"\xd9\xd9\xf7" + ONE_ROW,
    "a regular expression for a key": b"\x81\x85\xd8\x23\x61k\x00\x41v\xf6\x01",
}


@pytest.mark.parametrize("case", ROWS)
def test_a_block_of_anything_but_rows_is_damage(case: str) -> None:
    wrong = ROWS[case]
    raw = wrong if isinstance(wrong, bytes) else cbor2.dumps(wrong)
    forge = Forge().block(entry(b"before")).raw_block(raw, 1)
    error = damage_modestly(forge.finish())
    assert (error.offset, error.seq) == (forge.starts[1], HEADER.last_seq)
    assert "does not decode" in error.reason


INDEX_ROWS: dict[str, bytes | object] = {
    "nothing": b"",
    "null": None,
    "a map": {b"k": 128},
    "rows that are no arrays": [1],
    "an empty row": [[]],
    "a field too few": [[b"k"]],
    "a field too many": [[b"k", 128, 1]],
    "a row of a block": [list(K)],
    "a key as text": [["k", 128]],
    "a key as null": [[None, 128]],
    "an offset as text": [[b"k", "128"]],
    "an offset as null": [[b"k", None]],
    "an offset as boolean": [[b"k", True]],
    "a negative offset": [[b"k", -128]],
    "an offset beyond 2^64": [[b"k", 2**64]],
    "an array that claims a terabyte": b"\x9b" + struct.pack(">Q", 1 << 40) + bytes(100),
    "1,000 arrays deep": b"\x81" * 1000 + b"\0",
}


@pytest.mark.parametrize("case", INDEX_ROWS)
def test_an_index_of_anything_but_its_rows_is_damage(case: str) -> None:
    wrong = INDEX_ROWS[case]
    raw = wrong if isinstance(wrong, bytes) else cbor2.dumps(wrong)
    forge = Forge().block(entry(b"k")).zipped_index(zipped(raw), len(raw), 1)
    error = damage_modestly(forge.footer())
    assert error.offset == forge.index_offset
    assert "does not decode" in error.reason
    with modest(), opened(forge.footer()) as reader, pytest.raises(DamagedError, match="does not decode"):
        reader.find(b"k")


# --- rows that are rows, and wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([[b"b", b"a"]], id="descending"),
        pytest.param([[b"a", b"a"]], id="twice"),
        pytest.param([[b"a", b"c", b"b"]], id="the last ones exchanged"),
        pytest.param([[b"b", b"a", b"c"]], id="the first ones exchanged"),
        pytest.param([[b"ab", b"a"]], id="the shorter one behind"),
        pytest.param([[b"\x7f", b"\xff", b"\x80"]], id="as signed bytes"),
        pytest.param([[b"a"], [b"a"]], id="twice across a border"),
        pytest.param([[b"a", b"c"], [b"b"]], id="descending across a border"),
        pytest.param([[b"b", b"c"], [b"a", b"d"]], id="overlapping blocks"),
        pytest.param([[b"a"], [b"b"], [b"a"]], id="again two blocks later"),
        pytest.param([[b"k" * 64 + b"b"], [b"k" * 64 + b"a"]], id="behind what the index knows"),
        pytest.param([[b"a"], [b""]], id="the empty key behind"),
    ],
)
def test_keys_that_do_not_ascend_are_damage(blocks: list[list[bytes]]) -> None:
    forge = Forge()
    for keys in blocks:
        forge.block(*map(entry, keys))
    error = damage(forge.finish())
    assert (error.reason, error.offset) == ("the keys of a block do not ascend", forge.starts[-1])


def test_nothing_of_a_block_whose_keys_do_not_ascend_is_given() -> None:
    forge = Forge().block(entry(b"a"), entry(b"b")).block(entry(b"d"), entry(b"c"))
    with opened(forge.finish()) as reader:
        rows = reader.rows()
        assert [next(rows), next(rows)] == [entry(b"a"), entry(b"b")]
        with pytest.raises(DamagedError):
            next(rows)


@pytest.mark.parametrize("row_count", [0, 1])
def test_a_block_without_rows_is_damage(row_count: int) -> None:
    for forge in (
        Forge().block(entry(b"a")).raw_block(encode_rows([]), row_count),
        Forge().raw_block(encode_rows([]), row_count).block(entry(b"a")),
    ):
        damage(forge.finish())


@pytest.mark.parametrize("claimed", [1, 3])
def test_another_number_of_rows_than_the_header_says_is_damage(claimed: int) -> None:
    forge = Forge().raw_block(encode_rows([entry(b"a"), entry(b"b")]), claimed)
    assert "another number of rows" in damage(forge.finish()).reason
    forge = Forge().block(entry(b"a"))
    raw = encode_rows(forge.true_index * 2)
    assert "another number of rows" in damage(forge.zipped_index(zipped(raw), len(raw), 1).footer()).reason


# --- an index that lies --------------------------------------------------------------------------------------

LIES: dict[str, Callable[[list[tuple[bytes, int]]], list[tuple[bytes, int]]]] = {
    "another first key": lambda index: [(b"a", index[0][1]), *index[1:]],
    "an empty key": lambda index: [(b"", index[0][1]), *index[1:]],
    "a longer start": lambda index: [*index[:-1], (index[-1][0] + b"\0", index[-1][1])],
    "a shorter start": lambda index: [*index[:-1], (index[-1][0][:-1], index[-1][1])],
    "exchanged offsets": lambda index: [(index[0][0], index[1][1]), (index[1][0], index[0][1]), *index[2:]],
    "exchanged rows": lambda index: [index[1], index[0], *index[2:]],
    "from behind": lambda index: index[::-1],
    "all of the first": lambda index: [index[0]] * len(index),
    "all of the last": lambda index: [index[-1]] * len(index),
    "all in the header": lambda index: [(start, 0) for start, _ in index],
    "all one byte on": lambda index: [(start, offset + 1) for start, offset in index],
    "all behind the index": lambda index: [(start, 10_000) for start, _ in index],
    "all at 2^63 - 1": lambda index: [(start, 2**63 - 1) for start, _ in index],
    "all at 2^63": lambda index: [(start, 2**63) for start, _ in index],
    "all at 2^64 - 1": lambda index: [(start, 2**64 - 1) for start, _ in index],
}


@pytest.mark.parametrize("case", LIES)
def test_an_index_that_lies_is_damage(case: str, tmp_path: Path) -> None:
    """Who reads everything learns of every lie; who looks for one key may not, but gets its entry or an error.

    On a real file as well: there are offsets that a system call does not even take.
    """
    forge = Forge()
    for rows in blocks_of_rows():
        forge.block(*rows)
    data = forge.index(LIES[case](forge.true_index)).footer()
    assert damage(data).reason == "the index is not that of the blocks"
    path = tmp_path / PATH.name
    path.write_bytes(data)
    with closing(SnapshotReader(RealFileSystem(), path)) as reader:
        for row in (row for rows in blocks_of_rows() for row in rows):
            try:
                found = reader.find(row[0])
            except DamagedError as error:
                assert error.path == path  # noqa: PT017  # an error is one of two right answers
            else:
                assert found in {row, None}


@pytest.mark.parametrize("rows", [0, 1, 4, 6])
def test_an_index_with_another_number_of_rows_is_damage(rows: int) -> None:
    forge = Forge()
    for block in blocks_of_rows():
        forge.block(*block)
    lies = (forge.true_index * 2)[:rows]
    data = forge.index(lies).footer()
    assert damage(data).reason == "there is not the index"
    with opened(data) as reader, pytest.raises(DamagedError, match="there is not the index"):
        reader.find(b"k")


def test_an_index_whose_offset_points_to_another_block_is_noticed_by_who_looks_for_a_key() -> None:
    forge = Forge().block(entry(b"a")).block(entry(b"b"))
    data = forge.index([(b"a", STARTS[0]), (b"b", STARTS[0])]).footer()
    with opened(data) as reader:
        assert reader.find(b"a") == entry(b"a")
        with pytest.raises(DamagedError, match="there is not block 1"):
            reader.find(b"b")


def test_an_index_whose_key_is_not_the_blocks_is_noticed_by_who_looks_for_a_key() -> None:
    forge = Forge().block(entry(b"a")).block(entry(b"c"))
    data = forge.index([(b"a", forge.starts[0]), (b"b", forge.starts[1])]).footer()
    with opened(data) as reader:
        assert reader.find(b"a") == entry(b"a")
        for key in (b"b", b"bb", b"c", b"d"):
            with pytest.raises(DamagedError, match="the index is not that of the blocks") as caught:
                reader.find(key)
            assert caught.value.offset == forge.index_offset


# --- fuzzing -------------------------------------------------------------------------------------------------


def only_typed_errors(data: bytes) -> list[Row] | None:
    """Read a snapshot to its end, and look for keys in it; its rows if it was whole."""
    try:
        with opened(data) as reader:
            rows = list(reader.rows())
            for key in (b"", b"k", b"\xff"):
                reader.find(key)
    except (DamagedError, NewerFormatError) as error:
        assert error.path == PATH  # noqa: PT017  # an error is one of two right answers
        return None
    return rows


@settings(max_examples=500)
@given(st.binary(max_size=2000))
def test_any_bytes_as_a_snapshot(data: bytes) -> None:
    assert only_typed_errors(data) is None
    assert only_typed_errors(Forge().data + data) is None
    assert only_typed_errors(Forge().block(entry(b"k")).data + data) is None


def patches(fields: tuple[tuple[int, int], ...]) -> st.SearchStrategy[dict[int, bytes]]:
    return st.fixed_dictionaries(
        {}, optional={offset: st.binary(min_size=size, max_size=size) for offset, size in fields}
    )


@settings(max_examples=1000)
@given(st.data())
def test_any_numbers_with_right_checksums(data: st.DataObject) -> None:
    """Every field of every header and every payload, as an attacker could write them who knows the salt."""
    block = ((0, 4), (4, 4), (8, 4), (12, 4), (16, 8))
    payload = data.draw(st.one_of(st.binary(max_size=100), st.binary(max_size=100).map(zipped)))
    forge = Forge().block(entry(b"before"))
    forge.zipped_block(payload, len(payload), 1, patch=data.draw(patches(block)))
    forge.block(entry(b"k"), patch=data.draw(patches(block)))
    forge.index(patch=data.draw(patches(block)))
    assert only_typed_errors(forge.footer(patch=data.draw(patches(((8, 8), (16, 8), (24, 8), (32, 8)))))) is None


def test_what_is_right_passes_the_same_way() -> None:
    assert only_typed_errors(Forge().block(entry(b"a")).block(entry(b"b")).finish()) == [entry(b"a"), entry(b"b")]
    assert read(Forge().finish()) == []
