"""The published client, installed into a virtual environment of its own and driven from here."""

import fcntl
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.process.harness import clean_environment

DRIVER = Path(__file__).with_name("driver.py")
REQUIREMENTS = Path(__file__).with_name("requirements.txt")

VERSION = "1.4.0"

INSTALL_LIMIT_S = 240
"""Ten small packages from a slow index."""

RUN_LIMIT_S = 60

_UNREACHABLE = re.compile(r"NewConnectionError|NameResolutionError|TimeoutError|No matching distribution")
"""How pip says that there is no index here, or none that has the client."""

Call: TypeAlias = tuple[str, list[object], dict[str, object]]


class RaisedError(Exception):
    """What the client raised: ``name`` of the exception, and its sentence."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


def call(method: str, *positional: object, **by_name: object) -> Call:
    """One call of the client's, by the path from the client to the method."""
    return method, list(positional), by_name


class PublishedClient:
    """The client with some options; each use of it is a process, a client, and its end."""

    def __init__(self, python: Path, url: str, **options: object) -> None:
        self._python = python
        self._url = url
        self._options = options

    def call(self, method: str, *positional: object, **by_name: object) -> object:
        """What one call returns. Raises ``RaisedError``."""
        (result,) = self.calls(call(method, *positional, **by_name))
        if isinstance(result, RaisedError):
            raise result
        return result

    def calls(self, *calls: Call, at_once: bool = False) -> list[object]:
        """What each call returns, or the ``RaisedError``; one after the other, or all at once."""
        orders = {"url": self._url, "options": self._options, "calls": calls, "at_once": at_once}
        done = subprocess.run(  # noqa: S603  # our own command line
            [str(self._python), "-P", str(DRIVER)],
            input=json.dumps(orders),
            env={**clean_environment(), "NO_PROXY": "*", "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["version"] == VERSION
        return [_outcome(result) for result in told["results"]]


def _outcome(result: dict[str, object]) -> object:
    if "raised" in result:
        return RaisedError(str(result["raised"]), str(result["text"]))
    return result["returned"]


def install() -> Path:
    """The Python of an environment with the published client in it, which is kept from run to run.

    It lies in the environment of the tests, and is made anew where the requirements have changed. Skips the test where
    the package index cannot be reached.
    """
    directory = Path(sys.prefix) / "published-client"
    # Of several processes that share the tests, one makes it and the others wait.
    with directory.with_suffix(".lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _install(directory)


def _install(directory: Path) -> Path:
    python = directory / "bin" / "python"
    installed = directory / "installed.txt"
    wanted = f"{sys.version}\n{REQUIREMENTS.read_text()}"
    if installed.exists() and installed.read_text() == wanted:
        return python
    _run([sys.executable, "-m", "venv", "--clear", str(directory)])
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = _run([*pip, "--no-deps", "--requirement", str(REQUIREMENTS)], check=False)
    if done.returncode != 0 and _UNREACHABLE.search(done.stderr):
        pytest.skip("the published client cannot be had: the package index cannot be reached, or does not have it")
    assert done.returncode == 0, done.stderr
    installed.write_text(wanted)
    return python


def _run(command: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own command line
        command, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=check
    )
