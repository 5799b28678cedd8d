"""HTML, escaped; and what of Markdown the descriptions use: paragraphs, lists, tables, links, and `code`."""

import html
import re
from collections.abc import Iterable

_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[(\w+)\]\((#[\w-]+)\)")
_CELLS = re.compile(r"\s*\|\s*")
_RULE = re.compile(r"[|\s:-]+")


def element(name: str, *children: str, **attributes: str) -> str:
    """An element; the children are HTML already, attributes are text. ``class_`` is class."""
    given = "".join(f' {key.rstrip("_")}="{html.escape(value)}"' for key, value in attributes.items())
    return f"<{name}{given}>{''.join(children)}</{name}>"


def inline(text: str) -> str:
    """A line of text, in which `code` is code, and [this](#there) leads to another place of the page."""
    return _LINK.sub(r'<a href="\2">\1</a>', _CODE.sub(r"<code>\1</code>", html.escape(text, quote=False)))


def blocks(text: str) -> str:
    """Paragraphs, lists and tables, between which are empty lines."""
    return "".join(_block(block.splitlines()) for block in text.strip().split("\n\n") if block)


def _block(lines: list[str]) -> str:
    if all(line.startswith(("* ", "  ")) for line in lines):
        items = "\n".join(lines).removeprefix("* ").split("\n* ")
        return element("ul", *(element("li", inline(" ".join(item.split()))) for item in items))
    if all(line.startswith("|") for line in lines):
        rows = [_CELLS.split(line.strip().strip("|").strip()) for line in lines if not _RULE.fullmatch(line)]
        return table(rows[0], ([inline(cell) for cell in row] for row in rows[1:]))
    return element("p", inline(" ".join(lines)))


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; headings are text, cells HTML."""
    head = element("tr", *(element("th", inline(heading)) for heading in headings))
    body = "".join(element("tr", *(element("td", cell) for cell in row)) for row in rows)
    return element("div", element("table", element("thead", head), element("tbody", body)), class_="scroll")
