"""What the tests of this package share."""

from pathlib import Path

import pytest

from tests.process import shim as shims
from tests.process.shim import Shim
from tests.process.tracing import why_not


@pytest.fixture(scope="session")
def strace() -> None:
    """Skips where processes cannot be traced."""
    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def shim_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Skips where it cannot be compiled."""
    return shims.build(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def shim(shim_library: Path, tmp_path: Path) -> Shim:
    """Faults in the directory ``data`` of the test."""
    return Shim(shim_library, tmp_path / "data", tmp_path)
