"""Faults in the files of one process, by a small library that is loaded before the C library (``shim.c``).

For what strace cannot do: it counts the calls of all threads together, and does with the bytes what a disk would do.

=========  =============  =================================================================================
``error``  any call       fails; ``argument`` is the errno
``lie``    any call       says that all went well, and does nothing
``slow``   any call       takes ``argument`` ms longer
``cut``    any call       comes too late: the power is cut just before it (see ``disks``)
``short``  ``write``      takes only the first part of the bytes
``torn``   ``write``      takes only the first part of the bytes, and is the last thing the process does
``flip``   ``write``      flips a bit of one of the bytes
=========  =============  =================================================================================

Where a part or a place is meant, ``argument`` is in thousandths of the length of the write.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.process.harness import run


class Shim:
    """The faults of one server, in its files below the directory ``under``; ``place`` is for the shim's own files."""

    def __init__(self, library: Path, under: Path, place: Path) -> None:
        self._under = under
        self._library = library
        self._plan = place / "plan"
        self._done = place / "plan.done"
        self._serial = 0

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process must be started with."""
        return {"LD_PRELOAD": str(self._library), "FAULT_UNDER": str(self._under), "FAULT_PLAN": str(self._plan)}

    def arm(self, call: str, action: str, *, first: int = 1, onwards: bool = False, argument: int = 0) -> None:
        """Take the action at the ``first`` such call from now on (``any``: of whatever kind), or ``onwards``, too."""
        self._serial += 1
        self._done.unlink(missing_ok=True)
        # Replaced in one step: the process may read it at any moment.
        line = self._plan.with_suffix(".new")
        line.write_text(f"{self._serial} {call} {action} {first} {onwards:d} {argument}\n")
        line.replace(self._plan)

    def disarm(self) -> None:
        """No more faults. What was done is forgotten."""
        self.arm("no", "fault")

    def done(self) -> list[str]:
        """What was done since the last ``arm``: call, action, path."""
        return self._done.read_text().splitlines() if self._done.exists() else []


def build(directory: Path) -> Path:
    """Compile the shim. Skips the test where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc)")
    library = directory / "shim.so"
    source = Path(__file__).with_name("shim.c")
    built = run([compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(source)])
    assert built.returncode == 0, built.stderr
    return library
