"""The contract of the ordered map that holds every entry: what a tree must do, however it does it.

Two orders over one set of entries: by key (bytes, unsigned, shorter first) and by deadline. Both live behind
one interface because a change to an entry changes both, and because an implementation in C keeps both in the
same nodes.

Plain fields go in and plain tuples come out, never an object the tree must hold on to: an implementation is free
to keep keys, values and numbers in memory that Python does not know. It interprets none of them, except that
deadlines are compared.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias

Entry: TypeAlias = tuple[int, bytes, int | None, int]
"""kind, value, deadline in ms since the epoch (None: no deadline), version."""

Item: TypeAlias = tuple[bytes, int, bytes, int | None, int]
"""key, followed by the fields of an ``Entry``."""


class Tree(Protocol):
    """An ordered map from byte keys to entries, with a second order by deadline.

    Keys and prefixes are any bytes, the empty one included. Kinds are numbers from 0 to 255, deadlines integers of 64
    bits, versions the same without a sign, and keys have less than 4 MiB; a tree may refuse anything larger with
    ``OverflowError``. Where that is raised, or ``MemoryError``, nothing was changed.

    An iterator must be used up before the tree changes: its next step after any change since it was made raises
    ``RuntimeError``, also where it had only its end left to report. A call that found nothing to change is no change.
    """

    @property
    def memory_bytes(self) -> int:
        """What the entries, the nodes above them and the order by deadline occupy, kept up with every change.

        The same entries give the same number, however they came to be there; no entries give 0.
        """
        ...

    def __len__(self) -> int:
        """The number of entries."""
        ...

    def get(self, key: bytes, /) -> Entry | None:
        """The entry under ``key``, None where there is none."""
        ...

    def get_many(self, keys: Sequence[bytes], /) -> list[Entry | None]:
        """What ``get`` returns for each of ``keys``, in their order."""
        ...

    def foresee(self, keys: Sequence[bytes], /) -> None:
        """Be told that these keys will be asked for and changed next. Changes nothing but the time that takes."""
        ...

    def entry_bytes(self, key: bytes, /) -> int:
        """The part of ``memory_bytes`` that is the entry under ``key`` alone; 0 where there is none."""
        ...

    def put(self, key: bytes, kind: int, value: bytes, deadline_ms: int | None, version: int) -> Entry | None:
        """Store an entry and return the one it replaced, None where the key is new."""
        ...

    def load(self, items: Iterable[Item], /) -> None:
        """Fill an empty tree with entries whose keys strictly ascend; faster than as many ``put``s.

        The tree is then the one that these make, in whatever order. ``items`` is used up once, while it is read, and
        must not change the tree. Loading nothing is no change.

        Raises ``ValueError`` where the tree is not empty, before ``items`` is asked for anything, and where a key is
        not greater than the one before; an exception of ``items`` passes through. After either of the last two the
        tree is empty, and may be loaded from elsewhere.
        """
        ...

    def set_deadline(self, key: bytes, deadline_ms: int | None) -> Entry | None:
        """Change only the deadline; return the entry as it was, None (and no change) where the key is missing."""
        ...

    def delete(self, key: bytes, /) -> Entry | None:
        """Remove an entry and return it, None where the key is missing."""
        ...

    def delete_prefix(self, prefix: bytes, /) -> int:
        """Remove every entry whose key starts with ``prefix``; return their number."""
        ...

    def count(self, prefix: bytes = b"") -> int:
        """The number of entries under ``prefix``, at a cost that does not grow with it."""
        ...

    def key_at(self, position: int, /) -> bytes:
        """The key at a position in key order, counted from 0, at a cost that does not grow with the number of keys.

        Raises ``IndexError`` where the position is negative, or there are not so many keys.
        """
        ...

    def keys(self, prefix: bytes = b"", start: bytes = b"") -> Iterator[bytes]:
        """The keys under ``prefix`` that are not less than ``start``, in order."""
        ...

    def items(self, prefix: bytes = b"", start: bytes = b"") -> Iterator[Item]:
        """As ``keys``, with the entries."""
        ...

    def due(self, now_ms: int, limit: int | None = None) -> list[bytes]:
        """Up to ``limit`` keys with a deadline not after ``now_ms``, earliest first (equal ones by key).

        Where more are due, those of an earlier second are among them; which of the same second, is open.
        """
        ...
