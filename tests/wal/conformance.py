"""What every ``Log`` must do. A test class that inherits ``LogConformance`` says only how to open a log."""

from abc import ABC, abstractmethod
from pathlib import Path
from random import Random

import pytest
import trio

from synap.errors import LogConflictError
from synap.wal.interface import Batch, Frame, Log

from .build import SEED, T0_MS


def numbers(frames: list[Frame]) -> list[tuple[int, int]]:
    return [(frame.first_seq, frame.count) for frame in frames]


async def fill(log: Log, *counts: int) -> None:
    for count in counts:
        await log.append(Batch(b"%d" % log.last_seq, count, log.last_seq, T0_MS))


class LogConformance(ABC):
    """The suite. ``open_log`` opens an empty log that keeps what it is given."""

    @abstractmethod
    def open_log(self, place: Path) -> Log: ...

    @pytest.fixture
    def log(self, tmp_path: Path) -> Log:
        return self.open_log(tmp_path)

    async def test_a_new_log_is_empty(self, log: Log) -> None:
        assert (log.first_seq, log.last_seq) == (1, 0)
        assert list(log.read(1)) == []
        assert list(log.read(5)) == []

    async def test_append_returns_the_first_number_of_the_batch(self, log: Log) -> None:
        given = [await log.append(Batch(b"x", count, log.last_seq, T0_MS)) for count in (1, 3, 1, 1000, 2)]
        assert given == [1, 2, 5, 6, 1006]
        assert (log.first_seq, log.last_seq) == (1, 1007)

    @pytest.mark.parametrize("payload", [b"", b"\0", b"x", bytes(1000), b"ab" * 3_000_000])
    async def test_a_payload_comes_back_as_it_was(self, log: Log, payload: bytes) -> None:
        await log.append(Batch(payload, 7, 0, T0_MS + 5))
        assert list(log.read(1)) == [Frame(1, 7, T0_MS + 5, payload)]

    async def test_a_payload_that_does_not_compress_comes_back(self, log: Log) -> None:
        payload = Random(SEED).randbytes(3_000_000)
        await log.append(batch_after_last(log, payload))
        assert [frame.payload for frame in log.read(1)] == [payload]

    @pytest.mark.parametrize(
        ("from_seq", "expected"),
        [
            (1, [(1, 2), (3, 1), (4, 3)]),
            (2, [(1, 2), (3, 1), (4, 3)]),
            (3, [(3, 1), (4, 3)]),
            (4, [(4, 3)]),
            (5, [(4, 3)]),
            (6, [(4, 3)]),
            (7, []),
            (100, []),
        ],
    )
    async def test_reading_from_a_number(self, log: Log, from_seq: int, expected: list[tuple[int, int]]) -> None:
        await fill(log, 2, 1, 3)
        assert numbers(list(log.read(from_seq))) == expected

    @pytest.mark.parametrize("from_seq", [0, -1])
    async def test_reading_what_never_was_is_refused_at_once(self, log: Log, from_seq: int) -> None:
        await fill(log, 1)
        with pytest.raises(ValueError, match="the log begins at 1"):
            log.read(from_seq)

    @pytest.mark.parametrize("after_seq", [0, 2, 4, 100])
    async def test_a_conflict_leaves_the_log_as_it_was(self, log: Log, after_seq: int) -> None:
        await fill(log, 2, 1)
        with pytest.raises(LogConflictError) as caught:
            await log.append(Batch(b"too late", 1, after_seq, T0_MS))
        assert (caught.value.expected_seq, caught.value.last_seq) == (after_seq, 3)
        assert (log.first_seq, log.last_seq) == (1, 3)
        assert numbers(list(log.read(1))) == [(1, 2), (3, 1)]
        await fill(log, 1)
        assert numbers(list(log.read(4))) == [(4, 1)]

    async def test_what_is_appended_while_reading_is_not_part_of_the_answer(self, log: Log) -> None:
        await fill(log, 1, 1)
        reading = log.read(1)
        await fill(log, 1)
        assert next(reading).first_seq == 1
        await fill(log, 1)
        assert numbers(list(reading)) == [(2, 1)]
        assert numbers(list(log.read(1))) == [(1, 1), (2, 1), (3, 1), (4, 1)]

    @pytest.mark.parametrize("below_seq", [0, 1, 2, 3, 5, 8, 11, 100])
    async def test_trimming_never_takes_what_was_to_stay(self, log: Log, below_seq: int) -> None:
        await fill(log, 2, 3, 1, 1, 3)
        await log.trim(below_seq)
        assert log.first_seq <= max(1, below_seq)
        assert log.last_seq == 10
        kept = numbers(list(log.read(log.first_seq)))
        assert kept == [(seq, count) for seq, count in ((1, 2), (3, 3), (6, 1), (7, 1), (8, 3)) if seq >= log.first_seq]
        if log.first_seq > 1:
            with pytest.raises(ValueError, match=f"the log begins at {log.first_seq}"):
                log.read(log.first_seq - 1)
        await fill(log, 1)
        assert numbers(list(log.read(11))) == [(11, 1)]

    async def test_trimming_takes_the_oldest_and_twice_is_once(self, log: Log) -> None:
        await fill(log, *[1] * 30)
        first = 1
        for below in (5, 5, 4, 17, 30):
            await log.trim(below)
            assert first <= log.first_seq <= below or log.first_seq == first
            first = log.first_seq
            assert [seq for seq, _ in numbers(list(log.read(first)))] == list(range(first, 31))

    async def test_closing_keeps_everything(self, log: Log) -> None:
        await fill(log, 2, 1)
        await log.close()
        assert numbers(list(log.read(1))) == [(1, 2), (3, 1)]

    async def test_upkeep_goes_on_until_cancelled(self, log: Log) -> None:
        with trio.move_on_after(0.02) as scope:
            await log.upkeep()
        assert scope.cancelled_caught


def batch_after_last(log: Log, payload: bytes) -> Batch:
    return Batch(payload, 1, log.last_seq, T0_MS)
