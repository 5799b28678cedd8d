"""What comes back from a command, where it is more than a flag or a number."""

import msgspec


class Found(msgspec.Struct, frozen=True, gc=False):
    """An entry as a reader sees it.

    ``kind`` is a ``commands.Kind``; ``deadline_ms`` counts from the epoch, None for no deadline; ``version`` is
    the sequence number of the event that last changed the value.
    """

    kind: int
    value: bytes
    deadline_ms: int | None
    version: int


class Timed(msgspec.Struct, frozen=True):
    """An entry, and the ms that it has still to live (None: no deadline)."""

    found: Found
    left_ms: int | None


class Written(msgspec.Struct, frozen=True, gc=False):
    """The outcome of a ``Set``.

    ``written`` is False where only_if_absent or only_if_present kept it from happening; ``version`` is then the
    version of what is there (0 where nothing is). ``old`` is what the key held before, if it was asked for.
    """

    written: bool
    version: int
    old: Found | None = None


class TimeLeft(msgspec.Struct, frozen=True):
    """Whether a key is there, and how many ms it has to live (None: no deadline)."""

    exists: bool
    ms: int | None = None


class KeyPage(msgspec.Struct, frozen=True):
    """Matching keys in key order; ``truncated`` where there are more than the limit."""

    keys: list[bytes]
    truncated: bool


class Page(msgspec.Struct, frozen=True):
    """Some keys in key order; ``next_after`` continues the scan, None at its end."""

    keys: list[bytes]
    next_after: bytes | None


class Change(msgspec.Struct, frozen=True):
    """What event ``seq`` changed, at ``time_ms`` (log time, ms since the epoch).

    ``type`` is "set", "deadline" (it moved) or "removed"; ``cause`` says why: "set", "deadline_set", "deleted",
    "prefix_deleted", "expired" or "evicted" (for want of memory). It is of a ``key``, or of all keys under a
    ``prefix``. ``kind``, ``value`` and ``version`` are there where the value was set.
    """

    seq: int
    time_ms: int
    type: str
    cause: str
    key: bytes | None = None
    prefix: bytes | None = None
    kind: int | None = None
    value: bytes | None = None
    version: int | None = None
    deadline_ms: int | None = None
