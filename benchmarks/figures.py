"""Figures as they are shown: medians, percentiles, and tables that can be copied into a page."""

import statistics
from collections.abc import Sequence
from math import ceil

MIB = 1024 * 1024


def spread(values: Sequence[float], form: str = ",.0f") -> str:
    """The median, and in brackets the lowest and the highest, if there are several."""
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all values does not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(row)} |")
