"""strace: faults in the system calls of a running process, from one moment to another.

Attaching to a process that runs already, rather than starting it under strace, has two merits: the calls of the
interpreter's own start do not count, and a fault begins exactly when a test wants it to.
"""

import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

_ATTACH_LIMIT_S = 10.0


class Tracer:
    """strace attached to a process and its threads; as a context manager it lets go at the end.

    ``calls`` names the system calls that are recorded, and ``paths`` the files that they must be about (empty: any);
    ``faults`` are strace's injections, such as ``fdatasync:error=EIO``.
    """

    def __init__(self, pid: int, calls: str, *faults: str, paths: Sequence[Path] = ()) -> None:
        self._record: list[str] = []
        files = [argument for path in paths for argument in ("-P", str(path))]
        injections = [argument for fault in faults for argument in ("-e", f"inject={fault}")]
        self._process = subprocess.Popen(  # noqa: S603  # our own command line
            [
                shutil.which("strace") or "strace",
                "-f",
                "-y",
                "-p",
                str(pid),
                "-e",
                f"trace={calls}",
                *files,
                *injections,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._attached = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        if not self._attached.wait(_ATTACH_LIMIT_S) or self._process.poll() is not None:
            self.close()
            raise AssertionError(f"strace did not attach: {self._record}")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the process."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def record(self) -> list[str]:
        """The calls so far, in strace's notation."""
        return [line for line in self._record if "(" in line and not line.startswith("strace: ")]

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._record.append(line.rstrip())
            if " attached" in line:
                self._attached.set()
        self._attached.set()


def why_not() -> str | None:
    """The reason why processes cannot be traced here, or None."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        try:
            with Tracer(other.pid, "read"):
                return None
        except AssertionError as error:
            return f"processes cannot be traced here: {error}"
        finally:
            other.kill()
