"""Where it was measured: the machine, its disk and the programs, without names of hosts, users or directories."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path

from benchmarks.beside.bench import Tools
from benchmarks.figures import percentile
from synap.radix import IMPLEMENTATION

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_SYNCS = 200
_SYNC_BYTES = 300
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)+")


def describe_machine(directory: Path, tools: Tools) -> dict[str, str]:
    """Names and values; ``directory`` is on the disk that is used."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "governor": _GOVERNOR.read_text(encoding="ascii").strip() if _GOVERNOR.exists() else "not known",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {(_VERSION.match(platform.release()) or [''])[0]}",
        "file system": _file_system(directory),
        f"append of {_SYNC_BYTES} bytes with fdatasync": _sync(directory),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "tree": {"c": "compiled", "py": "pure Python"}[IMPLEMENTATION],
        "Redis": _version(tools.redis, "--version"),
        "webdis": _package_version(tools.webdis),
        "wrk": _version(tools.wrk, "-v"),
    }


def write_machine(path: Path, machine: dict[str, str]) -> None:
    """The same as a page."""
    rows = "".join(f"| {name} | {value} |\n" for name, value in machine.items())
    path.write_text(f"# The machine\n\n| | |\n| --- | --- |\n{rows}", encoding="utf-8")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(directory: Path) -> str:
    """The type of the innermost mount that has the directory."""
    place, found, kind = directory.resolve(), Path("/"), "not known"
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, fs_type, *_ = line.split()
        if place.is_relative_to(mount) and Path(mount).is_relative_to(found):
            found, kind = Path(mount), fs_type
    return kind


def _sync(directory: Path) -> str:
    """How long the disk takes to have a few bytes more."""
    path, taken_ms = directory / "sync", []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    for _ in range(_SYNCS):
        os.write(descriptor, bytes(_SYNC_BYTES))
        started_s = time.perf_counter()
        os.fdatasync(descriptor)
        taken_ms.append((time.perf_counter() - started_s) * 1000)
    os.close(descriptor)
    path.unlink()
    return f"median {percentile(taken_ms, 0.5):.2f} ms, p99 {percentile(taken_ms, 0.99):.2f} ms"


def _version(program: str | None, option: str) -> str:
    """What the program says of itself; wrk shows its version with its usage, and an error."""
    if program is None:
        return "missing"
    said = subprocess.run([program, option], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = _VERSION.search(said.stdout)
    return found[0] if found else "not known"


def _package_version(program: str | None) -> str:
    """The version by Debian's account: webdis does not know its own."""
    if program is None:
        return "missing"
    try:
        said = subprocess.run(
            ["/usr/bin/dpkg-query", "-W", "-f", "${Version}", Path(program).name],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "not known"
    return said.stdout
