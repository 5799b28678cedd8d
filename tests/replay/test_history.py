"""``history``: why a session is what it is, or is no more; also where the log no longer tells all."""

from typing import TypeAlias

import pytest

from synap.commands import Delete, DeletePrefix, Expire, Flush, Persist, PurgeExpired
from synap.datadir import Places
from synap.replay.chronicle import History
from synap.replay.life import Effect
from synap.replay.render import Meter
from synap.replay.source import open_source

from .build import HOUR_MS, MINUTE_MS, SNAPSHOT, T0_MS, DataDir, Step, flip, put
from .conftest import Run
from .test_asof import once
from .test_follow import MeddlingFileSystem

Stands: TypeAlias = tuple[bool, str | None, int | None]
"""Whether the key lives, what ended it, and at which event."""

LIFE: tuple[Step, ...] = (
    put("somebody"),
    put("user:1", "first", MINUTE_MS),
    put("user:10", "another"),
    1000,
    Expire(b"user:1", HOUR_MS),
    Expire(b"user:1", MINUTE_MS),
    1000,
    put("user:1", "second"),
    Delete(b"user:1"),
    DeletePrefix(b"user:1"),
    1000,
    put("user:1", "third", 500),
    600,
    PurgeExpired(10),
    put("user:1", "fourth"),
    1000,
    DeletePrefix(b"user:"),
    put("user:1", "fifth", MINUTE_MS),
    Persist(b"user:1"),
)


def test_every_step(run: Run, data: DataDir) -> None:
    data.live(*LIFE)
    code, _, err = outcome = run("history", "user:1", "--json")
    assert (code, err) == (0, "")
    steps = [
        (
            record["seq"],
            record["type"],
            record["effect"],
            record["version_before"],
            record["version"],
            record.get("lived_ms"),
        )
        for record in outcome.records[:-1]
    ]
    assert steps == [
        (2, "set", "created", None, 2, None),
        (4, "deadline_set", "extended", 2, 2, None),
        (5, "deadline_set", "shortened", 2, 2, None),
        (6, "set", "replaced", 2, 6, 2000),
        (7, "deleted", "ended", 6, None, 0),
        (9, "set", "created", None, 9, None),
        (10, "expired", "ended", 9, None, 600),
        (11, "set", "created", None, 11, None),
        (12, "prefix_deleted", "ended", 11, None, 1000),
        (13, "set", "created", None, 13, None),
        (14, "deadline_set", "extended", 13, 13, None),
    ]
    total = outcome.total
    assert (total.pop("looked_at_ms") > T0_MS, total.pop("looked_at") > "2025-11-24") == (True, True)
    assert total == {
        "lives": True,
        "version": 13,
        "deadline": None,
        "deadline_ms": None,
        "events": 11,
        "complete_from_seq": 1,
    }


def test_as_text(run: Run, data: DataDir) -> None:
    data.live(*LIFE)
    title, *lines, verdict = run("history", "user:1").out.splitlines()
    assert title.split()[-1] == "effect"
    endings = [
        "created",
        "extended version 2",
        "shortened version 2",
        "replaced version 2 after 2s",
        "ended version 6 after 0ms",
        "created",
        "ended version 9 after 600ms",
        "created",
        "ended version 11 after 1s, with the prefix user:",
        "created",
        "extended version 13",
    ]
    assert [line.endswith(f"  {ending}") for line, ending in zip(lines, endings, strict=True)] == [True] * 11
    assert verdict == "it lives, without a deadline"


def test_a_flush_in_words(run: Run, data: DataDir) -> None:
    data.live(put("k"), Flush())
    assert run("history", "k").out.splitlines()[-2].endswith("ended version 1 after 0ms, with all keys")


def test_why_is_another_name_for_it(run: Run, data: DataDir) -> None:
    data.live(*LIFE)
    assert run("why", "user:1").out == run("history", "user:1").out


def test_values_are_hidden_unless_they_are_asked_for(run: Run, data: DataDir) -> None:
    data.live(*LIFE)
    assert "first" not in run("history", "user:1").out + run("history", "user:1", "--json").out
    assert run("history", "user:1", "--json", "--values").records[0]["value"] == "first"
    assert "first" in run("history", "user:1", "--values").out


@pytest.mark.parametrize(
    ("steps", "stands", "words"),
    [
        ((put("k"),), (True, None, None), "it lives, without a deadline"),
        ((put("k", "v", 10 * 365 * 24 * HOUR_MS),), (True, None, None), "it lives, until 2035-"),
        (
            (put("k", "v", 500),),
            (False, "expired", None),
            "it is over: expired at 2025-11-24T16:00:00.500Z, not purged yet",
        ),
        ((put("k", "v", 500), 600, PurgeExpired(1)), (False, "expired", 2), "it is over: expired at seq 2"),
        ((put("k"), Delete(b"k")), (False, "deleted", 2), "it is over: deleted at seq 2"),
        ((put("k"), DeletePrefix(b"k")), (False, "prefix_deleted", 2), "it is over: prefix_deleted at seq 2"),
        ((put("x"),), (False, None, None), "there is no such key, and never was"),
        ((put("k2"), DeletePrefix(b"k")), (False, None, None), "there is no such key, and never was"),
    ],
)
def test_how_things_stand(run: Run, data: DataDir, steps: tuple[Step, ...], stands: Stands, words: str) -> None:
    data.live(*steps)
    total = run("history", "k", "--json").total
    assert (total["lives"], total.get("ended_by"), total.get("ended_seq")) == stands
    assert run("history", "k").out.splitlines()[-1].startswith(words)


# --- where the log was trimmed ---------------------------------------------------------------------------


def test_a_snapshot_says_what_was_there_before(run: Run, data: DataDir) -> None:
    data.live(put("s:k"), put("x"), SNAPSHOT, Expire(b"s:k", HOUR_MS), DeletePrefix(b"s:"), put("s:new"), keep=1)
    outcome = run("history", "s:k", "--json")
    first = outcome.records[0]
    assert (first["seq"], first["effect"], first["version_before"]) == (3, "shortened", 1)
    assert outcome.total["complete_from_seq"] == 3
    assert run("history", "s:k").out.splitlines()[0] == (
        "complete from seq 3 on, where the log begins; before, version 1 was there"
    )
    out = run("history", "s:new").out
    assert out.splitlines()[0].endswith("before, there was no such key")
    assert "prefix_deleted" not in out


def test_where_no_snapshot_says_it(run: Run, data: DataDir) -> None:
    data.live(put("k"), SNAPSHOT, DeletePrefix(b"k"), put("j"), keep=1)
    flip(data.snapshots[0], 20)
    outcome = run("history", "k", "--json")
    [step, _] = outcome.records
    assert (step["effect"], step["version"], "version_before" in step) == ("unknown", None, False)
    assert (outcome.total["lives"], outcome.total["ended_by"]) == (False, "prefix_deleted")
    assert run("history", "k").out.splitlines()[0].endswith("before, nobody knows what was there")
    assert run("history", "other", "--json").total["lives"] is None
    assert run("history", "other").out.splitlines()[-1].startswith("nobody knows whether it lives")


def test_up_to_the_damage(run: Run, data: DataDir) -> None:
    data.live(put("k"), put("k"), put("k"), segment_bytes=200)
    flip(data.segments[1], 210)
    code, out, err = run("history", "k")
    assert code == 65
    assert [line.split()[0] for line in out.splitlines()] == ["seq", "1"]
    assert err.startswith("synap: damaged at seq 2 (")


def test_where_the_log_is_trimmed_meanwhile(data: DataDir) -> None:
    """What was there before the gap is not known any more."""
    data.live(put("k"), put("x"), put("k"), put("k"), segment_bytes=200)
    fs = MeddlingFileSystem()
    source = open_source(fs, data.path, Places())
    second = data.segments[1].name

    def trim() -> None:
        for path in data.segments[:3]:
            path.unlink()

    fs.before = once(trim, lambda path: path.name == second)
    history = History(source, b"k")
    steps = list(history.steps(Meter()))
    assert [(each.seq, each.effect) for each in steps] == [(1, Effect.CREATED), (4, Effect.UNKNOWN)]
    assert history.complete_from_seq == 4
