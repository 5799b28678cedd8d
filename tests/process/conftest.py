"""What the tests of this package share."""

import pytest

from tests.process.tracing import why_not


@pytest.fixture(scope="session")
def strace() -> None:
    """Skips where processes cannot be traced."""
    if reason := why_not():
        pytest.skip(reason)
