"""How much memory a store may take, and what is to go where that is not enough.

Unless told otherwise, a store has no limit; with a limit and nothing else said, it refuses what would need more. It
never evicts a session that nobody allowed it to.
"""

from enum import StrEnum

import msgspec

from synap.errors import ConfigError


class Policy(StrEnum):
    """What goes first; the names are Redis's. Those that begin with "volatile" leave alone what has no deadline."""

    NOEVICTION = "noeviction"
    """Nothing goes: writes that need more memory are refused."""
    ALLKEYS_LRU = "allkeys-lru"
    """What was not read or written for the longest time."""
    VOLATILE_LRU = "volatile-lru"
    ALLKEYS_LFU = "allkeys-lfu"
    """What was read and written the least, see ``order.UseOrder``."""
    VOLATILE_LFU = "volatile-lfu"
    ALLKEYS_RANDOM = "allkeys-random"
    """Any, each as likely as the others."""
    VOLATILE_RANDOM = "volatile-random"
    VOLATILE_TTL = "volatile-ttl"
    """What ends soonest, to the second."""

    @property
    def is_volatile(self) -> bool:
        """Whether only entries with a deadline may go."""
        return self.startswith("volatile")


_SHORT_NAMES = {"none": Policy.NOEVICTION, "lru": Policy.ALLKEYS_LRU, "lfu": Policy.ALLKEYS_LFU}


class MemoryLimit(msgspec.Struct, frozen=True):
    """``max_bytes`` for keys, values, tree and order of eviction together; None: no limit.

    ``policy_name`` is a ``Policy``, or "none", "lru" or "lfu", and is shown as it is.
    """

    max_bytes: int | None = None
    policy_name: str = "none"

    @property
    def evicts(self) -> bool:
        """Whether the policy lets anything go at all."""
        return self.policy is not Policy.NOEVICTION

    @property
    def policy(self) -> Policy:
        """What goes first. Raises ``ConfigError`` where there is no policy of this name."""
        try:
            return _SHORT_NAMES.get(self.policy_name) or Policy(self.policy_name)
        except ValueError:
            names = ", ".join((*_SHORT_NAMES, *Policy))
            raise ConfigError(f"there is no eviction policy {self.policy_name!r}; there are: {names}") from None
