"""``repair``: a damaged log, given up from one event on. One implementation for this tool and for ``synap repair``."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from synap.datadir import DataDirectory, explained, look_at_data_directory, open_data_directory
from synap.repair import RepairPlan, plan_repair
from synap.repair import repair as carry_out
from synap.replay.invocation import Invocation
from synap.replay.render import Output

TruncateOption = Annotated[
    int, typer.Option("--truncate-at", metavar="SEQ", min=1, help="The first event (its sequence number) to give up.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


class RepairRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was given up: events from ``lost_from_seq`` to ``lost_to_seq`` (null: none), and more if ``more_unknown``.

    ``kept`` are the files that hold what was given up, ``lost_bytes`` is their length.
    """

    last_seq: int
    lost_from_seq: int | None
    lost_to_seq: int | None
    more_unknown: bool
    lost_bytes: int
    kept: list[str]


def repair(invocation: Invocation, *, truncate_at: TruncateOption, yes: YesOption = False) -> int:
    """Give up a damaged log from one event on; the server must not be running.

    Nothing is deleted: what is given up is kept in the directory's quarantine.
    """
    fs, path, places = invocation.fs, invocation.data_dir, invocation.places
    # Opening a directory that is no store would make it one.
    look_at_data_directory(fs, path, places)
    directory = open_data_directory(fs, path, now_ms=invocation.now_ms, places=places)
    try:
        return repair_directory(directory, truncate_at, invocation.output, yes=yes)
    finally:
        directory.close()


def repair_directory(directory: DataDirectory, truncate_at: int, output: Output, *, yes: bool) -> int:
    """Say what would be lost, ask (unless ``yes``), and repair; the exit code. Raises ``RepairError``.

    Aborts with ``typer.Abort`` where the answer is no.
    """
    with explained(directory.path):
        plan = plan_repair(directory, truncate_at)
        if not output.as_json:
            output.text(f"{describe(plan)}")
        if not yes:
            typer.confirm("Go on?", abort=True, err=output.as_json)
        saved = carry_out(directory, plan)
    if output.as_json:
        output.records([_record(plan, saved)])
        return 0
    for path in saved:
        output.text(f"kept {path}")
    output.text(f"The log now ends at seq {plan.last_seq}." if plan.last_seq else "The store is now empty.")
    return 0


def describe(plan: RepairPlan) -> str:
    """What a repair gives up, in one sentence."""
    segments = [f"the end of {plan.segment.name}"] if plan.segment is not None and plan.cut_bytes else []
    segments += [path.name for path in plan.removed]
    files = ", ".join([*segments, *(f"snapshot {path.name}" for path in plan.snapshots)]) or "no file"
    if plan.last_seq == 0:
        what = "every event is given up, and the store will be empty"
    else:
        what = f"every event after seq {plan.last_seq} is given up"
    return f"{what}: {_lost_events(plan)} ({plan.lost_bytes:,} bytes: {files})."


def _lost_events(plan: RepairPlan) -> str:
    first = plan.last_seq + 1
    if plan.known_seq < first:
        return "whatever there was, for none can be told of" if plan.more_unknown else "there is none"
    known = f"seq {first}" if plan.known_seq == first else f"seq {first} to {plan.known_seq}"
    return f"{known}, and whatever came after" if plan.more_unknown else known


def _record(plan: RepairPlan, saved: list[Path]) -> RepairRecord:
    lost = plan.known_seq > plan.last_seq
    return RepairRecord(
        last_seq=plan.last_seq,
        lost_from_seq=plan.last_seq + 1 if lost else None,
        lost_to_seq=plan.known_seq if lost else None,
        more_unknown=plan.more_unknown,
        lost_bytes=plan.lost_bytes,
        kept=[str(path) for path in saved],
    )
