"""Every link leads to a file that there is, and to a heading that it has."""

import re
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, ROOT, anchors, documents, links, read

CHECKED = [
    *documents(),
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "examples/README.md", "sdk/python/README.md")),
]


def is_elsewhere(link: str) -> bool:
    return re.match(r"[a-z]+:", link) is not None


@pytest.mark.parametrize("document", CHECKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(document: Path) -> None:
    for link in links(document):
        if is_elsewhere(link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target), f"{link}; there are {sorted(anchors(target))}"


def test_every_document_is_found_from_the_index() -> None:
    """Whoever begins at the index comes to everything there is."""
    found: set[Path] = set()
    ahead = [DOCS / "README.md"]
    while ahead:
        document = ahead.pop()
        if document in found or document.suffix != ".md" or not document.is_relative_to(DOCS):
            found.add(document)
            continue
        found.add(document)
        here = (link.partition("#")[0] for link in links(document) if not is_elsewhere(link))
        ahead += [(document.parent / path).resolve() for path in here if path]
    files = {path for path in DOCS.rglob("*") if path.is_file()}
    assert files <= found


GENERATED = DOCS / "rest.md"


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_of_text_is_too_long_to_review(document: Path) -> None:
    lines = [line for line in read(document).splitlines() if not line.startswith("|")]
    assert document == GENERATED or [line for line in lines if len(line) > 130] == []
