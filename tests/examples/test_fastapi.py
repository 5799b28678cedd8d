"""``examples/fastapi`` under uvicorn."""

from pathlib import Path

import pytest

from tests.examples.scenario import drive
from tests.examples.support import PYTHON, Example

pytestmark = pytest.mark.process

FASTAPI = Example(
    "fastapi", [PYTHON, "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", "{port}"], ends_all_sessions=True
)


def test_fastapi(tmp_path: Path) -> None:
    drive(FASTAPI, tmp_path)
