"""``state``: all entries as of a point, in key order."""

import os
from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import msgspec
import typer

from synap.keyspace import Keyspace
from synap.keyspace.state import is_due
from synap.radix import Entry
from synap.replay.asof import Moment, state_at
from synap.replay.invocation import Invocation
from synap.replay.lines import ENTRY_COLUMNS, VALUE_COLUMN, entry_cells
from synap.replay.records import Total, entry_record
from synap.replay.render import Listing
from synap.replay.text import iso, value_text

_TOGETHER = 1000
"""Entries that are written together."""


class StateTotal(msgspec.Struct, frozen=True, kw_only=True):
    """What there was after the event ``seq``, which was logged at ``time``, looked at at ``looked_at``.

    ``keys`` is how many entries lived, ``due_not_purged`` how many more had come to their deadline without the event
    that ends them. With a prefix, only those under it count.
    """

    keys: int
    due_not_purged: int
    seq: int
    time: str
    time_ms: int
    looked_at: str
    looked_at_ms: int


def live_entries(keyspace: Keyspace, prefix: bytes, now_ms: int) -> Iterator[tuple[bytes, Entry]]:
    """The entries under a prefix that are not due, in key order."""
    for key, kind, value, deadline_ms, version in keyspace.tree.items(prefix):
        entry = (kind, value, deadline_ms, version)
        if not is_due(entry, now_ms):
            yield key, entry


def total_of(keyspace: Keyspace, prefix: bytes, moment: Moment) -> StateTotal:
    """How many entries there are under a prefix."""
    keys = keyspace.count(prefix, moment.now_ms)
    return StateTotal(
        keys=keys,
        due_not_purged=keyspace.tree.count(prefix) - keys,
        seq=moment.seq,
        time=iso(moment.time_ms),
        time_ms=moment.time_ms,
        looked_at=iso(moment.now_ms),
        looked_at_ms=moment.now_ms,
    )


def state(
    invocation: Invocation,
    *,
    at: Annotated[str, typer.Option(metavar="POINT", help="When.")] = "now",
    prefix: Annotated[str, typer.Option(help="Only keys that begin so.")] = "",
    limit: Annotated[int | None, typer.Option(min=0, help="Show so many at most.")] = None,
    values: Annotated[bool, typer.Option("--values", help="Show values, too: they are secrets.")] = False,
) -> int:
    """Show all entries as of a point, in key order, and how many they are.

    An entry whose deadline has come is not shown, whether or not it was purged by then.
    """
    output, under = invocation.output, os.fsencode(prefix)
    keyspace, moment = state_at(invocation.source(), invocation.point(at), output)
    shown = islice(live_entries(keyspace, under, moment.now_ms), limit)
    total = total_of(keyspace, under, moment)
    listing = Listing(output, (*ENTRY_COLUMNS, *([VALUE_COLUMN] if values else [])))
    if not output.as_json:
        listing.title()
    while batch := list(islice(shown, _TOGETHER)):
        if output.as_json:
            output.records([entry_record(key, entry, moment.now_ms, values=values) for key, entry in batch])
        else:
            listing.lines([_cells(key, entry, moment.now_ms, values=values) for key, entry in batch])
    if output.as_json:
        output.records([Total(total)])
    else:
        output.text(_in_words(total))
    return 0


def _cells(key: bytes, entry: Entry, now_ms: int, *, values: bool) -> list[str]:
    return [*entry_cells(key, entry, now_ms), *([value_text(*entry[:2])] if values else [])]


def _in_words(total: StateTotal) -> str:
    due = f"; {total.due_not_purged:,} due, not purged" if total.due_not_purged else ""
    return f"{total.keys:,} keys after seq {total.seq} ({total.time}), looked at at {total.looked_at}{due}"
