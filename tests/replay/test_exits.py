"""How a run ends: an error is one line and its class's exit code; a full disk or a closed pipe is no accident."""

import errno
import os
import sys
from pathlib import Path

import pytest
import typer

from synap.errors import LogFailedError, NotOursError, ReplayError, SynapError
from synap.replay.exits import fail, run, writing

HERE = Path("here")


def app_that(error: BaseException | None) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    def command() -> None:
        if error is not None:
            raise error

    return app


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ReplayError("it is not there"), 64, "synap: it is not there\n"),
        (NotOursError(HERE, "it is not ours"), 66, "synap: it is not ours\n"),
        (LogFailedError("read", HERE, OSError(5, "I/O error")), 74, "synap: read of here failed: I/O error\n"),
        (SynapError("nobody foresaw this"), 70, "synap: nobody foresaw this\n"),
        (KeyboardInterrupt(), 130, ""),
        (None, 0, ""),
    ],
)
def test_every_end(error: BaseException | None, code: int, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(app_that(error), "synap", [])
    assert (caught.value.code or 0) == code
    out, err = capfd.readouterr()
    assert (out, err.lstrip("\n")) == ("", said)


def test_advice_follows_the_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        fail(ReplayError("it is not there"), "Look elsewhere.")
    assert caught.value.code == 64
    assert capfd.readouterr().err == "synap: it is not there\nLook elsewhere.\n"


def test_a_reader_who_has_gone_gets_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python would try again at the end of the process, and complain."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        stream.write("x")
        with pytest.raises(BrokenPipeError), writing():
            stream.flush()
        stream.flush()


def test_another_error_of_writing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synap.replay.exits._drop_output", lambda: None)
    with pytest.raises(ReplayError, match="standard output cannot be written: No space left"), writing():
        raise OSError(errno.ENOSPC, "No space left on device")
