"""What accidents do to a snapshot: bits flip, ends go missing, pieces are exchanged. None may pass for a snapshot.

Every byte of the file lies under a checksum, those that are documented as zeros too, so no damage is without effect.
"""

from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from random import Random

import pytest
from msgspec import structs

from synap.errors import DamagedError
from synap.keyspace import Digest
from synap.snapshot import format as layout
from synap.snapshot.format import Row
from tests.wal.build import SALT

from .build import (
    BLOCKS,
    DATA_OF_ROWS,
    FOOTER,
    FOOTER_START,
    HEAD,
    HEADER,
    INDEX,
    INDEX_START,
    LAST_SEQ,
    ROWS,
    STARTS,
    Forge,
    blocks_of_rows,
    changed_footer,
    damage,
    in_pieces,
    opened,
    read,
    written,
)

PLACES = [0, *STARTS, INDEX_START, FOOTER_START]
"""Where the pieces begin; a piece is what damage is told of."""


def piece_at(place: int) -> int:
    return PLACES[bisect_right(PLACES, place) - 1]


def never_a_wrong_answer(data: bytes) -> None:
    """One key or another may be found all the same, but then it is the right entry."""
    for row in (ROWS[0], ROWS[7], ROWS[-1]):
        with suppress(DamagedError), opened(data) as reader:
            assert reader.find(row[0]) == row


# --- bits and bytes ------------------------------------------------------------------------------------------


def test_the_snapshot_of_these_tests_has_several_blocks() -> None:
    assert len(BLOCKS) == 5
    assert read(DATA_OF_ROWS) == ROWS


def test_every_flipped_bit_is_damage_and_its_place_is_told() -> None:
    for place in range(len(DATA_OF_ROWS)):
        for bit in range(8):
            flipped = bytes((DATA_OF_ROWS[place] ^ 1 << bit,))
            data = DATA_OF_ROWS[:place] + flipped + DATA_OF_ROWS[place + 1 :]
            error = damage(data)
            assert error.offset == piece_at(place), f"bit {bit} of byte {place}"
            assert error.seq == LAST_SEQ
            if bit == place % 8:
                never_a_wrong_answer(data)


def test_every_truncation_is_damage() -> None:
    for length in range(len(DATA_OF_ROWS)):
        error = damage(DATA_OF_ROWS[:length])
        assert error.offset == (0 if length < layout.HEADER_BYTES else max(0, length - layout.FOOTER_BYTES)), length
        assert error.seq == LAST_SEQ
        never_a_wrong_answer(DATA_OF_ROWS[:length])


@pytest.mark.parametrize("extra", [b"\0", b"\n", bytes(512), b"SYNB", FOOTER[:95], FOOTER, INDEX, DATA_OF_ROWS])
def test_whatever_follows_the_footer_is_damage(extra: bytes) -> None:
    damage(DATA_OF_ROWS + extra)


@pytest.mark.parametrize("extra", [b"\0", bytes(512), DATA_OF_ROWS[:128], b"\xef\xbb\xbf"])
def test_whatever_comes_before_the_header_is_damage(extra: bytes) -> None:
    damage(extra + DATA_OF_ROWS)


def test_bytes_cut_out_are_damage(seed: int) -> None:
    rng = Random(seed)
    for _ in range(1000):
        start = rng.randrange(len(DATA_OF_ROWS))
        stop = rng.randint(start + 1, len(DATA_OF_ROWS))
        damage(DATA_OF_ROWS[:start] + DATA_OF_ROWS[stop:])
        damage(DATA_OF_ROWS[:stop] + DATA_OF_ROWS[start:])


def test_zeroed_and_noisy_ranges_are_damage(seed: int) -> None:
    rng = Random(seed)
    for _ in range(1000):
        start = rng.randrange(len(DATA_OF_ROWS))
        stop = rng.randint(start + 1, len(DATA_OF_ROWS))
        for noise in (bytes(stop - start), b"\xff" * (stop - start), rng.randbytes(stop - start)):
            data = DATA_OF_ROWS[:start] + noise + DATA_OF_ROWS[stop:]
            if data == DATA_OF_ROWS:
                assert not any(noise), "only zeros can be there already"
                continue
            damage(data)
            never_a_wrong_answer(data)


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, b"\xff" * 5000, Random(1).randbytes(5000), HEAD * 10, FOOTER * 10])
def test_what_is_no_snapshot_at_all_is_damage(data: bytes) -> None:
    damage(data)


# --- pieces that are whole and in the wrong place ------------------------------------------------------------


def put_together(blocks: list[bytes], index: bytes = INDEX) -> bytes:
    """These blocks in a file whose footer knows where the index is, and is not changed otherwise."""
    body = HEAD + b"".join(blocks)
    return changed_footer(body + index + FOOTER, index_offset=len(body))


def renumbered(blocks: list[tuple[Row, ...]]) -> bytes:
    """These blocks with numbers, counts and index as if they belonged there."""
    forge = Forge()
    for rows in blocks:
        forge.block(*rows)
    return forge.finish()


def test_pieces_put_together_again_are_the_snapshot() -> None:
    assert put_together(BLOCKS) == DATA_OF_ROWS
    assert read(renumbered(blocks_of_rows())) == ROWS


def test_exchanged_blocks_are_damage() -> None:
    for left in range(len(BLOCKS)):
        for right in range(left + 1, len(BLOCKS)):
            blocks = list(BLOCKS)
            blocks[left], blocks[right] = blocks[right], blocks[left]
            error = damage(put_together(blocks))
            assert (error.reason, error.offset) == (f"there is not block {left}", STARTS[left])


def test_a_block_that_is_there_twice_is_damage() -> None:
    for number in range(len(BLOCKS)):
        error = damage(put_together([*BLOCKS[: number + 1], *BLOCKS[number:]]))
        assert error.reason == f"there is not block {number + 1}"
        assert error.offset == STARTS[number] + len(BLOCKS[number])
        # In another's place.
        for other in set(range(len(BLOCKS))) - {number}:
            error = damage(put_together([*BLOCKS[:other], BLOCKS[number], *BLOCKS[other + 1 :]]))
            assert error.reason == f"there is not block {other}"


def test_a_missing_block_is_damage() -> None:
    for number in range(len(BLOCKS) - 1):
        error = damage(put_together([*BLOCKS[:number], *BLOCKS[number + 1 :]]))
        assert (error.reason, error.offset) == (f"there is not block {number}", STARTS[number])


def test_missing_last_blocks_are_damage() -> None:
    for number in range(len(BLOCKS)):
        error = damage(put_together(BLOCKS[:number]))
        assert error.reason == "the blocks are not what the footer says"


def test_an_index_in_the_place_of_a_block_is_damage_and_a_block_in_the_place_of_the_index() -> None:
    assert damage(put_together([INDEX, *BLOCKS[1:]])).reason == "there is not block 0"
    assert damage(put_together(BLOCKS, BLOCKS[0])).reason == "there is not the index"


@pytest.mark.parametrize(
    "rearranged",
    [
        pytest.param(lambda blocks: [blocks[1], blocks[0], *blocks[2:]], id="exchanged"),
        pytest.param(lambda blocks: [blocks[0], blocks[0], *blocks[1:]], id="twice"),
        pytest.param(lambda blocks: [*blocks, blocks[0]], id="again at the end"),
        pytest.param(lambda blocks: blocks[::-1], id="from behind"),
        pytest.param(lambda blocks: [*blocks, (ROWS[-1],)], id="the last entry again"),
    ],
)
def test_blocks_in_another_order_are_damage_although_their_numbers_are_right(
    rearranged: Callable[[list[tuple[Row, ...]]], list[tuple[Row, ...]]],
) -> None:
    assert damage(renumbered(rearranged(blocks_of_rows()))).reason == "the keys of a block do not ascend"


def test_a_block_left_out_by_who_wrote_everything_else_anew_is_told_by_the_digest() -> None:
    """Nothing in such a file contradicts it, but that its entries are not those that the state had."""
    rows = blocks_of_rows()
    whole = Digest()
    list(whole.of(ROWS))
    for number in range(len(rows)):
        rest = [*rows[:number], *rows[number + 1 :]]
        data = changed_footer(renumbered(rest), digest=whole.value)
        found = Digest()
        with opened(data) as reader:
            assert len(list(found.of(reader.rows()))) == len(ROWS) - len(rows[number])
            with pytest.raises(DamagedError, match="another digest"):
                reader.check_digest(found.value)


# --- pieces of other snapshots -------------------------------------------------------------------------------


def test_pieces_of_another_snapshot_are_damage() -> None:
    """Of the same store and number, with another salt: each piece is right, and belongs elsewhere."""
    other = Forge(header=structs.replace(HEADER, salt=SALT ^ 1))
    for rows in blocks_of_rows():
        other.block(*rows)
    head, blocks, index, foot = in_pieces(other.finish())
    damage(head + b"".join(BLOCKS) + INDEX + FOOTER)
    for number, block in enumerate(blocks):
        assert damage(put_together([*BLOCKS[:number], block, *BLOCKS[number + 1 :]])).offset == STARTS[number]
    assert damage(put_together(BLOCKS, index)).offset == INDEX_START
    assert damage(DATA_OF_ROWS[:FOOTER_START] + foot).offset == FOOTER_START


def test_a_block_of_an_older_snapshot_with_the_same_salt_is_told_by_the_counts_or_the_digest() -> None:
    """A salt comes again once in four thousand million snapshots; and even then there is the digest."""
    older = [(key, kind, value + b"!", deadline_ms, version) for key, kind, value, deadline_ms, version in ROWS]
    _, blocks, _, _ = in_pieces(written(older, 500))
    error = damage(put_together([blocks[0], *BLOCKS[1:]]))
    assert error.reason == "the blocks are not what the footer says"


# --- numbers that are wrong under checksums that are right ---------------------------------------------------


@pytest.mark.parametrize("by", [-1, 1, 1000, 2**40])
@pytest.mark.parametrize("count", ["entry_count", "block_count", "entry_bytes"])
def test_wrong_counts_in_the_footer_are_damage(count: str, by: int) -> None:
    with opened(DATA_OF_ROWS) as reader:
        right = getattr(reader.footer, count)
    error = damage(changed_footer(DATA_OF_ROWS, **{count: right + by}))
    assert error.reason == "the blocks are not what the footer says"


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize(
    ("offset", "wrong", "reason"),
    [
        (0, b"SYNI", "there is not block"),
        (0, b"SYNF", "there is not block"),
        (0, bytes(4), "there is not block"),
        (8, b"\0\0\0\0", "another length"),
        (8, b"\xff\xff\0\0", "another length"),
        (8, b"\xff\xff\xff\xff", "longer than it can be"),
        (8, b"\x01\0\0\x04", "longer than it can be"),
        (12, b"\0\0\0\0", "there is not block"),
        (12, b"\xff\0\0\0", "another number of rows"),
        (12, b"\xff\xff\xff\xff", "another number of rows"),
        (16, b"\xff" * 8, "there is not block"),
        (16, b"\x09" + bytes(7), "there is not block"),
        (24, b"\0\0\0\0", "checksum is wrong"),
        (4, b"\0\0\0\0", "checksum is wrong"),
        (4, b"\xff\xff\xff\xff", "longer than it can be"),
    ],
)
def test_wrong_numbers_in_the_header_of_a_block_are_damage(number: int, offset: int, wrong: bytes, reason: str) -> None:
    forge = Forge()
    for each, rows in enumerate(blocks_of_rows()):
        forge.block(*rows, patch={offset: wrong} if each == number else None)
    error = damage(forge.finish())
    assert reason in error.reason
    assert error.offset == forge.starts[number]


@pytest.mark.parametrize(
    ("offset", "wrong", "reason"),
    [
        (0, b"SYNB", "there is not the index"),
        (4, b"\0\0\0\0", "checksum is wrong"),
        (4, b"\xff\xff\xff\xff", "longer than it can be"),
        (8, b"\0\0\0\0", "another length"),
        (8, b"\x01\0\0\x10", "longer than it can be"),
        (12, b"\x04\0\0\0", "there is not the index"),
        (12, b"\xff\xff\xff\xff", "there is not the index"),
        (16, b"\x04" + bytes(7), "there is not the index"),
        (16, b"\xff" * 8, "there is not the index"),
        (24, b"\0\0\0\0", "checksum is wrong"),
    ],
)
def test_wrong_numbers_in_the_header_of_the_index_are_damage(offset: int, wrong: bytes, reason: str) -> None:
    forge = Forge()
    for rows in blocks_of_rows():
        forge.block(*rows)
    error = damage(forge.index(patch={offset: wrong}).footer())
    assert reason in error.reason
    assert error.offset == forge.index_offset


@pytest.mark.parametrize("index_offset", [0, 127, FOOTER_START, FOOTER_START + 1, 2**63, 2**64 - 1])
def test_a_place_of_the_index_that_cannot_be_is_damage(index_offset: int) -> None:
    error = damage(changed_footer(DATA_OF_ROWS, index_offset=index_offset))
    assert (error.reason, error.offset) == ("its footer names no place for the index", FOOTER_START)


def test_any_other_place_of_the_index_is_damage() -> None:
    for index_offset in range(layout.HEADER_BYTES, FOOTER_START):
        if index_offset != INDEX_START:
            data = changed_footer(DATA_OF_ROWS, index_offset=index_offset)
            damage(data)
            never_a_wrong_answer(data)


def test_bytes_between_the_index_and_the_footer_are_damage() -> None:
    assert damage(DATA_OF_ROWS[:FOOTER_START] + b"\0" + FOOTER).reason == "there is not the index"


# --- negative control ----------------------------------------------------------------------------------------


def test_the_catalogue_notices_when_checksums_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "crc_is", lambda *_: True)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test_every_flipped_bit_is_damage_and_its_place_is_told()
