"""Following a log: all of it once, whatever the server does meanwhile, and every kind of damage."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from synap.datadir import Places
from synap.errors import DamagedError, TrimmedAwayError
from synap.fs import RealFile, RealFileSystem
from synap.replay.follow import LogFollower, Predecessor
from synap.replay.source import Source, open_source

from .build import CRASH, SNAPSHOT, DataDir, flip, put

SMALL = 200
"""A size of segments at which every batch has its own."""


class MeddlingFileSystem(RealFileSystem):
    """Lets something happen just before a file is opened: ``before`` is called with its path."""

    before: Callable[[Path], None] = staticmethod(lambda _: None)

    def open(self, path: Path, *, writable: bool = False) -> RealFile:
        self.before(path)
        return super().open(path, writable=writable)


def source_of(data: DataDir, fs: RealFileSystem | None = None) -> Source:
    return open_source(fs or RealFileSystem(), data.path, Places())


def seqs(follower: LogFollower) -> list[int]:
    """The first numbers of the batches that are new."""
    return [frame.first_seq for frame in follower.frames()]


@pytest.fixture
def source(data: DataDir) -> Source:
    """A log of four segments with a batch each, and an empty one."""
    data.live(*(put(f"key{number}") for number in range(4)), segment_bytes=SMALL)
    data.live()
    return source_of(data)


def test_all_of_a_log(source: Source) -> None:
    assert source.segment_seqs() == (1, 2, 3, 4, 5)
    read: list[int] = []
    with closing(LogFollower(source, 1, on_bytes=read.append)) as follower:
        assert seqs(follower) == [1, 2, 3, 4]
        assert follower.next_seq == 5
        assert len(read) == 4
        assert seqs(follower) == []


@pytest.mark.parametrize("first", [2, 3, 4])
def test_from_somewhere_on(source: Source, first: int) -> None:
    with closing(LogFollower(source, first)) as follower:
        assert seqs(follower) == list(range(first, 5))


def test_a_batch_that_began_before(data: DataDir) -> None:
    data.live(put("a"), put("b"))
    with closing(LogFollower(source_of(data), 2)) as follower:
        assert seqs(follower) == [2]


def test_from_behind_the_end_on(data: DataDir) -> None:
    data.live(put("a"))
    with closing(LogFollower(source_of(data), 9)) as follower:
        assert seqs(follower) == []
        assert follower.next_seq == 9


# --- while it grows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("segment_bytes", [SMALL, 100_000])
def test_what_comes_later(data: DataDir, segment_bytes: int) -> None:
    """Stores are opened and closed meanwhile: over every rotation, and over empty segments that were replaced."""
    data.live()
    with closing(LogFollower(source_of(data), 1)) as follower:
        assert seqs(follower) == []
        for first, steps in ((1, 3), (4, 0), (4, 1), (5, 2)):
            data.live(*(put("k") for _ in range(steps)), segment_bytes=segment_bytes)
            assert seqs(follower) == list(range(first, first + steps))
            assert seqs(follower) == []


def test_a_segment_that_grows_is_read_only_where_it_is_new(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    data.live(put("a" * 1000), put("b"), CRASH)
    path = data.segments[0]
    content = path.read_bytes()
    read: list[tuple[int, int]] = []
    monkeypatch.setattr(RealFile, "read", noting(RealFile.read, read))
    path.write_bytes(content[:-200])
    with closing(LogFollower(source_of(data), 1)) as follower:
        first = seqs(follower)
        for end in (150, 100, 50, 0):
            path.write_bytes(content[: len(content) - end])
            first += seqs(follower)
        assert seqs(follower) == []
    assert first == [1, 2]
    segment_reads = [size for _, size in read if size > 128]
    assert len([size for size in segment_reads if size > 300]) <= 1, "the whole is read once"


def noting(
    method: Callable[[RealFile, int, int], bytes], read: list[tuple[int, int]]
) -> Callable[[RealFile, int, int], bytes]:
    def noted(file: RealFile, offset: int, size: int) -> bytes:
        read.append((offset, size))
        return method(file, offset, size)

    return noted


def test_half_a_frame_is_not_there_yet(data: DataDir) -> None:
    data.live(put("a"), put("b"), CRASH)
    path = data.segments[0]
    content = path.read_bytes()
    with closing(LogFollower(source_of(data), 1)) as follower:
        found: list[int] = []
        for end in range(128, len(content) + 1):
            path.write_bytes(content[:end])
            found += seqs(follower)
        assert found == [1, 2]


def test_a_torn_tail_that_was_cut_off(data: DataDir) -> None:
    data.live(put("a"), put("b"), CRASH)
    path = data.segments[0]
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with closing(LogFollower(source_of(data), 1)) as follower:
        assert seqs(follower) == [1]
        data.live(put("c"))
        assert seqs(follower) == [2]


# --- while it is trimmed ---------------------------------------------------------------------------------


def test_what_was_trimmed_before(data: DataDir) -> None:
    data.live(put("a"), SNAPSHOT, put("b"), SNAPSHOT, put("c"), keep=1)
    with closing(LogFollower(source_of(data), 1)) as follower:
        with pytest.raises(TrimmedAwayError, match="events 1 to 2 are not there any more") as caught:
            seqs(follower)
        assert (caught.value.seq, caught.value.first_seq) == (1, 3)
        follower.skip_to(3)
        assert seqs(follower) == [3]


def test_a_segment_that_is_open_can_be_read_to_its_end(data: DataDir) -> None:
    data.live(put("a"), CRASH)
    with closing(LogFollower(source_of(data), 1)) as follower:
        assert seqs(follower) == [1]
        data.live(put("b"), SNAPSHOT, put("c"), SNAPSHOT, put("d"), keep=1)
        assert [path.name[-6:] for path in data.segments] == ["04.wal"]
        with pytest.raises(TrimmedAwayError) as caught:
            seqs(follower)
        assert (caught.value.seq, caught.value.first_seq) == (2, 4)


def test_a_segment_that_goes_between_its_name_and_its_opening(data: DataDir) -> None:
    data.live(*(put("k") for _ in range(4)), segment_bytes=SMALL)
    fs = MeddlingFileSystem()
    with closing(LogFollower(source_of(data, fs), 1)) as follower:
        first, second, *_ = data.segments

        def trim(path: Path) -> None:
            if path == first:
                first.unlink(missing_ok=True)
                second.unlink(missing_ok=True)

        fs.before = trim
        with pytest.raises(TrimmedAwayError) as caught:
            seqs(follower)
        assert caught.value.first_seq == 3


# --- damage ----------------------------------------------------------------------------------------------


def test_an_event_that_was_damaged(source: Source, data: DataDir) -> None:
    flip(data.segments[1], 210)
    found = []
    with closing(LogFollower(source, 1)) as follower, pytest.raises(DamagedError) as caught:
        found += [frame.first_seq for frame in follower.frames()]
    assert (caught.value.path, caught.value.seq) == (data.segments[1], 2)


def test_a_segment_that_is_missing(source: Source, data: DataDir) -> None:
    data.segments[1].unlink()
    with closing(LogFollower(source, 1)) as follower, pytest.raises(DamagedError, match="events are missing: seq 2"):
        seqs(follower)


def test_no_segment_at_all(source: Source, data: DataDir) -> None:
    for path in data.segments:
        path.unlink()
    with closing(LogFollower(source, 1)) as follower, pytest.raises(DamagedError, match="--wal-dir"):
        seqs(follower)


def test_a_name_without_a_file(source: Source, data: DataDir) -> None:
    path = data.segments[2]
    path.unlink()
    path.symlink_to("nowhere")
    with closing(LogFollower(source, 1)) as follower, pytest.raises(DamagedError, match="no file"):
        seqs(follower)


def test_events_that_are_there_twice(data: DataDir) -> None:
    data.live(put("a"), put("b"), CRASH)
    data.live(put("c"))
    first, second = data.segments
    second.rename(first.with_name("00000000000000000002.wal"))
    with closing(LogFollower(source_of(data), 1)) as follower, pytest.raises(DamagedError, match="there twice"):
        seqs(follower)


def test_a_segment_of_another_store(data: DataDir) -> None:
    data.live(put("a"), put("b"), segment_bytes=SMALL)
    other = DataDir(data.path.parent / "other")
    other.live(put("x"), put("y"), segment_bytes=SMALL)
    other.segments[1].write_bytes(data.segments[1].read_bytes())
    with closing(LogFollower(source_of(other), 1)) as follower, pytest.raises(DamagedError, match="another store"):
        seqs(follower)


def test_a_log_that_does_not_continue_a_snapshot(source: Source) -> None:
    follower = LogFollower(source, 2, predecessor=Predecessor("a snapshot", bytes(16), 0))
    with closing(follower), pytest.raises(DamagedError, match="it does not continue a snapshot"):
        seqs(follower)


def test_a_log_that_is_older_than_what_it_continues(source: Source) -> None:
    predecessor = Predecessor("a snapshot", source.segment_header(2).chain, 2**63)
    follower = LogFollower(source, 2, predecessor=predecessor)
    with closing(follower), pytest.raises(DamagedError, match="it is older than a snapshot"):
        seqs(follower)


def test_a_segment_that_shrinks(data: DataDir) -> None:
    data.live(put("a"), put("b"), CRASH)
    path = data.segments[0]
    with closing(LogFollower(source_of(data), 1)) as follower:
        assert seqs(follower) == [1, 2]
        path.write_bytes(path.read_bytes()[:200])
        with pytest.raises(DamagedError, match="it has become shorter"):
            seqs(follower)


def test_a_segment_that_is_longer_than_any(source: Source, data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not even read."""
    monkeypatch.setattr("synap.replay.follow.SEGMENT_MAX_BYTES", 150)
    with closing(LogFollower(source, 1)) as follower, pytest.raises(DamagedError, match="no segment has"):
        seqs(follower)


def test_a_file_that_is_no_segment(source: Source, data: DataDir) -> None:
    data.segments[1].rename(data.path / "wal" / "old.wal")
    with closing(LogFollower(source, 1)) as follower, pytest.raises(DamagedError, match="was it renamed"):
        seqs(follower)
