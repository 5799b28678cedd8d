"""Events and entries as they are shown: the structs that become JSON, and the parts they share.

A key is text in ``key``; one that is no UTF-8, which only damage makes, has its bytes in ``key_base64`` beside it. A
value is in ``value`` (a string, or the JSON value itself) or, where it is neither, in ``value_base64``.
"""

from base64 import b64encode
from enum import StrEnum
from typing import TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from synap.commands import Kind
from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.radix import Entry
from synap.replay.text import KINDS, compact_json, iso

Value: TypeAlias = str | msgspec.Raw | UnsetType


class EventType(StrEnum):
    """What the types of events are called."""

    SET = "set"
    DELETED = "deleted"
    PREFIX_DELETED = "prefix_deleted"
    DEADLINE_SET = "deadline_set"
    EXPIRED = "expired"
    EVICTED = "evicted"


TYPES: dict[type[Event], EventType] = {
    EntrySet: EventType.SET,
    EntryDeleted: EventType.DELETED,
    PrefixDeleted: EventType.PREFIX_DELETED,
    DeadlineSet: EventType.DEADLINE_SET,
    EntryExpired: EventType.EXPIRED,
    EntryEvicted: EventType.EVICTED,
}


class EventRecord(msgspec.Struct, frozen=True, gc=False):
    """An event.

    ``type`` is an ``EventType``. It has a ``key`` or a ``prefix``. Of a *set*, there are ``kind`` (text, json, bytes)
    and ``size`` (of the value, bytes), of it and of a *deadline_set* the ``deadline`` (null: none) and the ``ttl_ms``
    that it meant at the time.
    """

    seq: int
    time: str
    time_ms: int
    type: str
    key: str | UnsetType = UNSET
    key_base64: str | UnsetType = UNSET
    prefix: str | UnsetType = UNSET
    prefix_base64: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    size: int | UnsetType = UNSET
    deadline: str | UnsetType | None = UNSET
    deadline_ms: int | UnsetType | None = UNSET
    ttl_ms: int | UnsetType = UNSET
    value: Value = UNSET
    value_base64: str | UnsetType = UNSET


class EntryRecord(msgspec.Struct, frozen=True, gc=False):
    """An entry: its ``kind``, the ``size`` of its value in bytes, what it has still to live, its ``version``."""

    key: str
    key_base64: str | UnsetType
    kind: str
    size: int
    ttl_ms: int | None
    deadline: str | None
    deadline_ms: int | None
    version: int
    value: Value = UNSET
    value_base64: str | UnsetType = UNSET


def event_record(seq: int, time_ms: int, event: Event, *, values: bool = False) -> EventRecord:
    """An event as it becomes JSON, with its value if ``values``."""
    time, kind = iso(time_ms), type(event)
    match event:
        case PrefixDeleted(prefix):
            text, base64 = text_of(prefix)
            return EventRecord(seq, time, time_ms, TYPES[kind], prefix=text, prefix_base64=base64)
        case EntrySet(key, kind_number, value, deadline_ms):
            text, base64 = text_of(key)
            shown, value_base64 = value_of(kind_number, value) if values else (UNSET, UNSET)
            return EventRecord(
                seq,
                time,
                time_ms,
                "set",
                text,
                base64,
                kind=KINDS[kind_number],
                size=len(value),
                deadline=None if deadline_ms is None else iso(deadline_ms),
                deadline_ms=deadline_ms,
                ttl_ms=UNSET if deadline_ms is None else deadline_ms - time_ms,
                value=shown,
                value_base64=value_base64,
            )
        case DeadlineSet(key, deadline_ms):
            text, base64 = text_of(key)
            return EventRecord(
                seq,
                time,
                time_ms,
                "deadline_set",
                text,
                base64,
                deadline=None if deadline_ms is None else iso(deadline_ms),
                deadline_ms=deadline_ms,
                ttl_ms=UNSET if deadline_ms is None else deadline_ms - time_ms,
            )
        case _:
            text, base64 = text_of(event.key)
            return EventRecord(seq, time, time_ms, TYPES[kind], text, base64)


def entry_record(key: bytes, entry: Entry, now_ms: int, *, values: bool = False) -> EntryRecord:
    """An entry as it becomes JSON, looked at at ``now_ms``; with its value if ``values``."""
    kind, value, deadline_ms, version = entry
    shown, value_base64 = value_of(kind, value) if values else (UNSET, UNSET)
    return EntryRecord(
        *text_of(key),
        kind=KINDS[kind],
        size=len(value),
        ttl_ms=None if deadline_ms is None else deadline_ms - now_ms,
        deadline=None if deadline_ms is None else iso(deadline_ms),
        deadline_ms=deadline_ms,
        version=version,
        value=shown,
        value_base64=value_base64,
    )


def text_of(key: bytes) -> tuple[str, str | UnsetType]:
    """A key or prefix as text, and in base64 where the text does not tell all of it."""
    try:
        return key.decode(), UNSET
    except UnicodeDecodeError:
        return key.decode("utf-8", "backslashreplace"), b64encode(key).decode()


def value_of(kind: int, value: bytes) -> tuple[Value, str | UnsetType]:
    """A value as it becomes JSON: itself, or in base64."""
    if kind == Kind.JSON and (json := compact_json(value)) is not None:
        return msgspec.Raw(json), UNSET
    if kind == Kind.TEXT:
        try:
            return value.decode(), UNSET
        except UnicodeDecodeError:
            pass
    return UNSET, b64encode(value).decode()


class Total(msgspec.Struct, frozen=True):
    """The last JSON line of some commands, told from the others by its one field."""

    total: object
