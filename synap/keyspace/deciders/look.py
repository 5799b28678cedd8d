"""What nearly every decider begins with: the entry under a key, at the version that was expected."""

from synap.errors import VersionMismatchError
from synap.keyspace.limits import Limits
from synap.keyspace.overlay import Overlay
from synap.radix import Entry


def entry_at(key: bytes, if_version: int | None, overlay: Overlay, limits: Limits) -> Entry | None:
    """The live entry under a key, None where there is none. Refuses a key that cannot be, and another version."""
    limits.check_key(key)
    entry = overlay.live(key)
    check_version(entry, if_version)
    return entry


def check_version(entry: Entry | None, if_version: int | None) -> None:
    """Refuse where another version was expected than that of the entry."""
    if if_version is not None and if_version != version_of(entry):
        raise VersionMismatchError(if_version, None if entry is None else entry[3])


def version_of(entry: Entry | None) -> int:
    """The version of an entry, 0 where there is none."""
    return 0 if entry is None else entry[3]


def deadline_of(entry: Entry | None) -> int | None:
    """The deadline of an entry, None where there is neither."""
    return None if entry is None else entry[2]
