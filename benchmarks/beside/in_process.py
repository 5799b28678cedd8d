"""A read without any network: one key again and again, and 1,000 keys at once. Measured by ``benchmarks.tree``.

Each run is a process of its own with a tree of all sessions, and a dict of the same keys.
"""

import subprocess
import sys

from benchmarks.beside.bench import Bench, on_cores
from benchmarks.beside.figure import Figure, Goal
from benchmarks.processes import environment
from benchmarks.tree import Figures
from synap.radix import IMPLEMENTATION

_TREE = f"tree ({IMPLEMENTATION})"


def measure(bench: Bench) -> list[Figure]:
    """Three figures: a hot key, and a batch of hot and of other keys."""
    runs = [_run(bench) for _ in range(bench.runs)]
    hot = Figure(
        name="read in process, a hot key",
        unit="ns",
        ours_name=_TREE,
        ours=tuple(each.hot_ns for each in runs),
        peer_name="`dict.get`",
        peer=tuple(each.dict_ns for each in runs),
        goal=Goal(at_most=1.5),
        settings=bench.settings,
        plot="in-process",
        form=".0f",
    )
    rates = {
        "the same 1,000 keys": [1e9 / each.batch_hot_ns for each in runs],
        "1,000 keys at random": [1e9 / each.batch_random_ns for each in runs],
    }
    goals = [Goal(at_least=8_000_000, of_ours=True), None]
    return [hot, *(_batch(bench, name, rates[name], goal) for name, goal in zip(rates, goals, strict=True))]


def _batch(bench: Bench, name: str, rates: list[float], goal: Goal | None) -> Figure:
    return Figure(
        name=f"read in process, {name} at once",
        unit="keys a second",
        ours_name=f"{_TREE}, {name}",
        ours=tuple(rates),
        peer_name="",
        peer=(),
        goal=goal,
        settings=bench.settings,
        plot="batches",
    )


def _run(bench: Bench) -> Figures:
    command = [sys.executable, "-m", "benchmarks.tree", "--measure", "--sessions", str(bench.sessions)]
    with on_cores(bench.server_cores):
        said = subprocess.run(command, env=environment(), check=True, stdout=subprocess.PIPE, text=True).stdout
    return Figures(*map(float, said.split()))
