"""The memory of a store: how much it takes, how much it may, and in which order entries go where that is not enough.

Whether a write fits is decided in ``room.py``, with what the batch has decided so far. Here is what lasts from batch to
batch: the limit, and the order of eviction, which hears of every event that is applied and of every read. Without a
limit, or with a policy that needs no order of its own, none of that costs anything.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from synap.commands import Get, GetMany, GetRange, GetTimed, GetTouch
from synap.events import DeadlineSet, EntryEvicted, EntrySet, Event, PrefixDeleted
from synap.keyspace.eviction import MemoryLimit, Policy
from synap.keyspace.order import (
    AccessOrder,
    DeadlineOrder,
    Order,
    RandomOrder,
    RandomOrderOfTree,
    UseOrder,
)
from synap.keyspace.state import Keyspace

UNLIMITED = MemoryLimit()

# Tuples, since every command and event is compared with them, and a union would be made each time.
_OF_ONE_KEY = (Get, GetTimed, GetTouch, GetRange)
_LEAVING = (EntrySet, DeadlineSet)


class Promise(NamedTuple):
    """A command for which several batches make room, and what has come free for it so far."""

    command: object
    freed_bytes: int


class Memory:
    """See the module. ``keyspace`` is that of the store, as recovery has left it; it is changed through ``apply_all``.

    ``evicted_keys`` counts since then. ``on_limit`` is called once, when a write first needs more than there is.
    ``promised`` is what the batch before has evicted for the first command of the next one (``room.py``).
    """

    def __init__(
        self,
        keyspace: Keyspace,
        limit: MemoryLimit = UNLIMITED,
        random_u32: Callable[[], int] = lambda: 0,
        on_limit: Callable[[], None] = lambda: None,
    ) -> None:
        self.keyspace = keyspace
        self.limit = limit
        self.policy = limit.policy
        self.order: Order | None = None
        self.evicted_keys = 0
        self.reached = False
        self.promised: Promise | None = None
        self._on_limit = on_limit
        self._use: Callable[[bytes], None] | None = None
        self.apply_all: Callable[[int, Sequence[Event]], None] = keyspace.apply_all
        if limit.max_bytes is not None and limit.evicts:
            self.order = self._make_order(random_u32)
            self.apply_all = self._apply_all

    @property
    def used_bytes(self) -> int:
        """What keys, values, their tree and the order of eviction occupy."""
        order_bytes = 0 if self.order is None else self.order.memory_bytes
        return self.keyspace.tree.memory_bytes + order_bytes

    @property
    def excess_bytes(self) -> int:
        """How much of that is over the limit; 0 where nothing is, or there is no limit."""
        return 0 if self.limit.max_bytes is None else max(0, self.used_bytes - self.limit.max_bytes)

    @property
    def observes_reads(self) -> bool:
        """Whether ``read`` does anything: whether the policy asks when and how often keys are read."""
        return self._use is not None

    def read(self, command: object, result: object) -> None:
        """A command was carried out; the keys whose values it gave were used."""
        use = self._use
        if use is None or result is None:
            return
        if isinstance(command, _OF_ONE_KEY):
            use(command.key)
        elif isinstance(command, GetMany):
            assert isinstance(result, tuple)
            for key, found in zip(command.keys, result, strict=True):
                if found is not None:
                    use(key)

    def weight(self, key: bytes) -> int:
        """What an entry occupies that is there: in the tree, and in the order of eviction. 0 where there is none."""
        entry = self.keyspace.tree.get(key)
        if entry is None:
            return 0
        return self.keyspace.tree.entry_bytes(key) + self.order_weight(key, entry[2])

    def victim_weight(self, key: bytes) -> int:
        """As ``weight``, of an entry that is there and may be evicted, or is due."""
        order_bytes = 0 if self.order is None else self.order.weight(key)
        return self.keyspace.tree.entry_bytes(key) + order_bytes

    def order_weight(self, key: bytes, deadline_ms: int | None) -> int:
        """What an entry with this deadline occupies in the order of eviction."""
        return self.order.weight(key) if self.order is not None and self._may_evict(deadline_ms) else 0

    def reach(self) -> None:
        """Take note that a write needs more than there is."""
        if not self.reached:
            self.reached = True
            self._on_limit()

    def _apply_all(self, first_seq: int, events: Sequence[Event]) -> None:
        """As ``Keyspace.apply_all``, and the order of eviction goes along."""
        assert self.order is not None
        for seq, event in enumerate(events, first_seq):
            self._order_anew(self.order, event)
            self.keyspace.apply(seq, event)

    def _order_anew(self, order: Order, event: Event) -> None:
        """Let the order of eviction be that after an event which is about to be applied."""
        if isinstance(event, _LEAVING):
            if self._may_evict(event.deadline_ms):
                order.add(event.key)
            else:
                order.drop(event.key)
        elif isinstance(event, EntryEvicted):
            order.evict(event.key)
            self.evicted_keys += 1
        elif isinstance(event, PrefixDeleted):
            for key in self.keyspace.tree.keys(event.prefix):
                order.drop(key)
        else:
            order.drop(event.key)

    def _make_order(self, random_u32: Callable[[], int]) -> Order:
        tree = self.keyspace.tree
        match self.policy:
            case Policy.ALLKEYS_RANDOM:
                return RandomOrderOfTree(tree, random_u32)
            case Policy.VOLATILE_TTL:
                return DeadlineOrder(tree)
            case Policy.VOLATILE_RANDOM:
                order: Order = RandomOrder(random_u32)
            case Policy.ALLKEYS_LRU | Policy.VOLATILE_LRU:
                order = accesses = AccessOrder()
                self._use = accesses.use
            case _:
                order = uses = UseOrder()
                self._use = uses.use
        known = ((version, key) for key, _, _, deadline_ms, version in tree.items() if self._may_evict(deadline_ms))
        for _, key in sorted(known):
            order.add(key)
        return order

    def _may_evict(self, deadline_ms: int | None) -> bool:
        """Whether an entry with this deadline may be evicted."""
        return deadline_ms is not None or not self.policy.is_volatile
