from pathlib import Path

import msgspec
import pytest

from benchmarks.beside.__main__ import CASES
from benchmarks.beside.figure import Results
from benchmarks.beside.report import BEGIN, END, TITLES, draw, page, write_page
from tests.benchmarks.beside.test_figure import FIGURE
from tests.benchmarks.pictures import texts

NOTED = msgspec.structs.replace(FIGURE, notes=("It was quiet.",), case="get")
RESULTS = Results({}, (NOTED, msgspec.structs.replace(NOTED, peer_name="another")))


def test_page_has_table_notes_and_pictures() -> None:
    text = page(RESULTS, "results")
    assert "1,000 sessions, runs: 3, of 5 s each." in text
    assert text.count("| reads, requests a second |") == 2
    assert text.count("* `get`: It was quiet.") == 1
    assert text.endswith("![GET over REST, 32 connections](results/reads.svg)\n")


def test_what_was_measured_otherwise_is_named() -> None:
    other = msgspec.structs.replace(NOTED, case="memory", settings=msgspec.structs.replace(FIGURE.settings, sessions=5))
    assert "of 5 s each (get); 5 sessions, runs: 3, of 5 s each (memory)." in page(
        Results({}, (NOTED, other)), "results"
    )


def test_page_is_written_between_its_marks(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n", encoding="utf-8")
    for _ in range(2):
        write_page(path, "| new |\n")
        assert path.read_text(encoding="utf-8") == f"before\n\n{BEGIN}\n\n| new |\n\n{END}\n\nafter\n"


@pytest.mark.parametrize("content", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{END}{BEGIN}", f"{BEGIN}{END}{END}"])
def test_a_page_without_its_marks_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "README.md"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="once and in this order"):
        write_page(path, "new")
    assert path.read_text(encoding="utf-8") == content


def test_a_side_that_figures_share_is_drawn_once(tmp_path: Path) -> None:
    draw(tmp_path, RESULTS)
    (picture,) = tmp_path.iterdir()
    assert picture.name == "reads.svg"
    written = texts(picture.read_text(encoding="utf-8"))
    assert [written.count(name) for name in ("Synap", "Redis", "another")] == [1, 1, 1]


def test_the_page_of_this_project_has_its_marks(tmp_path: Path) -> None:
    readme = Path(__file__).parents[3] / "benchmarks" / "README.md"
    copy = tmp_path / "README.md"
    copy.write_bytes(readme.read_bytes())
    write_page(copy, "new\n")
    assert readme.read_text(encoding="utf-8").count("`python -m benchmarks.beside`") >= 1


def test_every_case_and_every_picture_is_told_of() -> None:
    readme = (Path(__file__).parents[3] / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in readme for name in CASES)
    assert len(set(TITLES.values())) == len(TITLES)
