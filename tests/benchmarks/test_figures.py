import pytest

from benchmarks.figures import percentile, spread, table


def test_spread_shows_the_median_and_the_range() -> None:
    assert spread([3.0, 1.0, 2.0], ".1f") == "2.0 (1.0 to 3.0)"


def test_spread_of_what_looks_alike_is_one_number() -> None:
    assert spread([1000.1, 999.9, 1000.0]) == "1,000"
    assert spread([7.0]) == "7"


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 2), (0.75, 3), (0.99, 4), (1.0, 4)])
def test_percentile_is_a_value_that_was_there(share: float, expected: float) -> None:
    assert percentile([4, 2, 3, 1], share) == expected


def test_table() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
