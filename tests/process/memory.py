"""Memory that runs out: limits to what a running process may have on top of what it has."""

import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

_GROUPS = (
    # Version 2, then 1: where groups are made, the file with the limit, and the one that keeps it from swapping.
    (Path("/sys/fs/cgroup"), "memory.max", "memory.swap.max"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.swappiness"),
)

_GONE_WITHIN_S = 10.0


@contextmanager
def group_limit(pid: int, size: int) -> Iterator[None]:
    """A control group with room for so many more bytes; beyond, the kernel kills.

    Skips the test where it is not allowed.
    """
    group, limit, swap = _new_group(f"synap-test-{pid}")
    try:
        if (group / swap).exists():
            (group / swap).write_text("0")
        (group / limit).write_text(str(size))
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        _remove(group, pid)


def _new_group(name: str) -> tuple[Path, str, str]:
    for parent, limit, swap in _GROUPS:
        group = parent / name
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / limit).exists():
            return group, limit, swap
        group.rmdir()
    pytest.skip("there is no control group for memory here, or no right to make one")


def _remove(group: Path, pid: int) -> None:
    """A group can be removed when it has no process: this one has ended, or else leaves it."""
    with suppress(OSError):
        (group.parent / "cgroup.procs").write_text(str(pid))
    deadline_s = time.monotonic() + _GONE_WITHIN_S
    while True:
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def address_space_limit(pid: int, size: int) -> Iterator[None]:
    """Room for so many more bytes of address space; beyond, allocations fail."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + size
    resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
    yield


LIMITS: Mapping[str, Callable[[int, int], AbstractContextManager[None]]] = {
    "control group": group_limit,
    "address space": address_space_limit,
}
