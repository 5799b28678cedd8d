"""In which order entries are evicted: one class for each way to choose, exact, and without a walk over all entries.

An order hears of every change (``add``, ``drop``, ``evict``) and, where it matters to it, of reads (``use``); which
keys it is told of at all (all of them, or those with a deadline) is not its business. It is made only where a policy
needs it, keeps the keys itself, and what it takes counts as memory of the store. After a start it knows nothing of
reads: the entries come in by their versions, the oldest first.

``victims`` gives the keys in the order in which they go, as of now; nothing may change while it is being used.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Protocol

from synap.radix import Tree

COUNTED_USES = 255
"""How far a key can be ahead of one that was just written. Beyond that, more uses say nothing more."""

FIRST_ASKED = 16
"""So many keys are asked of the order by deadline at first, and four times as many each time that was not enough."""

LATEST_DEADLINE_MS = 2**53

_RANDOM_BITS = 32

# What CPython takes for a key, but for its bytes, and for its places in dicts, rounded up from what was measured at a
# hundred to a million keys. An average: a dict that doubles its size at one key would else evict thousands at once.
_KEY_BYTES = 41
_PLACE_BYTES = 80
_ORDERED_PLACE_BYTES = 112


class Order(Protocol):
    """See the module."""

    @property
    def memory_bytes(self) -> int:
        """What the order occupies."""
        ...

    def weight(self, key: bytes) -> int:
        """The part of it that is for one key, if it is among them."""
        ...

    def add(self, key: bytes) -> None:
        """The key was written, or may be evicted from now on. It may be known already."""
        ...

    def drop(self, key: bytes) -> None:
        """The key is gone, or may not be evicted any more. It may be unknown."""
        ...

    def evict(self, key: bytes) -> None:
        """The key was evicted."""
        ...

    def victims(self) -> Iterator[bytes]:
        """The keys, those that go first first; each at most once."""
        ...


class AccessOrder:
    """Least recently used first: the keys in the order in which they were last read or written."""

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, None] = OrderedDict()
        self._key_bytes = 0

    @property
    def memory_bytes(self) -> int:
        """See ``Order``."""
        return self._key_bytes

    def weight(self, key: bytes) -> int:
        """See ``Order``."""
        return _KEY_BYTES + _ORDERED_PLACE_BYTES + len(key)

    def add(self, key: bytes) -> None:
        """See ``Order``."""
        if key in self._keys:
            self._keys.move_to_end(key)
        else:
            self._keys[key] = None
            self._key_bytes += self.weight(key)

    def use(self, key: bytes) -> None:
        """The key was read. It may be unknown."""
        if key in self._keys:
            self._keys.move_to_end(key)

    def drop(self, key: bytes) -> None:
        """See ``Order``."""
        if key in self._keys:
            del self._keys[key]
            self._key_bytes -= self.weight(key)

    def evict(self, key: bytes) -> None:
        """See ``Order``."""
        self.drop(key)

    def victims(self) -> Iterator[bytes]:
        """See ``Order``."""
        return iter(self._keys)


class _Level:
    """The keys with one count, those not used for the longest time first."""

    __slots__ = ("keys", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.keys: OrderedDict[bytes, None] = OrderedDict()


class UseOrder:
    """Least often used first, and of those the least recently used: counts that age, without a clock and without luck.

    Keys stand on levels. A key comes in one level above the floor, and each read or write lifts it by one, up to
    ``COUNTED_USES`` above the floor. The floor is the level of whatever was evicted last, so when the lowest keys have
    gone, all others have come nearer to it: what was used much, but no longer is, goes in the end::

        level 7   hot
        level 3   warm, mild
        level 2   once, newest      <- the next to go is "once"
        floor 1
    """

    def __init__(self) -> None:
        self._floor = 0
        self._levels: dict[int, _Level] = {}
        self._level_of: dict[bytes, _Level] = {}
        self._key_bytes = 0

    @property
    def memory_bytes(self) -> int:
        """See ``Order``."""
        return self._key_bytes

    def weight(self, key: bytes) -> int:
        """See ``Order``."""
        return _KEY_BYTES + _PLACE_BYTES + _ORDERED_PLACE_BYTES + len(key)

    def add(self, key: bytes) -> None:
        """See ``Order``."""
        if key in self._level_of:
            self.use(key)
        else:
            self._place(key, self._floor + 1)
            self._key_bytes += self.weight(key)

    def use(self, key: bytes) -> None:
        """The key was read. It may be unknown."""
        level = self._level_of.get(key)
        if level is None:
            return
        number = min(max(level.number, self._floor) + 1, self._floor + COUNTED_USES)
        if number == level.number:
            level.keys.move_to_end(key)
        else:
            self._take(key, level)
            self._place(key, number)

    def drop(self, key: bytes) -> None:
        """See ``Order``."""
        level = self._level_of.pop(key, None)
        if level is not None:
            self._take(key, level)
            self._key_bytes -= self.weight(key)

    def evict(self, key: bytes) -> None:
        """See ``Order``."""
        level = self._level_of.get(key)
        if level is not None:
            self._floor = max(self._floor, level.number)
        self.drop(key)

    def victims(self) -> Iterator[bytes]:
        """See ``Order``."""
        for number in sorted(self._levels):
            yield from self._levels[number].keys

    def _place(self, key: bytes, number: int) -> None:
        level = self._levels.get(number)
        if level is None:
            level = self._levels[number] = _Level(number)
        level.keys[key] = None
        self._level_of[key] = level

    def _take(self, key: bytes, level: _Level) -> None:
        del level.keys[key]
        if not level.keys:
            del self._levels[level.number]


class RandomOrder:
    """Any first, of the keys it was told of."""

    def __init__(self, random_u32: Callable[[], int]) -> None:
        self._random_u32 = random_u32
        self._keys: list[bytes] = []
        self._position_of: dict[bytes, int] = {}
        self._key_bytes = 0

    @property
    def memory_bytes(self) -> int:
        """See ``Order``."""
        return self._key_bytes

    def weight(self, key: bytes) -> int:
        """See ``Order``."""
        return _KEY_BYTES + _PLACE_BYTES + _KEY_BYTES + len(key)

    def add(self, key: bytes) -> None:
        """See ``Order``."""
        if key not in self._position_of:
            self._position_of[key] = len(self._keys)
            self._keys.append(key)
            self._key_bytes += self.weight(key)

    def drop(self, key: bytes) -> None:
        """See ``Order``."""
        position = self._position_of.pop(key, None)
        if position is None:
            return
        # The last one takes the place that has become free.
        last = self._keys.pop()
        if last != key:
            self._keys[position] = last
            self._position_of[last] = position
        self._key_bytes -= self.weight(key)

    def evict(self, key: bytes) -> None:
        """See ``Order``."""
        self.drop(key)

    def victims(self) -> Iterator[bytes]:
        """See ``Order``."""
        return map(self._keys.__getitem__, shuffled(len(self._keys), self._random_u32))


class _OrderOfTree:
    """An order for which the tree itself has all that is needed."""

    memory_bytes = 0

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def weight(self, _: bytes) -> int:
        """See ``Order``."""
        return 0

    def add(self, key: bytes) -> None:
        """See ``Order``."""

    def drop(self, key: bytes) -> None:
        """See ``Order``."""

    def evict(self, key: bytes) -> None:
        """See ``Order``."""


class RandomOrderOfTree(_OrderOfTree):
    """Any first, of all keys there are."""

    def __init__(self, tree: Tree, random_u32: Callable[[], int]) -> None:
        super().__init__(tree)
        self._random_u32 = random_u32

    def victims(self) -> Iterator[bytes]:
        """See ``Order``."""
        return map(self._tree.key_at, shuffled(len(self._tree), self._random_u32))


class DeadlineOrder(_OrderOfTree):
    """Those that end soonest first, to the second; which of the same second, is open, as in ``Tree.due``."""

    def victims(self) -> Iterator[bytes]:
        """See ``Order``."""
        return by_deadline(self._tree, LATEST_DEADLINE_MS)


def by_deadline(tree: Tree, until_ms: int) -> Iterator[bytes]:
    """The keys that end until then, those that end soonest first, to the second; each once."""
    given: set[bytes] = set()
    asked = FIRST_ASKED
    while True:
        keys = tree.due(until_ms, asked)
        for key in keys:
            if key not in given:
                given.add(key)
                yield key
        if len(keys) < asked:
            return
        asked *= 4


def shuffled(count: int, random_u32: Callable[[], int]) -> Iterator[int]:
    """The numbers below ``count`` in an order that is drawn as it is asked for, each order as likely as the others.

    Fisher and Yates's way, on a list that is kept only where it is no longer what it was.
    """
    moved: dict[int, int] = {}
    for left in range(count, 0, -1):
        at = left * random_u32() >> _RANDOM_BITS
        yield moved.get(at, at)
        moved[at] = moved.get(left - 1, left - 1)
