"""``examples/flask`` under gunicorn, with workers and threads: nothing of a session is in any of them."""

from pathlib import Path

import pytest

from tests.examples.scenario import drive
from tests.examples.support import PYTHON, Example

pytestmark = pytest.mark.process

FLASK = Example(
    "flask",
    [PYTHON, "-m", "gunicorn", "app:app", "--bind", "127.0.0.1:{port}", "--workers", "2", "--threads", "4"],
    ends_all_sessions=True,
)


def test_flask(tmp_path: Path) -> None:
    drive(FLASK, tmp_path)
