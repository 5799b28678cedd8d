"""Deadlines of entries whose values stay: touch, expire, persist."""

from synap.commands import Expire, GetTouch, Persist
from synap.errors import InvalidTtlError
from synap.keyspace.deciders.look import check_version, entry_at
from synap.keyspace.limits import Limits, deadline_after
from synap.keyspace.overlay import Overlay
from synap.results import Found

TOUCH_SLACK_PARTS = 10
"""A touch may leave a deadline as it is that lies up to this part of the time to live before what is asked for ..."""

TOUCH_SLACK_MAX_MS = 60_000
"""... but no more than a minute. A session is touched by every request; it need not be logged each time."""


def get_touch(command: GetTouch, overlay: Overlay, limits: Limits) -> Found | None:
    """See ``GetTouch``."""
    limits.check_key(command.key)
    deadline_ms = deadline_after(overlay.now_ms, command.ttl_ms)
    entry = overlay.live(command.key)
    if entry is None:
        return None
    deadline_ms = touched_deadline(entry[2], deadline_ms, command.ttl_ms)
    return Found(*overlay.move_deadline(command.key, entry, deadline_ms))


def touched_deadline(before_ms: int | None, asked_ms: int, ttl_ms: int) -> int:
    """The deadline after a touch: that which was asked for, or the one before where this is only a little later.

    So an entry ends at most a tenth of ``ttl_ms`` or 60 s (whichever is less) earlier than the last touch asked for,
    and never later: what asks for an earlier end gets it to the millisecond.
    """
    slack_ms = min(ttl_ms // TOUCH_SLACK_PARTS, TOUCH_SLACK_MAX_MS)
    return before_ms if before_ms is not None and 0 <= asked_ms - before_ms <= slack_ms else asked_ms


def expire(command: Expire, overlay: Overlay, limits: Limits) -> bool:
    """See ``Expire``."""
    limits.check_key(command.key)
    if command.ttl_ms < 0:
        raise InvalidTtlError("ttl must not be negative")
    deadline_ms = deadline_after(overlay.now_ms, command.ttl_ms) if command.ttl_ms else None
    entry = overlay.live(command.key)
    check_version(entry, command.if_version)
    if entry is None:
        return False
    if deadline_ms is None:
        overlay.delete(command.key)
    else:
        overlay.move_deadline(command.key, entry, deadline_ms)
    return True


def persist(command: Persist, overlay: Overlay, limits: Limits) -> bool:
    """See ``Persist``."""
    entry = entry_at(command.key, command.if_version, overlay, limits)
    if entry is not None:
        overlay.move_deadline(command.key, entry, None)
    return entry is not None
