"""Room for what a batch writes: what each command adds to memory, and what is evicted for it, before it, in the batch.

A command that fits is simply decided. One that does not is taken back, what is to go for it is recorded, and it is
decided again: the log has the evictions first. Where too little can go, nothing goes, and the command is refused.

* What is due goes before anything is evicted, whatever the policy.
* What the batch has touched, and what the command itself names, stays: it is being used.
* Only what adds to memory may be refused: never a read, a removal, a new deadline, or a value that is no larger.
* Evicted is what the command needs and nothing more, in however many batches. It does not pay for what was over the
  limit before it; that is taken away by ``Evict``, which the evictor sends.
* A command is refused only by the exact figures: at the beginning of a batch, or where it is too large by itself and
  the batch has not touched its keys. Elsewhere the batch is closed before it.
* Where a batch can not evict as much as a command needs, it is closed before it, too. What is needed is then evicted
  from the beginning of the next batch on, in as many as that takes, and the command is carried out with the last.
* Nothing goes for a command that comes to nothing, but where several batches make room for it, and one of two things
  comes in between: a key that it names becomes due, and it is decided otherwise (a copy no longer finds its source), or
  a later one of these batches can not be written.

How much a command adds is known before the tree has it: to the byte for what is there already, and from above for a
new entry (``NEW_ENTRY_BYTES``), which counts only until the batch is applied. Where the nodes of the tree divide they
can take more than that; then memory is over the limit by so much until the evictor has made it good. And what goes is
known from below: its entry and its place in the order of eviction, without the nodes above it that may go as well.
"""

from collections import deque
from collections.abc import Iterator
from itertools import filterfalse
from math import inf
from typing import TypeVar, cast

from synap.commands import Append, Copy, DeletePrefix, Evict, Flush, Increment, Rename, Set, SetMany, SetRange, Write
from synap.errors import MemoryLimitError
from synap.keyspace.decide import decide
from synap.keyspace.eviction import Policy
from synap.keyspace.limits import Limits
from synap.keyspace.memory import Memory, Promise
from synap.keyspace.order import by_deadline
from synap.keyspace.overlay import UNTOUCHED, Overlay, Step
from synap.keyspace.state import is_due
from synap.radix import Entry

R = TypeVar("R")

_GROWING = (Set, SetMany, Append, SetRange, Increment, Rename, Copy)
"""What may leave more than it found, not counting places by deadline. A tuple: every command is compared with it."""

_FREEING = (DeletePrefix, Flush)
"""What frees nobody knows how much until it is applied."""

NEW_ENTRY_BYTES = 528
"""What a new entry takes besides key and value, at most: its fields, a node of its own, its place by deadline."""

NODES_BYTES = 1024
"""What the nodes above an entry and its place by deadline take at most, where hardly any other entry shares them. The
bytes of its key are once more besides."""

ROUNDING_BYTES = 96
"""What another value or deadline may take on top of the difference: a rounded allocation, a new place by deadline."""

SLACK_BYTES = 4096
"""Left free below the limit by whoever adds something: for nodes that grow in steps."""

EVICTIONS_MAX = 1024
"""In one batch: with BATCH_FULL_KEYS of the committer, some 20 ms for which nobody else gets a turn."""

EVICTIONS_MAX_BYTES = 1024 * 1024
"""Keys evicted in one batch; so many of the largest would not fit a frame."""


class Room:
    """The memory that one batch takes and makes, whose overlay is ``overlay``. For ``full`` see ``decide``."""

    def __init__(self, memory: Memory, overlay: Overlay) -> None:
        self.full = False
        self._memory = memory
        self._is_limited = memory.limit.max_bytes is not None
        self._tree = memory.keyspace.tree
        self._overlay = overlay
        self._growth = 0
        self._frees_more = False
        self._evictions = self._evicted_bytes = 0
        # What may go and was not yet asked for; what was, but stayed for the sake of one command; and, once all has
        # been looked at in vain, how much all of it is together.
        self._candidates: Iterator[bytes] | None = None
        self._spared: deque[bytes] = deque()
        self._most_bytes = inf

    def decide(self, command: Write[R], limits: Limits) -> R | None:
        """As ``decide.decide``, within the limit. Where ``full`` is set afterwards, the command is for the next batch.

        Raises ``CommandError``, or ``MemoryLimitError`` where there is no room and none can be made.
        """
        if not self._is_limited and type(command) is not Evict:
            # In one step to where it ends, because it is the way of most writes.
            return decide(command, self._overlay, limits)
        return cast("R | None", self._decide(command, limits))

    def _decide(self, command: Write[object], limits: Limits) -> object:
        if isinstance(command, Evict):
            return self._evict_excess(command.limit)
        max_bytes = self._memory.limit.max_bytes
        assert max_bytes is not None, "only what is limited is looked at further"
        if isinstance(command, _FREEING):
            result = decide(command, self._overlay, limits)
            self._frees_more = bool(self._overlay.events)
            return result
        return self._decide_within(max_bytes, command, limits)

    def _decide_within(self, max_bytes: int, command: Write[object], limits: Limits) -> object:
        step = self._overlay.begin_step()
        try:
            result = decide(command, self._overlay, limits)
            growth = self._growth_of(step, command)
            paid = self._paid_for(command)
            missing = min(self._memory.used_bytes + SLACK_BYTES + self._growth + growth - max_bytes, growth - paid)
            if growth > 0 and missing > 0 and isinstance(command, _GROWING):
                kept = step.before.keys() | _named_by(command)
                own_bytes = sum(self._takes(key, self._overlay.stored(key), NEW_ENTRY_BYTES) for key in kept)
                self._overlay.undo_step()
                freed = self._make_room(command, missing, paid, own_bytes)
                if self.full:
                    self._memory.promised = Promise(command, paid + freed) if freed else None
                    return None
                self._overlay.begin_step()
                result = decide(command, self._overlay, limits)
        finally:
            self._overlay.end_step()
        self._growth += growth
        return result

    def _paid_for(self, command: Write[object]) -> int:
        """What the batches before this one have evicted for the command. It is the first of all, or nothing was."""
        promise, self._memory.promised = self._memory.promised, None
        return 0 if promise is None or promise.command is not command else promise.freed_bytes

    # --- what it takes -----------------------------------------------------------------------------------

    def _growth_of(self, step: Step, command: Write[object]) -> int:
        """What the command adds to the memory that the batch takes."""
        # A rename gives back what an entry takes, so that it needs room for a longer key only.
        new_entry_bytes = self._overhead_of(command.key) if isinstance(command, Rename) else NEW_ENTRY_BYTES
        growth = 0
        for key, before in step.before.items():
            growth += self._takes(key, self._overlay.stored(key), new_entry_bytes)
            growth -= self._memory.weight(key) if before is UNTOUCHED else self._takes(key, before, new_entry_bytes)
        return growth

    def _takes(self, key: bytes, entry: Entry | None, new_entry_bytes: int) -> int:
        """What an entry will occupy that the batch makes."""
        if entry is None:
            return 0
        _, value, deadline_ms, _ = entry
        order_bytes = self._memory.order_weight(key, deadline_ms)
        stored = self._tree.get(key)
        if stored is None:
            return new_entry_bytes + len(key) + len(value) + order_bytes
        difference = len(value) - len(stored[1])
        rounding = ROUNDING_BYTES if difference > 0 else 0
        return self._tree.entry_bytes(key) + difference + rounding + order_bytes

    def _overhead_of(self, key: bytes) -> int:
        """What an entry takes besides key and value."""
        stored = self._tree.get(key)
        return NEW_ENTRY_BYTES if stored is None else self._tree.entry_bytes(key) - len(key) - len(stored[1])

    # --- making room -------------------------------------------------------------------------------------

    def _make_room(self, command: Write[object], missing: int, paid: int, own_bytes: int) -> int:
        """Record what goes for the command, and return what comes free; where that is too little, set ``full``.

        Raises ``MemoryLimitError``, and nothing goes.
        """
        self._memory.reach()
        max_bytes = self._memory.limit.max_bytes
        assert max_bytes is not None
        kept = _named_by(command)
        is_too_large = own_bytes + SLACK_BYTES > max_bytes
        if self._frees_more or (is_too_large and any(map(self._overlay.is_touched, kept))):
            self.full = True
            return 0
        if is_too_large:
            raise MemoryLimitError(own_bytes, max_bytes, "no eviction would make so much room")
        if missing <= self._most_bytes:
            chosen, freed = self._choose(missing, kept, EVICTIONS_MAX)
            is_first = not self._overlay.events
            if freed >= missing or (is_first and self._can_follow(missing, freed, paid, own_bytes, kept)):
                self._evict(chosen)
                self.full = freed < missing
                return freed
        # Nothing goes, and the next command begins where this one did.
        self._candidates = None
        self._spared.clear()
        self.full = bool(self._overlay.events)
        if not self.full:
            raise MemoryLimitError(missing, max_bytes, self._why_not())
        return 0

    def _choose(self, missing: int, kept: frozenset[bytes], limit: int) -> tuple[list[bytes], int]:
        """The keys that go so that ``missing`` bytes come free, as far as one batch allows; and what comes free."""
        chosen: list[bytes] = []
        spared: list[bytes] = []
        freed = 0
        count, size_bytes = self._evictions, self._evicted_bytes
        while freed < missing and count < EVICTIONS_MAX and len(chosen) < limit and size_bytes < EVICTIONS_MAX_BYTES:
            key = self._next()
            if key is None:
                break
            if key in kept:
                spared.append(key)
            else:
                chosen.append(key)
                count, size_bytes, freed = count + 1, size_bytes + len(key), freed + self._memory.victim_weight(key)
        self._spared.extendleft(reversed(spared))
        return chosen, freed

    def _can_follow(self, missing: int, freed: int, paid: int, own_bytes: int, kept: frozenset[bytes]) -> bool:
        """Whether later batches will find what this one could not evict any more, so that nothing goes in vain.

        That takes a walk over what would go, 2 us an entry, once for each command. Where anything may go there is no
        need for it: the command alone fits. Nor where batches have gone by for the command: it was looked at then.
        """
        if paid or self._fits_alone(own_bytes, kept):
            return freed > 0
        found = freed
        looked_at = freed
        for key in iter(self._next, None):
            weight = self._memory.victim_weight(key)
            looked_at += weight
            if key not in kept:
                found += weight
            if found >= missing:
                return True
        self._most_bytes = looked_at
        return False

    def _fits_alone(self, own_bytes: int, kept: frozenset[bytes]) -> bool:
        """Whether all else may go, and the command fits then, also with the nodes above its keys."""
        max_bytes = self._memory.limit.max_bytes
        if max_bytes is None or self._memory.order is None or self._memory.policy.is_volatile:
            return False
        nodes_bytes = sum(NODES_BYTES + len(key) for key in kept)
        return own_bytes + nodes_bytes + SLACK_BYTES <= max_bytes

    def _next(self) -> bytes | None:
        """What goes next; each key is given once, but for those that were spared. None where there is nothing left."""
        if self._candidates is None:
            self._candidates = self._in_order()
        while (key := self._spared.popleft() if self._spared else next(self._candidates, None)) is not None:
            if not self._overlay.is_touched(key):
                return key
        return None

    def _in_order(self) -> Iterator[bytes]:
        """What may go, but for what the batch does, in the order in which it goes; each key once."""
        due: set[bytes] = set()
        for key in by_deadline(self._tree, self._overlay.now_ms):
            due.add(key)
            yield key
        if self._memory.order is not None:
            yield from filterfalse(due.__contains__, self._memory.order.victims())

    def _evict(self, keys: list[bytes]) -> None:
        for key in keys:
            assert not self._overlay.is_touched(key), "each key goes once"
            self._growth -= self._memory.weight(key)
            entry = self._tree.get(key)
            assert entry is not None, "only what is there can go"
            if is_due(entry, self._overlay.now_ms):
                self._overlay.expire(key)
            else:
                self._overlay.evict(key)
            self._evictions += 1
            self._evicted_bytes += len(key)

    def _evict_excess(self, limit: int) -> int:
        """See ``Evict``."""
        excess = self._memory.excess_bytes
        # What a prefix frees may be all of it, and is known when the batch is applied.
        if not excess or self._frees_more:
            return 0
        chosen, _ = self._choose(excess + self._growth, frozenset(), limit)
        self._evict(chosen)
        return len(chosen)

    def _why_not(self) -> str:
        name = self._memory.limit.policy_name
        if self._memory.policy is Policy.NOEVICTION:
            return f"nothing is evicted (eviction_policy {name})"
        return f"there is not so much to evict (eviction_policy {name})"


def _named_by(command: Write[object]) -> frozenset[bytes]:
    """The keys that a command needs as they are."""
    match command:
        case SetMany(pairs):
            return frozenset(pair.key for pair in pairs)
        case Rename(key, destination) | Copy(key, destination):
            return frozenset((key, destination))
        case Set(key=key) | Append(key) | SetRange(key) | Increment(key):
            return frozenset((key,))
    return frozenset()
