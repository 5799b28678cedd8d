from pathlib import Path

import msgspec
import pytest

from benchmarks.beside.figure import HEAD, Figure, Goal, Results, Settings, load_results, save_results

FIGURE = Figure(
    name="reads",
    unit="requests a second",
    ours_name="Synap",
    ours=(900.0, 1000.0, 2000.0),
    peer_name="Redis",
    peer=(1000.0, 1000.0, 1000.0),
    goal=Goal(at_least=1.0, floor=0.8),
    settings=Settings(sessions=1000, seconds=5.0),
    plot="reads",
)


@pytest.mark.parametrize(
    ("goal", "value", "verdict"),
    [
        (Goal(at_least=1.0), 1.0, "yes"),
        (Goal(at_least=1.0), 0.99, "no"),
        (Goal(at_least=1.0, floor=0.8), 1.2, "yes"),
        (Goal(at_least=1.0, floor=0.8), 0.8, "floor"),
        (Goal(at_least=1.0, floor=0.8), 0.79, "no"),
        (Goal(at_most=3), 3.0, "yes"),
        (Goal(at_most=3), 3.01, "no"),
    ],
)
def test_verdict(goal: Goal, value: float, verdict: str) -> None:
    assert goal.verdict(value) == verdict


def test_goals_as_text() -> None:
    assert str(Goal(at_least=1.0, floor=0.8)) == "1 or more, floor 0.8"
    assert str(Goal(at_least=8_000_000, of_ours=True)) == "ours 8,000,000 or more"
    assert str(Goal(at_most=1.5)) == "1.5 or less"


def test_ratios_are_those_of_runs_in_turn() -> None:
    assert FIGURE.ratios == [0.9, 1.0, 2.0]
    assert FIGURE.verdict == "yes"


def test_a_goal_of_ours_is_judged_by_ours() -> None:
    figure = msgspec.structs.replace(FIGURE, goal=Goal(at_most=1000, of_ours=True), peer=(), peer_name="")
    assert (figure.ratios, figure.verdict) == ([], "yes")
    assert figure.row()[2:4] == ["", ""]


def test_without_a_goal_there_is_no_verdict() -> None:
    assert msgspec.structs.replace(FIGURE, goal=None).row()[-2:] == ["", ""]


def test_row() -> None:
    assert dict(zip(HEAD, FIGURE.row(), strict=True)) == {
        "figure": "reads, requests a second",
        "ours": "1,000 (900 to 2,000)",
        "peer": "1,000, Redis",
        "ratio": "1.00 (0.90 to 2.00)",
        "to reach": "1 or more, floor 0.8",
        "reached": "yes",
    }


def test_sides_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        _ = msgspec.structs.replace(FIGURE, peer=(1.0,)).ratios


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "results" / "figures.json"
    assert load_results(path) == Results()
    results = Results({"cores": "2"}, (FIGURE,))
    save_results(path, results)
    assert load_results(path) == results


def test_a_case_replaces_what_it_had_and_keeps_its_place() -> None:
    order = ["first", "second"]
    second = msgspec.structs.replace(FIGURE, name="other")
    results = Results().with_case("second", [second], order).with_case("first", [FIGURE, FIGURE], order)
    assert [(each.case, each.name) for each in results.figures] == [("first", "reads")] * 2 + [("second", "other")]
    again = results.with_case("first", [FIGURE], order)
    assert [each.case for each in again.figures] == order
