"""The life of one key: what each event did to what it found.

It found an entry, nothing, or, where the log no longer reaches back, something unknown. Events are facts: one that
deletes, expires or moves the deadline of a key says that there was an entry; only a prefix is deleted regardless.
"""

from enum import StrEnum
from typing import TypeAlias

import msgspec

from synap.events import DeadlineSet, EntrySet, Event, PrefixDeleted


class Effect(StrEnum):
    """What an event did."""

    CREATED = "created"
    REPLACED = "replaced"
    EXTENDED = "extended"
    SHORTENED = "shortened"
    ENDED = "ended"
    NONE = "none"
    UNKNOWN = "unknown"
    """Nobody knows what it found."""


class Alive(msgspec.Struct, frozen=True):
    """An entry. ``version``, and ``since_ms``, when that was set, are None where they are not known any more."""

    version: int | None
    deadline_ms: int | None
    since_ms: int | None


class Unknown(msgspec.Struct, frozen=True):
    """There may have been an entry or none."""


Found: TypeAlias = Alive | Unknown | None


class Step(msgspec.Struct, frozen=True):
    """An event of the key, what it found and what it left behind, what it did.

    ``lived_ms`` is how long the version lived that it ended or replaced; None where it did not, or nobody knows.
    """

    seq: int
    time_ms: int
    event: Event
    found: Found
    left: Found
    effect: Effect
    lived_ms: int | None


def step(found: Found, seq: int, time_ms: int, event: Event) -> Step:
    """What an event of the key does to what it finds."""
    left = _left(found, seq, time_ms, event)
    effect = _effect(found, event)
    lived_ms = None
    if effect in {Effect.REPLACED, Effect.ENDED} and isinstance(found, Alive) and found.since_ms is not None:
        lived_ms = time_ms - found.since_ms
    return Step(seq, time_ms, event, found, left, effect, lived_ms)


def _left(found: Found, seq: int, time_ms: int, event: Event) -> Found:
    if isinstance(event, EntrySet):
        return Alive(seq, event.deadline_ms, time_ms)
    if isinstance(event, DeadlineSet):
        known = found if isinstance(found, Alive) else Alive(None, None, None)
        return msgspec.structs.replace(known, deadline_ms=event.deadline_ms)
    return None


def _effect(found: Found, event: Event) -> Effect:
    if isinstance(event, EntrySet):
        return Effect.CREATED if found is None else Effect.REPLACED if isinstance(found, Alive) else Effect.UNKNOWN
    if isinstance(event, DeadlineSet):
        return _moved(found.deadline_ms, event.deadline_ms) if isinstance(found, Alive) else Effect.UNKNOWN
    if isinstance(event, PrefixDeleted) and not isinstance(found, Alive):
        return Effect.NONE if found is None else Effect.UNKNOWN
    return Effect.ENDED


def _moved(before_ms: int | None, after_ms: int | None) -> Effect:
    if before_ms == after_ms:
        return Effect.NONE
    is_later = after_ms is None or (before_ms is not None and after_ms > before_ms)
    return Effect.EXTENDED if is_later else Effect.SHORTENED
