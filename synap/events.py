"""Events: what happened. Facts with absolute deadlines and resulting values; applying one cannot fail.

An event carries nothing random and nothing relative, so the state at a sequence number is a pure function of
the log up to it, and applying a suffix of the log twice changes nothing. Its own sequence number is not part of
it: the log gives it, by position.

The type numbers (``TYPE``) are stored for ever: a number is never given to another type, nor a field to another
meaning. ``codec.py`` says how they become bytes.
"""

from typing import ClassVar, TypeAlias

import msgspec


class EntrySet(msgspec.Struct, frozen=True, gc=False):
    """The key now holds this value, at the version that is the event's sequence number."""

    TYPE: ClassVar[int] = 1
    key: bytes
    kind: int
    value: bytes
    deadline_ms: int | None


class EntryDeleted(msgspec.Struct, frozen=True, gc=False):
    """A client removed the key."""

    TYPE: ClassVar[int] = 2
    key: bytes


class PrefixDeleted(msgspec.Struct, frozen=True, gc=False):
    """A client removed every key under the prefix."""

    TYPE: ClassVar[int] = 3
    prefix: bytes


class DeadlineSet(msgspec.Struct, frozen=True, gc=False):
    """The key's deadline moved (None: it has none any more); value and version stay."""

    TYPE: ClassVar[int] = 4
    key: bytes
    deadline_ms: int | None


class EntryExpired(msgspec.Struct, frozen=True, gc=False):
    """The key's deadline has passed, and it was removed."""

    TYPE: ClassVar[int] = 5
    key: bytes


Event: TypeAlias = EntrySet | EntryDeleted | PrefixDeleted | DeadlineSet | EntryExpired
