"""The shapes of the JSON bodies of answers, and what is said of them.

A docstring here is written for clients: it is what OpenAPI says of the answer.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from synap.protocol.http.description import JSON, Answer, Content, Field
from synap.protocol.http.service import Snapshot

Value = Annotated[Raw, Meta(description='What was set, as it was set. Octets inside of JSON are `{"base64": "..."}`.')]

ETAG = Field("ETag", "The version of the key, in quotes.", {"type": "string", "pattern": '^"[0-9]+"$'}, example='"17"')

SESSION = {"user": 42, "roles": ["admin"]}
"""A value for examples."""

_FORMS = (Content(JSON, Value), Content("application/octet-stream"))

VALUE = Answer(
    "The value: text as one JSON string, JSON as it was set, octets as octets; `null` where the key is missing. "
    "There is an `ETag` where it is not.",
    _FORMS,
    SESSION,
    (ETAG,),
)
"""What ``render.value_response`` makes."""

OLD_VALUE = Answer("The value that the key had before; `null` where it was missing.", _FORMS, SESSION)
"""What ``render.old_value_response`` makes."""


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong. `error` is a sentence for people, `type` a name that programs can rely on.

    The other fields are there where the error has them. `outcome` comes with every 5xx: "not_written", or "unknown"
    where the write may or may not have happened.
    """

    error: str
    code: int
    type: str
    field: Annotated[str, Meta(description="What of the request was wrong.")] | UnsetType = UNSET
    expected: Annotated[str, Meta(description="What would have been right.")] | UnsetType = UNSET
    limit: Annotated[int, Meta(description="The limit that the request is over.")] | UnsetType = UNSET
    unit: Annotated[str, Meta(description="What the limit counts.")] | UnsetType = UNSET
    current_version: Annotated[int | None, Meta(description="The version of the key; null where it is missing.")] | (
        UnsetType
    ) = UNSET
    needs: Annotated[str, Meta(description="What the credentials would have to allow.")] | UnsetType = UNSET
    earliest_seq: Annotated[int, Meta(description="The first event that the log still has.")] | UnsetType = UNSET
    outcome: Literal["not_written", "unknown"] | UnsetType = UNSET


class SetResult(msgspec.Struct, frozen=True, gc=False):
    """Whether it was written, and the version of the key; `old_value` is there if it was asked for and was there."""

    success: bool
    key: str
    written: bool
    version: int
    old_value: Value | UnsetType = UNSET


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
    """Whether `destination` now holds what `source` held."""

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
    """Keys that match; `truncated` where there are more than the limit."""

    keys: list[str]
    truncated: bool


class ScanResult(msgspec.Struct, frozen=True):
    """A page of keys; `cursor` asks for the next, null at the end."""

    keys: list[str]
    cursor: str | None


class CountResult(msgspec.Struct, frozen=True):
    """How many keys there are, expired ones not counted."""

    count: int


class ValuesResult(msgspec.Struct, frozen=True):
    """The values of a batch read, null for each key that is missing."""

    values: list[Value]


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


class Ready(msgspec.Struct, frozen=True):
    """Commands are accepted."""

    ready: Literal[True]


class NotReady(msgspec.Struct, frozen=True):
    """Commands are refused: what is waited for, and how far a recovery is, in percent."""

    ready: Literal[False]
    waiting_for: tuple[str, ...]
    recovery_percent: float | None


class SlowlogCleared(msgspec.Struct, frozen=True):
    """The slow log is empty; `cleared` is how many commands were in it."""

    success: bool
    cleared: int


class SnapshotTaken(msgspec.Struct, frozen=True):
    """A snapshot is durable at this path: the state after event `seq`."""

    success: bool
    message: str
    snapshot_path: str
    seq: int


class SnapshotsResult(msgspec.Struct, frozen=True):
    """The snapshots, oldest first."""

    snapshots: tuple[Snapshot, ...]


class EventBody(msgspec.Struct, frozen=True):
    """What event `seq` changed, and why. Where all keys under a prefix went at once, that is told instead of a key."""

    seq: int
    time_ms: Annotated[int, Meta(description="When, in milliseconds since the epoch.")]
    type: Annotated[str, Meta(description='"set", "deadline" (it moved) or "removed".')]
    cause: Annotated[
        str,
        Meta(description='"set", "deadline_set", "deleted", "prefix_deleted", "expired", "evicted" (memory is short).'),
    ]
    key: str | None
    prefix: str | UnsetType = UNSET
    version: int | None = None
    deadline_ms: int | None = None
    value: Value | UnsetType = UNSET


class EventsResult(msgspec.Struct, frozen=True):
    """What happened, in order; `seq` is what `after` has to say the next time."""

    events: list[EventBody]
    seq: int
