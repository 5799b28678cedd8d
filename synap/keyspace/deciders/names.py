"""The same value under another key: rename and copy. Kind and deadline go with it; the version is a new one."""

from synap.commands import Copy, Rename
from synap.errors import KeyExistsError, MissingKeyError
from synap.keyspace.deciders.look import check_version
from synap.keyspace.limits import Limits
from synap.keyspace.overlay import Overlay
from synap.radix import Entry


def rename(command: Rename, overlay: Overlay, limits: Limits) -> None:
    """See ``Rename``. Onto itself it changes nothing, and a key is always there for ``only_if_absent``."""
    kind, value, deadline_ms, _ = _source(command, overlay, limits)
    if command.only_if_absent and overlay.live(command.destination) is not None:
        raise KeyExistsError
    if command.destination != command.key:
        # In this order: as of the number in between, the value is there twice, and not lost.
        overlay.set(command.destination, kind, value, deadline_ms)
        overlay.delete(command.key)


def copy(command: Copy, overlay: Overlay, limits: Limits) -> bool:
    """See ``Copy``. Onto itself it changes nothing, and succeeds with ``replace``."""
    kind, value, deadline_ms, _ = _source(command, overlay, limits)
    # The limit may be a lower one than when the value was set, and this would be one more of its size.
    limits.check_value(value)
    if not command.replace and overlay.live(command.destination) is not None:
        return False
    if command.destination != command.key:
        overlay.set(command.destination, kind, value, deadline_ms)
    return True


def _source(command: Rename | Copy, overlay: Overlay, limits: Limits) -> Entry:
    """The live entry to take, at the version expected. That there is none counts before that (RFC 9110, 13.2.1)."""
    limits.check_key(command.key)
    limits.check_key(command.destination, "destination")
    entry = overlay.live(command.key)
    if entry is None:
        raise MissingKeyError
    check_version(entry, command.if_version)
    return entry
