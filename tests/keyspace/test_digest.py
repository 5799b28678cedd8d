"""The number of an entry: always the same, and another for every difference. And what becomes of many of them."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.keyspace import Digest, state_bytes
from synap.keyspace.digest import DIGEST_BYTES, entry_digest
from synap.radix import Item

from .build import NOW

GOLDEN = 0x8ED1DAB452D953FDA0276EC5C50746F4
"""Stored digests (of snapshots, of replicas) are compared with new ones: this number never changes."""


def test_the_number_of_an_entry_is_fixed() -> None:
    assert entry_digest(b"session:1", 1, b'{"user":7}', NOW, 42) == GOLDEN


@pytest.mark.parametrize(
    "fields",
    [
        (b"session:2", 1, b'{"user":7}', NOW, 42),
        (b"session:1", 0, b'{"user":7}', NOW, 42),
        (b"session:1", 1, b'{"user":8}', NOW, 42),
        (b"session:1", 1, b'{"user":7}', NOW + 1, 42),
        (b"session:1", 1, b'{"user":7}', None, 42),
        (b"session:1", 1, b'{"user":7}', NOW, 43),
        (b"session:1{", 1, b'"user":7}', NOW, 42),
        (b"", 1, b'session:1{"user":7}', NOW, 42),
    ],
)
def test_every_field_counts(fields: tuple[bytes, int, bytes, int | None, int]) -> None:
    assert entry_digest(*fields) != GOLDEN


@pytest.mark.parametrize("deadline_ms", [None, 0, 2**53])
def test_the_largest_of_everything(deadline_ms: int | None) -> None:
    assert 0 <= entry_digest(b"k" * 65_536, 2, bytes(1000), deadline_ms, 2**64 - 1) < 2**128


def test_no_deadline_is_not_the_deadline_zero() -> None:
    assert entry_digest(b"k", 0, b"", None, 1) != entry_digest(b"k", 0, b"", 0, 1)


# --- of many entries -----------------------------------------------------------------------------------------

ITEMS: st.SearchStrategy[list[Item]] = st.lists(
    st.tuples(
        st.binary(max_size=4),
        st.integers(0, 2),
        st.binary(max_size=4),
        st.none() | st.integers(0, 2**53),
        st.integers(1, 2**64 - 1),
    ),
    max_size=12,
)


def digest_of(items: list[Item]) -> int:
    digest = Digest()
    for item in items:
        digest.add(*item)
    return digest.value


def test_the_digest_of_nothing_is_zero() -> None:
    assert Digest().value == 0
    assert list(Digest().of([])) == []


@given(ITEMS)
def test_it_is_the_sum_of_the_numbers_of_the_entries(items: list[Item]) -> None:
    assert digest_of(items) == sum(entry_digest(*item) for item in items) % 2**128


@given(ITEMS, ITEMS)
def test_what_passes_by_passes_unchanged_and_is_taken_in(first: list[Item], second: list[Item]) -> None:
    digest = Digest()
    assert list(digest.of(iter(first))) == first
    assert digest.value == digest_of(first)
    assert list(digest.of(second)) == second
    assert digest.value == digest_of(first + second)


def test_only_what_has_passed_counts() -> None:
    digest = Digest()
    items: list[Item] = [(b"a", 0, b"", None, 1), (b"b", 0, b"", None, 2)]
    passing = digest.of(items)
    assert digest.value == 0
    next(passing)
    assert digest.value == digest_of(items[:1])


@given(ITEMS, ITEMS)
def test_what_is_taken_out_again_was_never_there(kept: list[Item], gone: list[Item]) -> None:
    """In any order: an entry may even be taken out before it was taken in."""
    digest = Digest()
    for item in gone:
        digest.exchange(item[0], item[1:], None)
        assert 0 <= digest.value < 2**128
    for item in kept + gone:
        digest.add(*item)
    assert digest.value == digest_of(kept)


def test_the_order_does_not_matter_and_the_number_of_times_does(seed: int) -> None:
    items: list[Item] = [(b"%d" % number, 0, b"v", None, number + 1) for number in range(20)]
    shuffled = Random(seed).sample(items, len(items))
    assert digest_of(items) == digest_of(shuffled)
    assert digest_of(items) != digest_of(items + items[:1])


def test_a_digest_is_stored_as_sixteen_bytes_the_highest_first() -> None:
    assert DIGEST_BYTES == 16
    assert state_bytes(0) == bytes(16)
    assert state_bytes(2**128 - 1) == b"\xff" * 16
    assert state_bytes(GOLDEN) == bytes.fromhex("8ED1DAB452D953FDA0276EC5C50746F4")
