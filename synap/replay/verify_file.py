"""One file, verified by itself: a segment, a snapshot, or ``STORE``, wherever it lies and whatever it is called."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

from synap.datadir import MAGIC as STORE_MAGIC
from synap.datadir import read_store_file
from synap.errors import DamagedError, NotOursError
from synap.events import Event
from synap.fs import FileSystem, read_all
from synap.recovery import events_of
from synap.replay.findings import Findings
from synap.snapshot.format import MAGIC as SNAPSHOT_MAGIC
from synap.snapshot.format import snapshot_name
from synap.snapshot.reader import SnapshotReader
from synap.wal.format import SEGMENT_MAGIC, segment_name, unpack_segment_header
from synap.wal.segment import SegmentReader
from synap.wholeness import check_whole

NOBODY = UUID(int=0)


def verify_file(fs: FileSystem, path: Path, findings: Findings, on_bytes: Callable[[int], None]) -> None:
    """Verify one file. Raises ``NotOursError`` where it is none of Synap's, ``NewerFormatError`` or ``OSError``."""
    with closing(fs.open(path)) as file:
        magic = file.read(0, len(SEGMENT_MAGIC))
    if magic == SEGMENT_MAGIC or path.suffix == ".wal":
        _verify_segment(fs, path, findings, on_bytes)
    elif magic == SNAPSHOT_MAGIC or path.suffix == ".snap":
        _verify_snapshot(fs, path, findings, on_bytes)
    elif magic == STORE_MAGIC or path.name == "STORE":
        try:
            read_store_file(fs, path)
        except DamagedError as damage:
            findings.damage(damage)
    else:
        raise NotOursError(path, f"{path} is no segment, no snapshot and no STORE of Synap")


def _verify_segment(fs: FileSystem, path: Path, findings: Findings, on_bytes: Callable[[int], None]) -> None:
    """A segment alone: nothing tells whether another one follows, so its end may be torn."""
    data = read_all(fs, path)
    header = unpack_segment_header(data)
    if header is None:
        findings.damaged(path, "the segment's header is damaged", offset=0)
        return
    # A reader takes the name for what the header says.
    named = path.with_name(segment_name(header.first_seq))
    if path.suffix == ".wal" and path.name != named.name:
        findings.damaged(path, f"the segment begins at seq {header.first_seq}: it was renamed", header.first_seq, 0)
    elif path.name != named.name:
        findings.note(path, f"a segment that was called {named.name}")
    segment = SegmentReader(named, data, header.store_id, is_last=True)
    try:
        for _ in decoded(segment, findings, on_bytes, path):
            pass
    except DamagedError as damage:
        findings.damage(damage, path)
        return
    findings.segments += 1
    findings.last_seq = segment.next_seq - 1
    if segment.torn is not None:
        findings.torn(segment.torn, segment.next_seq, path)


def _verify_snapshot(fs: FileSystem, path: Path, findings: Findings, on_bytes: Callable[[int], None]) -> None:
    try:
        with closing(SnapshotReader(fs, path)) as snapshot:
            count = counter(snapshot, on_bytes)
            check_whole(snapshot, count)
            count()
    except DamagedError as damage:
        findings.damage(damage)
        return
    name = snapshot_name(snapshot.header.last_seq)
    if path.name != name:
        findings.note(path, f"a snapshot that was called {name}")
    findings.snapshots += 1
    findings.entries += snapshot.footer.entry_count
    findings.last_seq, findings.digest = snapshot.header.last_seq, snapshot.footer.digest


# --- parts, also for the verification of a directory ------------------------------------------------------


def decoded(
    segment: SegmentReader, findings: Findings, on_bytes: Callable[[int], None], path: Path
) -> Iterator[tuple[int, list[Event] | None]]:
    """The first number and the events of each batch; None where they do not decode, which is then among the findings.

    ``on_bytes`` is told how many bytes were read. Raises as ``SegmentReader.frames``.
    """
    counted, offset = 0, segment.offset
    for frame in segment.frames():
        try:
            events = events_of(frame, path)
        except DamagedError as damage:
            findings.damaged(path, damage.reason, damage.seq, offset)
            yield frame.first_seq, None
        else:
            findings.events += len(events)
            yield frame.first_seq, events
        offset = segment.offset
        on_bytes(offset - counted)
        counted = offset
    on_bytes(segment.offset - counted)


def counter(snapshot: SnapshotReader, on_bytes: Callable[[int], None]) -> Callable[[], None]:
    """What, called again and again, tells how much of a snapshot was read since."""
    counted = 0

    def count() -> None:
        nonlocal counted
        on_bytes(snapshot.bytes_read - counted)
        counted = snapshot.bytes_read

    return count


def own_id(data: bytes) -> UUID:
    """Whose segment it says that it is."""
    header = unpack_segment_header(data)
    return NOBODY if header is None else header.store_id
