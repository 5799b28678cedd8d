"""The data as of a point: the same as if the log had ended there, whichever snapshot it begins with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from synap.commands import Delete, DeletePrefix, Expire, Persist, PurgeExpired
from synap.datadir import Places
from synap.errors import DamagedError, ReplayError
from synap.events import Event
from synap.fs import RealFileSystem
from synap.keyspace import Keyspace
from synap.radix import new_tree
from synap.recovery import events_of
from synap.replay.asof import Moment, state_at, steadily
from synap.replay.follow import LogFollower
from synap.replay.points import Point, SeqPoint, TimePoint
from synap.replay.render import Output
from synap.replay.source import Source, open_source

from .build import CRASH, SNAPSHOT, T0_MS, DataDir, Step, flip, put
from .test_follow import MeddlingFileSystem

STEPS: tuple[Step, ...] = (
    put("a", "1", 5000),
    1000,
    put("b:1", "2"),
    put("b:2", "3", 60_000),
    1000,
    Expire(b"b:2", 90_000),
    SNAPSHOT,
    1000,
    Delete(b"b:1"),
    put("c", "4", 3000),
    Persist(b"b:2"),
    3000,
    PurgeExpired(10),
    SNAPSHOT,
    put("b:3", "5"),
    1000,
    DeletePrefix(b"b:"),
    SNAPSHOT,
    put("d", "6"),
)
"""Thirteen events over seven seconds; snapshots of 4, 8 (or 9) and the last but one."""


def source_of(data: DataDir, fs: RealFileSystem | None = None) -> Source:
    return open_source(fs or RealFileSystem(), data.path, Places())


def all_events(source: Source) -> list[tuple[int, int, Event]]:
    """Every event of an untrimmed log: number, time, and itself."""
    follower = LogFollower(source, 1)
    return [
        (seq, frame.wall_ms, event)
        for frame in follower.frames()
        for seq, event in enumerate(events_of(frame, follower.path), frame.first_seq)
    ]


def replayed(events: list[tuple[int, int, Event]]) -> Keyspace:
    keyspace = Keyspace(new_tree())
    for seq, _, event in events:
        keyspace.apply(seq, event)
    return keyspace


@pytest.fixture
def kept(data: DataDir) -> DataDir:
    """All snapshots, and all of the log."""
    data.live(*STEPS, keep=100)
    assert len(data.snapshots) == 3
    return data


@pytest.fixture
def trimmed(data: DataDir) -> DataDir:
    """Two snapshots, and the log since the first of them."""
    data.live(*STEPS, keep=2)
    return data


def states(source: Source, point: Point) -> tuple[Keyspace, Moment]:
    return state_at(source, point, Output())


def test_any_number(kept: DataDir) -> None:
    source = source_of(kept)
    events = all_events(source)
    for count in range(len(events) + 1):
        keyspace, moment = states(source, SeqPoint(count))
        expected = replayed(events[:count])
        assert (keyspace.seq, keyspace.digest) == (expected.seq, expected.digest)
        assert list(keyspace.tree.items()) == list(expected.tree.items())
        assert moment.seq == count
        assert moment.now_ms == moment.time_ms == (events[count - 1][1] if count else T0_MS)


def test_any_time(kept: DataDir) -> None:
    source = source_of(kept)
    events = all_events(source)
    for time_ms in range(T0_MS - 500, T0_MS + 9000, 500):
        keyspace, moment = states(source, TimePoint(time_ms))
        expected = replayed([each for each in events if each[1] <= time_ms])
        assert (keyspace.seq, keyspace.digest) == (expected.seq, expected.digest)
        assert (moment.seq, moment.now_ms) == (expected.seq, time_ms)


def test_within_a_batch(data: DataDir) -> None:
    """The events of a request are one batch, and a number may be in its middle."""
    data.live(put("a"), put("b"), DeletePrefix(b"x"), 1000, put("c", ttl_ms=1), 1000, put("c"))
    source = source_of(data)
    events = all_events(source)
    frames = list(LogFollower(source, 1).frames())
    assert any(frame.count > 1 for frame in frames)
    for count in range(len(events) + 1):
        assert states(source, SeqPoint(count))[0].digest == replayed(events[:count]).digest


def test_snapshots_are_used(kept: DataDir) -> None:
    """The log before is not even read."""
    flip(kept.segments[0], 210)
    source = source_of(kept)
    first = source.snapshot_seqs()[0]
    assert states(source, SeqPoint(first))[1].seq == first
    assert states(source, SeqPoint(first + 1))[1].seq == first + 1
    with pytest.raises(DamagedError, match="what is before can be shown, up to seq"):
        states(source, SeqPoint(first - 1))


# --- what there is not -----------------------------------------------------------------------------------


def test_before_what_is_still_there(trimmed: DataDir) -> None:
    source = source_of(trimmed)
    oldest = source.snapshot_seqs()[0]
    assert states(source, SeqPoint(oldest))[0].seq == oldest
    for point in (SeqPoint(oldest - 1), SeqPoint(0), TimePoint(T0_MS)):
        with pytest.raises(
            ReplayError, match=rf"is before all that is still there; there is seq {oldest} \(2025-"
        ) as caught:
            states(source, point)
        assert str(caught.value).startswith(str(point))


def test_behind_the_end(kept: DataDir) -> None:
    source = source_of(kept)
    last = all_events(source)[-1][0]
    with pytest.raises(
        ReplayError, match=rf"is behind the end of the log; there is seq 0 \(.*\) to seq {last} \(2025-"
    ):
        states(source, SeqPoint(last + 1))
    assert states(source, TimePoint(2**53))[1] == Moment(last, T0_MS + 7000, 2**53)


def test_a_log_without_events(data: DataDir) -> None:
    data.live()
    keyspace, moment = states(source_of(data), TimePoint(T0_MS + 5))
    assert (len(keyspace.tree), moment) == (0, Moment(0, T0_MS, T0_MS + 5))
    with pytest.raises(ReplayError, match="behind the end"):
        states(source_of(data), SeqPoint(1))


# --- damage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [-50, 20, 150])
def test_of_a_damaged_snapshot_an_older_one_takes_the_place(
    trimmed: DataDir, capfd: pytest.CaptureFixture[str], offset: int
) -> None:
    source = source_of(trimmed)
    expected = states(source, TimePoint(2**53))[0].digest
    newest = trimmed.snapshots[-1]
    flip(newest, offset)
    assert states(source, TimePoint(2**53))[0].digest == expected
    said = capfd.readouterr().err
    assert f"{newest}" in said
    assert "looking for an older snapshot" in said


def test_of_damaged_snapshots_the_beginning_takes_the_place(kept: DataDir) -> None:
    source = source_of(kept)
    expected = states(source, TimePoint(2**53))[0].digest
    for path in kept.snapshots:
        flip(path, 20)
    assert states(source, TimePoint(2**53))[0].digest == expected


def test_where_no_snapshot_is_whole_and_the_log_was_trimmed(trimmed: DataDir) -> None:
    for path in trimmed.snapshots:
        flip(path, 20)
    with pytest.raises(ReplayError, match="there is nothing that can be shown"):
        states(source_of(trimmed), TimePoint(2**53))


def test_a_damaged_snapshot_behind_the_point_is_nobodys_business(
    kept: DataDir, capfd: pytest.CaptureFixture[str]
) -> None:
    flip(kept.snapshots[-1], 20)
    states(source_of(kept), SeqPoint(5))
    assert capfd.readouterr().err == ""


def test_damage_in_the_log(data: DataDir) -> None:
    data.live(put("a"), put("b"), put("c"), segment_bytes=200)
    flip(data.segments[1], 210)
    source = source_of(data)
    with pytest.raises(DamagedError, match="what is before can be shown, up to seq 1") as caught:
        states(source, TimePoint(2**53))
    assert (caught.value.path, caught.value.seq) == (data.segments[1], 2)
    assert states(source, SeqPoint(1))[1].seq == 1


def test_a_log_that_does_not_go_on_behind_a_snapshot(trimmed: DataDir) -> None:
    source = source_of(trimmed)
    newest = source.snapshot_seqs()[-1]
    gone = source.segment_path(newest + 1)
    content = gone.read_bytes()
    gone.unlink()
    with pytest.raises(DamagedError, match="events are missing"):
        states(source, TimePoint(2**53))
    assert states(source, SeqPoint(newest))[1].seq == newest
    for path in trimmed.segments:
        path.unlink()
    source.segment_path(newest + 1).with_name(f"{newest + 2:020d}.wal").write_bytes(content)
    with pytest.raises(DamagedError, match="the log is missing its start"):
        states(source, TimePoint(2**53))


# --- a server that is in the way -------------------------------------------------------------------------


def once(act: Callable[[], None], when: Callable[[Path], bool]) -> Callable[[Path], None]:
    """Let something happen when the first such file is opened."""
    done: list[Path] = []

    def before(path: Path) -> None:
        if when(path) and not done:
            done.append(path)
            act()

    return before


def test_what_is_trimmed_meanwhile_is_no_damage(data: DataDir) -> None:
    """A snapshot was chosen, and before the log is opened, the server has taken two more."""
    data.live(put("a"), SNAPSHOT, put("b"), CRASH)
    fs = MeddlingFileSystem()
    source = source_of(data, fs)
    fs.before = once(
        lambda: data.live(put("c"), SNAPSHOT, put("d"), SNAPSHOT, put("e"), keep=1),
        lambda path: path.suffix == ".wal",
    )
    keyspace, moment = states(source, TimePoint(2**53))
    assert moment.seq == keyspace.seq == 5
    assert [key for key, *_ in keyspace.tree.items()] == [b"a", b"b", b"c", b"d", b"e"]


def test_a_snapshot_that_is_removed_meanwhile_is_no_damage(data: DataDir) -> None:
    data.live(put("a"), SNAPSHOT, put("b"), CRASH)
    fs = MeddlingFileSystem()
    source = source_of(data, fs)
    fs.before = once(
        lambda: data.live(SNAPSHOT, put("c"), SNAPSHOT, keep=1),
        lambda path: path.suffix == ".snap",
    )
    assert states(source, TimePoint(2**53))[1].seq == 3


def test_a_server_that_is_always_in_the_way(data: DataDir) -> None:
    """The last attempt is left as it is."""
    data.live(put("a"), SNAPSHOT)
    source = source_of(data)
    attempts: list[int] = []

    def look() -> None:
        attempts.append(len(attempts))
        data.path.joinpath("snapshot", f"{100 + len(attempts):020d}.snap").touch()
        raise DamagedError(data.path, "it is gone", seq=1)

    with pytest.raises(DamagedError, match="it is gone"):
        steadily(source, look)
    assert 5 < len(attempts) < 50
