"""Events: what happened. Facts with absolute deadlines and resulting values; applying one cannot fail.

An event carries nothing random and nothing relative, so the state at a sequence number is a pure function of
the log up to it, and applying a suffix of the log twice changes nothing. Its own sequence number is not part of
it: the log gives it, by position.

The tags are the stored type numbers. A number is never given to another type, nor a field to another meaning;
``codec.py`` says how an event becomes bytes. A further number is an addition within a format version: whoever does not
know it refuses the log from that event on, changes nothing, and names the number.
"""

from typing import Annotated, TypeAlias

import msgspec

StoredKind: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2)]
"""The number of a ``commands.Kind``."""

DeadlineMs: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""Milliseconds since the epoch."""


class EntrySet(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True, tag=1):
    """The key now holds this value, at the version that is the event's sequence number."""

    key: bytes
    kind: StoredKind
    value: bytes
    deadline_ms: DeadlineMs | None


class EntryDeleted(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True, tag=2):
    """A client removed the key."""

    key: bytes


class PrefixDeleted(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True, tag=3):
    """A client removed every key under the prefix; under the empty one, all there were."""

    prefix: bytes


class DeadlineSet(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True, tag=4):
    """The key's deadline moved (None: it has none any more); value and version stay."""

    key: bytes
    deadline_ms: DeadlineMs | None


class EntryExpired(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True, tag=5):
    """The key's deadline has passed, and it was removed."""

    key: bytes


class EntryEvicted(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True, tag=6):
    """The key was removed because memory was needed for something else."""

    key: bytes


Event: TypeAlias = EntrySet | EntryDeleted | PrefixDeleted | DeadlineSet | EntryExpired | EntryEvicted
