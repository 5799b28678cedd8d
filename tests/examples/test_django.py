"""``examples/django`` under gunicorn, with workers and threads: nothing of a session is in any of them."""

from pathlib import Path

import pytest

from tests.examples.scenario import drive
from tests.examples.support import PYTHON, Example

pytestmark = pytest.mark.process

DJANGO = Example(
    "django",
    [PYTHON, "-m", "gunicorn", "app:app", "--bind", "127.0.0.1:{port}", "--workers", "2", "--threads", "4"],
    ends_all_sessions=True,
)


def test_django(tmp_path: Path) -> None:
    drive(DJANGO, tmp_path)
