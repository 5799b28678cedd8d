"""One number for a whole state, so that states reached on different ways can be compared.

The digest of a state is the sum, modulo 2^128, of one number for each entry; adding and taking away an entry keep it
up to date, and the order in which entries came does not matter. The number of an entry is the XXH3-128 hash of its key,
kind, value, deadline and version. It finds mistakes and damage; it is no defence against someone who may choose values
in order to deceive it (the log's chain is cryptographic).

What is here in Python is the reference; its compiled twin, ``_digest_c.pyx``, serves where it was built.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from xxhash import xxh3_128_intdigest

from synap.compiled import twin
from synap.radix import Entry, Item

DIGEST_BYTES = 16
_MODULUS = 1 << 8 * DIGEST_BYTES
_pack = struct.Struct("<IBqQ").pack
_NO_DEADLINE = -1


def entry_digest_in_python(key: bytes, kind: int, value: bytes, deadline_ms: int | None, version: int) -> int:
    """The number of one entry, below 2^128. The length of the key keeps key and value apart."""
    fields = _pack(len(key), kind, _NO_DEADLINE if deadline_ms is None else deadline_ms, version)
    return xxh3_128_intdigest(fields + key + value)


def state_bytes(digest: int) -> bytes:
    """The digest of a state as it is stored."""
    return digest.to_bytes(DIGEST_BYTES)


class PurePythonDigest:
    """The digest of a state that comes by, entry for entry."""

    def __init__(self) -> None:
        self._sum = 0

    @property
    def value(self) -> int:
        """The digest of what has come by so far."""
        return self._sum % _MODULUS

    def of(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, taken into the digest as they pass."""
        for item in items:
            self._sum += entry_digest_in_python(*item)
            yield item

    def add(self, key: bytes, kind: int, value: bytes, deadline_ms: int | None, version: int) -> None:
        """Take an entry in."""
        self._sum += entry_digest_in_python(key, kind, value, deadline_ms, version)

    def exchange(self, key: bytes, before: Entry | None, after: Entry | None) -> None:
        """Take out what was under a key, and in what is there after that."""
        # Both are made before anything is changed, as either may raise.
        gone = 0 if before is None else entry_digest_in_python(key, *before)
        come = 0 if after is None else entry_digest_in_python(key, *after)
        self._sum += come - gone


_TWIN = twin("synap.keyspace._digest_c")

if TYPE_CHECKING or _TWIN is None:
    entry_digest, Digest = entry_digest_in_python, PurePythonDigest
else:
    entry_digest, Digest = _TWIN.entry_digest, _TWIN.CompiledDigest
