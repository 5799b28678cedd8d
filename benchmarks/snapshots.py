"""What a snapshot costs those who read and write meanwhile: latencies and memory of a real server.

A server (`synap serve`, fsync always) with 1,000,000 sessions is under a steady load: sessions are written, ten in a
request, at random, and others read one by one. Windows without a snapshot alternate with windows in which one snapshot
follows the other. A latency counts from the time at which its request was due, see ``benchmarks/load.py``.
"""

import argparse
import json
import statistics
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import sub
from pathlib import Path
from typing import NamedTuple

import msgspec
import trio

from benchmarks.figures import MIB, percentile, show_table, spread
from benchmarks.load import READ, WRITE, Rates, Sample, loading
from benchmarks.processes import (
    Program,
    Server,
    ask,
    child_of,
    peak_bytes,
    processor_s,
    resident_bytes,
    serving,
)
from benchmarks.sessions import logins, temporary_directory, wall_ms, write_log
from synap.radix import IMPLEMENTATION

_FOLD = "synap.snapshot.fold"
_SYNC_METRIC = "synap_wal_fsync_duration_seconds"
_LOOK_EVERY_S = 0.05
_SETTLE_S = 2.0
"""Between two windows, so that neither has to do with what the other left."""

_ROTATION_S = 0.1
"""The rotation of the log is over within this time after a snapshot was asked for."""

_LOG_BATCH_EVENTS = 1000


class Fold(msgspec.Struct, frozen=True):
    """What the server's log says of a snapshot."""

    entries: int
    events: int
    size_bytes: int
    duration_s: float


class Window(NamedTuple):
    """A stretch of time (``time.monotonic``); ``asked_s`` are the times at which snapshots were asked for.

    ``processor_s`` is the processor time that the server took, ``sync_s`` the mean time of an fdatasync of the log.
    """

    start_s: float
    end_s: float
    asked_s: tuple[float, ...]
    processor_s: float
    sync_s: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end_s - self.start_s


class Pair(NamedTuple):
    """A window without snapshots and the one with snapshots that followed."""

    without: Window
    during: Window


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000, help="entries in the store (default 1,000,000)")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of windows without and with snapshots (default 5)")
    parser.add_argument("--seconds", type=float, default=20, help="the least that a window lasts (default 20)")
    parser.add_argument("--writes", type=int, default=2_000, help="sessions written a second (default 2,000)")
    parser.add_argument("--reads", type=int, default=200, help="sessions read a second (default 200)")
    parser.add_argument("--batch", type=int, default=10, help="sessions in one request that writes (default 10)")
    parser.add_argument(
        "--directory", type=Path, default=None, help="where to write (default: the temporary directory)"
    )
    options = parser.parse_args()
    rates = Rates(options.sessions, options.reads, options.writes // options.batch, options.batch)
    with temporary_directory(options.directory) as directory:
        now_ms = wall_ms()
        trio.run(write_log, directory, logins(options.sessions, now_ms, _LOG_BATCH_EVENTS), now_ms)
        with serving(directory) as server:
            with watching(server.program) as memory:
                _take_snapshot(server)
            first = Taken(_folds(server.program), memory)
            with watching(server.program) as memory, loading(server.port, rates) as load:
                pairs = [_measure(server, options.seconds) for _ in range(options.pairs)]
                # What was due in the last window is still to be asked and answered.
                time.sleep(_SETTLE_S)
                samples = load.finish()
            under_load = Taken(_folds(server.program)[len(first.folds) :], memory)
    _report(rates, pairs, samples, first, under_load)


# --- measuring -------------------------------------------------------------------------------------------


def _measure(server: Server, seconds: float) -> Pair:
    return Pair(_window(server, seconds, snapshots=False), _window(server, seconds, snapshots=True))


def _window(server: Server, seconds: float, *, snapshots: bool) -> Window:
    """A window that lasts at least so long, and until the last snapshot is there."""
    time.sleep(_SETTLE_S)
    asked_s = []
    syncs, before_s = _syncs(server), processor_s(server.program.pid)
    start_s = time.monotonic()
    if not snapshots:
        time.sleep(seconds)
    while time.monotonic() < start_s + seconds:
        asked_s.append(time.monotonic())
        _take_snapshot(server)
    end_s, after_s = time.monotonic(), processor_s(server.program.pid)
    count, seconds_of_all = map(sub, _syncs(server), syncs)
    return Window(start_s, end_s, tuple(asked_s), after_s - before_s, seconds_of_all / count)


def _take_snapshot(server: Server) -> None:
    ask(server.port, "POST", "/snapshot")


def _syncs(server: Server) -> tuple[float, float]:
    """How often the server has synced the log so far, and how many seconds that took."""
    metrics = dict(line.rsplit(" ", 1) for line in ask(server.port, "GET", "/metrics").splitlines())
    return float(metrics[f"{_SYNC_METRIC}_count"]), float(metrics[f"{_SYNC_METRIC}_sum"])


def _folds(program: Program) -> list[Fold]:
    """The snapshots that the server tells of; each line of its log has a moment to arrive."""
    time.sleep(_SETTLE_S)
    said = [json.loads(line) for line in program.lines if '"snapshot taken"' in line]
    return [msgspec.convert(each, Fold) for each in said]


class Memory:
    """What was seen of the memory of the server and of the processes that fold: the time, and bytes."""

    def __init__(self) -> None:
        self.server: list[tuple[float, int]] = []
        self.folds: dict[int, int] = {}

    def look(self, pid: int) -> None:
        """Look at the server, and at its child, if it has one."""
        self.server.append((time.monotonic(), resident_bytes(pid)))
        child = child_of(pid, _FOLD)
        if child is not None:
            self.folds[child] = peak_bytes(child)

    def highest(self, windows: Sequence[Window]) -> int:
        """The most that the server had in these windows."""
        return max(size for at_s, size in self.server for each in windows if each.start_s <= at_s <= each.end_s)


class Taken(NamedTuple):
    """Snapshots, and what was seen of the memory meanwhile."""

    folds: list[Fold]
    memory: Memory


@contextmanager
def watching(program: Program) -> Iterator[Memory]:
    """Look at the memory of the server again and again; once before anything else happens."""
    memory, stop = Memory(), threading.Event()
    memory.look(program.pid)

    def watch() -> None:
        while not stop.wait(_LOOK_EVERY_S):
            try:
                memory.look(program.pid)
            except OSError:
                # The child has just ended.
                continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield memory
    finally:
        stop.set()
        thread.join()


# --- reporting -------------------------------------------------------------------------------------------


def _report(rates: Rates, pairs: Sequence[Pair], samples: Sequence[Sample], first: Taken, under_load: Taken) -> None:
    load = f"{rates.writes * rates.pairs:,} written a second, {rates.pairs} in a request, and {rates.reads:,} read"
    print(f"tree {IMPLEMENTATION}, {rates.sessions:,} sessions; {load}; {len(pairs)} pairs of windows\n")
    _report_latencies(pairs, samples)
    print()
    _report_folds(pairs, samples, under_load)
    first_s, first_bytes = sum(fold.duration_s for fold in first.folds), max(first.memory.folds.values())
    print(f"\nThe first snapshot, of the log alone and without a load: {first_s:.1f} s, {first_bytes / MIB:,.0f} MiB.")
    if any(fold.entries != rates.sessions for fold in under_load.folds):
        print("\nThe number of sessions changed: some ended, or keys were wrong. The figures are not to be used.")


def _report_latencies(pairs: Sequence[Pair], samples: Sequence[Sample]) -> None:
    rows = []
    for kind in (READ, WRITE):
        of_kind = [sample for sample in samples if sample.kind == kind]
        without = [_latencies_ms(of_kind, pair.without) for pair in pairs]
        during = [_latencies_ms(of_kind, pair.during) for pair in pairs]
        ratios = [percentile(b, 0.99) / percentile(a, 0.99) for a, b in zip(without, during, strict=True)]
        rows += [[f"{kind}s, without", *_of_windows(without), ""]]
        rows += [[f"{kind}s, during snapshots", *_of_windows(during), spread(ratios, ".2f")]]
    show_table(["latency in ms", "p50", "p99", "max", "p99, times that without"], rows)


def _latencies_ms(samples: Sequence[Sample], window: Window) -> list[float]:
    return [each.latency_s * 1000 for each in samples if window.start_s <= each.due_s < window.end_s]


def _of_windows(windows: Sequence[Sequence[float]]) -> list[str]:
    """Medians over the windows of p50 and p99, and the worst of all."""
    middles = [statistics.median(percentile(each, share) for each in windows) for share in (0.5, 0.99)]
    return [f"{each:.1f}" for each in (*middles, max(map(max, windows)))]


def _report_folds(pairs: Sequence[Pair], samples: Sequence[Sample], taken: Taken) -> None:
    folds, memory = taken
    before = memory.server[0][1]
    without, during = [pair.without for pair in pairs], [pair.during for pair in pairs]
    quiet_bytes, busy_bytes = memory.highest(without), memory.highest(during)
    rows = [
        ["snapshots taken", f"{len(folds)}"],
        ["length of a window in which they were, s", spread([each.seconds for each in during], ".1f")],
        ["time of one, s", spread([fold.duration_s for fold in folds], ".2f")],
        ["from asking to the answer, s", spread(_waits_s(pairs), ".2f")],
        ["entries a second", spread([fold.entries / fold.duration_s for fold in folds])],
        ["events since the one before", spread([fold.events for fold in folds])],
        ["its size, MiB", spread([fold.size_bytes / MIB for fold in folds])],
        ["peak memory of the process that folds, MiB", spread([size / MIB for size in memory.folds.values()])],
        ["memory of the server, before the load, MiB", f"{before / MIB:,.0f}"],
        ["at most, without snapshots", f"{quiet_bytes / MIB:,.0f} ({quiet_bytes / before - 1:+.1%})"],
        ["at most, during snapshots", f"{busy_bytes / MIB:,.0f} ({busy_bytes / before - 1:+.1%})"],
        ["share of a core that the server takes, without", spread([_share(each) for each in without], ".2f")],
        ["during snapshots", spread([_share(each) for each in during], ".2f")],
        ["mean fdatasync of the log, ms, without", spread([each.sync_s * 1000 for each in without], ".2f")],
        ["during snapshots", spread([each.sync_s * 1000 for each in during], ".2f")],
        ["slowest write within 0.1 s of asking for one, ms", spread(_at_rotations(pairs, samples), ".1f")],
        ["slowest write within any 0.1 s without, ms", spread(_at_any_time(pairs, samples), ".1f")],
    ]
    show_table(["snapshots", "median (lowest to highest)"], rows)


def _share(window: Window) -> float:
    return window.processor_s / window.seconds


def _waits_s(pairs: Sequence[Pair]) -> list[float]:
    """How long each snapshot took whoever asked for it: in a window, the next is asked for as soon as one is there."""
    waits: list[float] = []
    for window in (pair.during for pair in pairs):
        answered_s = (*window.asked_s[1:], window.end_s)
        waits += [until_s - from_s for from_s, until_s in zip(window.asked_s, answered_s, strict=True)]
    return waits


def _at_rotations(pairs: Sequence[Pair], samples: Sequence[Sample]) -> list[float]:
    """The worst latency, in ms, among the writes that met the rotation of the log, for each snapshot."""
    return _worst_writes(samples, [asked_s for pair in pairs for asked_s in pair.during.asked_s])


def _at_any_time(pairs: Sequence[Pair], samples: Sequence[Sample]) -> list[float]:
    """The same for every stretch of that length without a snapshot."""
    starts = []
    for window in (pair.without for pair in pairs):
        starts += [window.start_s + number * _ROTATION_S for number in range(int(window.seconds / _ROTATION_S))]
    return _worst_writes(samples, starts)


def _worst_writes(samples: Sequence[Sample], starts: Sequence[float]) -> list[float]:
    writes = sorted([(each.due_s, each.latency_s * 1000) for each in samples if each.kind == WRITE])
    due_s = [due_s for due_s, _ in writes]
    stretches = [writes[bisect_left(due_s, start_s) : bisect_left(due_s, start_s + _ROTATION_S)] for start_s in starts]
    return [max(latency_ms for _, latency_ms in each) for each in stretches if each]


if __name__ == "__main__":
    main()
