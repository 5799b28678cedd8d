"""Eviction of what is over the limit without any write's doing: after a start with a lower limit, above all.

A write that needs room makes it itself (``keyspace/room.py``).
"""

import trio

from synap.commands import Evict
from synap.committer import Committer
from synap.errors import UnavailableError
from synap.keyspace import Memory

INTERVAL_S = 0.05
"""As often as the expirer looks."""

BATCH_KEYS = 1000
"""So few that an eviction of very many holds nobody up for long."""


async def run_evictor(memory: Memory, committer: Committer) -> None:
    """Evict what is over the limit, until cancelled. Where that is not possible now, it is tried again."""
    while True:
        await trio.sleep(INTERVAL_S)
        while memory.excess_bytes:
            try:
                evicted = await committer.submit(Evict(BATCH_KEYS))
            except UnavailableError:
                break
            if not evicted:
                break
