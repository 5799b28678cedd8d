"""Walks over many keys: they let others in between, and find what lives throughout."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
import trio

from synap import walks
from synap.commands import Delete, Keys, Kind, Pair, RandomKey, SetMany
from synap.events import EntrySet
from synap.keyspace import Keyspace
from synap.radix import new_tree
from synap.results import KeyPage
from synap.walks import RANDOM_DRAWS, random_key

from .engine import NOW, set_text
from .machine import Machine


@pytest.fixture
def machine() -> Machine:
    return Machine()


# --- matching keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "found", "truncated"), [(1, 1, True), (24, 24, True), (25, 25, False), (26, 25, False), (1000, 25, False)]
)
async def test_keys_up_to_a_limit(
    machine: Machine, limit: int, found: int, truncated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "WALK_VISITS", 7)
    async with machine.life() as store:
        await store.execute(SetMany(tuple(Pair(b"%03d" % number, Kind.TEXT, b"") for number in range(100))))
        page = await store.execute(Keys(b"0[2-6]*[0-4]", limit))
    expected = [b"%03d" % number for number in range(20, 70) if number % 10 < 5]
    assert page == KeyPage(expected[:found], truncated=truncated)


async def test_a_walk_lets_others_in_between_and_finds_what_lives_throughout(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "WALK_VISITS", 5)
    async with machine.life() as store:
        await store.execute(SetMany(tuple(Pair(b"%03d" % number, Kind.TEXT, b"") for number in range(100))))
        written = 0

        async def change_things() -> None:
            nonlocal written
            for number in range(0, 100, 2):
                await store.execute(Delete(b"%03d" % number))
                await store.execute(set_text(b"%03d:new" % number))
                written += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(change_things)
            page = await store.execute(Keys(b"*", 1000))
            assert 0 < written < 50
            nursery.cancel_scope.cancel()
    assert {b"%03d" % number for number in range(1, 100, 2)} <= set(page.keys)
    assert page.keys == sorted(set(page.keys))


# --- a random key ----------------------------------------------------------------------------------------


def keyspace_of(count: int, is_due: Callable[[int], bool] = lambda _: False) -> Keyspace:
    """Keys from 000 on, of which some have a deadline that has come."""
    keyspace = Keyspace(new_tree())
    for number in range(count):
        keyspace.apply(number + 1, EntrySet(b"%03d" % number, 0, b"", NOW if is_due(number) else None))
    return keyspace


async def draw(keyspace: Keyspace, random_u32: Callable[[], int]) -> bytes | None:
    return await random_key(keyspace, lambda: NOW, random_u32)


async def test_there_may_be_no_key() -> None:
    def not_asked() -> int:
        raise AssertionError

    assert await draw(Keyspace(new_tree()), not_asked) is None
    assert await draw(keyspace_of(300, lambda _: True), lambda: 7) is None


@pytest.mark.parametrize(("drawn", "key"), [(0, b"000"), (2**31, b"050"), (2**32 - 1, b"099")])
async def test_the_whole_range_is_used(drawn: int, key: bytes) -> None:
    assert await draw(keyspace_of(100), lambda: drawn) == key


async def test_each_key_is_as_likely_as_the_others(seed: int) -> None:
    rng = Random(seed)
    keyspace = keyspace_of(500, lambda number: number % 5 == 0)
    drawn = Counter([await draw(keyspace, lambda: rng.getrandbits(32)) for _ in range(40_000)])
    assert set(drawn) == {b"%03d" % number for number in range(500) if number % 5}
    # 100 is expected of each; one that is off by eight standard deviations, nobody will ever see.
    assert max(drawn.values()) < 180
    assert min(drawn.values()) > 20


async def test_where_nearly_everything_is_due_the_next_key_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "WALK_VISITS", 7)
    keyspace = keyspace_of(100, lambda number: number not in {40, 60})
    draws = 0

    def random_u32() -> int:
        nonlocal draws
        draws += 1
        return int(2**32 * (0.5 if draws % 2 else 0.9))

    assert await draw(keyspace, random_u32) == b"040", "after the last key that was drawn comes the first"
    assert draws == RANDOM_DRAWS
    assert await draw(keyspace, lambda: 2**31) == b"060"


async def test_the_store_takes_chance_from_where_it_was_told(machine: Machine) -> None:
    async with machine.life() as store:
        await store.execute(SetMany(tuple(Pair(b"%d" % number, Kind.TEXT, b"") for number in range(10))))
        found = {await store.execute(RandomKey()) for _ in range(200)}
    assert found == {b"%d" % number for number in range(10)}
