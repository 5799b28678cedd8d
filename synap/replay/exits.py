"""How a run of a command line ends: one line on standard error and an exit code, never a traceback.

======  ==============================================================================
0       done
1       ``get``: there is no such entry; ``summary``: the log ends in a torn write
2       what was typed cannot be understood; ``summary``: something is damaged
64 up   an error; its class says which (``errors.py``), after BSD's ``sysexits.h``
130     Ctrl-C
141     whoever read the output has gone (``| head``)
======  ==============================================================================
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from synap.errors import ReplayError, SynapError

_EXIT_BUG = 70
EXIT_INTERRUPTED = 128 + 2
"""As shells have it: the number of SIGINT on top of 128."""
EXIT_BROKEN_PIPE = 128 + 13
"""The number of SIGPIPE on top of 128."""


def run(app: typer.Typer, prog_name: str, arguments: list[str] | None = None) -> None:
    """Run a command line to its end; exits with the code that the error's class gives (see ``errors.py``)."""
    try:
        app(arguments, prog_name=prog_name)
    except SynapError as error:
        fail(error)


def fail(error: SynapError, advice: str = "") -> NoReturn:
    """End with one line that says why, and whatever else may help."""
    print(f"synap: {error}", file=sys.stderr)  # noqa: T201  # the one line that says why
    if advice:
        print(advice, file=sys.stderr)  # noqa: T201
    sys.exit(getattr(error, "exit_code", _EXIT_BUG))


@contextmanager
def writing() -> Iterator[None]:
    """Around what writes to standard output. Raises ``ReplayError`` where it cannot be written.

    ``BrokenPipeError`` passes: that is no error, whoever read has had enough.
    """
    try:
        yield
    except BrokenPipeError:
        _drop_output()
        raise
    except OSError as cause:
        _drop_output()
        raise ReplayError(f"standard output cannot be written: {cause.strerror}") from cause


def _drop_output() -> None:
    """Let what cannot be written go nowhere: Python would try it again at the end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
