"""Repair: giving up what lies behind damage, on purpose, with everything given up kept aside.

The server never starts on a damaged log by itself, because whatever it left out would vanish without a word. The
operator may decide that the events before the damage are worth more than waiting for a better copy.
"""

from pathlib import Path

import msgspec

from synap.datadir import DataDirectory
from synap.errors import DamagedError, RepairError
from synap.fs import read_all
from synap.wal.format import segment_name
from synap.wal.reader import LogReader
from synap.wal.tail import cut_tail, set_aside


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
    reader = LogReader(fs, place, directory.store_id)
    first_seq = min((*reader.first_seqs, truncate_at))
    cut: tuple[Path, int] | None = None
    last_seq = next_seq = 0
    try:
        for frame in reader.frames(first_seq, upto_seq=truncate_at - 1) if first_seq < truncate_at else ():
            next_seq = frame.first_seq + frame.count
            if next_seq <= truncate_at:
                cut, last_seq = reader.position, next_seq - 1
    except DamagedError as damage:
        raise RepairError(f"the log is damaged before seq {truncate_at} already: {damage}") from damage
    if cut is None:
        raise RepairError(f"no batch ends before seq {truncate_at}; there is nothing that could be kept")
    if next_seq < truncate_at:
        raise RepairError(f"the log ends at seq {last_seq} already")
    path, offset = cut
    later = tuple(found for seq in reader.first_seqs if (found := place / segment_name(seq)) > path)
    lost = len(read_all(fs, path)) - offset + sum(len(read_all(fs, gone)) for gone in later)
    return RepairPlan(path, offset, later, last_seq, lost)


def repair(directory: DataDirectory, plan: RepairPlan) -> list[Path]:
    """Cut the log as planned; return the files that hold what was cut off.

    The last segment goes first, so that an interrupted repair leaves a log that still ends in the same damage.
    """
    fs = directory.fs
    saved = [set_aside(fs, path, directory.quarantine) for path in reversed(plan.removed)]
    saved.append(cut_tail(fs, plan.segment, plan.offset, directory.quarantine))
    # An earlier repair may have been killed between a removal and its sync.
    fs.sync_directory(directory.wal_directory)
    return saved
