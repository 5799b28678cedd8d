"""Whether a snapshot is whole to its last byte: what is asked before anything is made to rest on it."""

from collections.abc import Callable

from synap.keyspace import Digest
from synap.snapshot.reader import SnapshotReader


def check_whole(snapshot: SnapshotReader, on_block: Callable[[], None] = lambda: None) -> None:
    """Read all of a snapshot: every checksum, the order and the number of its entries, and their digest.

    ``on_block`` is called after each block. Raises ``DamagedError``.
    """
    digest = Digest()
    for block in snapshot.blocks():
        for row in block:
            digest.add(*row)
        on_block()
    snapshot.check_digest(digest.value)
