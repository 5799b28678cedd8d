"""The bytes of one simulated file: what a reader sees, and what a disk could show after the power went.

::

    offset        0        512       1024      1536
    live          |aaaaaaaaa|aaaaabbbb|bbbbbbbbb|bb      what read() gives: a's were synced, b's were not
    disk          |aaaaaaaaa|aaaaa                       what surely survives

    after a crash |aaaaaaaaa|aaaaa                       nothing survived
    it may be     |aaaaaaaaa|aaaaabbbb|bbbbbbbbb|bb      everything did
    any of        |aaaaaaaaa|aaaaa0000|000000000|00      only the length
    these         |aaaaaaaaa|aaaaa0000|bbbbbbbbb|b       any sectors, and any length on the way to the last one

Rules:

* A disk writes whole sectors, in any order. A sector that was lost shows what the disk had there before, and
  zeros where it had nothing.
* Length and data are independent: either may survive without the other. A truncation is a change of length, and
  until the next ``sync`` it may be undone.
* After a failed sync the kernel holds the pages for clean: they are not written again, a later sync reports
  success, and reads show them as long as they stay cached. These sectors are the *lost* ones; writing to one again
  makes it dirty again, and ``drop_cache`` brings the truth to light.
"""

from random import Random
from typing import NamedTuple

SECTOR_BYTES = 512
"""The most that a disk writes at once without a chance of tearing."""


class Survival(NamedTuple):
    """How probably each thing that was not synced survives a power cut, from 0 to 1."""

    sectors: float
    lengths: float
    names: float

    @classmethod
    def draw(cls, rng: Random) -> "Survival":
        """The extremes are where programs fail, so they come as often as all that lies between."""
        extreme = rng.choice((NOTHING, EVERYTHING, ONLY_LENGTHS, None, None, None))
        return extreme or cls(rng.choice(_LEVELS), rng.choice(_LEVELS), rng.choice(_LEVELS))


NOTHING = Survival(0, 0, 0)
EVERYTHING = Survival(1, 1, 1)
ONLY_LENGTHS = Survival(0, 1, 1)
_LEVELS = (0.05, 0.5, 0.95)


class Inode:
    """A file without its name. Only truncating it and cutting the power while it is dirty take time in its size."""

    __slots__ = ("_dirty_from", "_disk_size", "_kept", "_lengths", "_lost", "_past", "live")

    def __init__(self) -> None:
        self.live = bytearray()
        # The disk has live[:_disk_size], or _kept since a truncation went below that; but for the lost sectors, which
        # show what stands here under their offsets.
        self._disk_size = 0
        self._kept: bytes | None = None
        self._lost: dict[int, bytes] = {}
        # Since the last sync: the lowest changed offset, each change of length, the content before each truncation.
        self._dirty_from: int | None = None
        self._lengths: list[tuple[int, int]] = []
        self._past: list[bytes] = []

    def append(self, data: bytes | memoryview) -> None:
        """Write at the end."""
        start = len(self.live)
        self.live += data
        self._changed(start, len(self.live), dirty_from=start)

    def truncate(self, size: int) -> None:
        """Cut to ``size`` bytes, or lengthen with zeros."""
        length = len(self.live)
        self._past.append(bytes(self.live))
        if self._kept is None and size < self._disk_size:
            self._kept = bytes(self.on_disk())
        del self.live[size:]
        self.live.extend(bytes(max(0, size - length)))
        self._changed(size, size, dirty_from=min(size, length))

    def _changed(self, shortest: int, longest: int, *, dirty_from: int) -> None:
        self._lengths.append((shortest, longest))
        self._dirty_from = dirty_from if self._dirty_from is None else min(self._dirty_from, dirty_from)

    def sync(self) -> None:
        """Make bytes and length durable, those aside that an earlier failure lost."""
        self._lost = self._clean_lost()
        self._disk_size, self._kept, self._dirty_from = len(self.live), None, None
        self._lengths.clear()
        self._past.clear()

    def fail_sync(self) -> None:
        """Lose what was to be synced, as the kernel does: it stays in the cache, and is never written."""
        if self._dirty_from is None:
            return
        disk = self.on_disk()
        for start in range(_sector_start(self._dirty_from), len(self.live), SECTOR_BYTES):
            self._lost[start] = _sector(disk, start)
        self._dirty_from = None
        self._past.clear()

    def drop_cache(self) -> None:
        """Show what the disk has, where the cache is clean."""
        clean = self._clean_lost()
        _patch(self.live, clean)
        self._lost = {start: sector for start, sector in self._lost.items() if start not in clean}

    def on_disk(self) -> bytearray:
        """What survives even if nothing else does."""
        image = self.live[: self._disk_size] if self._kept is None else bytearray(self._kept)
        _patch(image, self._lost)
        return image

    def lose_power(self, rng: Random, survival: Survival) -> None:
        """Become what the disk shows after a power cut."""
        if not self._lengths and not self._lost:
            return
        disk = self.on_disk()
        image = self._newest(rng, survival)
        size = self._length_after(rng, survival)
        image = image[:size].ljust(size, b"\0")
        if self._dirty_from is not None:
            for start in range(_sector_start(self._dirty_from), size, SECTOR_BYTES):
                if rng.random() >= survival.sectors:
                    image[start : start + SECTOR_BYTES] = _sector(disk, start)[: size - start]
        self.live, self._lost = image, {}
        self.sync()

    def _newest(self, rng: Random, survival: Survival) -> bytearray:
        """The content from which sectors survive: each as it is, or as it was before a truncation since the sync."""
        image: bytearray = self.live
        if self._past and 0 < survival.sectors < 1:
            contents: list[bytes | bytearray] = [image, *self._past]
            longest = max(map(len, contents))
            image = bytearray().join(_sector(rng.choice(contents), at) for at in range(0, longest, SECTOR_BYTES))
        _patch(image, self._clean_lost())
        return image

    def _length_after(self, rng: Random, survival: Survival) -> int:
        """The last length, the durable one, or one between: a long write lengthens the file in steps."""
        if rng.random() < survival.lengths:
            return len(self.live)
        steps = self._lengths if survival.lengths > 0 else ()
        shortest, longest = rng.choice((*steps, (self._disk_size, self._disk_size)))
        return rng.choice((longest, rng.randint(shortest, longest)))

    def _clean_lost(self) -> dict[int, bytes]:
        """The lost sectors that were not written to since."""
        if self._dirty_from is None:
            return self._lost
        dirty_from = _sector_start(self._dirty_from)
        return {start: sector for start, sector in self._lost.items() if start < dirty_from}


def _sector_start(offset: int) -> int:
    return offset - offset % SECTOR_BYTES


def _sector(image: bytes | bytearray, start: int) -> bytes:
    return bytes(image[start : start + SECTOR_BYTES]).ljust(SECTOR_BYTES, b"\0")


def _patch(image: bytearray, sectors: dict[int, bytes]) -> None:
    """Replace sectors of ``image`` without lengthening it."""
    size = len(image)
    for start, sector in sectors.items():
        image[start : start + SECTOR_BYTES] = sector[: max(0, size - start)]
