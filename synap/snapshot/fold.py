"""The fold: the next snapshot, made of the one before and the log since. A program: ``python -m synap.snapshot.fold``.

A process of its own does it, so that the server neither forks with all its memory nor walks its live tree: its only
pause is the rotation that seals the log behind the last event to be folded. The program reads a ``FoldRequest`` as JSON
from standard input, and writes a ``FoldReport``, or what went wrong as a ``FoldFailure``, as JSON to standard output.
Its one argument is the pid of the process that it works for (if not given: of whoever started it).

* Every checksum and chain value on the way is verified again, and the result is read back from the disk and verified,
  too. What it made counts only when the server has compared chain and digest, and has given it a snapshot's name.
* It never renames, deletes or locks anything, so that it can be killed at any time and leaves at most one file, under
  a temporary name, which the server removes.
* It holds what changed, not the state (``keyspace/changes.py``). Where that is more than ``changes_max_bytes``, it
  folds only up to the end of a segment on the way, and is simply asked to fold again.
* It is a good neighbour: lower priority, the first to be killed where memory is short, and no process without a parent.

An entry that is due, but not yet purged by an event, stays: the state at a sequence number is a pure function of the
log, and its digest is that of the server. For every reader it is absent all the same.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from itertools import chain
from pathlib import Path
from time import perf_counter
from uuid import UUID

import msgspec

from synap.errors import DamagedError, SnapshotFailedError, SynapError
from synap.fs import FileSystem, RealFileSystem
from synap.keyspace import Changes, Digest
from synap.radix import new_tree
from synap.recovery import events_of
from synap.snapshot.format import Row, SnapshotFooter, SnapshotHeader, snapshot_name
from synap.snapshot.reader import SnapshotReader
from synap.snapshot.writer import SnapshotWriter
from synap.wal.reader import LogReader
from synap.wal.segment import SegmentReader
from synap.wholeness import check_whole

CHANGES_MAX_BYTES = 512 * 1024 * 1024
"""What a fold may hold of changed keys and their values: several times what is usually folded at once."""

_NICENESS = 10

_OOM_SCORE = "500"
"""Where memory runs out, a fold, which can be repeated, is to go before the server (proc_pid_oom_score_adj(5))."""

_EXIT_FAILED = 1


class FoldRequest(msgspec.Struct, frozen=True):
    """Fold the events after the snapshot ``base_seq`` (None: from the log's beginning) up to ``upto_seq``.

    ``upto_seq`` is the last event of a sealed segment. ``output`` is the file to be made, ``now_ms`` the time that it
    bears (ms since the epoch), ``salt`` what its checksums begin with.
    """

    wal_directory: str
    snapshot_directory: str
    store_id: UUID
    base_seq: int | None
    upto_seq: int
    output: str
    now_ms: int
    salt: int
    changes_max_bytes: int = CHANGES_MAX_BYTES


class FoldReport(msgspec.Struct, frozen=True, tag="report"):
    """What was made: the state after ``last_seq``, of the base and ``events`` events since."""

    last_seq: int
    events: int
    entries: int
    size_bytes: int
    duration_s: float


class FoldFailure(msgspec.Struct, frozen=True, tag="failure"):
    """Why nothing was made.

    ``damaged`` names the file that is not whole, where that is the reason, ``errno`` the error of the operating system.
    """

    reason: str
    damaged: str | None = None
    errno: int | None = None


def fold(fs: FileSystem, request: FoldRequest, on_step: Callable[[], None] = lambda: None) -> FoldReport:
    """Make the file ``request.output``, and verify it.

    ``on_step`` is called again and again. Raises ``DamagedError`` where log or base are not whole,
    ``NewerFormatError``, ``OSError``, or ``SnapshotFailedError`` where what was written does not read back.
    """
    started_s = perf_counter()
    output = Path(request.output)
    with ExitStack() as opened:
        base = None
        if request.base_seq is not None:
            path = Path(request.snapshot_directory) / snapshot_name(request.base_seq)
            base = opened.enter_context(closing(SnapshotReader(fs, path, request.store_id)))
        changes, successor, wall_ms = _changes(fs, request, base, on_step)
        header = SnapshotHeader(
            salt=request.salt,
            store_id=request.store_id,
            last_seq=changes.seq,
            created_ms=request.now_ms,
            wall_ms=wall_ms,
            chain=successor.header.chain,
        )
        rows = iter(()) if base is None else chain.from_iterable(_stepping(base.blocks(), on_step))
        footer = _write(fs, output, header, changes.over(rows))
    size_bytes = _verify(fs, output, footer, on_step)
    return FoldReport(
        last_seq=changes.seq,
        events=changes.event_count,
        entries=footer.entry_count,
        size_bytes=size_bytes,
        duration_s=perf_counter() - started_s,
    )


def carry_out(
    fs: FileSystem, request: FoldRequest, on_step: Callable[[], None] = lambda: None
) -> FoldReport | FoldFailure:
    """As ``fold``, with what goes wrong as a value."""
    try:
        return fold(fs, request, on_step)
    except DamagedError as damage:
        return FoldFailure(str(damage), damaged=str(damage.path))
    except OSError as error:
        # Calls on an open file do not name it; the one that is written to is the likeliest.
        return FoldFailure(f"{error.strerror} ({error.filename or request.output})", errno=error.errno)
    except MemoryError:
        return FoldFailure("out of memory", errno=errno.ENOMEM)
    except SynapError as error:
        return FoldFailure(str(error))


def _changes(
    fs: FileSystem, request: FoldRequest, base: SnapshotReader | None, on_step: Callable[[], None]
) -> tuple[Changes, SegmentReader, int]:
    """The changes to fold, the segment that begins behind them, and the log time of their last event."""
    base_seq = request.base_seq or 0
    changes = Changes(new_tree(), base_seq)
    wall_ms = 0 if base is None else base.header.wall_ms
    reader = LogReader(fs, Path(request.wal_directory), request.store_id)
    for segment in reader.segments(base_seq + 1):
        first_seq = segment.header.first_seq
        if base is not None and first_seq == base_seq + 1 and segment.header.chain != base.header.chain:
            raise DamagedError(segment.path, f"it does not continue {base.path.name}", seq=first_seq, offset=0)
        if first_seq > request.upto_seq or changes.memory_bytes > request.changes_max_bytes:
            return changes, segment, wall_ms or segment.header.created_ms
        for frame in segment.frames():
            for seq, event in enumerate(events_of(frame, segment.path), frame.first_seq):
                changes.apply(seq, event)
            on_step()
        wall_ms = segment.wall_ms
    raise DamagedError(reader.directory, "the log ends before what is to be folded", seq=changes.seq + 1)


def _stepping(blocks: Iterator[list[Row]], on_step: Callable[[], None]) -> Iterator[list[Row]]:
    for block in blocks:
        on_step()
        yield block


def _write(fs: FileSystem, output: Path, header: SnapshotHeader, rows: Iterator[Row]) -> SnapshotFooter:
    digest = Digest()
    with closing(SnapshotWriter(fs, output, header)) as writer:
        for row in digest.of(rows):
            writer.add(row)
        return writer.finish(digest.value)


def _verify(fs: FileSystem, output: Path, footer: SnapshotFooter, on_step: Callable[[], None]) -> int:
    """Read back what was written, from the disk itself; return its length in bytes."""
    try:
        with closing(SnapshotReader(fs, output)) as written:
            written.distrust_cache()
            check_whole(written, on_step)
            if written.footer != footer:
                raise SnapshotFailedError(f"{output.name} has another footer than was written")
            return written.size_bytes
    except DamagedError as damage:
        raise SnapshotFailedError(f"what was written does not read back: {damage}") from damage


# --- the program -----------------------------------------------------------------------------------------


def main() -> None:
    """Carry out the request on standard input; end with code 0 and a report, or with 1 and a failure or a sentence."""
    parent = int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid()
    _be_a_good_neighbour()
    try:
        request = msgspec.json.decode(sys.stdin.buffer.read(), type=FoldRequest)
    except msgspec.DecodeError as error:
        sys.exit(f"a request was expected on standard input: {error}")
    outcome = carry_out(RealFileSystem(), request, _stop_if_orphaned(parent))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))
    sys.exit(_EXIT_FAILED if isinstance(outcome, FoldFailure) else 0)


def _be_a_good_neighbour() -> None:
    os.nice(_NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")


def _stop_if_orphaned(parent: int) -> Callable[[], None]:
    """What ends this process once its parent has, be it before this was called: nobody would use what it makes."""

    def check() -> None:
        if os.getppid() != parent:
            os._exit(_EXIT_FAILED)

    return check


if __name__ == "__main__":
    main()
