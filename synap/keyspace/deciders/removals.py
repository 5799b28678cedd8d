"""Entries that go: because a client says so, or because their time has come."""

from synap.commands import Delete, DeleteMany, DeletePrefix, Flush, GetDelete, PurgeExpired
from synap.errors import FlushOffError, InvalidValueError
from synap.keyspace.deciders.look import entry_at
from synap.keyspace.limits import Limits
from synap.keyspace.overlay import Overlay
from synap.results import Found

PURGE_MAX_BYTES = 1024 * 1024
"""Keys of one purge; 1,000 keys of the largest size would not fit a batch."""


def delete(command: Delete, overlay: Overlay, limits: Limits) -> bool:
    """See ``Delete``."""
    entry_at(command.key, command.if_version, overlay, limits)
    return _delete_if_live(command.key, overlay)


def get_delete(command: GetDelete, overlay: Overlay, limits: Limits) -> Found | None:
    """See ``GetDelete``."""
    entry = entry_at(command.key, command.if_version, overlay, limits)
    _delete_if_live(command.key, overlay)
    return None if entry is None else Found(*entry)


def delete_many(command: DeleteMany, overlay: Overlay, limits: Limits) -> int:
    """See ``DeleteMany``."""
    for key in command.keys:
        limits.check_key(key)
    return sum(_delete_if_live(key, overlay) for key in command.keys)


def _delete_if_live(key: bytes, overlay: Overlay) -> bool:
    if overlay.live(key) is None:
        return False
    overlay.delete(key)
    return True


def delete_prefix(command: DeletePrefix, overlay: Overlay, limits: Limits) -> int:
    """See ``DeletePrefix``."""
    if not command.prefix:
        raise InvalidValueError("prefix must not be empty")
    limits.check_key(command.prefix)
    return _delete_below(command.prefix, overlay)


def flush(_: Flush, overlay: Overlay, limits: Limits) -> int:
    """See ``Flush``. Every key begins with the empty prefix."""
    if not limits.flush_allowed:
        raise FlushOffError
    return _delete_below(b"", overlay)


def _delete_below(prefix: bytes, overlay: Overlay) -> int:
    count = overlay.count(prefix)
    if count:
        overlay.delete_prefix(prefix)
    return count


def purge_expired(command: PurgeExpired, overlay: Overlay, _: Limits) -> int:
    """See ``PurgeExpired``."""
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
