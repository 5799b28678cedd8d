"""What becomes of everybody when the log fails, or anything else does."""

import errno
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from synap.commands import Delete
from synap.errors import DiskFullError, InvalidKeyError, LogConflictError, LogFailedError, NotReadyError
from synap.keyspace import room as room_module
from synap.results import Written

from .engine import LOG_FAILED, Bench, at_work, outcomes, set_text

DISK_FULL = DiskFullError("no room")


@pytest.fixture
async def bench(nursery: trio.Nursery) -> AsyncIterator[Bench]:
    async with at_work(nursery) as bench:
        yield bench


async def test_a_full_disk_refuses_the_batch_and_nothing_else(bench: Bench) -> None:
    first = await bench.held_up()
    bench.log.failures = [DISK_FULL]
    sent = await bench.send(set_text(b"b"), Delete(b"first"), set_text(b""))
    await bench.release()
    assert first.error is DiskFullError
    # Those behind were decided against a state without what did not fit.
    assert outcomes(sent)[:2] == [[Written(written=True, version=1)], [False]]
    assert sent[2].error is InvalidKeyError
    assert (bench.view(), bench.committer.failure, bench.ended) == ({b"b": b"v"}, None, None)


async def test_a_full_disk_is_told_to_everybody_of_the_batch(bench: Bench) -> None:
    await bench.held_up()
    sent = await bench.send(set_text(b"a"), set_text(b"a", only_if_absent=True), set_text(b""), Delete(b"missing"))
    bench.log.release()
    bench.log.shut()
    await wait_all_tasks_blocked()
    bench.log.failures = [DISK_FULL]
    await bench.release()
    assert [each.error for each in sent] == [DiskFullError] * 4
    (after,) = await bench.send(set_text(b"a", only_if_absent=True))
    assert after.outcome == [Written(written=True, version=2)]


@pytest.mark.parametrize(
    "error",
    [
        LOG_FAILED,
        LogConflictError(3, 5),
        MemoryError(),
        OSError(errno.EMFILE, "Too many open files"),
        AssertionError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_after_any_other_error_nothing_is_acknowledged(bench: Bench, error: Exception) -> None:
    first = await bench.held_up()
    bench.log.failures = [error]
    waiting = await bench.send(set_text(b"a"), Delete(b"missing"))
    await bench.release()
    assert bench.ended is error
    assert first.outcome == [error]
    # Those behind were never begun, and are told so; so is whoever comes later.
    later = await bench.send(set_text(b"b"))
    assert [each.error for each in (*waiting, *later)] == [NotReadyError] * 3
    assert (bench.view(), bench.log.batches(), bench.log.attempts) == ({}, [], 1)
    assert bench.committer.failure is (error if isinstance(error, LogFailedError) else None)
    assert bench.committer.waiting == 0


async def test_an_error_while_deciding_leaves_nobody_waiting(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(room_module, "decide", fail)
    sent = await bench.send(set_text(b"a"))
    assert sent[0].error is MemoryError
    assert isinstance(bench.ended, MemoryError)


async def test_a_log_that_gives_other_numbers_than_expected_is_not_believed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def append(_: object) -> int:
        await trio.lowlevel.checkpoint()
        return 17

    monkeypatch.setattr(bench.log, "append", append)
    sent = await bench.send(set_text(b"a"))
    assert sent[0].error is AssertionError
    assert bench.view() == {}


async def test_a_failure_that_shows_elsewhere_ends_it_too(bench: Bench) -> None:
    first = await bench.held_up()
    waiting = await bench.send(set_text(b"a"))
    bench.committer.fail(LOG_FAILED)
    assert bench.committer.failure is LOG_FAILED
    later = await bench.send(set_text(b"b"))
    assert [each.error for each in (*waiting, *later)] == [NotReadyError] * 2
    assert "the log failed" in str(later[0].outcome[0])
    assert first.outcome == []
