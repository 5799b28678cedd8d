"""Writes the reference in Markdown to standard output: ``python -m synap.protocol.http.openapi > docs/rest.md``."""

import sys

from synap.protocol.http.openapi.documents import LOCAL
from synap.protocol.http.openapi.operation import reference_of
from synap.protocol.http.openapi.text import text_of
from synap.protocol.http.routes import ROUTES


def main() -> None:
    """Write it."""
    sys.stdout.write(text_of(reference_of(ROUTES, LOCAL)))


if __name__ == "__main__":
    main()
