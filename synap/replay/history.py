"""``history``: every event of one key, what it did, and how things stand now."""

import os
from typing import Annotated

import msgspec
import typer
from msgspec import UNSET, UnsetType

from synap.events import PrefixDeleted
from synap.replay.chronicle import History, Verdict
from synap.replay.invocation import Invocation
from synap.replay.life import Alive, Effect, Found, Step, Unknown
from synap.replay.lines import EVENT_COLUMNS, VALUE_COLUMN, event_cells, value_cell
from synap.replay.records import EventRecord, Total, event_record
from synap.replay.render import Column, Listing, Output
from synap.replay.text import bytes_text, duration


class StepRecord(EventRecord, frozen=True, kw_only=True, gc=False):
    """An event of the key.

    ``effect`` is an ``Effect``. ``version`` is the entry's behind the event (null: there is none; left out: nobody
    knows), ``version_before`` that of what the event found, and ``lived_ms`` how long that had lived, where it ended.
    """

    effect: str
    version: int | UnsetType | None = UNSET
    version_before: int | UnsetType | None = UNSET
    lived_ms: int | UnsetType = UNSET


def history(
    invocation: Invocation,
    *,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key, all of it.", show_default=False)],
    values: Annotated[bool, typer.Option("--values", help="Show values, too: they are secrets.")] = False,
) -> int:
    """Show every event of one key, what it did, and whether the entry lives now.

    Among them are the deletions of a prefix that hit the key.
    """
    output, source = invocation.output, invocation.source()
    found = History(source, os.fsencode(key))
    listing = Listing(output, (*EVENT_COLUMNS, Column("effect", 0), *([VALUE_COLUMN] if values else [])))
    if not output.as_json:
        _introduce(output, found)
        listing.title()
    with output.progress("reading", source.log_bytes(), streams=True) as meter:
        for done in found.steps(meter):
            if output.as_json:
                output.records([_record(done, values=values)])
            else:
                value = [value_cell(done.event)] if values else []
                listing.line([*event_cells(done.seq, done.time_ms, done.event), _effect_in_words(done), *value])
    verdict = found.verdict(invocation.now_ms)
    if output.as_json:
        output.records([Total(verdict)])
    else:
        output.text(_verdict_in_words(verdict))
    return 0


def _record(done: Step, *, values: bool) -> StepRecord:
    record = event_record(done.seq, done.time_ms, done.event, values=values)
    return StepRecord(
        **msgspec.structs.asdict(record),
        effect=done.effect,
        version=_version(done.left),
        version_before=_version(done.found),
        lived_ms=UNSET if done.lived_ms is None else done.lived_ms,
    )


def _version(found: Found) -> int | UnsetType | None:
    if isinstance(found, Alive):
        return UNSET if found.version is None else found.version
    return UNSET if isinstance(found, Unknown) else None


def _introduce(output: Output, found: History) -> None:
    """Say what there was before the first line, where the log does not begin with the store."""
    if found.complete_from_seq == 1:
        return
    match found.now:
        case Alive(version):
            was = f"version {version} was there"
        case Unknown():
            was = "nobody knows what was there"
        case _:
            was = "there was no such key"
    output.text(f"complete from seq {found.complete_from_seq} on, where the log begins; before, {was}")


def _effect_in_words(done: Step) -> str:
    words = {Effect.NONE: "changed nothing", Effect.UNKNOWN: "found nobody knows what"}.get(done.effect, done.effect)
    if isinstance(done.found, Alive) and done.found.version is not None:
        words += f" version {done.found.version}" if done.effect is not Effect.NONE else ""
    if done.lived_ms is not None:
        words += f" after {duration(done.lived_ms)}"
    if isinstance(done.event, PrefixDeleted):
        gone = done.event.prefix
        words += f", with the prefix {bytes_text(gone)}" if gone else ", with all keys"
    return words


def _verdict_in_words(verdict: Verdict) -> str:
    if verdict.lives is None:
        return "nobody knows whether it lives: no event of it is left, and no snapshot of the log's beginning"
    if verdict.lives:
        until = "without a deadline" if verdict.deadline is None else f"until {verdict.deadline}"
        return f"it lives, {until}"
    if verdict.ended_by is UNSET:
        return "there is no such key, and never was as far as the log reaches"
    if verdict.ended_seq is None:
        return f"it is over: expired at {verdict.deadline}, not purged yet"
    return f"it is over: {verdict.ended_by} at seq {verdict.ended_seq}"
