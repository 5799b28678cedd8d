"""What is shown: JSON lines, or text in columns; on a terminal with colours, elsewhere without. And the progress.

A command makes frozen structs and hands them to ``Output.records``, where JSON is asked for, or makes lines of text of
them. Whatever comes from the data is text of ``text.py`` by then: here nothing is escaped, and rich interprets nothing.

In the structs, names of fields are a promise to those who parse them: times are ISO 8601 in UTC, beside each an integer
``*_ms`` since the epoch; a field that does not apply is left out (``UNSET``), null means that there is none.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from synap.replay.exits import writing
from synap.replay.text import safe_json

_PROGRESS_STEP_BYTES = 1024 * 1024
"""How much is read between two looks at the progress bar: about 10 ms of work."""


class Output:
    """Standard output, as ``--json`` and ``--no-color`` want it, and remarks on standard error."""

    def __init__(self, *, as_json: bool = False, no_color: bool = False) -> None:
        if hasattr(sys.stdout, "reconfigure"):
            # What the terminal's encoding does not have is shown as an escape instead of being an error.
            sys.stdout.reconfigure(errors="backslashreplace")
        self.as_json = as_json
        self.console = _console(no_color=no_color, stderr=False)
        self.on_terminal = self.console.is_terminal and not as_json
        self._encoder = msgspec.json.Encoder()
        self._errors = _console(no_color=no_color, stderr=True)

    def records(self, records: Iterable[object]) -> None:
        """One JSON object a line."""
        lines = safe_json(self._encoder.encode_lines(records))
        with writing():
            sys.stdout.buffer.write(lines)

    def text(self, text: str) -> None:
        """Lines without colour."""
        with writing():
            sys.stdout.write(f"{text}\n")

    def styled(self, *parts: tuple[str, str]) -> None:
        """A line of pieces of text, each with its style (rich's words, such as ``bold red``)."""
        if self.on_terminal:
            with writing():
                self.console.print(Text.assemble(*parts), soft_wrap=True)
        else:
            self.text("".join([text for text, _ in parts]))

    def flush(self) -> None:
        """Write what is still held back."""
        with writing():
            sys.stdout.flush()

    def remark(self, message: str) -> None:
        """A line on standard error, about what is shown."""
        self.flush()
        self._errors.print(Text(f"synap: {message}"), soft_wrap=True)

    @contextmanager
    def progress(self, doing: str, total_bytes: int, *, streams: bool = False) -> Iterator["Meter"]:
        """Show how far something is, if standard error is a terminal.

        With ``streams``, output comes meanwhile: there is no bar where it comes to a terminal, too.
        """
        if not self._errors.is_terminal or (streams and sys.stdout.isatty()):
            yield Meter()
            return
        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TimeRemainingColumn(),
            console=self._errors,
            transient=True,
        )
        with bar:
            yield _Bar(bar, doing, total_bytes)


def _console(*, no_color: bool, stderr: bool) -> Console:
    return Console(
        stderr=stderr, no_color=no_color or None, markup=False, highlight=False, emoji=False, legacy_windows=False
    )


class Meter:
    """Is told how many more bytes were read; shows nothing."""

    def add(self, read_bytes: int) -> None:
        """So many bytes more."""


class _Bar(Meter):
    """A bar on standard error."""

    def __init__(self, bar: Progress, doing: str, total_bytes: int) -> None:
        self._bar = bar
        self._task = bar.add_task(doing, total=total_bytes)
        self._unshown_bytes = 0

    def add(self, read_bytes: int) -> None:
        self._unshown_bytes += read_bytes
        if self._unshown_bytes >= _PROGRESS_STEP_BYTES:
            self._bar.advance(self._task, self._unshown_bytes)
            self._unshown_bytes = 0


class Column(NamedTuple):
    """A column ``width`` characters wide, or wider where its content is; ``styles`` are by content."""

    title: str
    width: int
    right: bool = False
    style: str = ""
    styles: Mapping[str, str] = {}


class Listing:
    """Lines of text in columns, as they come: nothing is held back and nothing is cut off.

    Like ``ls -l``: what has a usual width comes first, and the key last.
    """

    def __init__(self, output: Output, columns: Sequence[Column]) -> None:
        self._output = output
        self._columns = columns
        self._format = "  ".join([f"{{:{'>' if column.right else '<'}{column.width}}}" for column in columns])

    def title(self) -> None:
        """The line above."""
        self._output.styled((self.plain([column.title for column in self._columns]), "bold"))

    def plain(self, cells: Sequence[str]) -> str:
        """A line as text."""
        return self._format.format(*cells).rstrip()

    def lines(self, rows: Iterable[Sequence[str]]) -> None:
        """Show several lines; elsewhere than on a terminal, they are written together."""
        if self._output.on_terminal:
            for cells in rows:
                self.line(cells)
        elif text := "\n".join([self.plain(cells) for cells in rows]):
            self._output.text(text)

    def line(self, cells: Sequence[str]) -> None:
        """Show a line."""
        if not self._output.on_terminal:
            self._output.text(self.plain(cells))
            return
        parts: list[tuple[str, str]] = []
        for column, cell in zip(self._columns, cells, strict=True):
            padded = cell.rjust(column.width) if column.right else cell.ljust(column.width)
            parts += [(padded, column.styles.get(cell, column.style)), ("  ", "")]
        self._output.styled(*parts)
