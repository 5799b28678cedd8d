"""The summary as it becomes JSON: all that a survey found, in one struct."""

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from synap.replay.records import TYPES
from synap.replay.source import Source
from synap.replay.survey import SegmentLine, SnapshotLine, Survey
from synap.replay.text import iso, printable


class Health(StrEnum):
    """``torn``: the log ends in a write that was never acknowledged. ``damaged``: something that was whole is not."""

    WHOLE = "whole"
    TORN = "torn"
    DAMAGED = "damaged"


class SegmentRecord(msgspec.Struct, frozen=True):
    """A segment file of ``size`` bytes; null where it cannot be read."""

    first_seq: int
    last_seq: int | None
    size: int
    created: str | None
    created_ms: int | None
    epoch: int | None
    sealed: bool


class SnapshotRecord(msgspec.Struct, frozen=True):
    """A snapshot file of ``size`` bytes: the state after ``seq``, logged at ``time``; null where that is not known."""

    seq: int
    size: int
    time: str | None
    time_ms: int | None
    entries: int | None
    whole: bool


class Problem(msgspec.Struct, frozen=True):
    """What is not whole: the file, the byte (null: all of it), the first event that is affected, and why."""

    path: str
    offset: int | None
    seq: int
    reason: str


class SummaryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A directory.

    ``events`` counts what the log still holds, by type; ``raw_bytes`` are its batches before compression, ``log_bytes``
    and ``snapshot_bytes`` the files. ``openings`` is how often a server opened the store, ``restarts`` one less.
    ``keys`` are all entries after the event ``state_seq``, ``with_deadline`` those that have one; ``live_at_last_time``
    of them were not due when that event was logged (``state_time``), ``live_now`` are not due at ``looked_at``, by the
    wall clock. Null is what cannot be told.
    """

    store_id: str
    created: str
    created_ms: int
    health: Health
    problems: list[Problem]
    segments: list[SegmentRecord]
    snapshots: list[SnapshotRecord]
    first_seq: int | None
    first_time: str | None
    first_time_ms: int | None
    last_seq: int | None
    last_time: str | None
    last_time_ms: int | None
    events: dict[str, int]
    batches: int
    raw_bytes: int
    log_bytes: int
    snapshot_bytes: int
    openings: int | None
    restarts: int | None
    state_seq: int | None
    state_time: str | None
    state_time_ms: int | None
    keys: int | None
    with_deadline: int | None
    live_at_last_time: int | None
    live_now: int | None
    looked_at: str
    looked_at_ms: int


def record_of(source: Source, found: Survey, now_ms: int) -> SummaryRecord:
    """What a survey found, looked at at ``now_ms``."""
    census, segments, state_ms = found.census, found.segments.values(), found.state_ms
    first_seq, first_ms = found.first or (None, None)
    last_seq, last_ms = found.last or (None, None)
    openings = max((line.epoch for line in segments if line.epoch is not None), default=None)
    return SummaryRecord(
        store_id=str(source.directory.store_id),
        created=iso(source.created_ms),
        created_ms=source.created_ms,
        health=Health.DAMAGED if found.damages else Health.TORN if found.torn else Health.WHOLE,
        problems=list(_problems(found)),
        segments=[_segment(line) for line in segments],
        snapshots=[_snapshot(line) for line in found.snapshots],
        first_seq=first_seq,
        first_time=_iso(first_ms),
        first_time_ms=first_ms,
        last_seq=last_seq,
        last_time=_iso(last_ms),
        last_time_ms=last_ms,
        events={name: found.counts[event] for event, name in TYPES.items()},
        batches=found.batches,
        raw_bytes=found.raw_bytes,
        log_bytes=sum(line.size for line in segments),
        snapshot_bytes=sum(line.size for line in found.snapshots),
        openings=openings,
        restarts=None if openings is None else max(0, openings - 1),
        state_seq=None if census is None else census.seq,
        state_time=_iso(state_ms),
        state_time_ms=state_ms,
        keys=None if census is None else census.keys,
        with_deadline=None if census is None else census.with_deadline,
        live_at_last_time=None if census is None or state_ms is None else census.live(state_ms),
        live_now=None if census is None else census.live(now_ms),
        looked_at=iso(now_ms),
        looked_at_ms=now_ms,
    )


def _problems(found: Survey) -> Iterator[Problem]:
    for damage in found.damages:
        yield Problem(printable(str(damage.path)), damage.offset, damage.seq, damage.reason)
    if found.torn is not None:
        torn = found.torn
        last_seq = 0 if found.last is None else found.last[0]
        yield Problem(printable(str(torn.path)), torn.offset, last_seq + 1, f"torn, {torn.size:,} bytes: {torn.reason}")


def _segment(line: SegmentLine) -> SegmentRecord:
    created_ms = line.created_ms
    return SegmentRecord(
        line.first_seq, line.last_seq, line.size, _iso(created_ms), created_ms, line.epoch, line.sealed
    )


def _snapshot(line: SnapshotLine) -> SnapshotRecord:
    return SnapshotRecord(line.seq, line.size, _iso(line.time_ms), line.time_ms, line.entries, line.damage is None)


def _iso(time_ms: int | None) -> str | None:
    return None if time_ms is None else iso(time_ms)
