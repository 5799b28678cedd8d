"""The wall clock of one server, to be set while it runs, by libfaketime. Elapsed time stays true.

Synap measures elapsed time with ``CLOCK_BOOTTIME``. libfaketime leaves that alone where it is told to leave the
monotonic clocks alone; whether this one does is found out first.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.process.harness import MODULE, Server, clean_environment

_LIBRARY = (
    "lib*/*/faketime/libfaketimeMT.so.1",
    "lib*/faketime/libfaketimeMT.so.1",
    "local/lib/faketime/libfaketimeMT.so.1",
)
"""Where distributions put the one for programs with threads, below ``/usr``."""

_CLOCKS = "import time; print(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))"
_HOUR_S = 3600


class WallClock:
    """``server`` starts servers with this clock; ``file`` is where they look it up, at every reading."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "NO_FAKE_STAT": "1",
        }
        self.set(0)

    def set(self, ahead_s: int) -> None:
        """From now on the clock is this much ahead of the true time, or behind."""
        line = self._file.with_suffix(".new")
        line.write_text(f"{ahead_s:+d}\n")
        line.replace(self._file)

    @contextmanager
    def server(self, data: Path, launcher: tuple[str, ...] = MODULE) -> Iterator[Server]:
        server = Server(data, environment=self.environment, launcher=launcher)
        try:
            with server:
                yield server
        finally:
            _forget(server.pid)


def libfaketime(file: Path) -> Path:
    """Where it is. Skips the test where it is missing, or sets more than the wall clock; tried with ``file``."""
    library = next((path for pattern in _LIBRARY for path in Path("/usr").glob(pattern)), None)
    if library is None:
        pytest.skip("libfaketime is not installed")
    clock = WallClock(library, file)
    clock.set(_HOUR_S)
    wall_s, boot_s = _read_clocks({})
    faked_wall_s, faked_boot_s = _read_clocks(clock.environment)
    if faked_wall_s - wall_s < _HOUR_S or faked_boot_s - boot_s >= _HOUR_S:
        pytest.skip("this libfaketime does not set the wall clock, or not alone")
    return library


def _read_clocks(environment: Mapping[str, str]) -> tuple[float, float]:
    with subprocess.Popen(  # noqa: S603  # our own command line
        [sys.executable, "-c", _CLOCKS], env=clean_environment(environment), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        wall_s, boot_s = process.stdout.read().split()
    _forget(process.pid)
    return float(wall_s), float(boot_s)


def _forget(pid: int) -> None:
    """Remove what libfaketime leaves of a process that was killed, and trips over when the number comes up again."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        Path("/dev/shm", name).unlink(missing_ok=True)  # noqa: S108  # where the C library keeps them
