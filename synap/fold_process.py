"""The fold as a process of its own, started and waited for by the server's event loop."""

import os
import signal
import sys

import msgspec
import trio

from synap.snapshot.fold import FoldFailure, FoldReport, FoldRequest

_PROGRAM = "synap.snapshot.fold"
_SAID_LAST_BYTES = 500


async def fold_in_child(request: FoldRequest) -> FoldReport | FoldFailure:
    """Have the request carried out by a child, and return what it says; whatever becomes of it, that is an answer.

    Where the waiting is cancelled, the child is killed. It inherits no descriptors (``subprocess`` closes them) and has
    a session of its own, so that Ctrl-C is for the server alone. Starting it copies no memory: ``subprocess`` uses
    vfork. It looks for modules where this process does; with ``-m`` alone that would be the working directory first,
    whoever may write there.
    """
    try:
        asked = msgspec.json.encode(request)
    except UnicodeEncodeError:
        return FoldFailure("the name of its directory is not UTF-8")
    try:
        ended = await trio.run_process(
            [sys.executable, "-P", "-m", _PROGRAM, str(os.getpid())],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=asked,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            start_new_session=True,
            deliver_cancel=_kill,
        )
    except OSError as error:
        return FoldFailure(f"its process cannot be started: {error.strerror}", errno=error.errno)
    if ended.returncode < 0:
        return FoldFailure(f"its process was ended by a signal ({signal.strsignal(-ended.returncode)})")
    try:
        return msgspec.json.decode(ended.stdout, type=FoldReport | FoldFailure)
    except msgspec.DecodeError:
        said = " ".join(ended.stderr[-_SAID_LAST_BYTES:].decode(errors="replace").split())
        return FoldFailure(f"its process ended with code {ended.returncode} and said: {said or 'nothing'}")


async def _kill(process: trio.Process) -> None:
    process.kill()
