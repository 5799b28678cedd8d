import pytest

# These are imported, not collected, and their assertions should explain themselves like any others.
pytest.register_assert_rewrite("tests.radix.conformance", "tests.radix.model")
