"""Applications for Node: their packages installed into a copy, and each run as a process of its own.

Nothing is installed into the tree, and what the tests need is skipped with a reason where Node or its packages cannot
be had.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.process.harness import START_LIMIT_S, clean_environment, wait_until

INSTALL_LIMIT_S = 180
"""A hundred small packages from a slow registry."""

_ANNOUNCEMENT = re.compile(r"^serves (\S+)$", re.MULTILINE)

_UNREACHABLE = re.compile(r"E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH|HOSTUNREACH)|_TIMEOUT")
"""How npm says that there is no registry here; any other failure is one of ours."""


def install(sources: Iterable[Path], target: Path) -> Path:
    """Copy the files into a new directory and install what the lock file among them names; the directory.

    Skips the test where Node is missing or the registry cannot be reached.
    """
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    target.mkdir()
    for source in sources:
        shutil.copy(source, target)
    command = [
        "npm",
        "ci",
        "--fetch-retries=1",
        "--prefer-offline",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
    ]
    done = subprocess.run(  # noqa: S603  # our own command line
        command, cwd=target, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False
    )
    if done.returncode != 0 and _UNREACHABLE.search(done.stderr):
        pytest.skip("the registry of npm cannot be reached")
    assert done.returncode == 0, done.stderr
    return target


class Application:
    """One run of ``node ARGUMENTS`` in a directory; as a context manager it is started, and killed at the end.

    It says ``serves URL`` on standard output when it does.
    """

    def __init__(self, directory: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._arguments = arguments
        self._environment = clean_environment(environment)
        self._log = directory / "output.txt"

    def __enter__(self) -> Self:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own command line
                ["node", *self._arguments],  # noqa: S607  # wherever it is installed
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: bool(_ANNOUNCEMENT.search(self.output)) or not self.running)
        if not _ANNOUNCEMENT.search(self.output):
            self.__exit__()
            pytest.fail(f"the application did not start:\n{self.output}")
        return self

    def __exit__(self, *_: object) -> None:
        if self.running:
            self._process.kill()
        self._process.wait(START_LIMIT_S)

    @property
    def url(self) -> str:
        """What it announced."""
        announced = _ANNOUNCEMENT.search(self.output)
        assert announced is not None
        return announced[1]

    @property
    def output(self) -> str:
        """All that it wrote so far, to standard output and error."""
        return self._log.read_text()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def exit_code(self) -> int:
        """Wait for the end."""
        return self._process.wait(START_LIMIT_S)
