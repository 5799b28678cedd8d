"""The shapes of the JSON bodies of requests and responses; ``decoding`` says how bytes become the former.

Unknown fields are ignored. A field that is there must be of its type, and null is not "not there": what a
client computed wrongly must not silently switch an option off.
"""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from synap.protocol.http.service import Snapshot

# --- requests --------------------------------------------------------------------------------------------


class Expiry(msgspec.Struct, frozen=True):
    """The longer way to say when a value ends; ``type`` is one of ``ttl.UNITS``."""

    type: str
    value: Raw


class SetBody(msgspec.Struct, frozen=True):
    """POST /kv/set."""

    key: str
    value: Raw
    ttl: Raw | UnsetType = UNSET
    expiry: Expiry | UnsetType = UNSET
    nx: bool = False
    xx: bool = False
    keepttl: bool = False
    get: bool = False
    if_version: int | UnsetType = UNSET


class PairBody(msgspec.Struct, frozen=True):
    """One of the pairs of a batch write."""

    key: str
    value: Raw
    ttl: Raw | UnsetType = UNSET


class PairsBody(msgspec.Struct, frozen=True):
    """POST /kv/mset and /kv/msetnx. A pair may also be an array of key and value."""

    pairs: list[PairBody | tuple[str, Raw]]


class KeysBody(msgspec.Struct, frozen=True):
    """POST /kv/mget and /kv/mdel."""

    keys: list[str]


class TtlBody(msgspec.Struct, frozen=True):
    """POST /kv/expire/{key}."""

    ttl: Raw


class ValueBody(msgspec.Struct, frozen=True):
    """POST /kv/getset/{key}."""

    value: Raw


class TextBody(msgspec.Struct, frozen=True):
    """POST /kv/append/{key}. Text only: a number or an object has no end to write behind."""

    value: str


class RangeBody(msgspec.Struct, frozen=True):
    """POST /kv/setrange/{key}."""

    offset: int
    value: str


class AmountBody(msgspec.Struct, frozen=True):
    """POST /kv/incrby/{key} and /kv/decrby/{key}."""

    amount: int


class DestinationBody(msgspec.Struct, frozen=True):
    """POST /key/{key}/rename, /renamenx and /copy; ``replace`` is of no concern to the first two."""

    destination: str
    replace: bool = False


# --- responses -------------------------------------------------------------------------------------------


class SetResult(msgspec.Struct, frozen=True):
    """``version`` is what the key is at now; ``old_value`` is there if it was asked for and there was one."""

    success: bool
    key: str
    written: bool
    version: int
    old_value: Raw | UnsetType = UNSET


class DeleteResult(msgspec.Struct, frozen=True):
    """Whether the key was there."""

    deleted: bool
    key: str


class DeletedCount(msgspec.Struct, frozen=True):
    """How many keys were deleted."""

    deleted: int


class ExistsResult(msgspec.Struct, frozen=True):
    """Whether the key is there."""

    exists: bool


class KeyExistsResult(msgspec.Struct, frozen=True):
    """Whether this key is there."""

    key: str
    exists: bool


class KeyTypeResult(msgspec.Struct, frozen=True):
    """What Redis would say the key holds: "string", or "none" where it is missing."""

    key: str
    type: str


class RandomKeyResult(msgspec.Struct, frozen=True):
    """Any key, null where there is none."""

    key: str | None


class DestinationResult(msgspec.Struct, frozen=True):
    """Whether ``destination`` now holds what ``source`` held."""

    success: bool
    source: str
    destination: str


class MemoryResult(msgspec.Struct, frozen=True):
    """What an entry takes of the memory, for a program and for a person."""

    key: str
    bytes: int
    human: str


class IntegerResult(msgspec.Struct, frozen=True):
    """The number that the key holds now."""

    value: int


class LengthResult(msgspec.Struct, frozen=True):
    """How long the value is, in bytes."""

    length: int


class KeysResult(msgspec.Struct, frozen=True):
    """Keys that match; ``truncated`` where there are more than the limit."""

    keys: list[str]
    truncated: bool


class ScanResult(msgspec.Struct, frozen=True):
    """A page of keys; ``cursor`` asks for the next, null at the end."""

    keys: list[str]
    cursor: str | None


class CountResult(msgspec.Struct, frozen=True):
    """How many keys there are."""

    count: int


class ValuesResult(msgspec.Struct, frozen=True):
    """The values of a batch read, null for each key that is missing."""

    values: list[Raw]


class SuccessResult(msgspec.Struct, frozen=True):
    """It was done."""

    success: bool


class DeadlineResult(msgspec.Struct, frozen=True):
    """Whether the key was there, so that its deadline could be changed. Both say the same."""

    success: bool
    result: bool


class TtlResult(msgspec.Struct, frozen=True):
    """The time left in whole seconds, rounded down, and in ms; -1 without a deadline, -2 where missing."""

    ttl: int
    ttl_ms: int


class SnapshotTaken(msgspec.Struct, frozen=True):
    """A snapshot is durable at this path: the state after event ``seq``."""

    success: bool
    message: str
    snapshot_path: str
    seq: int


class SnapshotsResult(msgspec.Struct, frozen=True):
    """The snapshots, oldest first."""

    snapshots: tuple[Snapshot, ...]


class EventBody(msgspec.Struct, frozen=True):
    """What event ``seq`` changed; see ``results.Change``. ``prefix`` is there where all keys under it went at once."""

    seq: int
    time_ms: int
    type: str
    cause: str
    key: str | None
    prefix: str | UnsetType = UNSET
    version: int | None = None
    deadline_ms: int | None = None
    value: Raw | UnsetType = UNSET


class EventsResult(msgspec.Struct, frozen=True):
    """What happened, in order; ``seq`` is what ``after`` has to say the next time."""

    events: list[EventBody]
    seq: int
