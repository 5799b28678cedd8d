"""Measure the cases, keep the runs, and print the table that follows from them.

Everything goes into one folder: the runs (figures.json), pictures, and the machine (machine.md). Where only some cases
are measured, the folder keeps what it has of the others.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

from benchmarks.beside import in_process, loading, memory, mixed, reads, round_trips, writes
from benchmarks.beside.bench import Bench, Case, MissingError, Tools
from benchmarks.beside.figure import Results, Settings, load_results, save_results
from benchmarks.beside.machine import describe_machine, write_machine
from benchmarks.beside.report import draw, page, write_page
from benchmarks.sessions import temporary_directory

CASES: dict[str, Case] = {
    "get": reads.beside_webdis,
    "doors": reads.beside_hypercorn,
    "set-always": writes.always,
    "set-periodic": writes.periodic,
    "round-trips": round_trips.measure,
    "in-process": in_process.measure,
    "memory": memory.measure,
    "loading": loading.measure,
    "mixed": mixed.measure,
}
"""The cases by name, in the order of the table."""

_HOME = Path(__file__).parent.parent
_RESULTS = _HOME / "results"
_README = _HOME / "README.md"


def main() -> None:
    """Measure, or only print what was measured."""
    options = _options()
    file = options.results / "figures.json"
    if not options.table:
        with temporary_directory(options.directory) as directory:
            _measure(options, directory, file)
    results = load_results(file)
    if not results.figures:
        sys.exit(f"{file.name} has no figures yet")
    draw(options.results, results)
    text = page(results, "results")
    print(text)
    if options.write_readme:
        write_page(_README, text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each side of a figure, in turns (default 5)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a run under load (default 5)")
    parser.add_argument("--sessions", type=int, default=1_000_000, help="how many there are (default 1,000,000)")
    parser.add_argument("--only", choices=CASES, action="append", help="measure this case; may be given several times")
    parser.add_argument("--profile", action="store_true", help="profile the server in get and set-always, with py-spy")
    parser.add_argument("--table", action="store_true", help="measure nothing; print and draw what was measured")
    parser.add_argument("--write-readme", action="store_true", help="put the table into benchmarks/README.md as well")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="the folder (default: benchmarks/results)")
    parser.add_argument(
        "--directory", type=Path, default=None, help="where the stores are (default: the temporary directory)"
    )
    options = parser.parse_args()
    if options.write_readme and options.results.resolve() != _RESULTS.resolve():
        parser.error("--write-readme shows the pictures in benchmarks/results, so the results must be there")
    return options


def _measure(options: argparse.Namespace, directory: Path, file: Path) -> None:
    tools = _tools()
    settings = Settings(options.sessions, options.seconds)
    profiles = options.results if options.profile and tools.py_spy else None
    if options.profile and profiles is None:
        _say("no profiles are taken: there is no py-spy beside this Python")
    bench = Bench(directory, tools, runs=options.runs, settings=settings, profiles=profiles)
    kept = load_results(file).figures if options.only else ()
    results = Results(describe_machine(directory, tools), kept)
    for name in options.only or CASES:
        started_s = time.monotonic()
        try:
            figures = CASES[name](bench)
        except MissingError as missing:
            _say(f"{name} is left out: {missing}")
            continue
        finally:
            bench.clean()
        _say(f"{name} was measured in {time.monotonic() - started_s:.0f} s")
        results = results.with_case(name, figures, list(CASES))
        save_results(file, results)
    # Also where every case was left out: what the folder had is of another run.
    save_results(file, results)
    write_machine(options.results / "machine.md", results.machine)


def _say(what: str) -> None:
    """Tell whoever waits, beside the table that goes to the output."""
    print(what, file=sys.stderr, flush=True)


def _tools() -> Tools:
    """The programs of others, where the system finds them; py-spy beside our Python, if it is there."""
    names = {"redis": "redis-server", "redis_benchmark": "redis-benchmark", "webdis": "webdis", "wrk": "wrk"}
    py_spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    return Tools(**{field: shutil.which(name) for field, name in names.items()}, py_spy=py_spy)


if __name__ == "__main__":
    main()
