"""The log read a piece at a time: the same as read whole, whatever the pieces are, and with nothing held in between."""

from random import Random

import pytest

from synap.datadir import look_at_data_directory
from synap.errors import DamagedError
from synap.testing import SimulatedFileSystem
from synap.wal import cursor
from synap.wal.cursor import read_in_pieces
from synap.wal.interface import Frame
from tests.wal.build import DATA, SEED, WAL, append, disk_of, files_of, name, read_frames
from tests.wal.local_logs import started

BATCHES = 40


@pytest.fixture
async def fs() -> SimulatedFileSystem:
    return await written(SEED)


async def written(seed: int) -> SimulatedFileSystem:
    """A log of several segments, of small batches and some that are larger than a piece; the lengths are always the
    same, the bytes are the seed's.
    """
    fs, lengths, rng = SimulatedFileSystem(), Random(SEED), Random(seed)
    log = started(fs, segment_max_bytes=6000)
    for _ in range(BATCHES):
        await append(log, rng.randbytes(lengths.choice([10, 50, 2000])))
    return fs


def in_pieces(fs: SimulatedFileSystem, from_seq: int = 1, upto_seq: int = BATCHES) -> list[Frame]:
    store_id = look_at_data_directory(fs, DATA).store_id
    return list(read_in_pieces(fs, WAL, store_id, from_seq, upto_seq))


def whole(fs: SimulatedFileSystem) -> list[Frame]:
    return read_frames(fs, WAL, look_at_data_directory(fs, DATA).store_id)


@pytest.mark.parametrize("piece_bytes", [1, 71, 72, 200, 999, 1 << 20])
async def test_pieces_are_the_same_as_the_whole(
    fs: SimulatedFileSystem, piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursor, "PIECE_BYTES", piece_bytes)
    frames = whole(fs)
    assert len(files_of(fs, WAL)) > 3
    for from_seq in (1, 2, 17, BATCHES):
        for upto_seq in {from_seq, 30, BATCHES} - set(range(from_seq)):
            assert in_pieces(fs, from_seq, upto_seq) == frames[from_seq - 1 : upto_seq]


async def test_no_file_is_held_open_between_two_pieces(
    fs: SimulatedFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursor, "PIECE_BYTES", 300)
    reading = read_in_pieces(fs, WAL, look_at_data_directory(fs, DATA).store_id, 1, BATCHES)
    fs.trace.clear()
    for _ in range(10):
        next(reading)
        calls = [call.name for call in fs.trace]
        assert calls.count("open") == calls.count("close")


async def test_a_log_that_does_not_reach_so_far_is_damaged(fs: SimulatedFileSystem) -> None:
    with pytest.raises(DamagedError, match=f"the log ends before seq {BATCHES + 1}"):
        in_pieces(fs, 1, BATCHES + 1)


async def test_a_segment_that_is_gone_is_damage_or_no_file(fs: SimulatedFileSystem) -> None:
    firsts = sorted(int(path.stem) for path in files_of(fs, WAL))
    fs.remove(name(firsts[1]))
    with pytest.raises(DamagedError, match="the log ends before"):
        in_pieces(fs)
    fs.remove(name(firsts[0]))
    with pytest.raises(FileNotFoundError):
        in_pieces(fs)


async def test_a_segment_of_another_history_is_damage(fs: SimulatedFileSystem) -> None:
    files, foreign = files_of(fs, WAL), files_of(await written(SEED + 1), WAL)
    assert files.keys() == foreign.keys()
    second = sorted(files)[1]
    mixed = disk_of({**files_of(fs, DATA), **files, second: foreign[second]})
    with pytest.raises(DamagedError, match="does not continue"):
        in_pieces(mixed)


@pytest.mark.parametrize("piece_bytes", [100, 1 << 20])
async def test_a_flipped_bit_is_damage_wherever_the_pieces_end(
    fs: SimulatedFileSystem, piece_bytes: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursor, "PIECE_BYTES", piece_bytes)
    frames, rng = whole(fs), Random(seed)
    store, files = files_of(fs, DATA), files_of(fs, WAL)
    for _ in range(60):
        path = rng.choice(sorted(files))
        content = bytearray(files[path])
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        try:
            found = in_pieces(disk_of({**store, **files, path: bytes(content)}))
        except DamagedError:
            continue
        assert found == frames, "what a checksum does not cover is padding, and changes nothing"
