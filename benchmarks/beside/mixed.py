"""The latency of reads while 5,000 writes a second commit, one session each, and are synced before they are answered.

The peer is the same server in the same minute with the reads alone. Reads and writes come at random times, and so many
a second however slow the server is (``paced``); runs with and without writes take turns.
"""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.beside.bench import Bench, on_cores
from benchmarks.beside.figure import Figure, Goal
from benchmarks.beside.paced import Paced, run_paced
from benchmarks.figures import spread
from benchmarks.processes import serving

READS = 1000
WRITES = 5000


class _Runs(NamedTuple):
    """What came of the runs with writes, and of those without."""

    during: list[Paced]
    alone: list[Paced]


def measure(bench: Bench) -> list[Figure]:
    """Two figures: the 99th percentile, and the median, which has no goal."""
    runs = _Runs([], [])
    with on_cores(bench.server_cores), serving(bench.copy_of_synap()) as server, on_cores(bench.load_cores):
        for turn in range(bench.runs):
            runs.during.append(run_paced(bench, server.port, reads=READS, writes=WRITES, seed=turn))
            runs.alone.append(run_paced(bench, server.port, reads=READS, writes=0, seed=turn))
    return [
        _figure(bench, "p99", runs, lambda each: each.reads.p99_ms, goal=Goal(at_most=3), notes=_notes(runs)),
        _figure(bench, "p50", runs, lambda each: each.reads.p50_ms, goal=None),
    ]


def _figure(
    bench: Bench,
    share: str,
    runs: _Runs,
    value: Callable[[Paced], float],
    *,
    goal: Goal | None,
    notes: tuple[str, ...] = (),
) -> Figure:
    return Figure(
        name=f"{share} of GET, while {WRITES:,} writes a second commit on `always`",
        unit="ms",
        ours_name=f"{share} beside writes",
        ours=tuple(map(value, runs.during)),
        peer_name=f"{share} alone",
        peer=tuple(map(value, runs.alone)),
        goal=goal,
        settings=bench.settings,
        plot="mixed",
        form=".2f",
        notes=notes,
    )


def _notes(runs: _Runs) -> tuple[str, ...]:
    writes = [each.writes for each in runs.during]
    rate, latency = spread([each.per_second for each in writes]), spread([each.p99_ms for each in writes], ".1f")
    reads = spread([each.reads.per_second for each in runs.during])
    busy, quiet = (spread([each.share for each in side], ".2f") for side in runs)
    late, late_alone = (spread([each.reads.late_p99_ms for each in side], ".2f") for side in runs)
    return (
        f"Beside the reads, {rate} writes a second were answered, with a p99 of {latency} ms; reads: {reads}.",
        f"Making that load took {busy} of a core, and {quiet} without writes.",
        f"Reads were sent late by {late} ms (p99), by {late_alone} ms without writes; it is part of their latency.",
    )
