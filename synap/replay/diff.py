"""``diff``: what is different between two points."""

from collections import Counter
from typing import Annotated

import msgspec
import typer
from msgspec import UNSET, UnsetType

from synap.radix import Entry
from synap.replay.asof import Moment
from synap.replay.comparison import Change, Difference, compare
from synap.replay.invocation import Invocation
from synap.replay.lines import KEY_COLUMN
from synap.replay.records import Total, text_of
from synap.replay.render import Column, Listing
from synap.replay.text import bytes_text, duration, iso


class DifferenceRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key that differs. ``cause`` is what ended a *removed* one. A deadline of null is none."""

    change: str
    key: str
    key_base64: str | UnsetType = UNSET
    cause: str | UnsetType = UNSET
    version_before: int | UnsetType = UNSET
    version: int | UnsetType = UNSET
    deadline_before: str | UnsetType | None = UNSET
    deadline_before_ms: int | UnsetType | None = UNSET
    deadline: str | UnsetType | None = UNSET
    deadline_ms: int | UnsetType | None = UNSET


class DiffTotal(msgspec.Struct, frozen=True, kw_only=True):
    """How many keys differ in which way, between the event ``from_seq`` and ``to_seq``, each looked at at a time."""

    added: int
    changed: int
    extended: int
    shortened: int
    removed: int
    from_seq: int
    from_looked_at: str
    from_looked_at_ms: int
    to_seq: int
    to_looked_at: str
    to_looked_at_ms: int


def diff(
    invocation: Invocation,
    *,
    first: Annotated[str, typer.Argument(metavar="A", help="The earlier point.", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="B", help="The later point.", show_default=False)],
) -> int:
    """Show which keys differ between two points: added, changed, extended, shortened, removed."""
    output = invocation.output
    points = invocation.point(first), invocation.point(second)
    comparison = compare(invocation.source(), *points, output)
    counts: Counter[Change] = Counter()
    listing = Listing(output, _COLUMNS)
    if not output.as_json:
        listing.title()
    for difference in comparison.differences():
        counts[difference.change] += 1
        if output.as_json:
            output.records([_record(difference)])
        else:
            listing.line(_cells(difference))
    total = _total(counts, comparison.start, comparison.end)
    if output.as_json:
        output.records([Total(total)])
    else:
        output.text(_in_words(total))
    return 0


def _record(difference: Difference) -> DifferenceRecord:
    key, base64 = text_of(difference.key)
    before, after = difference.before, difference.after
    fields: dict[str, object] = {}
    if before is not None:
        fields |= {"version_before": before[3], "deadline_before": _iso(before[2]), "deadline_before_ms": before[2]}
    if after is not None:
        fields |= {"version": after[3], "deadline": _iso(after[2]), "deadline_ms": after[2]}
    cause = UNSET if difference.cause is None else difference.cause
    return DifferenceRecord(change=difference.change, key=key, key_base64=base64, cause=cause, **fields)  # type: ignore[arg-type]  # by name


def _iso(time_ms: int | None) -> str | None:
    return None if time_ms is None else iso(time_ms)


_STYLES = {"added": "green", "changed": "cyan", "extended": "blue", "shortened": "yellow", "removed": "red"}

_COLUMNS = (
    Column("change", 9, styles=_STYLES),
    Column("version", 10, right=True),
    Column("before", 10, right=True),
    Column("how", 14),
    Column("deadline", 24, style="dim"),
    KEY_COLUMN,
)


def _cells(difference: Difference) -> list[str]:
    before, after = difference.before, difference.after
    return [
        difference.change,
        "" if after is None else str(after[3]),
        "" if before is None else str(before[3]),
        difference.cause or _by(before, after),
        "" if after is None else "none" if after[2] is None else iso(after[2]),
        bytes_text(difference.key),
    ]


def _by(before: Entry | None, after: Entry | None) -> str:
    """How far the deadline moved, where there was one and is one."""
    if before is None or after is None or before[2] is None or after[2] is None or before[2] == after[2]:
        return ""
    moved_ms = after[2] - before[2]
    return f"{'+' if moved_ms > 0 else ''}{duration(moved_ms)}"


def _total(counts: Counter[Change], start: Moment, end: Moment) -> DiffTotal:
    return DiffTotal(
        added=counts[Change.ADDED],
        changed=counts[Change.CHANGED],
        extended=counts[Change.EXTENDED],
        shortened=counts[Change.SHORTENED],
        removed=counts[Change.REMOVED],
        from_seq=start.seq,
        from_looked_at=iso(start.now_ms),
        from_looked_at_ms=start.now_ms,
        to_seq=end.seq,
        to_looked_at=iso(end.now_ms),
        to_looked_at_ms=end.now_ms,
    )


def _in_words(total: DiffTotal) -> str:
    counts = ", ".join(f"{getattr(total, change):,} {change}" for change in Change)
    return f"{counts}: from seq {total.from_seq} ({total.from_looked_at}) to seq {total.to_seq} ({total.to_looked_at})"
