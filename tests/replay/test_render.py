"""Output: plain where nobody looks, coloured where somebody does, and nothing of it interpreted."""

import io
import json
import re
import sys

import pytest
from rich.console import Console

from synap.errors import ReplayError
from synap.replay.render import Column, Listing, Meter, Output

COLUMNS = (Column("seq", 5, right=True), Column("type", 4, styles={"set": "green"}), Column("key", 0, style="bold"))


class Terminal(io.StringIO):
    """Standard output on a terminal."""

    def isatty(self) -> bool:
        return True


def look_at_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Let standard output be a terminal from now on. Not a fixture: pytest sets standard output again behind it."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    return stream


def plain(text: str) -> str:
    """The text without its colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


# --- not a terminal --------------------------------------------------------------------------------------


def test_columns(capfd: pytest.CaptureFixture[str]) -> None:
    listing = Listing(Output(), COLUMNS)
    listing.title()
    listing.line(["7", "set", "[red]k" * 50])
    listing.lines([["123456", "deleted", "k"], ["8", "set", ""]])
    listing.lines([])
    assert capfd.readouterr().out == (
        f"  seq  type  key\n    7  set   {'[red]k' * 50}\n123456  deleted  k\n    8  set\n"
    )


def test_json_lines(capfd: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.records([{"key": "\x9b"}, {"key": "k"}])
    output.records([])
    out = capfd.readouterr().out
    assert [json.loads(line) for line in out.splitlines()] == [{"key": "\x9b"}, {"key": "k"}]
    assert out.isascii()


def test_remarks_go_elsewhere(capfd: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.text("text")
    output.remark("[red]a remark " * 20)
    out, err = capfd.readouterr()
    assert (out, err) == ("text\n", f"synap: {'[red]a remark ' * 20}\n")


def test_no_progress_where_nobody_looks(capfd: pytest.CaptureFixture[str]) -> None:
    with Output().progress("reading", 100) as meter:
        meter.add(50)
        assert type(meter) is Meter
    assert capfd.readouterr() == ("", "")


# --- a terminal ------------------------------------------------------------------------------------------


def test_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = look_at_terminal(monkeypatch)
    listing = Listing(Output(), COLUMNS)
    listing.title()
    listing.line(["7", "set", "[red]k" * 20])
    listing.lines([["8", "x", "y"]])
    shown = terminal.getvalue()
    assert "\x1b[" in shown
    assert [line.rstrip() for line in plain(shown).splitlines()] == [
        "  seq  type  key",
        f"    7  set   {'[red]k' * 20}",
        "    8  x     y",
    ]


@pytest.mark.parametrize("how", ["option", "environment"])
def test_no_colours(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    terminal = look_at_terminal(monkeypatch)
    if how == "environment":
        monkeypatch.setenv("NO_COLOR", "1")
    Listing(Output(no_color=how == "option"), COLUMNS).line(["7", "set", "k"])
    assert not re.search(r"\x1b\[(3\d|9\d)", terminal.getvalue())


def test_json_is_not_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    look_at_terminal(monkeypatch)
    output = Output(as_json=True)
    assert not output.on_terminal


def test_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = look_at_terminal(monkeypatch)
    errors = Terminal()
    monkeypatch.setattr(sys, "stderr", errors)
    output = Output()
    with output.progress("reading [red]", 10_000_000) as meter:
        for _ in range(10):
            meter.add(1_000_000)
    assert "reading [red]" in plain(errors.getvalue())
    assert terminal.getvalue() == ""
    errors.truncate(0)
    with output.progress("reading", 10_000_000, streams=True) as meter:
        meter.add(5_000_000)
    assert errors.getvalue().strip("\0") == "", "output comes to the same terminal"


def test_progress_where_the_output_goes_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    errors = Terminal()
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setenv("TERM", "xterm")
    with Output().progress("reading", 10_000_000, streams=True) as meter:
        meter.add(5_000_000)
    assert "reading" in errors.getvalue()
    assert capfd.readouterr().out == ""


# --- a stream that fails ---------------------------------------------------------------------------------


def test_a_full_disk_behind_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[bool] = []
    monkeypatch.setattr("synap.replay.exits._drop_output", lambda: dropped.append(True))
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", full)
        output = Output()
        output.text("x")
        with pytest.raises(ReplayError, match="standard output cannot be written: No space left on device"):
            output.flush()
        assert dropped == [True]
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space"):
            full.close()


def test_nothing_is_interpreted() -> None:
    console: Console = Output().console
    assert not console._markup  # there is no other way to ask
    assert not console._emoji
