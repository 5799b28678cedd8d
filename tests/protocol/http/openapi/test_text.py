from itertools import pairwise
from pathlib import Path

import pytest

import synap
from synap.protocol.http.openapi.__main__ import main
from synap.protocol.http.openapi.documents import LOCAL
from synap.protocol.http.openapi.operation import reference_of
from synap.protocol.http.openapi.text import text_of
from synap.protocol.http.routes import ROUTES

COMMITTED = Path(synap.__file__).parent.parent / "docs" / "rest.md"


def test_the_committed_text_is_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert COMMITTED.read_text(encoding="utf-8") == capsys.readouterr().out, (
        "python -m synap.protocol.http.openapi > docs/rest.md"
    )


def test_it_tells_of_every_route() -> None:
    reference = reference_of(ROUTES, LOCAL)
    text = text_of(reference)
    for operation in reference.operations:
        assert f"`{operation.method} {operation.pattern}`" in text
        assert not operation.is_first or f'<a id="{operation.name}"></a>' in text
        assert not operation.is_first or f"(#{operation.name})" in text


def test_tables_are_tables() -> None:
    lines = text_of(reference_of(ROUTES, LOCAL)).splitlines()
    for above, line in pairwise(lines):
        if above.startswith("|") and line.startswith("|"):
            assert above.count("|") == line.count("|"), (above, line)
