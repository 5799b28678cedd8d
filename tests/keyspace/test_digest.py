"""The number of an entry: always the same, and another for every difference."""

import pytest

from synap.keyspace.digest import MODULUS, entry_digest

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
    assert 0 <= entry_digest(b"k" * 65_536, 2, bytes(1000), deadline_ms, 2**64 - 1) < MODULUS


def test_no_deadline_is_not_the_deadline_zero() -> None:
    assert entry_digest(b"k", 0, b"", None, 1) != entry_digest(b"k", 0, b"", 0, 1)
