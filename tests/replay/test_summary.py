"""``summary``: what there is, and in one line whether it is whole; on damage, what can be read and where it stopped."""

import re
import shutil
from pathlib import Path

import pytest

from synap.commands import Delete, DeletePrefix, Expire, PurgeExpired
from synap.datadir import Places
from synap.replay.survey import SETTLING_S

from .build import CRASH, MINUTE_MS, SNAPSHOT, T0, T0_MS, DataDir, Step, contents, cut, flip, put
from .conftest import Outcome, Run

STEPS: tuple[Step, ...] = (
    put("a", "1" * 100),
    1000,
    put("b", "2", MINUTE_MS),
    put("c", "3", 500),
    SNAPSHOT,
    Expire(b"b", 2 * MINUTE_MS),
    1000,
    PurgeExpired(10),
    put("d", "4", 500),
    SNAPSHOT,
    Delete(b"a"),
    put("e:1", "5"),
    put("e:2", "6"),
    DeletePrefix(b"e:"),
    put("f", "7"),
    1000,
    put("g", "8"),
)


def summary(run: Run) -> tuple[int, dict[str, object]]:
    outcome = run("summary", "--json")
    assert outcome.err == ""
    [record] = outcome.records
    return outcome.code, record


def problems(outcome: Outcome) -> list[tuple[str, int]]:
    """The files that are not whole, and the first event that is affected."""
    [record] = outcome.records
    return [(Path(problem["path"]).name, problem["seq"]) for problem in record["problems"]]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synap.replay.survey.SETTLING_S", 0.0)


def test_every_field(run: Run, data: DataDir) -> None:
    data.live(*STEPS)
    data.live(CRASH)
    before = contents(data.path)
    code, record = summary(run)
    assert contents(data.path) == before
    assert code == 0
    segments, snapshots = record.pop("segments"), record.pop("snapshots")
    assert isinstance(segments, list)
    assert [(each["first_seq"], each["last_seq"], each["epoch"], each["sealed"]) for each in segments] == [
        (4, 6, 1, True),
        (7, 12, 1, True),
        (13, 12, 2, False),
    ]
    assert [each["size"] for each in segments] == [path.stat().st_size for path in data.segments]
    assert segments[1]["created"] == "2025-11-24T16:00:02.000Z"
    assert snapshots == [
        {
            "seq": seq,
            "size": path.stat().st_size,
            "time": time,
            "time_ms": time_ms,
            "entries": entries,
            "whole": True,
        }
        for path, seq, time, time_ms, entries in zip(
            data.snapshots,
            (3, 6),
            ("2025-11-24T16:00:01.000Z", "2025-11-24T16:00:02.000Z"),
            (T0_MS + 1000, T0_MS + 2000),
            (3, 3),
            strict=True,
        )
    ]
    assert isinstance(looked_at_ms := record.pop("looked_at_ms"), int)
    assert looked_at_ms > T0_MS
    assert str(record.pop("looked_at")) > T0
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", str(record.pop("store_id")))
    raw_bytes = record.pop("raw_bytes")
    assert isinstance(raw_bytes, int)
    assert 50 < raw_bytes < 300
    assert record == {
        "created": T0,
        "created_ms": T0_MS,
        "health": "whole",
        "problems": [],
        "first_seq": 4,
        "first_time": "2025-11-24T16:00:01.000Z",
        "first_time_ms": T0_MS + 1000,
        "last_seq": 12,
        "last_time": "2025-11-24T16:00:03.000Z",
        "last_time_ms": T0_MS + 3000,
        "events": {"set": 5, "deleted": 1, "prefix_deleted": 1, "deadline_set": 1, "expired": 1, "evicted": 0},
        "batches": 9,
        "log_bytes": sum(path.stat().st_size for path in data.segments),
        "snapshot_bytes": sum(path.stat().st_size for path in data.snapshots),
        "openings": 2,
        "restarts": 1,
        "state_seq": 12,
        "state_time": "2025-11-24T16:00:03.000Z",
        "state_time_ms": T0_MS + 3000,
        "keys": 4,
        "with_deadline": 2,
        "live_at_last_time": 3,
        "live_now": 2,
    }


def test_it_is_what_is_shown_without_a_command(run: Run, data: DataDir) -> None:
    data.live(*STEPS)
    time = re.compile(r"\d+-\d+-\d+T[\d:.]+Z")
    named = time.sub("", run("summary").out)
    assert time.sub("", run().out) == time.sub("", run("--no-color").out) == named
    assert run("--json").records[0].keys() == run("summary", "--json").records[0].keys()


def test_as_text(run: Run, data: DataDir) -> None:
    data.live(*STEPS)
    code, out, err = run("summary")
    assert (code, err) == (0, "")
    for said in (
        "health    whole\n",
        "log       seq 4 (2025-11-24T16:00:01.000Z) to 12 (2025-11-24T16:00:03.000Z)\n",
        "9 events in 9 batches",
        "in 2 segments",
        "restarts  0\n",
        "keys      4 after seq 12, 2 with a deadline\n",
        "3 live at the log's last time, 2025-11-24T16:00:03.000Z\n",
        "2 live now by the wall clock, 20",
        "sealed",
    ):
        assert said in out
    assert re.search(r"^expired +1$", out, re.MULTILINE)
    assert re.search(r"^ +6 +3 +\d+ B +2025-11-24T16:00:02.000Z +whole$", out, re.MULTILINE)


def test_a_store_without_events(run: Run, data: DataDir) -> None:
    data.live()
    code, record = summary(run)
    assert (code, record["health"], record["last_seq"], record["keys"]) == (0, "whole", None, 0)
    assert run().code == 0


def test_many_segments_are_not_all_listed(run: Run, data: DataDir) -> None:
    data.live(*(put(f"k{number}") for number in range(30)), segment_bytes=200)
    out = run().out
    assert "10 more" in out
    listed = re.findall(r"^ +(\d+) +\d+ +\d+ B .*sealed$", out, re.MULTILINE)
    assert listed == [str(number) for number in (*range(1, 11), *range(21, 31))]
    assert len(run("--json").records[0]["segments"]) == 30


def test_places_elsewhere(run: Run, tmp_path: Path) -> None:
    places = Places(tmp_path / "log", tmp_path / "snapshots")
    data = DataDir(tmp_path / "elsewhere", places)
    data.live(put("a"), SNAPSHOT)
    options = ("--wal-dir", str(places.wal), "--snapshot-dir", str(places.snapshot))
    assert run(*options, "--json", path=data.path).records[0]["state_seq"] == 1
    assert run("summary", *options, "--json", path=data.path).records[0]["state_seq"] == 1
    code, _, err = run(path=data.path)
    assert (code, err) == (2, "")
    assert "--wal-dir" in run(path=data.path).out


# --- torn ------------------------------------------------------------------------------------------------


def test_a_torn_end(run: Run, data: DataDir) -> None:
    data.live(put("a"), put("b"), CRASH)
    cut(data.segments[0], 3)
    outcome = run("--json")
    assert outcome.code == 1
    [record] = outcome.records
    assert (record["health"], record["last_seq"], record["keys"]) == ("torn", 1, 1)
    assert problems(outcome) == [(data.segments[0].name, 2)]
    code, out, _ = run()
    assert code == 1
    assert f"health    torn tail: {data.segments[0]}, byte " in out


def test_a_write_under_way_is_not_a_torn_end(run: Run, data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at again; a server that is at work has gone on by then."""
    data.live(put("a"), put("b"), CRASH)
    path = data.segments[0]
    content = path.read_bytes()
    path.write_bytes(content[:-3])
    waited: list[float] = []

    def meanwhile(seconds: float) -> None:
        waited.append(seconds)
        path.write_bytes(content)

    monkeypatch.setattr("synap.replay.survey.time.sleep", meanwhile)
    code, record = summary(run)
    assert (code, record["health"], record["last_seq"]) == (0, "whole", 2)
    assert waited == [0.0]
    assert SETTLING_S > 0


# --- damaged ---------------------------------------------------------------------------------------------


def test_a_damaged_event(run: Run, data: DataDir) -> None:
    data.live(put("a"), put("b"), put("c"), segment_bytes=200)
    flip(data.segments[1], 210)
    outcome = run("--json")
    [record] = outcome.records
    assert (outcome.code, record["health"]) == (2, "damaged")
    assert (record["last_seq"], record["state_seq"], record["keys"]) == (1, 1, 1)
    assert problems(outcome) == [(data.segments[1].name, 2)]
    code, out, err = run()
    assert (code, err) == (2, "")
    assert f"health    damaged: {data.segments[1]}, byte 128, from seq 2 on: bad frame" in out
    assert re.search(r"^ +3 +\d+ B .*unread$", out, re.MULTILINE)


def test_the_state_behind_the_damage_is_known_from_a_snapshot(run: Run, data: DataDir) -> None:
    data.live(*STEPS, keep=100)
    flip(data.segments[0], 210)
    outcome = run("--json")
    [record] = outcome.records
    assert (outcome.code, record["last_seq"], record["state_seq"], record["keys"]) == (2, 12, 12, 4)
    assert problems(outcome) == [(data.segments[0].name, 1)]


def test_damaged_snapshots(run: Run, data: DataDir) -> None:
    """One that shows it at once, and one that has to be read for it."""
    data.live(*STEPS, keep=100)
    flip(data.snapshots[0], 20)
    flip(data.snapshots[1], 150)
    outcome = run("--json")
    [record] = outcome.records
    assert (outcome.code, record["state_seq"], record["keys"]) == (2, 12, 4)
    assert [each["whole"] for each in record["snapshots"]] == [False, False]
    assert problems(outcome) == [(data.snapshots[0].name, 3), (data.snapshots[1].name, 6)]
    assert len(re.findall(r"^ +\d.* damaged$", run().out, re.MULTILINE)) == 2


def test_where_nothing_can_be_told_of_the_state(run: Run, data: DataDir) -> None:
    data.live(*STEPS)
    for path in data.snapshots:
        flip(path, 20)
    outcome = run("--json")
    [record] = outcome.records
    assert (outcome.code, record["keys"], record["state_seq"], record["last_seq"]) == (2, None, None, 12)
    assert record["problems"][0]["reason"] == "events are missing: the log begins at seq 4, and no snapshot is whole"
    assert "nothing can be told of the state" in run().out


def test_a_log_that_lost_its_beginning(run: Run, data: DataDir) -> None:
    data.live(*(put(f"k{number}") for number in range(4)), segment_bytes=200)
    data.segments[0].unlink()
    code, record = summary(run)
    assert (code, record["first_seq"], record["keys"]) == (2, 2, None)


def test_a_log_that_lost_its_end(run: Run, data: DataDir) -> None:
    data.live(*STEPS)
    data.segments[-1].unlink()
    outcome = run("--json")
    assert outcome.code == 2
    assert problems(outcome) == [("00000000000000000007.wal", 7)]
    assert outcome.records[0]["keys"] == 3


def test_a_snapshot_that_the_log_does_not_continue(run: Run, data: DataDir) -> None:
    """The store was set back to an older copy and went another way, and a snapshot of its first life was left."""
    data.live(put("a"))
    copy = data.path.parent / "copy"
    shutil.copytree(data.path, copy)
    data.live(put("b"), SNAPSHOT)
    [left] = data.snapshots
    other = DataDir(copy)
    other.clock.advance(5000)
    other.live(put("c"), put("d"), segment_bytes=200)
    copy.joinpath("snapshot", left.name).write_bytes(left.read_bytes())
    outcome = run("--json", path=copy)
    assert outcome.code == 2
    assert outcome.records[0]["problems"][0]["reason"] == f"it does not continue {left.name}"
    assert problems(outcome) == [(other.segments[-1].name, 3)]


@pytest.mark.parametrize("name", ["old.wal", "1.wal"])
def test_a_file_that_is_no_segment(run: Run, data: DataDir, name: str) -> None:
    data.live(put("a"))
    data.path.joinpath("wal", name).touch()
    outcome = run("--json")
    assert (outcome.code, problems(outcome)) == (2, [(name, 0)])


def test_a_damaged_store_file(run: Run, data: DataDir) -> None:
    data.live(put("a"))
    flip(data.path / "STORE", 20)
    outcome = run("--json")
    assert (outcome.code, outcome.err) == (2, "")
    assert outcome.records[0]["keys"] == 1
    assert problems(outcome) == [("STORE", 0)]
    code, out, err = run("get", "a")
    assert (code, out.split()[1]) == (0, "a")
    assert err.endswith("going by the log alone\n")
