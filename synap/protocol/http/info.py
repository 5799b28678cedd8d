"""What an operator wants to know, in sections; ``Info`` is the body of the answer as well.

A docstring here is written for clients: it is what OpenAPI says of the section.
"""

import msgspec
from msgspec import UNSET, UnsetType


class ServerInfo(msgspec.Struct, frozen=True):
    """The process. `radix` is the implementation of the tree that holds the keys."""

    version: str
    python: str
    radix: str
    pid: int
    host: str
    port: int
    uptime_secs: int


class MemoryInfo(msgspec.Struct, frozen=True):
    """What keys, values and their tree take (`used_bytes`), and the process. Without a limit, `limit_bytes` is null."""

    used_bytes: int
    resident_bytes: int
    virtual_bytes: int
    limit_bytes: int | None
    eviction_policy: str


class StatsInfo(msgspec.Struct, frozen=True):
    """What was done since the start, in keys; `hit_rate` goes from 0 to 1."""

    gets: int
    sets: int
    dels: int
    hits: int
    misses: int
    hit_rate: float
    expired_keys: int
    evicted_keys: int


class LastSnapshot(msgspec.Struct, frozen=True):
    """The state after event `seq`, on the disk."""

    seq: int
    created_at: str
    size_bytes: int


class PersistenceInfo(msgspec.Struct, frozen=True):
    """The log and the snapshots. `seq` is the last event's; `snapshot_error` says why the last one tried is not there.

    Where nothing is kept, there is no directory and no mode.
    """

    enabled: bool
    fsync_mode: str | None
    directory: str | None
    seq: int
    log_bytes: int
    log_segments: int
    recovery_secs: float
    snapshots: int
    last_snapshot: LastSnapshot | None
    snapshot_error: str | None


class KeyspaceInfo(msgspec.Struct, frozen=True):
    """How many keys there are, expired ones not counted."""

    keys: int


class Info(msgspec.Struct, frozen=True):
    """What an operator wants to know. Where one section was asked for, only that is there."""

    server: ServerInfo | UnsetType = UNSET
    memory: MemoryInfo | UnsetType = UNSET
    stats: StatsInfo | UnsetType = UNSET
    persistence: PersistenceInfo | UnsetType = UNSET
    keyspace: KeyspaceInfo | UnsetType = UNSET


SECTIONS = Info.__struct_fields__
"""The names of the sections."""


def only(section: str | None, info: Info) -> Info:
    """One section, all of them for None."""
    return info if section is None else Info(**{section: getattr(info, section)})
