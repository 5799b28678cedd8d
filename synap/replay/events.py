"""``events``: what happened, one line an event, also while it happens."""

import os
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from functools import partial
from typing import Annotated

import typer

from synap.events import Event
from synap.replay.browse import Selected, first_to_read, selected_events
from synap.replay.follow import LogFollower
from synap.replay.invocation import Invocation
from synap.replay.lines import EVENT_COLUMNS, KEY_COLUMN, VALUE_COLUMN, event_cells, key_cell, value_cell
from synap.replay.records import TYPES, EventType, event_record
from synap.replay.render import Listing, Meter, Output
from synap.replay.selection import Range, Selection

POLL_S = 0.2
"""How long ``--follow`` waits between two looks: as good as at once for whoever watches, and no load."""


def events(
    invocation: Invocation,
    *,
    key: Annotated[str | None, typer.Option(help="Only what touches this key.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Only what touches a key that begins so.")] = None,
    types: Annotated[list[EventType] | None, typer.Option("--type", help="Only these; may be repeated.")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="POINT", help="The first event, or its time.")] = None,
    stop: Annotated[str | None, typer.Option("--to", metavar="POINT", help="The last event, or its time.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="Show so many and end.")] = None,
    values: Annotated[bool, typer.Option("--values", help="Show values, too: they are secrets.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as the log grows, until Ctrl-C.")] = False,
) -> int:
    """Show what happened, one line an event.

    The deletion of a prefix touches every key under it. A range includes both of its ends.
    """
    output = invocation.output
    selection = Selection(
        None if key is None else os.fsencode(key),
        None if prefix is None else os.fsencode(prefix),
        frozenset(event for event, name in TYPES.items() if name in (types or ())),
    )
    within = Range(None if start is None else invocation.point(start), None if stop is None else invocation.point(stop))
    source = invocation.source()
    viewer = Viewer(output, values=values)
    from_seq = first_to_read(source, within.start)
    # Who follows has no end that a bar could run to.
    progress = nullcontext(Meter()) if follow else output.progress("reading", source.log_bytes(from_seq), streams=True)
    with (
        progress as meter,
        closing(LogFollower(source, from_seq, on_bytes=meter.add)) as follower,
    ):
        found = selected_events(
            follower,
            selection,
            within,
            on_gap=lambda gone: output.remark(str(gone)),
            wait=partial(_wait_a_little, output) if follow else lambda: False,
        )
        viewer.show_all(found, limit)
    return 0


def _wait_a_little(output: Output) -> bool:
    output.flush()
    time.sleep(POLL_S)
    return True


class Viewer:
    """Shows events as lines or JSON lines."""

    def __init__(self, output: Output, *, values: bool) -> None:
        self._output = output
        self._values = values
        self._listing = Listing(output, (*EVENT_COLUMNS, KEY_COLUMN, *([VALUE_COLUMN] if values else [])))

    def show_all(self, found: Iterator[Selected], limit: int | None) -> None:
        """Show up to so many events (None: all)."""
        left = limit
        for batch in found if limit != 0 else ():
            events = batch.events if left is None else batch.events[:left]
            self._show(batch.time_ms, events)
            if left is not None:
                left -= len(events)
                if left == 0:
                    return

    def _show(self, time_ms: int, events: list[tuple[int, Event]]) -> None:
        if self._output.as_json:
            self._output.records([event_record(seq, time_ms, event, values=self._values) for seq, event in events])
            return
        self._listing.lines([self._cells(seq, time_ms, event) for seq, event in events])

    def _cells(self, seq: int, time_ms: int, event: Event) -> list[str]:
        value = [value_cell(event)] if self._values else []
        return [*event_cells(seq, time_ms, event), key_cell(event), *value]
