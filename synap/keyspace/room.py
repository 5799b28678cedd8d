"""Room for what a batch writes: what each command adds to memory, and what is evicted for it, before it, in the batch.

A command that fits is simply decided. One that does not is taken back, what is to go for it is recorded, and it is
decided again: the log has the evictions first. Where too little can go, nothing goes, and the command is refused.

* What is due goes before anything is evicted, whatever the policy.
* What the batch has touched, and what the command itself names, stays: it is being used.
* Only what adds to memory may be refused: never a read, a removal, a new deadline, or a value that is no larger.
* Evicted is what the command needs and nothing more. It does not pay for what was over the limit before it; that is
  taken away by ``Evict``, which the evictor sends.
* A command is refused only by the exact figures, that is, at the beginning of a batch. Elsewhere the batch is closed
  before it. So is a batch that has evicted its fill: what is missing is evicted with the next one, at the latest
  before the command is carried out.

How much a command adds is known before the tree has it: to the byte for what is there already, and from above for a
new entry (``NEW_ENTRY_BYTES``), which counts only until the batch is applied. Where the nodes of the tree divide they
can take more than that; then memory is over the limit by so much until the evictor has made it good.
"""

from collections.abc import Iterator
from itertools import chain
from typing import TypeVar, cast

from synap.commands import Append, Copy, DeletePrefix, Evict, Flush, Increment, Rename, Set, SetMany, SetRange, Write
from synap.errors import MemoryLimitError
from synap.keyspace.decide import decide
from synap.keyspace.eviction import Policy
from synap.keyspace.limits import Limits
from synap.keyspace.memory import Memory
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
        self._tree = memory.keyspace.tree
        self._overlay = overlay
        self._growth = 0
        self._frees_more = False
        self._evictions = self._evicted_bytes = 0
        self._candidates: Iterator[bytes] | None = None

    def decide(self, command: Write[R], limits: Limits) -> R | None:
        """As ``decide.decide``, within the limit. Where ``full`` is set afterwards, the command is for the next batch.

        Raises ``CommandError``, or ``MemoryLimitError`` where there is no room and none can be made.
        """
        return cast("R | None", self._decide(command, limits))

    def _decide(self, command: Write[object], limits: Limits) -> object:
        if isinstance(command, Evict):
            return self._evict_excess(command.limit)
        max_bytes = self._memory.limit.max_bytes
        if max_bytes is None:
            return decide(command, self._overlay, limits)
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
            missing = self._memory.used_bytes + SLACK_BYTES + self._growth + growth - max_bytes
            if growth > 0 and missing > 0 and isinstance(command, _GROWING):
                kept = step.before.keys() | _named_by(command)
                own_bytes = sum(self._takes(key, self._overlay.stored(key), NEW_ENTRY_BYTES) for key in kept)
                self._overlay.undo_step()
                self._make_room(command, min(missing, growth), own_bytes, max_bytes)
                if self.full:
                    return None
                self._overlay.begin_step()
                result = decide(command, self._overlay, limits)
        finally:
            self._overlay.end_step()
        self._growth += growth
        return result

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

    def _make_room(self, command: Write[object], missing: int, own_bytes: int, max_bytes: int) -> None:
        """Record what goes for the command, or set ``full``. Raises ``MemoryLimitError``, and nothing goes."""
        self._memory.reach()
        if own_bytes + SLACK_BYTES > max_bytes:
            raise MemoryLimitError(own_bytes, max_bytes, "no eviction would make so much room")
        if self._frees_more:
            self.full = True
            return
        kept = _named_by(command)
        chosen, freed = self._choose(missing, kept, EVICTIONS_MAX)
        if freed < missing and not self._can_follow(command, missing - freed, kept):
            self.full = bool(self._overlay.events)
            if not self.full:
                raise MemoryLimitError(missing, max_bytes, self._why_not())
            return
        self._evict(chosen)
        self.full = freed < missing
        if not self.full:
            self._memory.promised = None

    def _choose(self, missing: int, kept: frozenset[bytes], limit: int) -> tuple[list[bytes], int]:
        """The keys that go so that ``missing`` bytes come free, as far as one batch allows; and what comes free."""
        chosen: list[bytes] = []
        freed = 0
        count, size_bytes = self._evictions, self._evicted_bytes
        while freed < missing and count < EVICTIONS_MAX and len(chosen) < limit and size_bytes < EVICTIONS_MAX_BYTES:
            key = next(self._going(), None)
            if key is None:
                break
            if key not in kept:
                chosen.append(key)
                count, size_bytes, freed = count + 1, size_bytes + len(key), freed + self._memory.victim_weight(key)
        return chosen, freed

    def _can_follow(self, command: Write[object], missing: int, kept: frozenset[bytes]) -> bool:
        """Whether later batches will find what this one could not evict any more, so that nothing goes in vain.

        That takes a walk over what would go, 2 us an entry, once for each command. Where anything may go there is no
        need for it: the command alone fits.
        """
        memory = self._memory
        if memory.promised is command or (memory.order is not None and not memory.policy.is_volatile):
            return next(self._going(), None) is not None
        for key in self._going():
            if key not in kept:
                missing -= memory.victim_weight(key)
            if missing <= 0:
                memory.promised = command
                return True
        return False

    def _going(self) -> Iterator[bytes]:
        """What may go, in the order in which it goes; each key is given once in a batch."""
        if self._candidates is None:
            due = self._tree.due(self._overlay.now_ms, EVICTIONS_MAX)
            order = self._memory.order
            keys = chain(due, () if order is None else order.victims())
            self._candidates = (key for key in keys if not self._overlay.is_touched(key))
        return self._candidates

    def _evict(self, keys: list[bytes]) -> None:
        for key in keys:
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
        if not excess:
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
