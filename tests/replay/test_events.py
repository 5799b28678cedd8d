"""``events``: what happened, as text and as JSON, filtered, hidden, of a live log and of a damaged one."""

import json
from collections.abc import Callable
from contextlib import closing

import pytest

from synap.commands import Delete, DeletePrefix, Expire, Kind, Persist, PurgeExpired
from synap.datadir import Places
from synap.errors import TrimmedAwayError
from synap.events import EntryDeleted
from synap.fs import RealFileSystem
from synap.replay.browse import Selected, first_to_read, selected_events
from synap.replay.events import POLL_S
from synap.replay.follow import LogFollower
from synap.replay.points import SeqPoint, TimePoint
from synap.replay.selection import Range, Selection
from synap.replay.source import open_source

from .build import CRASH, MINUTE_MS, SNAPSHOT, T0, T0_MS, DataDir, Step, cut, flip, put
from .conftest import Run

STEPS: tuple[Step, ...] = (
    put("user:1", "first", MINUTE_MS),
    1000,
    put("user:2", '{"a": 1}', kind=Kind.JSON),
    put("user:3", b"\xff\x00"),
    Expire(b"user:1", 2 * MINUTE_MS),
    Persist(b"user:1"),
    1000,
    Delete(b"user:2"),
    DeletePrefix(b"user:"),
    put("x", "y", 1000),
    2000,
    PurgeExpired(10),
)


@pytest.fixture
def full(data: DataDir) -> DataDir:
    data.live(*STEPS)
    return data


def test_every_field(run: Run, full: DataDir) -> None:
    code, _, err = outcome = run("events", "--json")
    assert (code, err) == (0, "")
    second = {"time": "2025-11-24T16:00:01.000Z", "time_ms": T0_MS + 1000}
    third = {"time": "2025-11-24T16:00:02.000Z", "time_ms": T0_MS + 2000}
    later = {"deadline": "2025-11-24T16:02:01.000Z", "deadline_ms": T0_MS + 1000 + 2 * MINUTE_MS}
    never = {"deadline": None, "deadline_ms": None}
    assert outcome.records == [
        {
            "seq": 1,
            "time": T0,
            "time_ms": T0_MS,
            "type": "set",
            "key": "user:1",
            "kind": "text",
            "size": 5,
            "deadline": "2025-11-24T16:01:00.000Z",
            "deadline_ms": T0_MS + MINUTE_MS,
            "ttl_ms": MINUTE_MS,
        },
        {"seq": 2, **second, "type": "set", "key": "user:2", "kind": "json", "size": 8, **never},
        {"seq": 3, **second, "type": "set", "key": "user:3", "kind": "bytes", "size": 2, **never},
        {"seq": 4, **second, "type": "deadline_set", "key": "user:1", **later, "ttl_ms": 2 * MINUTE_MS},
        {"seq": 5, **second, "type": "deadline_set", "key": "user:1", **never},
        {"seq": 6, **third, "type": "deleted", "key": "user:2"},
        {"seq": 7, **third, "type": "prefix_deleted", "prefix": "user:"},
        {
            "seq": 8,
            **third,
            "type": "set",
            "key": "x",
            "kind": "text",
            "size": 1,
            "deadline": "2025-11-24T16:00:03.000Z",
            "deadline_ms": T0_MS + 3000,
            "ttl_ms": 1000,
        },
        {
            "seq": 9,
            "time": "2025-11-24T16:00:04.000Z",
            "time_ms": T0_MS + 4000,
            "type": "expired",
            "key": "x",
        },
    ]


def test_text_says_the_same_on_one_line_each(run: Run, full: DataDir) -> None:
    code, out, err = run("events")
    assert (code, err) == (0, "")
    words = [line.split() for line in out.splitlines()]
    assert words[0] == ["1", T0, "set", "text", "5", "1m", "2025-11-24T16:01:00.000Z", "user:1"]
    assert words[3][2:] == ["deadline_set", "2m", "2025-11-24T16:02:01.000Z", "user:1"]
    assert words[4][2:] == ["deadline_set", "none", "user:1"]
    assert words[6][2:] == ["prefix_deleted", "user:*"]
    assert len(words) == 9
    assert "\x1b" not in out


def test_values_are_hidden_unless_they_are_asked_for(run: Run, full: DataDir) -> None:
    for arguments in ((), ("--json",)):
        assert "first" not in run("events", *arguments).out
    records = run("events", "--json", "--values").records
    assert [record.get("value") for record in records[:3]] == ["first", {"a": 1}, None]
    assert records[2]["value_base64"] == "/wA="
    text = run("events", "--values").out.splitlines()
    assert [line.split()[-1] for line in text[:3]] == ["first", '{"a":1}', "\\xff\\x00"]


@pytest.mark.parametrize(
    ("arguments", "seqs"),
    [
        (("--key", "user:1"), [1, 4, 5, 7]),
        (("--key", "nobody"), []),
        (("--prefix", "user:"), [1, 2, 3, 4, 5, 6, 7]),
        (("--prefix", "user:2"), [2, 6, 7]),
        (("--type", "expired"), [9]),
        (("--type", "deleted", "--type", "prefix_deleted"), [6, 7]),
        (("--key", "user:1", "--type", "set"), [1]),
        (("--from", "8"), [8, 9]),
        (("--to", "2"), [1, 2]),
        (("--from", "3", "--to", "4"), [3, 4]),
        (("--from", "100"), []),
        (("--from", "0"), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (("--from", "5", "--to", "3"), []),
        (("--from", "2025-11-24T16:00:02Z"), [6, 7, 8, 9]),
        (("--to", "2025-11-24T16:00:01Z"), [1, 2, 3, 4, 5]),
        (("--from", "@1764000001", "--to", "@1764000001.999"), [2, 3, 4, 5]),
        (("--from", "-1s"), []),
        (("--limit", "0"), []),
        (("--limit", "2"), [1, 2]),
        (("--limit", "2", "--from", "4"), [4, 5]),
        (("--key", "user:1", "--limit", "3"), [1, 4, 5]),
    ],
)
def test_what_is_asked_for(run: Run, full: DataDir, arguments: tuple[str, ...], seqs: list[int]) -> None:
    outcome = run("events", "--json", *arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert [record["seq"] for record in outcome.records] == seqs


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--from", "x"), 64), (("--type", "born"), 2), (("--limit", "-1"), 2), (("--key",), 2), (("--bogus",), 2)],
)
def test_what_cannot_be_asked_for(run: Run, full: DataDir, arguments: tuple[str, ...], code: int) -> None:
    assert run("events", *arguments).code == code


def test_keys_that_would_do_something_to_a_terminal(run: Run, data: DataDir) -> None:
    hostile = "\x1b]0;t\x07\x9b2J[red]\n"
    data.live(put(hostile, hostile))
    _, out, _ = run("events", "--values")
    assert out.count("\n") == 1
    assert out.split()[-2:] == ["\\x1b]0;t\\x07\\x9b2J[red]\\n"] * 2
    outcome = run("events", "--values", "--json")
    assert "\x9b" not in outcome.out
    assert "\x1b" not in outcome.out
    assert (outcome.records[0]["key"], outcome.records[0]["value"]) == (hostile, hostile)
    assert run("events", "--key", hostile, "--json").records[0]["seq"] == 1


# --- damaged, trimmed ------------------------------------------------------------------------------------


def test_up_to_the_damage(run: Run, data: DataDir) -> None:
    data.live(*(put(f"k{number}") for number in range(3)), segment_bytes=200)
    flip(data.segments[1], 210)
    code, out, err = run("events")
    assert code == 65
    assert [line.split()[0] for line in out.splitlines()] == ["1"]
    assert err.startswith(f"synap: damaged at seq 2 ({data.segments[1]}")
    assert err.count("\n") == 1
    assert run("events", "--from", "3").out.split()[0] == "3"


def test_up_to_the_torn_end(run: Run, data: DataDir) -> None:
    data.live(put("a"), put("b"), CRASH)
    cut(data.segments[0], 3)
    code, out, err = run("events")
    assert (code, len(out.splitlines()), err) == (0, 1, "")


def test_what_was_trimmed_away(run: Run, data: DataDir) -> None:
    data.live(put("a"), SNAPSHOT, put("b"), SNAPSHOT, put("c"), put("d"), keep=1)
    outcome = run("events", "--json", "--from", "1")
    assert [record["seq"] for record in outcome.records] == [3, 4]
    assert outcome.err == "synap: events 1 to 2 are not there any more: the log begins at seq 3\n"
    outcome = run("events", "--json")
    assert ([record["seq"] for record in outcome.records], outcome.err) == ([3, 4], "")


# --- following -------------------------------------------------------------------------------------------


def test_follow_shows_what_comes(run: Run, data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over rotations, restarts and trimming, until Ctrl-C."""
    data.live(put("a"), CRASH)
    meanwhile: list[Callable[[], None]] = [
        lambda: None,
        lambda: data.live(put("b"), put("c"), segment_bytes=200),
        lambda: data.live(put("d"), SNAPSHOT, put("e"), SNAPSHOT, put("f"), put("g"), keep=1),
        lambda: data.live(put("h")),
    ]

    def sleep(seconds: float) -> None:
        assert seconds == POLL_S
        if not meanwhile:
            raise KeyboardInterrupt
        meanwhile.pop(0)()

    monkeypatch.setattr("synap.replay.events.time.sleep", sleep)
    outcome = run("events", "--follow", "--json", "--from", "1")
    assert outcome.code == 130
    shown = [record for record in outcome.records if "seq" in record]
    assert [(record["seq"], record["key"]) for record in shown] == [
        (1, "a"),
        (2, "b"),
        (3, "c"),
        (6, "f"),
        (7, "g"),
        (8, "h"),
    ]
    assert outcome.err == "synap: events 4 to 5 are not there any more: the log begins at seq 6\n"


def test_follow_ends_with_its_range(run: Run, full: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synap.replay.events.time.sleep", lambda _: pytest.fail("there is nothing to wait for"))
    assert len(run("events", "--follow", "--to", "3").out.splitlines()) == 3
    assert len(run("events", "--follow", "--limit", "2").out.splitlines()) == 2


def test_follow_shows_each_event_at_once(
    run: Run, full: DataDir, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is shown does not wait in a buffer while nothing happens."""
    shown: list[str] = []

    def sleep(_: float) -> None:
        shown.append(capfd.readouterr().out)
        raise KeyboardInterrupt

    monkeypatch.setattr("synap.replay.events.time.sleep", sleep)
    run("events", "--follow", "--json")
    assert [json.loads(line)["seq"] for line in shown[0].splitlines()] == list(range(1, 10))


# --- the parts -------------------------------------------------------------------------------------------


def test_where_reading_begins(data: DataDir) -> None:
    data.live(put("a"), 1000, put("b"), 1000, put("c"), segment_bytes=200)
    source = open_source(RealFileSystem(), data.path, Places())
    assert first_to_read(source, None) == 1
    assert first_to_read(source, SeqPoint(0)) == 1
    assert first_to_read(source, SeqPoint(3)) == 3
    assert first_to_read(source, TimePoint(T0_MS + 1500)) == 2


def test_only_batches_with_wanted_events_are_decoded(full: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(RealFileSystem(), full.path, Places())
    gaps: list[TrimmedAwayError] = []
    with closing(LogFollower(source, 1)) as follower:
        found: list[Selected] = list(
            selected_events(
                follower,
                Selection(types=frozenset({EntryDeleted})),
                Range(),
                on_gap=gaps.append,
                wait=lambda: False,
            )
        )
    assert found == [Selected(T0_MS + 2000, [(6, EntryDeleted(b"user:2"))])]
    assert gaps == []
