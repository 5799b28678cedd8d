"""Whole values: set, one or several."""

from synap.commands import Set, SetMany
from synap.keyspace.deciders.look import deadline_of, entry_at, version_of
from synap.keyspace.limits import Limits, checked_deadline, deadline_after
from synap.keyspace.overlay import Overlay
from synap.radix import Entry
from synap.results import Found, Written


def set_value(command: Set, overlay: Overlay, limits: Limits) -> Written:
    """See ``Set``."""
    limits.check_value_size(len(command.value))
    if not (
        command.keep_ttl
        or command.only_if_absent
        or command.only_if_present
        or command.return_old
        or command.if_version is not None
    ):
        # Nothing depends on what is there, as with nearly every write.
        limits.check_key(command.key)
        deadline_ms = _deadline_of_set(command, None, overlay.now_ms)
        return Written(written=True, version=overlay.set(command.key, command.kind, command.value, deadline_ms))
    current = entry_at(command.key, command.if_version, overlay, limits)
    deadline_ms = _deadline_of_set(command, current, overlay.now_ms)
    old = Found(*current) if current is not None and command.return_old else None
    refused_by = command.only_if_absent if current is not None else command.only_if_present
    if refused_by:
        return Written(written=False, version=version_of(current), old=old)
    version = overlay.set(command.key, command.kind, command.value, deadline_ms)
    return Written(written=True, version=version, old=old)


def _deadline_of_set(command: Set, current: Entry | None, now_ms: int) -> int | None:
    if command.keep_ttl:
        return deadline_of(current)
    if command.deadline_ms is not None:
        return checked_deadline(now_ms, command.deadline_ms)
    return None if command.ttl_ms is None else deadline_after(now_ms, command.ttl_ms)


def set_many(command: SetMany, overlay: Overlay, limits: Limits) -> bool:
    """See ``SetMany``."""
    deadlines_ms = []
    for pair in command.pairs:
        limits.check_key(pair.key)
        limits.check_value(pair.value)
        deadlines_ms.append(None if pair.ttl_ms is None else deadline_after(overlay.now_ms, pair.ttl_ms))
    if command.only_if_absent and any(overlay.live(pair.key) is not None for pair in command.pairs):
        return False
    for pair, deadline_ms in zip(command.pairs, deadlines_ms, strict=True):
        overlay.set(pair.key, pair.kind, pair.value, deadline_ms)
    return True
