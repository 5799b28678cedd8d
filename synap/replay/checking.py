"""``verify``: every byte of a directory or of one file, and all that is wrong with it."""

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from synap.datadir import Places, StoreDirectory
from synap.fs import FileSystem
from synap.keyspace import state_bytes
from synap.replay.findings import Finding, Findings, Verdict
from synap.replay.invocation import Invocation
from synap.replay.records import Total
from synap.replay.render import Column, Listing, Output
from synap.replay.text import printable
from synap.replay.verify import verify as verify_path
from synap.replay.verify_file import NOBODY

_STYLES = {Verdict.NOTE: "dim", Verdict.TORN: "bold yellow", Verdict.DAMAGED: "bold red"}
_WORDS = {Verdict.NOTE: "whole", Verdict.TORN: "whole but for a torn tail", Verdict.DAMAGED: "damaged"}


class FindingRecord(msgspec.Struct, frozen=True):
    """A finding: its ``verdict`` (note, torn, damaged), the file, the matter, from which event on, at which byte."""

    verdict: str
    path: str
    what: str
    seq: int | UnsetType = UNSET
    offset: int | UnsetType = UNSET


class VerifyTotal(msgspec.Struct, frozen=True, kw_only=True):
    """What was verified. ``verdict`` is whole, torn or damaged.

    ``last_seq`` and ``digest`` (of the state, in hexadecimal digits) are null where the end of the log, or what leads
    to it, is damaged.
    """

    verdict: str
    segments: int
    snapshots: int
    events: int
    entries: int
    last_seq: int | None
    digest: str | None


def verify(invocation: Invocation) -> int:
    """Check every byte, and name all that is wrong.

    Instead of a data directory, it can be a single segment, a single snapshot, or a file STORE. The exit code is 0 for
    whole, 1 for a torn end (of a write that was never acknowledged), 2 for damage.
    """
    fs, path, places = invocation.fs, invocation.data_dir, invocation.places
    output = invocation.output
    with output.progress("verifying", size_bytes(fs, path, places)) as meter:
        findings = verify_path(fs, path, places, meter.add)
    if output.as_json:
        output.records([*map(_record, findings.found), Total(_total(findings))])
    else:
        _show(output, findings, path)
    return findings.exit_code


def size_bytes(fs: FileSystem, path: Path, places: Places) -> int:
    """About how much there is to read: the length of a file, or of what is in a data directory."""
    return sum(_sizes(fs, path, places)) if fs.exists(path) else 0


def _sizes(fs: FileSystem, path: Path, places: Places) -> Iterator[int]:
    layout = StoreDirectory(fs, path, places, NOBODY)
    files = [path]
    if fs.is_directory(path):
        kept = [place for place in (layout.wal_directory, layout.snapshot_directory) if fs.is_directory(place)]
        files = [place / name for place in kept for name in fs.names(place)]
    for file in files:
        # What cannot be read will be said later; what was trimmed meanwhile need not be read.
        with suppress(OSError), closing(fs.open(file)) as opened:
            yield opened.size()


def _record(finding: Finding) -> FindingRecord:
    return FindingRecord(
        verdict=finding.verdict,
        path=printable(str(finding.path)),
        what=finding.what,
        seq=UNSET if finding.seq is None else finding.seq,
        offset=UNSET if finding.offset is None else finding.offset,
    )


def _total(findings: Findings) -> VerifyTotal:
    verdict = findings.verdict
    return VerifyTotal(
        verdict="whole" if verdict is Verdict.NOTE else verdict,
        segments=findings.segments,
        snapshots=findings.snapshots,
        events=findings.events,
        entries=findings.entries,
        last_seq=findings.last_seq,
        digest=None if findings.digest is None else state_bytes(findings.digest).hex(),
    )


# --- as text ---------------------------------------------------------------------------------------------

_COLUMNS = (
    Column("verdict", 7, styles={verdict.value: style for verdict, style in _STYLES.items()}),
    Column("from seq", 10, right=True),
    Column("at byte", 10, right=True),
    Column("file", 33, style="bold"),
    Column("what", 0),
)


def _show(output: Output, findings: Findings, path: Path) -> None:
    if findings.found:
        listing = Listing(output, _COLUMNS)
        listing.title()
        for finding in findings.found:
            listing.line(_cells(finding, path))
        output.text("")
    output.styled((_WORDS[findings.verdict], "bold green" if findings.exit_code == 0 else _STYLES[findings.verdict]))
    read = f"{findings.segments:,} segments with {findings.events:,} events"
    output.text(f"verified {read}, {findings.snapshots:,} snapshots with {findings.entries:,} entries")
    if findings.last_seq is not None:
        state = "" if findings.digest is None else f", digest of the state {state_bytes(findings.digest).hex()}"
        output.text(f"up to seq {findings.last_seq}{state}")


def _cells(finding: Finding, path: Path) -> list[str]:
    is_below = finding.path != path and finding.path.is_relative_to(path)
    place = finding.path.relative_to(path) if is_below else finding.path
    return [
        finding.verdict.value,
        "" if finding.seq is None else str(finding.seq),
        "" if finding.offset is None else f"{finding.offset:,}",
        printable(str(place)),
        printable(finding.what),
    ]
