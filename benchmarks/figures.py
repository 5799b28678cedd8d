"""Figures as they are shown: medians, percentiles, and tables that can be copied into a page."""

import statistics
from collections.abc import Sequence
from math import ceil

MIB = 1024 * 1024


def spread(values: Sequence[float], form: str = ",.0f") -> str:
    """The median, and in brackets the lowest and the highest, if these look different."""
    lowest, highest = (f"{value:{form}}" for value in (min(values), max(values)))
    return lowest if lowest == highest else f"{statistics.median(values):{form}} ({lowest} to {highest})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all values does not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, without a line break at its end."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    print(table(head, rows))
