"""What went for want of memory is told as that, by every command that tells of ends."""

import pytest

from synap.store import MemoryLimit

from .build import SNAPSHOT, DataDir, put
from .conftest import Run

VALUE = b"v" * 3000


@pytest.fixture(autouse=True)
def evicted(data: DataDir) -> DataDir:
    """Two keys of which the first goes for a third one, and a snapshot of that."""
    data.memory_limit = MemoryLimit(12_500, "lru")
    data.live(put("first", VALUE), put("second", VALUE), 1000, put("third", VALUE), SNAPSHOT)
    return data


def test_events(run: Run) -> None:
    outcome = run("events", "--type", "evicted", "--json")
    assert [(record["seq"], record["type"], record["key"]) for record in outcome.records] == [(3, "evicted", "first")]
    assert "evicted" in run("events", "--key", "first").out


def test_history(run: Run) -> None:
    outcome = run("history", "first", "--json")
    assert [(record["type"], record["effect"]) for record in outcome.records[:-1]] == [
        ("set", "created"),
        ("evicted", "ended"),
    ]
    assert outcome.records[1]["lived_ms"] == 1000
    assert (outcome.total["lives"], outcome.total["ended_by"], outcome.total["ended_seq"]) == (False, "evicted", 3)
    assert run("history", "first").out.splitlines()[-1] == "it is over: evicted at seq 3"


def test_diff(run: Run) -> None:
    outcome = run("diff", "2", "4", "--json")
    found = [(record["key"], record["change"], record.get("cause")) for record in outcome.records[:-1]]
    assert found == [("first", "removed", "evicted"), ("third", "added", None)]


def test_summary_and_state(run: Run) -> None:
    summary = run("summary", "--json").records[0]
    assert (summary["events"]["set"], summary["events"]["evicted"], summary["keys"]) == (3, 1, 2)
    assert [record["key"] for record in run("state", "--json").records[:-1]] == ["second", "third"]
    assert [record["key"] for record in run("state", "--at", "2", "--json").records[:-1]] == ["first", "second"]
    assert run("verify").code == 0
