"""``summary``: what there is, and whether it is whole."""

from collections.abc import Iterator
from contextlib import suppress

from synap.errors import DamagedError
from synap.replay.invocation import Invocation
from synap.replay.lines import TYPE_STYLES
from synap.replay.render import Column, Listing, Output
from synap.replay.source import Source
from synap.replay.summary_record import Health, Problem, SegmentRecord, SummaryRecord, record_of
from synap.replay.survey import survey
from synap.replay.text import printable, size

_EXIT_CODES = {Health.WHOLE: 0, Health.TORN: 1, Health.DAMAGED: 2}
_STYLES = {Health.WHOLE: "bold green", Health.TORN: "bold yellow", Health.DAMAGED: "bold red"}

_SHOWN_SEGMENTS = 20
"""Of more segments, text shows the first and the last ones."""


def summary(invocation: Invocation) -> int:
    """Show what there is, and whether it is whole.

    The exit code is 0 for whole, 1 for a torn end (of a write that was never acknowledged), 2 for damage.
    """
    output, source = invocation.output, invocation.source(expect_damage=True)
    with output.progress("reading", _total_bytes(source)) as meter:
        record = record_of(source, survey(source, meter), invocation.now_ms)
    if output.as_json:
        output.records([record])
    else:
        _show(output, record)
    return _EXIT_CODES[record.health]


def _total_bytes(source: Source) -> int:
    with suppress(DamagedError):
        snapshots = source.snapshot_seqs()
        return source.log_bytes() + sum(source.size_bytes(source.snapshot_path(seq)) for seq in snapshots[-1:])
    return 0


# --- as text ---------------------------------------------------------------------------------------------


def _show(output: Output, record: SummaryRecord) -> None:
    for name, text in _facts(record):
        output.styled((f"{name:<10}", "dim"), (text, _STYLES[record.health] if name == "health" else ""))
    listing = Listing(output, (Column("event", 14, styles=TYPE_STYLES), Column("", 12, right=True)))
    output.text("")
    for event, count in record.events.items():
        listing.line([event, f"{count:,}"])
    _show_segments(output, record)
    _show_snapshots(output, record)


def _facts(record: SummaryRecord) -> Iterator[tuple[str, str]]:
    yield "store", f"{record.store_id}, created {record.created}"
    yield "health", _health(record)
    for problem in record.problems[1:]:
        yield "", _place(problem)
    if record.last_seq is None:
        yield "log", "no event"
    else:
        yield "log", f"seq {record.first_seq} ({record.first_time}) to {record.last_seq} ({record.last_time})"
    yield (
        "",
        (
            f"{sum(record.events.values()):,} events in {record.batches:,} batches, {size(record.raw_bytes)} raw, "
            f"{size(record.log_bytes)} in {len(record.segments):,} segments"
        ),
    )
    if record.restarts is not None:
        yield "restarts", f"{record.restarts:,}"
    if record.keys is None:
        yield "keys", "nothing can be told of the state"
        return
    yield "keys", f"{record.keys:,} after seq {record.state_seq}, {record.with_deadline:,} with a deadline"
    if record.live_at_last_time is not None:
        yield "", f"{record.live_at_last_time:,} live at the log's last time, {record.state_time}"
    yield "", f"{record.live_now:,} live now by the wall clock, {record.looked_at}"


def _health(record: SummaryRecord) -> str:
    if record.health is Health.WHOLE:
        return "whole"
    name = "torn tail" if record.health is Health.TORN else "damaged"
    return f"{name}: {_place(record.problems[0])}"


def _place(problem: Problem) -> str:
    at = "" if problem.offset is None else f", byte {problem.offset:,}"
    return f"{problem.path}{at}, from seq {problem.seq} on: {printable(problem.reason)}"


def _show_segments(output: Output, record: SummaryRecord) -> None:
    segments = record.segments
    columns = (
        Column("segment", 20, right=True),
        Column("to", 12, right=True),
        Column("size", 10, right=True),
        Column("begun", 24, style="dim"),
        Column("epoch", 7, right=True),
        Column("", 6),
    )
    listing = Listing(output, columns)
    output.text("")
    listing.title()
    half = _SHOWN_SEGMENTS // 2
    for number, line in enumerate(segments):
        if len(segments) > _SHOWN_SEGMENTS and half <= number < len(segments) - half:
            if number == half:
                output.text(f"{'…':>20}  {len(segments) - _SHOWN_SEGMENTS:,} more")
            continue
        listing.line(_segment_cells(line))


def _segment_cells(line: SegmentRecord) -> list[str]:
    unread = line.last_seq is None
    is_empty = line.last_seq is not None and line.last_seq < line.first_seq
    return [
        str(line.first_seq),
        "" if unread else "empty" if is_empty else str(line.last_seq),
        size(line.size),
        line.created or "",
        "" if line.epoch is None else str(line.epoch),
        "unread" if unread else "sealed" if line.sealed else "",
    ]


def _show_snapshots(output: Output, record: SummaryRecord) -> None:
    if not record.snapshots:
        output.text("\nno snapshot")
        return
    columns = (
        Column("snapshot", 20, right=True),
        Column("entries", 12, right=True),
        Column("size", 10, right=True),
        Column("time", 24, style="dim"),
        Column("", 7, styles={"whole": "green", "damaged": "red"}),
    )
    listing = Listing(output, columns)
    output.text("")
    listing.title()
    for line in record.snapshots:
        entries = "" if line.entries is None else f"{line.entries:,}"
        whole = "whole" if line.whole else "damaged"
        listing.line([str(line.seq), entries, size(line.size), line.time or "", whole])
