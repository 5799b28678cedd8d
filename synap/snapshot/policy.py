"""When a snapshot is due, and which ones are kept: decisions over numbers, without clock, files or tasks."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

_SPACES_IN_RETENTION = 4
"""So many snapshots, more or less, are kept for the retention time; the log then goes back a quarter longer at most."""


class SnapshotOptions(msgspec.Struct, frozen=True):
    """When snapshots are taken, and how long they and the log are kept.

    Without ``automatic``, only those are taken that are asked for; without ``enabled``, none. ``log_max_bytes`` and
    ``events_max`` hold for small stores: a large one waits for half of what its last snapshot has, so that the work of
    all folds together stays in proportion to what is written.
    """

    enabled: bool = True
    automatic: bool = True
    log_max_bytes: int = 64 * 1024 * 1024
    events_max: int = 1_000_000
    age_max_s: float = 3600.0
    keep_count: int = 2
    retention_s: float = 0.0


class SnapshotInfo(msgspec.Struct, frozen=True):
    """A snapshot that counts: the state after ``seq``, which the log reached at ``wall_ms``; made at ``created_ms``.

    Times are in ms since the epoch.
    """

    path: Path
    seq: int
    entries: int
    size_bytes: int
    created_ms: int
    wall_ms: int


class Since(msgspec.Struct, frozen=True):
    """What has come since the last snapshot, or since the start where there is none: events, log bytes, seconds."""

    events: int
    log_bytes: int
    age_s: float


def is_due(since: Since, newest: SnapshotInfo | None, options: SnapshotOptions) -> bool:
    """Whether it is time for the next snapshot."""
    if since.events == 0:
        return False
    size_bytes, entries = (0, 0) if newest is None else (newest.size_bytes, newest.entries)
    return (
        since.log_bytes >= max(options.log_max_bytes, size_bytes // 2)
        or since.events >= max(options.events_max, entries // 2)
        or since.age_s >= options.age_max_s
    )


def kept(
    snapshots: Sequence[SnapshotInfo], now_ms: int, options: SnapshotOptions
) -> tuple[list[SnapshotInfo], int | None]:
    """Of snapshots in ascending order, those to keep, and the event below which the log may go (None: it may not).

    The log stays as far back as the oldest of ``keep_count`` snapshots, so that any of them but one may turn out to be
    damaged. With a retention time, one snapshot from before it is kept, and all of the log since: from there the state
    at every moment within the time can be found. Some within the time are kept as well, to take its place one day.
    """
    if len(snapshots) < options.keep_count:
        return list(snapshots), None
    last = list(snapshots[-options.keep_count :])
    if options.retention_s <= 0:
        return last, last[0].seq + 1
    retention_ms = options.retention_s * 1000
    before = [snapshot for snapshot in snapshots if snapshot.wall_ms <= now_ms - retention_ms]
    within = _spaced(snapshots[max(0, len(before) - 1) :], retention_ms / _SPACES_IN_RETENTION)
    wanted = [snapshot for snapshot in snapshots if snapshot in within or snapshot in last]
    return wanted, wanted[0].seq + 1 if before else None


def _spaced(snapshots: Sequence[SnapshotInfo], space_ms: float) -> list[SnapshotInfo]:
    """The first one, and as few of the others as it takes to have none further away from the next than ``space_ms``.

    (Where they were further apart to begin with, all.) What was chosen is chosen again when there are more of them.
    """
    chosen = list(snapshots[:1])
    for snapshot, following in pairwise(snapshots[1:]):
        if following.wall_ms - chosen[-1].wall_ms > space_ms:
            chosen.append(snapshot)
    return chosen
