"""What a store takes, and that its order of eviction hears of everything: changes, reads, and what a start finds."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synap.commands import Exists, Get, GetMany, GetRange, GetTimed, GetTouch, Kind, TimeToLive
from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, Event, PrefixDeleted
from synap.keyspace import Keyspace, Memory, MemoryLimit
from synap.keyspace.eviction import Policy
from synap.radix import new_tree
from synap.results import Found

from .build import EVENTS, NOW, keyspace_of, put

EVICTING = [policy for policy in Policy if policy is not Policy.NOEVICTION]
A_DAY = NOW + 86_400_000
FOUND = Found(Kind.TEXT, b"v", None, 1)


def memory_over(keyspace: Keyspace, policy: str, max_bytes: int | None = 10**6) -> Memory:
    rng = Random(1)
    return Memory(keyspace, MemoryLimit(max_bytes, policy), lambda: rng.getrandbits(32))


def victims(memory: Memory) -> list[bytes]:
    assert memory.order is not None
    return list(memory.order.victims())


def apply(memory: Memory, *events: Event) -> None:
    memory.apply_all(memory.keyspace.seq + 1, events)


@pytest.mark.parametrize(
    ("policy", "max_bytes"), [("none", None), ("none", 100), ("lru", None), ("volatile-ttl", None)]
)
def test_an_order_is_made_only_where_something_may_be_evicted(policy: str, max_bytes: int | None) -> None:
    memory = memory_over(keyspace_of(put(b"a")), policy, max_bytes)
    assert memory.order is None
    assert not memory.observes_reads
    assert memory.used_bytes == memory.keyspace.tree.memory_bytes
    apply(memory, put(b"b"), EntryEvicted(b"a"))
    assert [key for key, *_ in memory.keyspace.tree.items()] == [b"b"]


@pytest.mark.parametrize("policy", EVICTING)
@settings(deadline=None, max_examples=30)
@given(history=st.lists(EVENTS, max_size=12), events=st.lists(EVENTS, max_size=12))
def test_what_may_go_is_what_is_there(policy: Policy, history: list[Event], events: list[Event]) -> None:
    memory = memory_over(keyspace_of(*history), policy)
    for event in [None, *events]:
        # No deadline moves of what is not there.
        if event is not None and not (isinstance(event, DeadlineSet) and memory.keyspace.tree.get(event.key) is None):
            apply(memory, event)
        tree = memory.keyspace.tree
        may_go = {item[0] for item in tree.items() if item[3] is not None or not policy.is_volatile}
        found = victims(memory)
        assert (set(found), len(found)) == (may_go, len(may_go))
        assert memory.used_bytes == tree.memory_bytes + sum(memory.order_weight(key, NOW) for key in found)
        assert memory.used_bytes >= sum(memory.weight(item[0]) for item in tree.items())


def test_after_a_start_what_was_written_first_goes_first() -> None:
    keyspace = keyspace_of(put(b"c"), put(b"a", b"v", A_DAY), put(b"b"), put(b"c"), DeadlineSet(b"a", NOW))
    assert victims(memory_over(keyspace, "lru")) == [b"a", b"b", b"c"]
    assert victims(memory_over(keyspace, "lfu")) == [b"a", b"b", b"c"]
    assert victims(memory_over(keyspace, "volatile-lru")) == [b"a"]


def test_writes_and_deadlines_are_uses() -> None:
    memory = memory_over(Keyspace(new_tree()), "lru")
    apply(memory, put(b"a"), put(b"b"), put(b"c"), put(b"a"), DeadlineSet(b"b", A_DAY))
    assert victims(memory) == [b"c", b"a", b"b"]
    apply(memory, EntryDeleted(b"c"), put(b"a:1"), EntryExpired(b"b"), PrefixDeleted(b"a:"))
    assert victims(memory) == [b"a"]
    apply(memory, EntryEvicted(b"a"))
    assert (victims(memory), memory.evicted_keys, memory.used_bytes) == ([], 1, 0)


def test_an_entry_may_come_to_be_volatile_and_cease_to_be() -> None:
    memory = memory_over(Keyspace(new_tree()), "volatile-lfu")
    apply(memory, put(b"a"), put(b"b", b"v", A_DAY), DeadlineSet(b"a", A_DAY))
    assert victims(memory) == [b"b", b"a"]
    apply(memory, DeadlineSet(b"b", None), put(b"a"))
    assert victims(memory) == []


@pytest.mark.parametrize(
    ("command", "result", "first"),
    [
        (Get(b"a"), FOUND, b"b"),
        (Get(b"a"), None, b"a"),
        (GetTimed(b"a"), FOUND, b"b"),
        (GetRange(b"a", 0, -1), FOUND, b"b"),
        (GetTouch(b"a", 5), FOUND, b"b"),
        (GetMany((b"a", b"x", b"b")), (FOUND, None, FOUND), b"c"),
        (GetMany((b"a", b"b")), (None, FOUND), b"a"),
        (Exists(b"a"), True, b"a"),
        (TimeToLive(b"a"), 5, b"a"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("policy", ["lru", "lfu"])
def test_a_read_that_gives_a_value_is_a_use(policy: str, command: object, result: object, first: bytes) -> None:
    memory = memory_over(keyspace_of(put(b"a"), put(b"b"), put(b"c")), policy)
    assert memory.observes_reads
    memory.read(command, result)
    assert victims(memory)[0] == first


@pytest.mark.parametrize("policy", ["allkeys-random", "volatile-random", "volatile-ttl"])
def test_other_policies_do_not_ask_for_reads(policy: str) -> None:
    memory = memory_over(keyspace_of(put(b"a", b"v", A_DAY)), policy)
    assert not memory.observes_reads
    memory.read(Get(b"a"), FOUND)


def test_what_is_over_the_limit() -> None:
    keyspace = keyspace_of(put(b"a"))
    used = keyspace.tree.memory_bytes
    assert memory_over(keyspace, "none", used).excess_bytes == 0
    assert memory_over(keyspace, "none", used - 3).excess_bytes == 3
    assert memory_over(keyspace, "none", None).excess_bytes == 0
