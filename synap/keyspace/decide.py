"""Writes to events and results. A new write is a decider and a row in ``_DECIDERS``.

A decider looks at the overlay, refuses with a ``CommandError`` *before* it records anything, and otherwise records the
events that make its result true. It reads no clock and no chance: the overlay says what time it is.
"""

from collections.abc import Callable
from typing import TypeVar, cast

from synap.commands import (
    Delete,
    DeleteMany,
    DeletePrefix,
    Expire,
    GetTouch,
    Persist,
    PurgeExpired,
    Set,
    SetMany,
    Write,
)
from synap.errors import CommandError, InvalidTtlError, InvalidValueError, VersionMismatchError
from synap.keyspace.limits import Limits, checked_deadline, deadline_after
from synap.keyspace.overlay import Overlay
from synap.radix import Entry
from synap.results import Found, Written

R = TypeVar("R")

PURGE_MAX_BYTES = 1024 * 1024
"""Keys of one purge; 1,000 keys of the largest size would not fit a batch."""


def decide(command: Write[R], overlay: Overlay, limits: Limits) -> R:
    """Record the events that carry out the command, and return its result.

    Raises ``CommandError`` where the command is refused; the overlay is then as it was before.
    """
    before = len(overlay.events)
    try:
        return cast("R", _DECIDERS[type(command)](command, overlay, limits))
    except CommandError:
        assert len(overlay.events) == before, "a refused command must leave no event"
        raise


def _set(command: Set, overlay: Overlay, limits: Limits) -> Written:
    limits.check_key(command.key)
    limits.check_value(command.value)
    current = overlay.live(command.key)
    version = _checked_version(current, command.if_version)
    deadline_ms = _deadline_of_set(command, current, overlay.now_ms)
    old = Found(*current) if current is not None and command.return_old else None
    refused_by = command.only_if_absent if current is not None else command.only_if_present
    if refused_by:
        return Written(written=False, version=version, old=old)
    version = overlay.set(command.key, command.kind, command.value, deadline_ms)
    return Written(written=True, version=version, old=old)


def _checked_version(entry: Entry | None, if_version: int | None) -> int:
    """The version of the entry, 0 where there is none. Refuses where another one was expected."""
    version = 0 if entry is None else entry[3]
    if if_version is not None and if_version != version:
        raise VersionMismatchError(if_version, None if entry is None else version)
    return version


def _deadline_of_set(command: Set, current: Entry | None, now_ms: int) -> int | None:
    if command.keep_ttl:
        return None if current is None else current[2]
    if command.deadline_ms is not None:
        return checked_deadline(now_ms, command.deadline_ms)
    return None if command.ttl_ms is None else deadline_after(now_ms, command.ttl_ms)


def _set_many(command: SetMany, overlay: Overlay, limits: Limits) -> None:
    deadlines_ms = []
    for pair in command.pairs:
        limits.check_key(pair.key)
        limits.check_value(pair.value)
        deadlines_ms.append(None if pair.ttl_ms is None else deadline_after(overlay.now_ms, pair.ttl_ms))
    for pair, deadline_ms in zip(command.pairs, deadlines_ms, strict=True):
        overlay.set(pair.key, pair.kind, pair.value, deadline_ms)


def _get_touch(command: GetTouch, overlay: Overlay, limits: Limits) -> Found | None:
    limits.check_key(command.key)
    deadline_ms = deadline_after(overlay.now_ms, command.ttl_ms)
    entry = overlay.live(command.key)
    return None if entry is None else Found(*overlay.move_deadline(command.key, entry, deadline_ms))


def _expire(command: Expire, overlay: Overlay, limits: Limits) -> bool:
    limits.check_key(command.key)
    if command.ttl_ms < 0:
        raise InvalidTtlError("ttl must not be negative")
    deadline_ms = deadline_after(overlay.now_ms, command.ttl_ms) if command.ttl_ms else None
    entry = overlay.live(command.key)
    _checked_version(entry, command.if_version)
    if entry is None:
        return False
    if deadline_ms is None:
        overlay.delete(command.key)
    else:
        overlay.move_deadline(command.key, entry, deadline_ms)
    return True


def _persist(command: Persist, overlay: Overlay, limits: Limits) -> bool:
    limits.check_key(command.key)
    entry = overlay.live(command.key)
    _checked_version(entry, command.if_version)
    if entry is not None:
        overlay.move_deadline(command.key, entry, None)
    return entry is not None


def _delete(command: Delete, overlay: Overlay, limits: Limits) -> bool:
    limits.check_key(command.key)
    _checked_version(overlay.live(command.key), command.if_version)
    return _delete_if_live(command.key, overlay)


def _delete_many(command: DeleteMany, overlay: Overlay, limits: Limits) -> int:
    for key in command.keys:
        limits.check_key(key)
    return sum(_delete_if_live(key, overlay) for key in command.keys)


def _delete_if_live(key: bytes, overlay: Overlay) -> bool:
    if overlay.live(key) is None:
        return False
    overlay.delete(key)
    return True


def _delete_prefix(command: DeletePrefix, overlay: Overlay, limits: Limits) -> int:
    if not command.prefix:
        raise InvalidValueError("prefix must not be empty")
    limits.check_key(command.prefix)
    count = overlay.count(command.prefix)
    if count:
        overlay.delete_prefix(command.prefix)
    return count


def _purge_expired(command: PurgeExpired, overlay: Overlay, _: Limits) -> int:
    purged = 0
    start_bytes = overlay.size_bytes
    for key in overlay.keyspace.tree.due(overlay.now_ms, command.limit):
        # A command of the same batch may have given the key a new life, or removed it.
        if overlay.stored(key) is None or overlay.live(key) is not None:
            continue
        overlay.expire(key)
        purged += 1
        if overlay.size_bytes - start_bytes > PURGE_MAX_BYTES:
            break
    return purged


_DECIDERS: dict[type[Write[object]], Callable[..., object]] = {
    Set: _set,
    SetMany: _set_many,
    GetTouch: _get_touch,
    Expire: _expire,
    Persist: _persist,
    Delete: _delete,
    DeleteMany: _delete_many,
    DeletePrefix: _delete_prefix,
    PurgeExpired: _purge_expired,
}
