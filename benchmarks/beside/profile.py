"""A profile of a server under load, by py-spy: where it spends its time, function by function, as text.

A sample is a stack; a function's own share is that of the samples in which it was at the top, its total that of those
in which it was anywhere. What C does counts for the Python function that called it.
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.beside.bench import Bench, needed, on_cores

FUNCTIONS = 15

_PER_SECOND = 200
_LOCATION = re.compile(r"\((?:.*/(?:site-packages|lib/python[0-9.]+)/|.*/(?=synap/))?([^:]+)(?::\d+)?\)$")


def profile(bench: Bench, pid: int, name: str, load: Callable[[], object]) -> None:
    """Profile the process while ``load`` runs, if profiles are wanted, into ``profile-NAME.txt``.

    Load and py-spy share a core, so that the process has its own for itself.
    """
    if bench.profiles is None:
        return
    command = [needed(bench.tools.py_spy, "py-spy"), "record", "--pid", str(pid), "--function", "--format", "raw"]
    with tempfile.NamedTemporaryFile() as stacks:
        seconds = max(1, round(bench.settings.seconds))
        command += ["--rate", str(_PER_SECOND), "--duration", str(seconds), "--output", stacks.name]
        with (
            on_cores(bench.load_cores),
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process,
        ):
            load()
            _, said = process.communicate()
        if process.returncode != 0:
            # A measurement need not be lost because somebody may not look into the process.
            print(f"py-spy failed: {said}", file=sys.stderr)
            return
        text = summary(Path(stacks.name).read_text(encoding="utf-8").splitlines())
    bench.profiles.mkdir(parents=True, exist_ok=True)
    (bench.profiles / f"profile-{name}.txt").write_text(text, encoding="utf-8")


def summary(stacks: Iterable[str]) -> str:
    """The functions with the largest own shares, as a table; a line of ``stacks`` is ``frame;frame;... number``."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    samples = 0
    for line in stacks:
        stack, _, number = line.rpartition(" ")
        frames = [_short(frame) for frame in stack.split(";")]
        samples += int(number)
        own[frames[-1]] += int(number)
        for frame in set(frames):
            total[frame] += int(number)
    lines = [f"{samples:,} samples", f"{'own':>7} {'total':>7}  function"]
    lines += [f"{n / samples:>7.1%} {total[frame] / samples:>7.1%}  {frame}" for frame, n in own.most_common(FUNCTIONS)]
    return "\n".join(lines) + "\n"


def _short(frame: str) -> str:
    """Without the directories in which packages are on this machine, and without the line."""
    return _LOCATION.sub(r"(\1)", frame)
