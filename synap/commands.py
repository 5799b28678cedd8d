"""Commands: what a client may wish for. A wish can be refused; what came of it is an event.

A command is a frozen struct of plain fields, already free of JSON, HTTP and relative anything except the
time to live. Its type parameter is the type of its result, so that ``await store.execute(Set(...))`` is
known to give a ``Written``. Two kinds:

* a ``Write`` goes through the committer and is decided in order, one after the other;
* a ``Query`` is answered at once from the tree.

Limits are checked where a command is decided or answered (``keyspace``), so that every door has the same.
"""

from enum import IntEnum
from typing import Generic, TypeVar

import msgspec

from synap.results import Found, KeyPage, Page, TimeLeft, Written

R_co = TypeVar("R_co", covariant=True)


class Kind(IntEnum):
    """What the client set, so that a read gives the same thing back. The numbers are stored."""

    TEXT = 0
    """A JSON string; the value is its UTF-8."""
    JSON = 1
    """Any other JSON value; the value is its JSON text, digit for digit."""
    BYTES = 2
    """Raw octets."""


class Command(msgspec.Struct, Generic[R_co], frozen=True):
    """Base of all commands; ``R_co`` is the type of the result."""


class Write(Command[R_co], frozen=True):
    """A command that may change something."""


class Query(Command[R_co], frozen=True):
    """A command that only looks."""


# --- writes ----------------------------------------------------------------------------------------------


class Set(Write[Written], frozen=True, kw_only=True):
    """Store a value under a key.

    At most one of ``ttl_ms`` (relative), ``deadline_ms`` (ms since the epoch) and ``keep_ttl`` applies; with
    none of them the entry lives until it is deleted. ``only_if_absent`` and ``only_if_present`` leave the key
    as it is where they do not hold. ``if_version`` refuses with ``VersionMismatchError`` unless the key is at that
    version; a missing key is at version 0.
    """

    key: bytes
    kind: Kind
    value: bytes
    ttl_ms: int | None = None
    deadline_ms: int | None = None
    keep_ttl: bool = False
    only_if_absent: bool = False
    only_if_present: bool = False
    return_old: bool = False
    if_version: int | None = None


class GetTouch(Write[Found | None], frozen=True):
    """Read a key and let it live ``ttl_ms`` from now on, in one step."""

    key: bytes
    ttl_ms: int


class Delete(Write[bool], frozen=True):
    """Remove a key; the result tells whether it was there. ``if_version`` as in ``Set``."""

    key: bytes
    if_version: int | None = None


class DeleteMany(Write[int], frozen=True):
    """Remove several keys; the result tells how many were there. A key given twice counts once."""

    keys: tuple[bytes, ...]


class DeletePrefix(Write[int], frozen=True):
    """Remove every key under a non-empty prefix, in one event; the result is their number."""

    prefix: bytes


class Expire(Write[bool], frozen=True):
    """Let a key live ``ttl_ms`` from now on; 0 ends it at once. The result tells whether it was there.

    ``if_version`` as in ``Set``.
    """

    key: bytes
    ttl_ms: int
    if_version: int | None = None


class Persist(Write[bool], frozen=True):
    """Take a key's deadline away; the result tells whether it was there. ``if_version`` as in ``Set``."""

    key: bytes
    if_version: int | None = None


class Pair(msgspec.Struct, frozen=True):
    """One entry of a ``SetMany``."""

    key: bytes
    kind: Kind
    value: bytes
    ttl_ms: int | None = None


class SetMany(Write[None], frozen=True):
    """Store all pairs or none of them. Of two pairs with one key the later wins."""

    pairs: tuple[Pair, ...]


class PurgeExpired(Write[int], frozen=True):
    """Log the end of up to ``limit`` entries that are due. Sent by the expirer; the result is their number."""

    limit: int


# --- queries ---------------------------------------------------------------------------------------------


class Get(Query[Found | None], frozen=True):
    """The entry under a key."""

    key: bytes


class GetMany(Query[tuple[Found | None, ...]], frozen=True):
    """The entries under several keys, in the order asked."""

    keys: tuple[bytes, ...]


class Exists(Query[bool], frozen=True):
    """Whether there is an entry under a key."""

    key: bytes


class TimeToLive(Query[TimeLeft], frozen=True):
    """How long a key has still to live."""

    key: bytes


class Keys(Query[KeyPage], frozen=True):
    """The keys that match a glob pattern, in key order, at most ``limit``."""

    pattern: bytes
    limit: int


class Scan(Query[Page], frozen=True):
    """The live ones of the next ``limit`` keys under ``prefix`` after the key ``after`` (None: from the start).

    A page may hold fewer, where some are due, and the scan still goes on.
    """

    prefix: bytes
    after: bytes | None
    limit: int


class Count(Query[int], frozen=True):
    """The number of keys under a prefix."""

    prefix: bytes
