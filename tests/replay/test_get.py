"""``get``: one entry with its value, found without reading everything."""

import pytest

from synap.commands import Delete, DeletePrefix, Expire, Kind
from synap.datadir import Places
from synap.fs import RealFileSystem
from synap.replay.asof import state_at
from synap.replay.get import find_entry, get
from synap.replay.invocation import Invocation
from synap.replay.points import SeqPoint, TimePoint
from synap.replay.render import Output
from synap.replay.source import open_source
from synap.snapshot.reader import SnapshotReader

from .build import MINUTE_MS, SNAPSHOT, T0_MS, DataDir, Step, flip, put
from .conftest import Run
from .test_asof import STEPS
from .test_render import look_at_terminal, plain

ENTRIES: tuple[Step, ...] = (
    put("text", "hello", MINUTE_MS),
    put("json", '{"a" : [1.10]}', kind=Kind.JSON),
    put("bytes", b"\x00\xff"),
    1000,
    Expire(b"text", 2 * MINUTE_MS),
    Delete(b"json"),
)


def test_every_field(run: Run, data: DataDir) -> None:
    data.live(*ENTRIES)
    code, _, err = outcome = run("get", "text", "--json", "--at", "4")
    assert (code, err) == (0, "")
    assert outcome.records == [
        {
            "key": "text",
            "kind": "text",
            "size": 5,
            "ttl_ms": 2 * MINUTE_MS,
            "deadline": "2025-11-24T16:02:01.000Z",
            "deadline_ms": T0_MS + 1000 + 2 * MINUTE_MS,
            "version": 1,
            "value": "hello",
            "as_of_seq": 4,
            "looked_at": "2025-11-24T16:00:01.000Z",
            "looked_at_ms": T0_MS + 1000,
        }
    ]


def test_values_of_every_kind(run: Run, data: DataDir) -> None:
    data.live(*ENTRIES)
    assert '"value":{"a":[1.10]}' in run("get", "json", "--json", "--at", "2").out
    assert run("get", "bytes", "--json").records[0]["value_base64"] == "AP8="
    assert run("get", "json", "--at", "2").out.splitlines()[-1] == '{"a":[1.10]}'
    assert run("get", "bytes").out.splitlines()[-1] == "\\x00\\xff"
    assert run("get", "text", "--at", "1").out.splitlines()[-1] == "hello"


def test_as_text(run: Run, data: DataDir) -> None:
    data.live(*ENTRIES)
    lines = run("get", "text", "--at", "1").out.splitlines()
    facts = dict(line.split(maxsplit=1) for line in lines[:4])
    assert facts == {
        "key": "text",
        "kind": "text, 5 bytes",
        "version": "1",
        "deadline": "2025-11-24T16:01:00.000Z (in 1m)",
    }


def test_for_the_eye(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, JSON is shown over several lines, and nothing else is taken for JSON."""
    data.live(put("json", '{"a":[1,2]}', kind=Kind.JSON), put("text", '{"a":1}'), put("none", "{", kind=Kind.JSON))
    terminal = look_at_terminal(monkeypatch)
    for key in ("json", "text", "none"):
        assert get(Invocation(data.path), key=key) == 0
    shown = plain(terminal.getvalue())
    assert '{\n  "a": [\n    1,\n    2\n  ]\n}\n' in shown
    assert '{"a":1}\n' in shown
    assert shown.endswith("\n{\n")


@pytest.mark.parametrize(
    ("key", "at", "why"),
    [
        ("nobody", "5", "there is no nobody after seq 5"),
        ("json", "5", "there is no json after seq 5"),
        ("text", "0", "there is no text after seq 0"),
        ("text", "@1764000121", "there is no text after seq 5"),
        ("text", "now", "its deadline was 2025-11-24T16:02:01.000Z"),
    ],
)
def test_where_there_is_none(run: Run, data: DataDir, key: str, at: str, why: str) -> None:
    data.live(*ENTRIES)
    for arguments in (("--json",), ()):
        code, out, err = run("get", key, "--at", at, *arguments)
        assert (code, out) == (1, "")
        assert why in err
        assert err.count("\n") == 1


def test_a_key_that_would_do_something_to_a_terminal(run: Run, data: DataDir) -> None:
    hostile = "\x1b[31m[red]"
    data.live(put(hostile, hostile))
    for key in (hostile, hostile + "x"):
        code, out, err = run("get", key)
        assert code == (key != hostile)
        assert "\x1b" not in out + err
        assert "\\x1b[31m[red]" in out + err


def test_the_same_as_in_the_whole_state(data: DataDir) -> None:
    """At every point, for keys that are there, were there, and will be."""
    data.live(*STEPS, keep=100)
    source = open_source(RealFileSystem(), data.path, Places())
    keys = (b"a", b"b:1", b"b:2", b"b:3", b"c", b"d", b"", b"b:", b"zz")
    last = state_at(source, TimePoint(2**53), Output())[1].seq
    for seq in range(last + 1):
        keyspace, moment = state_at(source, SeqPoint(seq), Output())
        for key in keys:
            assert find_entry(source, key, SeqPoint(seq), Output()) == (keyspace.tree.get(key), moment)


def test_a_deleted_prefix_takes_the_key_with_it(run: Run, data: DataDir) -> None:
    data.live(put("user:1"), SNAPSHOT, DeletePrefix(b"user:"))
    assert run("get", "user:1", "--at", "1").code == 0
    assert run("get", "user:1").code == 1


# --- quick, and whole ------------------------------------------------------------------------------------


def test_only_the_index_and_one_block_of_a_snapshot_are_read(
    run: Run, data: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.live(put("a"), put("b"), SNAPSHOT)
    monkeypatch.setattr(SnapshotReader, "blocks", lambda _: pytest.fail("all of it was read"))
    assert run("get", "a").code == 0


def test_a_damaged_snapshot_is_passed_over(run: Run, data: DataDir) -> None:
    data.live(put("a"), SNAPSHOT, put("b"), SNAPSHOT, put("c"))
    flip(data.snapshots[-1], 140)
    code, out, err = run("get", "b")
    assert code == 0
    assert "version   2" in out
    assert "looking for an older snapshot" in err


def test_damage_in_the_log(run: Run, data: DataDir) -> None:
    data.live(put("a"), put("b"), put("c"), segment_bytes=200)
    flip(data.segments[1], 210)
    code, out, err = run("get", "a")
    assert (code, out) == (65, "")
    assert "what is before can be shown, up to seq 1" in err
    assert run("get", "a", "--at", "1").code == 0
