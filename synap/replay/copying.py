"""``backup``: a copy of a data directory, also of one that a server has. The command is ``synap backup``."""

from pathlib import Path

import msgspec

from synap.backup import BackupReport
from synap.backup import backup as backup_to
from synap.datadir import look_at_data_directory
from synap.replay.checking import size_bytes
from synap.replay.invocation import Invocation
from synap.replay.render import Meter
from synap.replay.text import iso, size


class BackupRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A copy: the same store up to ``last_seq``; ``snapshots`` are the numbers of those that are in it.

    ``damaged`` tells of snapshots that were not copied because they are not whole.
    """

    path: str
    store_id: str
    last_seq: int
    time: str
    time_ms: int
    snapshots: tuple[int, ...]
    segments: int
    size: int
    damaged: list[str]


def backup(invocation: Invocation, *, destination: Path) -> int:
    """Copy the data directory to a new one, also while a server writes to it."""
    fs, path, places, output = invocation.fs, invocation.data_dir, invocation.places, invocation.output
    source = look_at_data_directory(fs, path, places)
    total_bytes = size_bytes(fs, path, places)
    with output.progress("copying", total_bytes) as meter:
        report = backup_to(source, destination, _Share(meter, total_bytes).show)
    for damage in report.damaged:
        output.remark(f"a snapshot was left out: {damage}")
    if output.as_json:
        output.records([_record(destination, report)])
        return 0
    parts = f"{report.segments:,} segments, {len(report.snapshots):,} snapshots, {size(report.size_bytes)}"
    output.text(f"{destination} is a copy of the store {report.store_id}: {parts}")
    output.text(f"up to seq {report.last_seq} ({iso(report.wall_ms)})")
    return 0


class _Share:
    """A share of the work, shown in bytes. Where a copy is begun again, the bar waits."""

    def __init__(self, meter: Meter, total_bytes: int) -> None:
        self._meter = meter
        self._total_bytes = total_bytes
        self._shown_bytes = 0

    def show(self, share: float) -> None:
        """So much is done, of 1."""
        more = int(share * self._total_bytes) - self._shown_bytes
        if more > 0:
            self._meter.add(more)
            self._shown_bytes += more


def _record(path: Path, report: BackupReport) -> BackupRecord:
    return BackupRecord(
        path=str(path),
        store_id=str(report.store_id),
        last_seq=report.last_seq,
        time=iso(report.wall_ms),
        time_ms=report.wall_ms,
        snapshots=report.snapshots,
        segments=report.segments,
        size=report.size_bytes,
        damaged=[str(damage) for damage in report.damaged],
    )
