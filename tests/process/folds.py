"""The processes in which a server folds: found, and held on their way."""

import os
import re
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.process.harness import Reply, Server, wait_until

_FOLD = re.compile(rb"\0-m\0(synap\.snapshot\.fold|forgetful_fold)\0")

# Run by every Python that finds it where it looks for modules, before anything else.
_HOOK = """
import os, signal, sys
if "synap.snapshot.fold" in sys.orig_argv and os.path.exists({sign!r}):
    os.kill(os.getpid(), signal.SIGSTOP)
"""


def folds_of(pid: int) -> list[int]:
    """The folds that are children of a process."""
    return [int(place.name) for place in Path("/proc").glob("[0-9]*") if _is_fold_of(place, pid)]


def is_alive(pid: int) -> bool:
    """Whether it has not ended; who collects what is left of it, is another question."""
    return _state_and_parent(Path(f"/proc/{pid}"))[0] not in {"", "Z"}


def _stands_still(pid: int) -> bool:
    return _state_and_parent(Path(f"/proc/{pid}"))[0] == "T"


def _is_fold_of(place: Path, pid: int) -> bool:
    try:
        # Before it becomes Python, it still has the command line of its parent.
        return _state_and_parent(place)[1] == str(pid) and bool(_FOLD.search((place / "cmdline").read_bytes()))
    except (FileNotFoundError, ProcessLookupError):
        return False


def _state_and_parent(place: Path) -> tuple[str, str]:
    """See proc_pid_stat(5); nothing where there is no such process."""
    try:
        state, parent, *_ = (place / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", ""
    return state, parent


class Fold:
    """A fold that stands still before it begins, and the request for which it was started."""

    def __init__(self, pid: int, asked: Future[Reply]) -> None:
        self.pid = pid
        self.asked = asked

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)


class Leash:
    """Holds the folds of servers that are started with its ``environment``."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        self._sign = place / "hold"
        (place / "sitecustomize.py").write_text(_HOOK.format(sign=str(self._sign)), encoding="utf-8")
        self.environment: Mapping[str, str] = {"PYTHONPATH": str(place)}

    @contextmanager
    def hold(self, server: Server) -> Iterator[Fold]:
        """Ask for a snapshot; its fold stops (SIGSTOP) before it begins. It is gone when the body ends."""
        self._sign.touch()
        with ThreadPoolExecutor(1) as thread, server.client() as client:
            asked = thread.submit(client.request, "POST", "/snapshot")
            try:
                assert wait_until(lambda: any(map(_stands_still, folds_of(server.pid))))
                (pid,) = folds_of(server.pid)
                self._sign.unlink()
                yield Fold(pid, asked)
            finally:
                for left in folds_of(server.pid):
                    os.kill(left, signal.SIGKILL)
