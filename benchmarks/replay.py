"""The offline tool on a log of 10,000,000 events: events a second, and the memory that each command takes.

The log is that of a day with about 1,000,000 sessions at a time (see ``benchmarks/churn.py``), in segments of 64 MiB
and without a snapshot, so that all of it must be read. Each command is a process of its own, measured from its start
to its end, and what it shows goes nowhere.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import trio

from benchmarks.churn import DAY_MS, day
from benchmarks.figures import MIB, show_table, spread
from benchmarks.processes import environment
from benchmarks.sessions import session_key, temporary_directory, wall_ms, write_log
from synap.radix import IMPLEMENTATION

PREFIXES = 20
"""How many of the events delete a prefix."""

_BATCH_EVENTS = 1000


class Command(NamedTuple):
    """A command of the tool, and the share of all events that it must read."""

    words: tuple[str, ...]
    share: float = 1.0


class Run(NamedTuple):
    """How a command went: seconds, and the most memory in bytes that its process had."""

    seconds: float
    peak_bytes: int


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000, help="events in the log (default 10,000,000)")
    parser.add_argument("--sessions", type=int, help="sessions at a time (default: a tenth of the events)")
    parser.add_argument("--rounds", type=int, default=1, help="how often each command runs (default 1)")
    parser.add_argument("--only", action="append", metavar="COMMAND", help="run only this one; may be repeated")
    parser.add_argument(
        "--directory", type=Path, default=None, help="where to write (default: the temporary directory)"
    )
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sessions = options.sessions or max(1, options.events // 10)
    if options.write is not None:
        _write(options.write, options.events, sessions)
        return
    with temporary_directory(options.directory) as directory:
        started_s = time.monotonic()
        _write_in_child(directory, options.events, sessions)
        writing_s = time.monotonic() - started_s
        log_bytes = sum(segment.stat().st_size for segment in (directory / "wal").iterdir())
        commands = [
            command for command in _commands(options.events) if options.only is None or command.words[0] in options.only
        ]
        runs: dict[Command, list[Run]] = {command: [] for command in commands}
        for _ in range(options.rounds):
            for command in commands:
                runs[command].append(_run(directory, command))
    print(
        f"tree {IMPLEMENTATION}, {options.events:,} events, {sessions:,} sessions at a time, "
        f"{log_bytes / MIB:,.0f} MiB of log (written in {writing_s:.0f} s), rounds: {options.rounds}\n"
    )
    _report(runs, options.events)


def _commands(events: int) -> tuple[Command, ...]:
    key = session_key(0).decode("ascii")
    return (
        Command(("summary",)),
        Command(("verify",)),
        Command(("events", "--key", key)),
        Command(("events", "--json")),
        Command(("history", key)),
        Command(("state", "--at", str(events // 2)), 0.5),
    )


def _write_in_child(directory: Path, events: int, sessions: int) -> None:
    """Make the log in a process of its own.

    Until it runs its own program, a process is a copy of the one that started it, and the kernel counts that in: were
    this process large, every command would seem so.
    """
    command = [sys.executable, "-m", "benchmarks.replay", "--write", str(directory)]
    command += ["--events", str(events), "--sessions", str(sessions)]
    subprocess.run(command, env=environment(), check=True)


def _write(directory: Path, events: int, sessions: int) -> None:
    start_ms = wall_ms() - DAY_MS
    commits = day(events, sessions, prefixes=PREFIXES, batch_events=_BATCH_EVENTS, start_ms=start_ms)
    trio.run(write_log, directory, commits, start_ms)


def _run(directory: Path, command: Command) -> Run:
    words = [sys.executable, "-m", "synap.replay", str(directory), *command.words]
    started_s = time.monotonic()
    process = subprocess.Popen(words, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, words)
    return Run(seconds, usage.ru_maxrss * 1024)


def _report(runs: dict[Command, list[Run]], events: int) -> None:
    rows = []
    for command, measured in runs.items():
        read = events * command.share
        rows.append(
            [
                f"`{' '.join(command.words)}`",
                spread([run.seconds for run in measured], ".1f"),
                spread([read / run.seconds for run in measured]),
                spread([run.peak_bytes / MIB for run in measured]),
            ]
        )
    show_table(["", "seconds", "events a second", "peak memory, MiB"], rows)


if __name__ == "__main__":
    main()
