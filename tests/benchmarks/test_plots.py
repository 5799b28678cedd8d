import pytest

from benchmarks.plots import Bar, draw_bars
from tests.benchmarks.pictures import elements, texts


def rectangles(svg: str) -> list[tuple[str, float]]:
    """Kind and width of every bar."""
    return [(each.attrib["class"], float(each.attrib["width"])) for each in elements(svg, "rect")]


def test_bars_are_as_long_as_their_medians() -> None:
    svg = draw_bars("Title", "unit", [Bar("one", [1, 2, 9], is_ours=True), Bar("two", [4], is_ours=False)])
    (ours, ours_width), (peer, peer_width) = rectangles(svg)
    assert (ours, peer) == ("ours", "peer")
    assert peer_width == pytest.approx(2 * ours_width, abs=0.2)


def test_everything_is_named_and_escaped() -> None:
    svg = draw_bars("A < B", "ms & more", [Bar("<script>", [1500.4], is_ours=True)])
    assert {"A < B", "ms & more", "<script>", "1,500"} <= set(texts(svg))


def test_the_range_has_a_line_only_where_there_is_one() -> None:
    def lines(values: list[float]) -> int:
        svg = draw_bars("Title", "unit", [Bar("one", values, is_ours=True)])
        return sum(each.attrib["class"] == "range" for each in elements(svg, "line"))

    assert (lines([2.0, 2.0]), lines([1.0, 2.0])) == (0, 3)


@pytest.mark.parametrize("highest", [0.0, 0.0031, 0.9, 1.0, 7, 99, 100, 44_000, 12_345_678])
def test_nothing_leaves_the_picture(highest: float) -> None:
    svg = draw_bars("Title", "unit", [Bar("one", [0, highest, highest], is_ours=True)], ".4g")
    ((_, width),) = rectangles(svg)
    ticks = [each for each in elements(svg, "line") if each.attrib["class"] == "grid"]
    furthest = max(float(each.attrib["x1"]) for each in ticks)
    assert 270 + width <= furthest + 0.1
    assert furthest <= 760
    assert 2 <= len(ticks) <= 7
