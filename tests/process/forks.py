"""The other end of ``driver.py``: a store without HTTP, in a new process for every crash."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.process import driver
from tests.process.harness import clean_environment
from tests.process.tracing import Tracer


class Run(NamedTuple):
    """What came of it: the last event that was acknowledged (0: none), how it ended, what it said about that.

    ``snapshot`` is the last event in the snapshot that was taken (None: there was none); ``hit`` tells whether a fault
    of strace's came to pass.
    """

    acknowledged: int
    status: int
    failure: str
    snapshot: int | None = None
    hit: bool = False


class Driver:
    """See ``driver.py``; ``environment`` comes on top of what the tests run in."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own command line
            [sys.executable, "-m", driver.__name__],
            cwd=Path(__file__).parents[2],
            env=clean_environment(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def run(self, scenario: str, directory: Path, call: str = "", fault: str = "", sabotage: str = "") -> Run:
        """Have a scenario carried out, with a fault of strace's (see ``Tracer``) or without."""
        self._say(f"run {scenario} {directory} {sabotage}".rstrip())
        run = Run(0, 0, "")
        while (told := self._read().split(" "))[0] == "ack":
            run = run._replace(acknowledged=int(told[1]))
        assert told[0] == "pid", told
        if not call:
            return self._finish(run)
        with Tracer(int(told[1]), call, f"{call}:{fault}") as tracer:
            run = self._finish(run)
        return run._replace(hit=run.status < 0 or any("(INJECTED)" in line for line in tracer.record()))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _finish(self, run: Run) -> Run:
        self._say("go")
        while True:
            word, _, rest = self._read().partition(" ")
            if word == "ack":
                run = run._replace(acknowledged=int(rest))
            elif word == "snapshot":
                run = run._replace(snapshot=int(rest))
            elif word == "failed":
                run = run._replace(failure=rest)
            else:
                assert word == "ended", word
                return run._replace(status=int(rest))

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")
