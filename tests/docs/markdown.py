"""Markdown, as far as these documents use it: blocks of code, headings and their anchors, links, rows of tables."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")
_ANCHOR = re.compile(r'<a (?:id|name)="([^"]+)"')
_HEADING = re.compile(r"^(#{1,6}) (.*)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: where it stands (``line`` counts from 1), under which heading, and what is in it."""

    document: Path
    line: int
    heading: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def documents() -> list[Path]:
    """Every document under ``docs``."""
    return sorted(DOCS.rglob("*.md"))


def read(document: Path) -> str:
    """The text of a document."""
    return document.read_text(encoding="utf-8")


def blocks(document: Path) -> Iterator[Block]:
    """The blocks of code, in their order."""
    text = read(document)
    for found in _FENCE.finditer(text):
        before = text[: found.start()]
        headings = _HEADING.findall(_without_code(before))
        yield Block(document, before.count("\n") + 1, headings[-1][1] if headings else "", found[2], dedent(found[3]))


def links(document: Path) -> list[str]:
    """Where the document points to, code aside."""
    return _LINK.findall(_without_code(read(document)))


def anchors(document: Path) -> set[str]:
    """What can stand behind ``#``: what HTML names so, and each heading in lower case, with hyphens for spaces."""
    found = set(_ANCHOR.findall(read(document)))
    for _, heading in _HEADING.findall(_without_code(read(document))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = sum(re.fullmatch(re.escape(slug) + r"(-\d+)?", each) is not None for each in found)
        found.add(f"{slug}-{count}" if count else slug)
    return found


def rows(text: str) -> list[list[str]]:
    """The cells of every row of every table; headings and rulers as well."""
    lines = (line for line in _without_code(text).splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def _without_code(text: str) -> str:
    return _FENCE.sub("", text)
