"""Queries that take more than one go: so many keys may have to be looked at that others get a turn in between.

What is there throughout is found; of what changes meanwhile, either is right.
"""

from collections.abc import Callable

import trio

from synap.commands import Keys
from synap.keyspace import Keyspace, live_key_at, live_keys, match_keys
from synap.results import KeyPage

WALK_VISITS = 2_000
"""Keys that a walk visits before others get a turn: about 2 ms."""

RANDOM_DRAWS = 16
"""So often a random key is drawn again because the one that was drawn is due."""

_RANDOM_BITS = 32


async def matching_keys(keyspace: Keyspace, command: Keys, now_ms: Callable[[], int]) -> KeyPage:
    """See ``Keys``."""
    keys: list[bytes] = []
    after: bytes | None = None
    while len(keys) <= command.limit:
        page = match_keys(keyspace, command.pattern, after, WALK_VISITS, now_ms())
        keys += page.keys
        after = page.next_after
        if after is None:
            break
        await trio.lowlevel.checkpoint()
    return KeyPage(keys[: command.limit], truncated=len(keys) > command.limit)


async def random_key(keyspace: Keyspace, now_ms: Callable[[], int], random_u32: Callable[[], int]) -> bytes | None:
    """See ``RandomKey``.

    A position is drawn, and the tree finds the key there without a walk, so each key is as likely as any other (at a
    million keys, up to 1 part in 4,000). Due keys, which are there for 100 ms at most, are drawn again. Only where that
    does not help, because nearly everything is due, it is the next key that is not, and those after long runs of
    due ones come more often.
    """
    start = b""
    for _ in range(RANDOM_DRAWS):
        count = len(keyspace.tree)
        if not count:
            return None
        position = count * random_u32() >> _RANDOM_BITS
        key = live_key_at(keyspace, position, now_ms())
        if key is not None:
            return key
        start = keyspace.tree.key_at(position)
    return await _next_live_key(keyspace, start, now_ms) or await _next_live_key(keyspace, None, now_ms)


async def _next_live_key(keyspace: Keyspace, after: bytes | None, now_ms: Callable[[], int]) -> bytes | None:
    """The first live key after ``after`` (None: of all); None where there is none."""
    while True:
        page = live_keys(keyspace, b"", after, WALK_VISITS, now_ms())
        after = page.next_after
        if page.keys or after is None:
            return page.keys[0] if page.keys else None
        await trio.lowlevel.checkpoint()
