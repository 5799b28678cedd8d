"""What the tests of ``Room`` share: stores within a limit, and batches that are decided and applied."""

from random import Random

import pytest

from synap.commands import Write
from synap.errors import MemoryLimitError
from synap.events import EntryEvicted, Event
from synap.keyspace import Keyspace, Memory, MemoryLimit, Overlay, Room
from synap.keyspace.room import SLACK_BYTES

from .build import LIMITS, NOW, keyspace_of, put

VALUE = bytes(2000)
A_DAY = NOW + 86_400_000
KEPT = b"kept"


def keys(*numbers: int) -> list[bytes]:
    return [b"key:%d" % number for number in numbers]


def filled(count: int, deadline_ms: int | None = A_DAY) -> Keyspace:
    """Entries of 2,000 bytes, the first written longest ago, and one small one without a deadline."""
    return keyspace_of(put(KEPT), *(put(key, VALUE, deadline_ms) for key in keys(*range(count))))


def memory_with(keyspace: Keyspace, policy: str, spare_bytes: int = 0) -> Memory:
    """A limit that leaves so much to whoever adds something."""
    rng = Random(1)
    unlimited = Memory(keyspace, MemoryLimit(10**9, policy))
    limit = MemoryLimit(unlimited.used_bytes + SLACK_BYTES + spare_bytes, policy)
    return Memory(keyspace, limit, lambda: rng.getrandbits(32))


class Batches:
    """Batches that are decided and applied one after the other."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.begin()

    def begin(self) -> None:
        self.overlay = Overlay(self.memory.keyspace, NOW)
        self.room = Room(self.memory, self.overlay)

    def decide(self, command: Write[object]) -> object:
        return self.room.decide(command, LIMITS)

    def refuse(self, command: Write[object]) -> MemoryLimitError:
        before = list(self.overlay.events), self.overlay.size_bytes
        with pytest.raises(MemoryLimitError) as caught:
            self.decide(command)
        assert (list(self.overlay.events), self.overlay.size_bytes) == before
        assert not self.room.full
        return caught.value

    def apply(self) -> list[Event]:
        """End the batch; its events."""
        events = self.overlay.events
        self.memory.apply_all(self.memory.keyspace.seq + 1, events)
        self.begin()
        return events


def evicted(events: list[Event]) -> list[bytes]:
    return [event.key for event in events if isinstance(event, EntryEvicted)]
