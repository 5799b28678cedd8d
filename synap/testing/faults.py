"""What can go wrong with a simulated disk, as objects that look at every call before it is carried out.

A fault is anything callable with a ``Call``. It may

* return None: the call is carried out;
* return a number: only so much of it is. A write accepts at most that many bytes; a sync of which 0 is carried
  out makes nothing durable and still reports success;
* raise ``OSError``: the call fails and changes nothing, a ``datasync`` aside (see ``sim_disk.py``);
* raise ``SimulatedCrash``: the process ends here.

Hand several to a ``SimulatedFileSystem``: each sees every call until one raises, and the smallest number holds.
"""

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeAlias

MUTATING = frozenset(
    {
        "create",
        "datasync",
        "lock",
        "make_directory",
        "remove",
        "rename",
        "sync_directory",
        "truncate",
        "write",
    }
)
"""The calls after which the disk, or what may be expected of it, is another."""


class Call(NamedTuple):
    """One call on the file system; ``name`` is the verb. ``size`` is for writes, ``target`` for renames."""

    number: int
    name: str
    path: Path
    size: int = 0
    target: Path | None = None

    def __str__(self) -> str:
        size = f" ({self.size} bytes)" if self.size else ""
        target = f" to {self.target}" if self.target else ""
        return f"{self.number} {self.name} {self.path}{target}{size}"

    def concerns(self, name: str, pattern: str | None) -> bool:
        """Whether this is a ``name`` of a path that matches; patterns are those of ``Path.match``, None is any.

        A rename is of both its paths.
        """
        if self.name != name or pattern is None:
            return self.name == name
        return self.path.match(pattern) or (self.target is not None and self.target.match(pattern))


Fault: TypeAlias = Callable[[Call], int | None]


class SimulatedCrash(BaseException):
    """The process has ended; ``written`` bytes of the write in hand were still taken.

    Not an ``Exception``: no handler of the code under test may take it for an error of the disk and go on.
    """

    def __init__(self, reason: str, written: int = 0) -> None:
        super().__init__(reason)
        self.written = written


class CrashAt:
    """Ends the process at the ``nth`` mutating call, counted from 1; a write is torn at a random place first."""

    def __init__(self, nth: int, rng: Random) -> None:
        self._left = nth
        self._rng = rng

    def __call__(self, call: Call) -> int | None:
        """See ``Fault``."""
        if call.name not in MUTATING:
            return None
        self._left -= 1
        if self._left == 0:
            torn_at = self._rng.choice((0, self._rng.randint(0, call.size), call.size))
            raise SimulatedCrash(f"crashed at {call}", torn_at)
        return None


class FailAt:
    """Fails the ``nth`` call of one name (and path, where a pattern is given) with an errno."""

    def __init__(self, name: str, nth: int, errno: int, pattern: str | None = None) -> None:
        self._name, self._pattern, self._errno = name, pattern, errno
        self._left = nth

    def __call__(self, call: Call) -> int | None:
        """See ``Fault``."""
        if call.concerns(self._name, self._pattern):
            self._left -= 1
            if self._left == 0:
                raise OSError(self._errno, os.strerror(self._errno), str(call.path))
        return None


class ShortWrites:
    """Every write accepts at least one byte, and seldom all."""

    def __init__(self, rng: Random, pattern: str | None = None) -> None:
        self._rng, self._pattern = rng, pattern

    def __call__(self, call: Call) -> int | None:
        """See ``Fault``."""
        if call.size > 0 and call.concerns("write", self._pattern):
            return self._rng.randint(1, call.size)
        return None


class LyingSync:
    """A ``datasync`` or ``sync_directory`` that reports success and does nothing.

    The negative control: a test of durability that does not fail under it tests nothing.
    """

    def __init__(self, name: str, pattern: str | None = None) -> None:
        self._name, self._pattern = name, pattern

    def __call__(self, call: Call) -> int | None:
        """See ``Fault``."""
        return 0 if call.concerns(self._name, self._pattern) else None
