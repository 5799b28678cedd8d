"""Orders of eviction against the simplest thing that says the same: a list that is sorted anew each time."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.keyspace.order import (
    COUNTED_USES,
    FIRST_ASKED,
    AccessOrder,
    DeadlineOrder,
    Order,
    RandomOrder,
    RandomOrderOfTree,
    UseOrder,
    shuffled,
)
from synap.radix import new_tree

from .build import KEYS, NOW

STEPS = st.lists(st.tuples(st.sampled_from(["add", "use", "drop", "evict first"]), st.sampled_from(KEYS)), max_size=60)


def take(order: AccessOrder | UseOrder, action: str, key: bytes) -> None:
    if action == "evict first":
        for victim in list(order.victims())[:1]:
            order.evict(victim)
    else:
        getattr(order, action)(key)


@given(STEPS)
def test_least_recently_used_first(steps: list[tuple[str, bytes]]) -> None:
    order = AccessOrder()
    expected: list[bytes] = []
    for action, key in steps:
        take(order, action, key)
        known = key in expected
        if action == "evict first":
            del expected[:1]
        elif known:
            expected.remove(key)
        if action == "add" or (action == "use" and known):
            expected.append(key)
        assert list(order.victims()) == expected
        assert order.memory_bytes == sum(map(order.weight, expected))


@given(STEPS)
def test_least_often_used_first_and_counts_age(steps: list[tuple[str, bytes]]) -> None:
    order = UseOrder()
    level: dict[bytes, int] = {}
    last_used: dict[bytes, int] = {}
    floor = 0

    def expected() -> list[bytes]:
        return sorted(level, key=lambda known: (level[known], last_used[known]))

    for now, (action, key) in enumerate(steps):
        first = expected()[:1]
        take(order, action, key)
        if action == "evict first":
            floor = max([floor, *(level.pop(victim) for victim in first)])
        elif action == "drop":
            level.pop(key, None)
        elif key in level:
            level[key], last_used[key] = min(max(level[key], floor) + 1, floor + COUNTED_USES), now
        elif action == "add":
            level[key], last_used[key] = floor + 1, now
        assert list(order.victims()) == expected()
        assert order.memory_bytes == sum(map(order.weight, level))


def test_what_was_used_much_long_ago_goes_in_the_end() -> None:
    order = UseOrder()
    order.add(b"once hot")
    for _ in range(10 * COUNTED_USES):
        order.use(b"once hot")
    order.add(b"0")
    evicted = 0
    while True:
        order.add(b"%d" % (evicted + 1))
        order.use(b"%d" % (evicted + 1))
        victim = next(order.victims())
        order.evict(victim)
        if victim == b"once hot":
            break
        evicted += 1
        assert evicted < 3 * COUNTED_USES
    assert evicted > COUNTED_USES / 4, "nor does it go at once"


@pytest.mark.parametrize("make", [AccessOrder, UseOrder])
def test_a_read_of_an_unknown_key_is_none(make: Callable[[], AccessOrder | UseOrder]) -> None:
    order = make()
    order.use(b"x")
    order.drop(b"x")
    order.evict(b"x")
    assert (list(order.victims()), order.memory_bytes) == ([], 0)


# --- chance ----------------------------------------------------------------------------------------------


def test_each_order_is_as_likely_as_the_others(seed: int) -> None:
    rng = Random(seed)
    counts = Counter(tuple(shuffled(4, lambda: rng.getrandbits(32))) for _ in range(24 * 500))
    assert len(counts) == 24, f"seed {seed}"
    assert all(350 < count < 650 for count in counts.values()), f"seed {seed}: {counts}"


@pytest.mark.parametrize("draw", [0, 2**32 - 1])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_outermost_draws(count: int, draw: int) -> None:
    assert sorted(shuffled(count, lambda: draw)) == list(range(count))


@given(STEPS)
def test_any_of_those_that_are_known(steps: list[tuple[str, bytes]]) -> None:
    rng = Random(len(steps))
    order = RandomOrder(lambda: rng.getrandbits(32))
    expected: set[bytes] = set()
    for action, key in steps:
        if action in {"add", "drop"}:
            getattr(order, action)(key)
            (expected.add if action == "add" else expected.discard)(key)
        victims = list(order.victims())
        assert (set(victims), len(victims)) == (expected, len(expected))
        assert order.memory_bytes == sum(map(order.weight, expected))


# --- what the tree knows ---------------------------------------------------------------------------------


def test_orders_that_need_nothing_of_their_own(seed: int) -> None:
    rng, tree = Random(seed), new_tree()
    # In each second some, none at some time, more than are asked for at first.
    for number in range(5 * FIRST_ASKED):
        deadline_ms = NOW + rng.randrange(40) * 500 if number % 3 else None
        tree.put(b"%d" % number, 0, b"", deadline_ms, number + 1)
    orders: list[Order] = [RandomOrderOfTree(tree, lambda: rng.getrandbits(32)), DeadlineOrder(tree)]
    for order in orders:
        assert (order.memory_bytes, order.weight(b"k")) == (0, 0)
        order.add(b"0")
        order.drop(b"1")
        order.evict(b"2")
    assert sorted(orders[0].victims()) == list(tree.keys())
    seconds = [tree.get(key)[2] >> 10 for key in orders[1].victims()]  # type: ignore[index,operator]  # all have one
    assert seconds == sorted(seconds)
    assert set(orders[1].victims()) == {key for key, _, _, deadline_ms, _ in tree.items() if deadline_ms is not None}
    assert len(list(orders[1].victims())) == len(set(orders[1].victims()))
