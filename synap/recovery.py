"""Recovery: what the server does before it serves. Reads the log, repeats what happened, cuts off what is torn.

Recovery can be interrupted anywhere and begun again with the same outcome: reading changes nothing, and cutting a torn
tail is done step by step (see ``wal/tail.py``).
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import msgspec

from synap.codec import decode_events
from synap.datadir import DataDirectory
from synap.errors import CodecError, DamagedError
from synap.keyspace import Keyspace
from synap.wal.interface import Frame
from synap.wal.reader import LogEnd, LogReader
from synap.wal.tail import cut_tail


class RecoveryReport(msgspec.Struct, frozen=True):
    """What recovery found: ``log_bytes`` in ``segments`` files, ``events`` applied, in ``duration_s`` seconds.

    ``clean`` tells whether the log had been closed. ``torn_bytes`` were being written when its writer was interrupted;
    a copy of them is in the file ``torn_copy``.
    """

    events: int
    segments: int
    log_bytes: int
    duration_s: float
    clean: bool
    torn_bytes: int
    torn_copy: Path | None


def recover(
    directory: DataDirectory, keyspace: Keyspace, on_progress: Callable[[float], None]
) -> tuple[LogEnd, RecoveryReport]:
    """Bring the keyspace to the end of the directory's log; return that end, and a report.

    ``on_progress`` is called with the share that is done, 0 to 1. Blocks. Raises ``DamagedError`` or
    ``NewerFormatError``, with the keyspace in an unknown state and the directory unchanged, or ``OSError``.
    """
    started_s = perf_counter()
    reader = LogReader(directory.fs, directory.wal_directory, directory.store_id)
    with _without_garbage_collection():
        events = replay(
            _reporting(reader, reader.frames(keyspace.seq + 1, distrust_cache=True), on_progress),
            keyspace,
            directory.wal_directory,
        )
    end = reader.end
    torn_copy = None
    if end.torn is not None:
        torn_copy = cut_tail(directory.fs, end.torn.path, end.torn.offset, directory.quarantine)
    return end, RecoveryReport(
        events=events,
        segments=len(end.first_seqs),
        log_bytes=reader.bytes_on_disk,
        duration_s=perf_counter() - started_s,
        clean=end.sealed,
        torn_bytes=0 if end.torn is None else end.torn.size,
        torn_copy=torn_copy,
    )


def replay(frames: Iterable[Frame], keyspace: Keyspace, place: Path) -> int:
    """Apply every event of the frames that the keyspace has not seen; return their number.

    ``place`` is named where the content of a frame makes no sense, as a ``DamagedError``.
    """
    applied = 0
    for frame in frames:
        try:
            events = decode_events(frame.payload)
        except CodecError as cause:
            raise DamagedError(place, str(cause), seq=frame.first_seq) from cause
        if len(events) != frame.count:
            reason = f"a batch of {frame.count:,} events holds {len(events):,}"
            raise DamagedError(place, reason, seq=frame.first_seq)
        known = max(0, keyspace.seq + 1 - frame.first_seq)
        for seq, event in enumerate(events[known:], frame.first_seq + known):
            keyspace.apply(seq, event)
        applied += max(0, len(events) - known)
    return applied


def _reporting(reader: LogReader, frames: Iterable[Frame], on_progress: Callable[[float], None]) -> Iterator[Frame]:
    """The frames, with ``on_progress`` called after each hundredth of the bytes."""
    total = reader.bytes_on_disk
    reported = 0.0
    for frame in frames:
        yield frame
        done = reader.bytes_read / total
        if done - reported >= 0.01:
            on_progress(done)
            reported = done


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Loading makes millions of objects and no garbage; looking for it would take most of the time.

    Afterwards the collector is told to leave alone what was loaded.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
