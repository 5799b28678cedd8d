"""Expiry: seeing to it that what is due leaves tree and memory, without anybody reading it."""

from collections.abc import Callable

import trio

from synap.commands import PurgeExpired
from synap.committer import Committer
from synap.errors import UnavailableError
from synap.keyspace import Keyspace

INTERVAL_S = 0.05
"""Half of the 100 ms within which an expired entry is gone; the other half is for the commit."""

BATCH_KEYS = 1000
"""So few that a purge of very many holds nobody up for long."""


async def run_expirer(
    keyspace: Keyspace, committer: Committer, now_ms: Callable[[], int], on_expired: Callable[[int], None]
) -> None:
    """Purge what is due, until cancelled. Where that is not possible now (a full disk, say), it is tried again.

    ``on_expired`` is called with the number of entries of each purge.
    """
    while True:
        await trio.sleep(INTERVAL_S)
        while keyspace.tree.due(now_ms(), 1):
            try:
                purged = await committer.submit(PurgeExpired(BATCH_KEYS))
            except UnavailableError:
                break
            on_expired(purged)
            if not purged:
                break
