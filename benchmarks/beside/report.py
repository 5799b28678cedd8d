"""What is shown of the figures: one table, notes below it, pictures, and the same between two marks of a page."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.beside.figure import HEAD, Figure, Results, Settings
from benchmarks.figures import table
from benchmarks.plots import Bar, draw_bars

BEGIN = "<!-- what `python -m benchmarks.beside --table` prints -->"
END = "<!-- end of what it prints -->"

TITLES = {
    "reads": "GET over REST, 32 connections",
    "writes": "SET over REST, 128 connections",
    "round-trips": "Round trip of one client",
    "in-process": "Read in process, a hot key",
    "batches": "Read in process, 1,000 keys at once",
    "memory": "Resident memory of a session",
    "loading": "Loading all sessions",
    "mixed": "GET at a fixed rate, alone and beside writes",
}
"""The pictures that there are, by the name that a figure gives of its own."""


def page(results: Results, pictures: str) -> str:
    """The table in Markdown, what is to be known about it, and the pictures, which are in the folder ``pictures``."""
    rows = table(HEAD, [figure.row() for figure in results.figures])
    notes = "\n".join(f"* {note}" for note in _notes(results.figures))
    images = "\n".join(f"![{TITLES[name]}]({pictures}/{name}.svg)" for name in _plots(results.figures))
    return "\n\n".join(part for part in (_conditions(results.figures), rows, notes, images) if part) + "\n"


def write_page(path: Path, text: str) -> None:
    """Put the text between the marks of the file. Raises ``ValueError`` where they are not there, once and in order."""
    content = path.read_text(encoding="utf-8")
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after or END in before + after:
        raise ValueError(f"{path.name} must have the lines {BEGIN} and {END}, once and in this order")
    path.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", encoding="utf-8")


def draw(directory: Path, results: Results) -> None:
    """Draw every picture that there are figures for."""
    for name in _plots(results.figures):
        figures = [each for each in results.figures if each.plot == name]
        text = draw_bars(TITLES[name], figures[0].unit, _bars(figures), figures[0].form)
        (directory / f"{name}.svg").write_text(text, encoding="utf-8")


def _plots(figures: Sequence[Figure]) -> list[str]:
    drawn = {each.plot for each in figures}
    return [name for name in TITLES if name in drawn]


def _bars(figures: Sequence[Figure]) -> list[Bar]:
    """Both sides of each; a side that several figures share is drawn once, as the first of them has it."""
    bars: dict[str, Bar] = {}
    for figure in figures:
        bars.setdefault(figure.ours_name, Bar(figure.ours_name, figure.ours, is_ours=True))
        if figure.peer:
            bars.setdefault(figure.peer_name, Bar(figure.peer_name.replace("`", ""), figure.peer, is_ours=False))
    return list(bars.values())


def _conditions(figures: Sequence[Figure]) -> str:
    """How it was measured, once for all that were measured alike."""
    alike: dict[tuple[Settings, int], list[str]] = {}
    for figure in figures:
        cases = alike.setdefault((figure.settings, len(figure.ours)), [])
        if figure.case not in cases:
            cases.append(figure.case)
    parts = [
        f"{settings.sessions:,} sessions, runs: {runs}, of {settings.seconds:g} s each"
        + (f" ({', '.join(cases)})" if len(alike) > 1 else "")
        for (settings, runs), cases in alike.items()
    ]
    return "; ".join(parts) + ". Medians (lowest to highest); a ratio is that of two runs in turn, ours by the peer's."


def _notes(figures: Sequence[Figure]) -> list[str]:
    return list(dict.fromkeys(f"`{figure.case}`: {note}" for figure in figures for note in figure.notes))
