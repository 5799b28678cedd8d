"""``get``: one entry with its value, as of a point."""

import os
from functools import partial
from typing import Annotated

import msgspec
import typer

from synap.commands import Kind
from synap.keyspace import Keyspace
from synap.keyspace.state import is_due
from synap.radix import Entry, new_tree
from synap.replay.asof import Moment, Stretch, load_base, steadily
from synap.replay.invocation import Invocation
from synap.replay.points import Point
from synap.replay.records import EntryRecord, entry_record
from synap.replay.render import Output
from synap.replay.selection import Selection
from synap.replay.source import Source
from synap.replay.text import KINDS, bytes_text, compact_json, duration, iso, value_text
from synap.snapshot.reader import SnapshotReader

_EXIT_ABSENT = 1


class FoundRecord(EntryRecord, frozen=True, kw_only=True, gc=False):
    """The entry as it was after the event ``as_of_seq``, looked at at ``looked_at``."""

    as_of_seq: int
    looked_at: str
    looked_at_ms: int


def find_entry(source: Source, key: bytes, point: Point, output: Output) -> tuple[Entry | None, Moment]:
    """The entry under a key as of a point, due or not; None where there is none.

    Of a snapshot, only the index and a block are read; of the log behind it, only batches that may hold the key are
    decoded. Raises as ``asof.state_at``.
    """
    selection = Selection(key=key)

    def look() -> tuple[Entry | None, Moment]:
        base, keyspace = load_base(source, point, partial(_load_one, key), output.remark)
        with output.progress("reading", source.log_bytes(base.seq + 1)) as meter:
            stretch = Stretch(source, base, point, meter)
            for batch in stretch.batches(selection.may_be_in):
                for seq, event in selection.of(batch.first_seq, batch.events):
                    keyspace.apply(seq, event)
        return keyspace.tree.get(key), stretch.moment

    return steadily(source, look)


def _load_one(key: bytes, snapshot: SnapshotReader | None) -> Keyspace:
    """A state that knows nothing but this key."""
    keyspace = Keyspace(new_tree())
    if snapshot is not None and (row := snapshot.find(key)) is not None:
        keyspace.load(snapshot.header.last_seq, [row])
    return keyspace


def get(
    invocation: Invocation,
    *,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key, all of it.", show_default=False)],
    at: Annotated[str, typer.Option(metavar="POINT", help="When.")] = "now",
) -> int:
    """Show one entry with its value. The exit code is 1 where there is none."""
    output, wanted = invocation.output, os.fsencode(key)
    entry, moment = find_entry(invocation.source(), wanted, invocation.point(at), output)
    if entry is None or is_due(entry, moment.now_ms):
        was = "" if entry is None else f": its deadline was {iso(entry[2] or 0)}"
        output.remark(f"there is no {bytes_text(wanted)} after seq {moment.seq}, at {iso(moment.now_ms)}{was}")
        return _EXIT_ABSENT
    if output.as_json:
        record = entry_record(wanted, entry, moment.now_ms, values=True)
        found = FoundRecord(
            **msgspec.structs.asdict(record),
            as_of_seq=moment.seq,
            looked_at=iso(moment.now_ms),
            looked_at_ms=moment.now_ms,
        )
        output.records([found])
    else:
        _show(output, wanted, entry, moment)
    return 0


def _show(output: Output, key: bytes, entry: Entry, moment: Moment) -> None:
    kind, value, deadline_ms, version = entry
    left = "none" if deadline_ms is None else f"{iso(deadline_ms)} (in {duration(deadline_ms - moment.now_ms)})"
    for name, text in (
        ("key", bytes_text(key)),
        ("kind", f"{KINDS[kind]}, {len(value):,} bytes"),
        ("version", str(version)),
        ("deadline", left),
        ("as of", f"seq {moment.seq}, {iso(moment.now_ms)}"),
    ):
        output.styled((f"{name:<10}", "dim"), (text, "bold" if name == "key" else ""))
    output.text(_pretty(kind, value) if output.on_terminal else value_text(kind, value))


def _pretty(kind: int, value: bytes) -> str:
    """A value for the eye: JSON over several lines."""
    text = value_text(kind, value)
    return msgspec.json.format(text, indent=2) if kind == Kind.JSON and compact_json(value) is not None else text
