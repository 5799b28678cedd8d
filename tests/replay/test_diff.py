"""``diff``: what is different between two points, and only that."""

from itertools import combinations_with_replacement

import pytest

from synap.commands import Delete, DeletePrefix, Expire, Persist, PurgeExpired
from synap.datadir import Places
from synap.fs import RealFileSystem
from synap.keyspace import Keyspace
from synap.keyspace.state import is_due
from synap.radix import Entry
from synap.replay.asof import Moment, state_at
from synap.replay.comparison import compare
from synap.replay.points import Point, SeqPoint, TimePoint
from synap.replay.render import Output
from synap.replay.source import open_source

from .build import MINUTE_MS, SNAPSHOT, T0_MS, DataDir, Step, put
from .conftest import Run
from .test_asof import STEPS

BEFORE: tuple[Step, ...] = (
    put("changed", "1"),
    put("deleted", "2"),
    put("dir:prefix", "3"),
    put("expired", "4", 1000),
    put("extended", "5", MINUTE_MS),
    put("freed", "6", MINUTE_MS),
    put("same", "7", MINUTE_MS),
    put("shortened", "8", 2 * MINUTE_MS),
    put("unpurged", "9", 1500),
)
AFTER: tuple[Step, ...] = (
    1000,
    PurgeExpired(10),
    put("added", "10"),
    put("changed", "11"),
    Delete(b"deleted"),
    DeletePrefix(b"dir:"),
    Expire(b"extended", MINUTE_MS),
    Persist(b"freed"),
    Expire(b"shortened", MINUTE_MS),
    put("passing", "12"),
    Delete(b"passing"),
    1000,
    put("last", "13"),
)


@pytest.fixture
def both(data: DataDir) -> DataDir:
    data.live(*BEFORE, *AFTER)
    return data


def test_every_kind_of_difference(run: Run, both: DataDir) -> None:
    outcome = run("diff", "9", "20", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found = [(record["key"], record["change"], record.get("cause")) for record in outcome.records[:-1]]
    assert found == [
        ("added", "added", None),
        ("changed", "changed", None),
        ("deleted", "removed", "deleted"),
        ("dir:prefix", "removed", "prefix_deleted"),
        ("expired", "removed", "expired"),
        ("extended", "extended", None),
        ("freed", "extended", None),
        ("last", "added", None),
        ("shortened", "shortened", None),
        ("unpurged", "removed", "expired"),
    ]
    assert outcome.total == {
        "added": 2,
        "changed": 1,
        "extended": 2,
        "shortened": 1,
        "removed": 4,
        "from_seq": 9,
        "from_looked_at": "2025-11-24T16:00:00.000Z",
        "from_looked_at_ms": T0_MS,
        "to_seq": 20,
        "to_looked_at": "2025-11-24T16:00:02.000Z",
        "to_looked_at_ms": T0_MS + 2000,
    }


def test_every_field(run: Run, both: DataDir) -> None:
    records = {record.get("key"): record for record in run("diff", "9", "20", "--json").records}
    assert records["changed"] == {
        "change": "changed",
        "key": "changed",
        "version_before": 1,
        "version": 12,
        "deadline_before": None,
        "deadline_before_ms": None,
        "deadline": None,
        "deadline_ms": None,
    }
    assert records["extended"] == {
        "change": "extended",
        "key": "extended",
        "version_before": 5,
        "version": 5,
        "deadline_before": "2025-11-24T16:01:00.000Z",
        "deadline_before_ms": T0_MS + MINUTE_MS,
        "deadline": "2025-11-24T16:01:01.000Z",
        "deadline_ms": T0_MS + MINUTE_MS + 1000,
    }
    assert records["added"] == {
        "change": "added",
        "key": "added",
        "version": 11,
        "deadline": None,
        "deadline_ms": None,
    }
    assert records["deleted"].keys() == {
        "change",
        "key",
        "cause",
        "version_before",
        "deadline_before",
        "deadline_before_ms",
    }


def test_as_text(run: Run, both: DataDir) -> None:
    title, *lines, total = run("diff", "9", "20").out.splitlines()
    assert title.split() == ["change", "version", "before", "how", "deadline", "key"]
    words = {line.split()[-1]: line.split()[:-1] for line in lines}
    assert words["changed"] == ["changed", "12", "1", "none"]
    assert words["deleted"] == ["removed", "2", "deleted"]
    assert words["extended"] == ["extended", "5", "5", "+1s", "2025-11-24T16:01:01.000Z"]
    assert words["shortened"] == ["shortened", "8", "8", "-59s", "2025-11-24T16:01:01.000Z"]
    assert words["freed"] == ["extended", "6", "6", "none"]
    assert total.startswith("2 added, 1 changed, 2 extended, 1 shortened, 4 removed: from seq 9 (")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("9", "9", []),
        ("0", "1", ["changed"]),
        ("20", "-1s", ["extended", "shortened"]),
        ("-2h", "-1h", []),
        ("@1764000000", "@1764000000.999", []),
        ("@1764000000", "@1764000001.499", ["added", "changed"]),
    ],
)
def test_any_points(run: Run, both: DataDir, first: str, second: str, expected: list[str]) -> None:
    outcome = run("diff", first, second, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    keys = [record["key"] for record in outcome.records[:-1]]
    assert keys[: len(expected)] == expected if first == "@1764000000" else set(expected) <= set(keys)
    assert bool(keys) == bool(expected)


@pytest.mark.parametrize(
    ("first", "second"),
    [("9", "8"), ("-1h", "-2h"), ("now", "9"), ("@1764000002", "5"), ("20", "@1764000000")],
)
def test_the_wrong_way_round(run: Run, both: DataDir, first: str, second: str) -> None:
    code, out, err = run("diff", first, second)
    assert (code, out) == (64, "")
    assert err.endswith("the earlier point comes first\n")


@pytest.mark.parametrize("arguments", [("1",), ("1", "2", "3"), ("--jsno", "1", "2")])
def test_what_was_mistyped(run: Run, both: DataDir, arguments: tuple[str, ...]) -> None:
    assert run("diff", *arguments).code == 2


def test_outside_of_what_there_is(run: Run, data: DataDir) -> None:
    data.live(put("a"), SNAPSHOT, put("b"), keep=1)
    assert run("diff", "0", "2").code == 64
    assert run("diff", "1", "3").code == 64
    assert run("diff", "1", "2", "--json").total["added"] == 1


# --- against two whole states ----------------------------------------------------------------------------


def living(keyspace: Keyspace, moment: Moment) -> dict[bytes, Entry]:
    return {
        key: (kind, value, deadline_ms, version)
        for key, kind, value, deadline_ms, version in keyspace.tree.items()
        if not is_due((kind, value, deadline_ms, version), moment.now_ms)
    }


def test_it_is_what_two_states_differ_by(data: DataDir) -> None:
    data.live(*STEPS, keep=100)
    source, output = open_source(RealFileSystem(), data.path, Places()), Output()
    points: list[Point] = [SeqPoint(seq) for seq in range(13)]
    points += [TimePoint(T0_MS + ms) for ms in range(0, 9000, 1000)]
    for first, second in combinations_with_replacement(points, 2):
        states = [state_at(source, point, output) for point in (first, second)]
        (_, start), (_, end) = states
        if end.now_ms < start.now_ms or end.seq < start.seq:
            continue
        before, after = (living(*state) for state in states)
        found = list(compare(source, first, second, output).differences())
        assert [(each.key, each.before, each.after) for each in found] == [
            (key, before.get(key), after.get(key))
            for key in sorted(before.keys() | after.keys())
            if before.get(key) != after.get(key)
        ]
        assert all((each.cause is not None) == (each.after is None) for each in found)
