"""Any batches within any limit, against a model of what a limit means.

The model does not reckon: it carries a command out in a copy of the store, in which all that may go is gone, and weighs
what is left. So it is off by what ``Room`` takes too much, and no more: ``MARGIN_BYTES`` for each key of a command, and
the nodes above what goes.
"""

from collections import deque
from itertools import filterfalse
from random import Random

import pytest

from synap.commands import (
    Append,
    Copy,
    Delete,
    DeletePrefix,
    Evict,
    Expire,
    Flush,
    GetTouch,
    Increment,
    Kind,
    Pair,
    Persist,
    PurgeExpired,
    Rename,
    Set,
    SetMany,
    Write,
)
from synap.errors import CommandError, MemoryLimitError
from synap.events import EntryEvicted, EntryExpired, Event
from synap.keyspace import Keyspace, Limits, Memory, MemoryLimit, Overlay, Room, decide
from synap.keyspace import room as room_module
from synap.keyspace.eviction import Policy
from synap.keyspace.room import NEW_ENTRY_BYTES, SLACK_BYTES

from .build import NOW, keyspace_of, put

LIMITS = Limits(flush_allowed=True)

MARGIN_BYTES = 2 * NEW_ENTRY_BYTES

EXACT = set(Policy) - {Policy.ALLKEYS_RANDOM, Policy.VOLATILE_RANDOM}
"""The policies that leave nothing open."""

MOVING = (Expire, Persist, GetTouch)
"""What may give a key places in the orders whatever the limit."""

STORES, COMMANDS, BATCHES_MAX = 40, 60, 1000
"""So many stores for each policy, so many commands for each store, and a bound for who would never come to an end."""

KEYS = [b"k%d" % number for number in range(40)]

SIZES = [0, 10, 500, 500, 3000, 3000, 20_000]


def any_command(rng: Random) -> Write[object]:
    """One that needs room more often than not."""
    key, other = rng.sample(KEYS, 2)
    value = bytes(rng.choice(SIZES))
    ttl_ms = rng.choice([None, 500, 5000, 100_000])
    pairs = tuple(Pair(each, Kind.BYTES, bytes(rng.choice(SIZES)), ttl_ms) for each in rng.sample(KEYS, 4))
    growing: list[Write[object]] = [
        Set(key=key, kind=Kind.BYTES, value=value, ttl_ms=ttl_ms),
        Set(key=key, kind=Kind.BYTES, value=value, only_if_present=True),
        SetMany(pairs[: rng.randint(0, 4)], rng.random() < 0.2),
        Append(key, value),
        Rename(key, other),
        Copy(key, other, rng.random() < 0.8),
    ]
    others: list[Write[object]] = [
        Increment(key, 1),
        Delete(key),
        DeletePrefix(rng.choice([b"k1", b"k2", b"k39", b"z"])),
        Expire(key, 1000),
        GetTouch(key, 100_000),
        Persist(key),
        PurgeExpired(5),
        Evict(rng.choice([2, 1000])),
        Flush() if rng.random() < 0.1 else Evict(1),
    ]
    return rng.choice(growing if rng.random() < 0.7 else others)


def any_store(rng: Random) -> Keyspace:
    """Some of its entries are due from the beginning."""
    deadlines = [None, NOW - 1, NOW + 500, NOW + 5000, NOW + 90_000]
    keys = rng.sample(KEYS, rng.randint(0, len(KEYS)))
    return keyspace_of(*(put(key, bytes(rng.choice(SIZES[1:-1])), rng.choice(deadlines)) for key in keys))


class Modelled:
    """A store whose batches are decided by a ``Room`` and looked at by the model."""

    def __init__(self, keyspace: Keyspace, limit: MemoryLimit, rng: Random) -> None:
        self.keyspace = keyspace
        self.memory = Memory(keyspace, limit, lambda: rng.getrandbits(32))
        self.now_ms = NOW
        self.limit_bytes = limit.max_bytes or 0
        # The command that has been paid for and is not carried out yet, and what memory was before.
        self.paid_for: Write[object] | None = None
        self.before_bytes = self.memory.used_bytes

    def run(self, waiting: deque[Write[object]], count: int) -> None:
        """Decide a batch of up to so many commands, apply it, and look at what it has come to."""
        overlay = Overlay(self.keyspace, self.now_ms)
        room = Room(self.memory, overlay)
        if self.paid_for is None:
            self.before_bytes = self.memory.used_bytes
        decided: list[Write[object]] = []
        while waiting and len(decided) < count and not room.full:
            decided.append(waiting.popleft())
            self.decide(room, overlay, decided[-1])
        if room.full:
            waiting.appendleft(decided[-1])
        self.apply(overlay.events, decided)

    def decide(self, room: Room, overlay: Overlay, command: Write[object]) -> None:
        count = len(overlay.events)
        order = self.order_before(overlay, command)
        refusal: Exception | None = None
        try:
            room.decide(command, LIMITS)
        except (CommandError, MemoryLimitError) as error:
            refusal = error
        added = overlay.events[count:]
        gone = [event.key for event in added if isinstance(event, EntryEvicted)]
        if self.memory.policy in EXACT:
            assert gone == order[: len(gone)]
        if refusal is not None:
            assert not added
            assert command is not self.paid_for or any(map(self.is_due, named_by(command)))
        if isinstance(refusal, MemoryLimitError):
            assert not overlay.events or self.is_too_large(command), "a refusal rests on exact figures"
            assert not self.could_make_room(command)
        assert not room.full or overlay.events, "what is decided again, is decided by another state"
        self.paid_for = command if room.full and (added or command is self.paid_for) else None

    def order_before(self, overlay: Overlay, command: Write[object]) -> list[bytes]:
        """The keys that could be evicted for a command, in their order."""
        order = () if self.memory.order is None else self.memory.order.victims()
        stay = named_by(command)
        return [key for key in order if key not in stay and not overlay.is_touched(key) and not self.is_due(key)]

    def is_due(self, key: bytes) -> bool:
        return key in self.keyspace.tree.due(self.now_ms)

    def could_make_room(self, command: Write[object]) -> bool:
        """Whether the command, refused at the beginning of a batch, would fit if all that may go were gone."""
        order = () if self.memory.order is None else self.memory.order.victims()
        tree = self.keyspace.tree
        nodes_bytes = tree.memory_bytes - sum(map(tree.entry_bytes, tree.keys(b"")))
        left = nodes_bytes + self.weight_without({*order, *tree.due(self.now_ms)}, command)
        return left <= max(self.limit_bytes, self.memory.used_bytes) and not self.is_too_large(command)

    def is_too_large(self, command: Write[object]) -> bool:
        """Whether the command would not fit if there were nothing but its keys."""
        return self.weight_without({*self.keyspace.tree.keys(b"")}, command) > self.limit_bytes

    def weight_without(self, gone: set[bytes], command: Write[object]) -> int:
        """What memory is at most, with the command carried out, and all these gone that it does not name."""
        items = self.keyspace.tree.items()
        left = filterfalse(lambda item: item[0] in gone - named_by(command), items)
        keyspace = keyspace_of(*(put(key, value, deadline_ms) for key, _, value, deadline_ms, _ in left))
        memory = Memory(keyspace, self.memory.limit)
        overlay = Overlay(keyspace, self.now_ms)
        decide(command, overlay, LIMITS)
        memory.apply_all(keyspace.seq + 1, overlay.events)
        return memory.used_bytes + SLACK_BYTES + MARGIN_BYTES * len(named_by(command))

    def apply(self, events: list[Event], decided: list[Write[object]]) -> None:
        gone = [event.key for event in events if isinstance(event, EntryEvicted | EntryExpired)]
        assert len(gone) == len(set(gone)), "nothing goes twice in a batch"
        self.memory.apply_all(self.keyspace.seq + 1, events)
        moved = NEW_ENTRY_BYTES * sum(isinstance(command, MOVING) for command in decided)
        # The slack is for nodes, which are not reckoned.
        assert self.memory.used_bytes <= max(self.limit_bytes, self.before_bytes) + SLACK_BYTES + moved
        self.look_at_order()

    def look_at_order(self) -> None:
        if self.memory.order is None:
            return
        order = list(self.memory.order.victims())
        is_volatile = self.memory.policy.is_volatile
        may_go = {key for key, _, _, deadline_ms, _ in self.keyspace.tree.items() if deadline_ms or not is_volatile}
        assert len(order) == len(may_go)
        assert set(order) == may_go
        assert self.memory.order.memory_bytes == sum(map(self.memory.order.weight, order))


def named_by(command: Write[object]) -> set[bytes]:
    if isinstance(command, SetMany):
        return {pair.key for pair in command.pairs}
    names = (getattr(command, "key", None), getattr(command, "destination", None))
    return {name for name in names if name is not None}


@pytest.mark.parametrize("policy", list(Policy))
def test_what_a_limit_means(policy: Policy, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(seed)
    for _ in range(STORES):
        monkeypatch.setattr(room_module, "EVICTIONS_MAX", rng.choice([2, 5, 1024]))
        keyspace = any_store(rng)
        used_bytes = Memory(keyspace, MemoryLimit(10**9, policy)).used_bytes
        max_bytes = max(SLACK_BYTES + 2000, used_bytes + rng.choice([-20_000, -3000, 0, SLACK_BYTES, 30_000]))
        modelled = Modelled(keyspace, MemoryLimit(max_bytes, policy), rng)
        waiting = deque(any_command(rng) for _ in range(COMMANDS))
        batches = 0
        while waiting:
            modelled.run(waiting, rng.randint(1, 8))
            modelled.now_ms += rng.choice([0, 0, 700])
            batches += 1
            assert batches < BATCHES_MAX, "every batch brings a command nearer"
