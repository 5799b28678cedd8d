"""``state``: what there was, and only that."""

from itertools import pairwise

import pytest

from synap.commands import Delete, Expire, Kind, PurgeExpired

from .build import MINUTE_MS, SNAPSHOT, T0, T0_MS, DataDir, Step, put
from .conftest import Run

STEPS: tuple[Step, ...] = (
    put("b", "22", MINUTE_MS),
    put("a", '{"x":  [1]}', kind=Kind.JSON),
    SNAPSHOT,
    1000,
    put("ab", b"\x00", 500),
    Expire(b"b", 2 * MINUTE_MS),
    1000,
    Delete(b"a"),
    PurgeExpired(10),
)


@pytest.fixture(autouse=True)
def _full(data: DataDir) -> None:
    data.live(*STEPS)


def test_every_field(run: Run) -> None:
    outcome = run("state", "--json", "--at", "3")
    assert (outcome.code, outcome.err) == (0, "")
    never = {"ttl_ms": None, "deadline": None, "deadline_ms": None}
    assert outcome.records == [
        {"key": "a", "kind": "json", "size": 11, **never, "version": 2},
        {
            "key": "ab",
            "kind": "bytes",
            "size": 1,
            "ttl_ms": 500,
            "deadline": "2025-11-24T16:00:01.500Z",
            "deadline_ms": T0_MS + 1500,
            "version": 3,
        },
        {
            "key": "b",
            "kind": "text",
            "size": 2,
            "ttl_ms": MINUTE_MS - 1000,
            "deadline": "2025-11-24T16:01:00.000Z",
            "deadline_ms": T0_MS + MINUTE_MS,
            "version": 1,
        },
        {
            "total": {
                "keys": 3,
                "due_not_purged": 0,
                "seq": 3,
                "time": "2025-11-24T16:00:01.000Z",
                "time_ms": T0_MS + 1000,
                "looked_at": "2025-11-24T16:00:01.000Z",
                "looked_at_ms": T0_MS + 1000,
            }
        },
    ]


def keys(run: Run, *arguments: str) -> list[str]:
    records = run("state", "--json", *arguments).records
    found = [record["key"] for record in records if "key" in record]
    assert all(first < second for first, second in pairwise(found))
    return found


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("0", []),
        ("1", ["b"]),
        ("2", ["a", "b"]),
        ("3", ["a", "ab", "b"]),
        ("5", ["b"]),
        ("6", ["b"]),
        ("2025-11-24T15:59:59Z", []),
        ("2025-11-24T16:00:00.999Z", ["a", "b"]),
        ("2025-11-24T16:00:01.499Z", ["a", "ab", "b"]),
        ("2025-11-24T16:00:01.500Z", ["a", "b"]),
        ("@1764000120", ["b"]),
        ("@1764000121", []),
        ("now", []),
    ],
)
def test_as_of_a_point(run: Run, at: str, expected: list[str]) -> None:
    assert keys(run, "--at", at) == expected


def test_what_is_due_and_was_not_purged_is_counted_apart(run: Run) -> None:
    total = run("state", "--json", "--at", "2025-11-24T16:00:01.500Z").total
    assert (total["keys"], total["due_not_purged"], total["seq"]) == (2, 1, 4)
    assert total["looked_at"] == "2025-11-24T16:00:01.500Z"
    _, out, _ = run("state", "--at", "2025-11-24T16:00:01.500Z")
    assert out.splitlines()[-1].startswith("2 keys after seq 4")
    assert out.splitlines()[-1].endswith("1 due, not purged")


def test_without_a_point_it_is_now(run: Run) -> None:
    total = run("state", "--json").total
    assert (total["keys"], total["due_not_purged"], total["seq"]) == (0, 1, 6)


def test_under_a_prefix(run: Run) -> None:
    assert keys(run, "--at", "3", "--prefix", "a") == ["a", "ab"]
    assert run("state", "--json", "--at", "3", "--prefix", "a").total["keys"] == 2
    assert keys(run, "--at", "3", "--prefix", "nobody") == []


def test_a_limit_limits_what_is_shown_and_not_what_is_counted(run: Run) -> None:
    assert keys(run, "--at", "3", "--limit", "1") == ["a"]
    assert run("state", "--json", "--at", "3", "--limit", "1").total["keys"] == 3
    assert keys(run, "--at", "3", "--limit", "0") == []


def test_values_are_hidden_unless_they_are_asked_for(run: Run) -> None:
    assert "22" not in run("state", "--at", "2").out.replace(T0, "")
    records = run("state", "--json", "--at", "3", "--values").records
    assert [record.get("value") for record in records[:3]] == [{"x": [1]}, None, "22"]
    assert records[1]["value_base64"] == "AA=="
    lines = run("state", "--at", "3", "--values").out.splitlines()
    assert [line.split()[-2:] for line in lines[1:4]] == [["a", '{"x":[1]}'], ["ab", "\\x00"], ["b", "22"]]


def test_as_text(run: Run) -> None:
    title, *lines, total = run("state", "--at", "3").out.splitlines()
    assert title.split() == ["kind", "size", "ttl", "deadline", "version", "key"]
    assert [line.split() for line in lines] == [
        ["json", "11", "none", "2", "a"],
        ["bytes", "1", "500ms", "2025-11-24T16:00:01.500Z", "3", "ab"],
        ["text", "2", "59s", "2025-11-24T16:01:00.000Z", "1", "b"],
    ]
    assert total.startswith("3 keys after seq 3 (2025-11-24T16:00:01.000Z)")


def test_a_long_key_is_not_cut(run: Run, data: DataDir) -> None:
    data.live(put("k" * 5000))
    assert "k" * 5000 in run("state").out


def test_outside_of_what_there_is(run: Run) -> None:
    code, out, err = run("state", "--at", "99")
    assert (code, out) == (64, "")
    assert err.startswith("synap: seq 99 is behind the end of the log; there is seq 0 (")
    assert err.count("\n") == 1
