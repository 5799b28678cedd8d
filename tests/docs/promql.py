"""PromQL, as far as dashboards and alerts use it: which metrics an expression names, and by which labels."""

import re
from typing import NamedTuple

_SELECTOR = re.compile(r"\b(?P<name>synap_\w+|up)\b(?:\{(?P<matchers>[^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_GROUPING = re.compile(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)")

ADDED = frozenset({"job", "instance"})
"""Labels that Prometheus adds to every sample."""


class Selector(NamedTuple):
    """A metric that an expression names, and the labels that it is matched by."""

    name: str
    labels: frozenset[str]


def selectors(expression: str) -> list[Selector]:
    """The metrics of an expression."""
    return [
        Selector(found["name"], frozenset(_MATCHER.findall(found["matchers"] or "")) - ADDED)
        for found in _SELECTOR.finditer(expression)
    ]


def grouped_by(expression: str) -> set[str]:
    """The labels that an expression groups or joins by."""
    lists = _GROUPING.findall(expression)
    return {label.strip() for names in lists for label in names.split(",") if label.strip()} - ADDED
