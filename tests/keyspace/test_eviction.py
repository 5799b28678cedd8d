"""The names of the policies, and what each lets go."""

import pytest

from synap.errors import ConfigError
from synap.keyspace.eviction import MemoryLimit, Policy


@pytest.mark.parametrize(
    ("name", "policy", "evicts", "is_volatile"),
    [
        ("none", Policy.NOEVICTION, False, False),
        ("noeviction", Policy.NOEVICTION, False, False),
        ("lru", Policy.ALLKEYS_LRU, True, False),
        ("lfu", Policy.ALLKEYS_LFU, True, False),
        ("allkeys-lru", Policy.ALLKEYS_LRU, True, False),
        ("volatile-lru", Policy.VOLATILE_LRU, True, True),
        ("allkeys-lfu", Policy.ALLKEYS_LFU, True, False),
        ("volatile-lfu", Policy.VOLATILE_LFU, True, True),
        ("allkeys-random", Policy.ALLKEYS_RANDOM, True, False),
        ("volatile-random", Policy.VOLATILE_RANDOM, True, True),
        ("volatile-ttl", Policy.VOLATILE_TTL, True, True),
    ],
)
def test_names(name: str, policy: Policy, evicts: bool, is_volatile: bool) -> None:
    limit = MemoryLimit(1, name)
    assert (limit.policy, limit.evicts, limit.policy.is_volatile) == (policy, evicts, is_volatile)


def test_by_default_nothing_is_limited_and_nothing_evicted() -> None:
    assert (MemoryLimit().max_bytes, MemoryLimit().evicts) == (None, False)


def test_a_wrong_name_is_told_with_the_right_ones() -> None:
    with pytest.raises(ConfigError, match=r"no eviction policy 'mru'; there are: none, lru, lfu, noeviction, allkeys-"):
        _ = MemoryLimit(1, "mru").policy
