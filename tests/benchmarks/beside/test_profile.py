from benchmarks.beside.profile import FUNCTIONS, summary


def test_summary_tells_own_shares_from_totals() -> None:
    lines = summary(["main (a.py);work (a.py) 3", "main (a.py) 1"]).splitlines()
    assert lines[0] == "4 samples"
    assert [line.split() for line in lines[2:]] == [
        ["75.0%", "75.0%", "work", "(a.py)"],
        ["25.0%", "100.0%", "main", "(a.py)"],
    ]


def test_recursion_counts_once() -> None:
    assert summary(["f (a.py);f (a.py);f (a.py) 2"]).split()[-4:] == ["100.0%", "100.0%", "f", "(a.py)"]


def test_places_on_this_machine_are_left_out() -> None:
    text = summary(
        [
            "run (/opt/venv/lib/python3.11/site-packages/trio/_core/_run.py:10) 1",
            "get (/home/someone/synap/store.py:7) 1",
            "loads (/usr/lib/python3.11/json/__init__.py) 1",
            "read (synap/fs.py:3) 1",
        ]
    )
    names = {line.split(None, 2)[2] for line in text.splitlines()[2:]}
    assert names == {
        "run (trio/_core/_run.py)",
        "get (synap/store.py)",
        "loads (json/__init__.py)",
        "read (synap/fs.py)",
    }


def test_only_the_first_are_shown() -> None:
    assert len(summary(f"f{number} (a.py) 1" for number in range(40)).splitlines()) == 2 + FUNCTIONS
