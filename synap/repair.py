"""Repair: giving up what lies behind damage, on purpose, with everything given up kept aside.

The server never starts on a damaged log by itself, because whatever it left out would vanish without a word. The
operator may decide that the events before the damage are worth more than waiting for a better copy.
"""

from pathlib import Path

import msgspec

from synap.datadir import DataDirectory
from synap.errors import DamagedError, SynapError
from synap.fs import read_all
from synap.wal.reader import segment_seqs
from synap.wal.segment import SegmentReader
from synap.wal.tail import cut_tail, set_aside


class RepairError(SynapError):
    """The log cannot be cut there; nothing was changed."""

    exit_code = 64


class RepairPlan(msgspec.Struct, frozen=True):
    """What cutting the log means: ``segment`` keeps its first ``offset`` bytes, ``removed`` go altogether.

    ``last_seq`` is the last event that stays. A frame is kept or given up whole, so it may be less than was asked for.
    """

    segment: Path
    offset: int
    removed: tuple[Path, ...]
    last_seq: int
    lost_bytes: int


def plan_repair(directory: DataDirectory, truncate_at: int) -> RepairPlan:
    """What it takes to end the log before the event ``truncate_at``; reads only.

    Raises ``RepairError`` where the log is damaged before that, or does not reach it.
    """
    fs, place = directory.fs, directory.wal_directory
    seqs = [seq for seq in segment_seqs(fs, place) if seq < truncate_at]
    if not seqs:
        raise RepairError(f"no segment begins before seq {truncate_at}; there is nothing that could be kept")
    later = tuple(place / f"{seq:020d}.wal" for seq in segment_seqs(fs, place) if seq >= truncate_at)
    path = place / f"{seqs[-1]:020d}.wal"
    data = read_all(fs, path)
    segment = SegmentReader(path, data, directory.store_id, is_last=True)
    offset, last_seq = segment.offset, segment.next_seq - 1
    try:
        for frame in segment.frames():
            if frame.first_seq + frame.count > truncate_at:
                break
            offset, last_seq = segment.offset, segment.next_seq - 1
    except DamagedError as damage:
        if segment.next_seq < truncate_at:
            raise RepairError(f"the log is damaged before seq {truncate_at} already: {damage}") from damage
    lost = len(data) - offset + sum(len(read_all(fs, gone)) for gone in later)
    return RepairPlan(path, offset, later, last_seq, lost)


def repair(directory: DataDirectory, plan: RepairPlan) -> list[Path]:
    """Cut the log as planned; return the files that hold what was cut off.

    The last segment goes first, so that an interrupted repair leaves a log that still ends in the same damage.
    """
    fs = directory.fs
    saved = [set_aside(fs, path, directory.quarantine) for path in reversed(plan.removed)]
    saved.append(cut_tail(fs, plan.segment, plan.offset, directory.quarantine))
    return saved
