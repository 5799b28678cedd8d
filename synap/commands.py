"""Commands: what a client may wish for. A wish can be refused; what came of it is an event.

A command is a frozen struct of plain fields, already free of JSON, HTTP and relative anything except the
time to live. Its type parameter is the type of its result, so that ``await store.execute(Set(...))`` is
known to give a ``Written``. Two kinds:

* a ``Write`` goes through the committer and is decided in order, one after the other;
* a ``Query`` is answered from the tree, at once unless it is a ``Walk``.

Limits are checked where a command is decided or answered (``keyspace``), so that every door has the same.
"""

from enum import IntEnum
from typing import Generic, TypeVar

import msgspec

from synap.results import Found, KeyPage, Page, Timed, TimeLeft, Written

R_co = TypeVar("R_co", covariant=True)


class Kind(IntEnum):
    """What the client set, so that a read gives the same thing back. The numbers are stored."""

    TEXT = 0
    """A JSON string; the value is its UTF-8."""
    JSON = 1
    """Any other JSON value; the value is its JSON text, digit for digit."""
    BYTES = 2
    """Raw octets."""


class Command(msgspec.Struct, Generic[R_co], frozen=True, gc=False):
    """Base of all commands; ``R_co`` is the type of the result.

    As nothing in a command can lead back to it, the garbage collector need not know of it, nor of its subclasses.
    """


class Write(Command[R_co], frozen=True):
    """A command that may change something."""


class Query(Command[R_co], frozen=True):
    """A command that only looks."""


class Walk(Query[R_co], frozen=True):
    """A query that may look at so many keys that others get a turn in between."""


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
    """Read a key and let it live ``ttl_ms`` from now on, in one step; ``touched_deadline`` says how exactly."""

    key: bytes
    ttl_ms: int


class GetDelete(Write[Found | None], frozen=True):
    """Read a key and remove it, in one step. ``if_version`` as in ``Set``."""

    key: bytes
    if_version: int | None = None


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


class Flush(Write[int], frozen=True):
    """Remove every key there is, in one event; the result is their number. Refused unless the store allows it."""


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


class Pair(msgspec.Struct, frozen=True, gc=False):
    """One entry of a ``SetMany``."""

    key: bytes
    kind: Kind
    value: bytes
    ttl_ms: int | None = None


class SetMany(Write[bool], frozen=True):
    """Store all pairs or none of them; the result tells whether they were. Of two pairs with one key the later wins.

    ``only_if_absent`` stores none of them where one of the keys is there.
    """

    pairs: tuple[Pair, ...]
    only_if_absent: bool = False


class Increment(Write[int], frozen=True):
    """Add ``amount`` to the integer that a key holds, 0 where it is missing; the result is the sum.

    The deadline stays, and ``if_version`` is as in ``Set``, here and in the two commands below.
    """

    key: bytes
    amount: int
    if_version: int | None = None


class Append(Write[int], frozen=True):
    """Write text (its UTF-8) behind what a key holds, if it holds anything; the result is the length in bytes."""

    key: bytes
    value: bytes
    if_version: int | None = None


class SetRange(Write[int], frozen=True):
    """Write text over what a key holds, from the byte ``offset`` on; the result is the length in bytes.

    Zeros fill what lies between the old end and ``offset``.
    """

    key: bytes
    offset: int
    value: bytes
    if_version: int | None = None


class Rename(Write[None], frozen=True):
    """Let ``destination`` hold what a key held, value and deadline, and the key nothing.

    Raises ``MissingKeyError`` where there is no such key, and, with ``only_if_absent``, ``KeyExistsError`` where
    ``destination`` is there. ``if_version`` is that of ``key``.
    """

    key: bytes
    destination: bytes
    only_if_absent: bool = False
    if_version: int | None = None


class Copy(Write[bool], frozen=True):
    """Let ``destination`` hold what a key holds, value and deadline; the result tells whether it does.

    It does not where it is there already, unless ``replace``. Otherwise as ``Rename``.
    """

    key: bytes
    destination: bytes
    replace: bool = False
    if_version: int | None = None


class PurgeExpired(Write[int], frozen=True):
    """Log the end of up to ``limit`` entries that are due. Sent by the expirer; the result is their number."""

    limit: int


class Evict(Write[int], frozen=True):
    """Log the removal of up to ``limit`` entries where more memory is taken than may be. Sent by the evictor.

    The result is their number.
    """

    limit: int


# --- queries ---------------------------------------------------------------------------------------------


class Get(Query[Found | None], frozen=True):
    """The entry under a key."""

    key: bytes


class GetTimed(Query[Timed | None], frozen=True):
    """The entry under a key, and how long it has still to live."""

    key: bytes


class GetRange(Query[Found | None], frozen=True):
    """The entry under a key with only the bytes from ``start`` to ``end`` of its value, both included.

    Negative ones count from the end, -1 is the last byte. A part of JSON is text. Of a text, each character that the
    range cuts becomes U+FFFD, the replacement character.
    """

    key: bytes
    start: int
    end: int


class Length(Query[int], frozen=True):
    """How many bytes the value under a key has, 0 where it is missing."""

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


class MemoryUsage(Query[int], frozen=True):
    """How many bytes of memory the entry under a key takes, 0 where it is missing."""

    key: bytes


class RandomKey(Walk[bytes | None], frozen=True):
    """Any key, each as likely as the others; None where there is none."""


class Keys(Walk[KeyPage], frozen=True):
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
