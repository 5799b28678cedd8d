"""Group commit: who shares a frame, who is answered when, and how it ends."""

import contextlib
from collections.abc import AsyncIterator

import pytest
import trio
from msgspec import structs
from trio.testing import wait_all_tasks_blocked

from synap import committer as committer_module
from synap.codec import encode_events
from synap.commands import (
    Append,
    Copy,
    Delete,
    DeleteMany,
    DeletePrefix,
    Evict,
    Expire,
    Flush,
    GetDelete,
    GetTouch,
    Increment,
    Kind,
    Pair,
    Persist,
    PurgeExpired,
    Rename,
    SetMany,
    SetRange,
    Write,
)
from synap.committer import BATCH_FULL_BYTES, COMMAND_MAX_BYTES, QUEUE_MAX_BYTES, Committer, _extent
from synap.errors import (
    InvalidKeyError,
    NotReadyError,
    OverloadedError,
    TooLargeError,
    VersionMismatchError,
)
from synap.events import EntryDeleted, EntrySet
from synap.keyspace import Keyspace, Limits, Memory, Overlay, Room
from synap.radix import new_tree
from synap.results import Written
from synap.wal.format import MAX_RAW_BYTES

from .engine import LOG_FAILED, NOW, Bench, GateLog, at_work, outcomes, set_text


@pytest.fixture
async def bench(nursery: trio.Nursery) -> AsyncIterator[Bench]:
    async with at_work(nursery) as bench:
        yield bench


# --- batches ---------------------------------------------------------------------------------------------


async def test_a_single_write_is_answered_when_it_is_durable(bench: Bench) -> None:
    bench.log.shut()
    (sent,) = await bench.send(set_text(b"a", b"1"))
    assert (sent.outcome, bench.view(), bench.committer.waiting) == ([], {}, 0)
    assert bench.committer.writing_since is not None
    await bench.release()
    assert (sent.outcome, bench.view()) == ([Written(written=True, version=1)], {b"a": b"1"})
    assert bench.committer.writing_since is None


async def test_what_gathers_behind_an_append_shares_one_frame(bench: Bench) -> None:
    first = await bench.held_up()
    sent = await bench.send(*[set_text(b"%d" % number) for number in range(20)], Delete(b"7"))
    assert (bench.committer.waiting, bench.log.attempts, outcomes(sent)) == (21, 1, [[]] * 21)
    await bench.release()
    assert [len(batch) for batch in bench.log.batches()] == [1, 21]
    assert outcomes([first, *sent]) == [*[[Written(written=True, version=seq)] for seq in range(1, 22)], [True]]
    assert bench.keyspace.seq == bench.log.last_seq == 22


async def test_the_second_frame_waits_for_the_first(bench: Bench) -> None:
    await bench.held_up()
    (second,) = await bench.send(set_text(b"second"))
    bench.log.release()
    bench.log.shut()
    await wait_all_tasks_blocked()
    assert (bench.log.attempts, bench.view(), second.outcome) == (2, {b"first": b"v"}, [])


async def test_who_was_answered_and_writes_again_is_in_the_next_batch(bench: Bench, nursery: trio.Nursery) -> None:
    """There are no two groups that take turns for ever, with twice as many commits as are needed."""

    async def write_twice(key: bytes) -> None:
        for _ in range(2):
            await bench.committer.submit(set_text(key))

    await bench.held_up()
    for group in (b"a", b"b", b"c"), (b"d", b"e"):
        for key in group:
            nursery.start_soon(write_twice, key)
        await wait_all_tasks_blocked()
        bench.log.release()
        bench.log.shut()
        await wait_all_tasks_blocked()
    await bench.release()
    assert [len(batch) for batch in bench.log.batches()] == [1, 3, 5, 2]


async def test_commands_of_a_batch_see_those_before_them(bench: Bench) -> None:
    await bench.held_up()
    sent = await bench.send(
        set_text(b"a", b"1", only_if_absent=True),
        set_text(b"a", b"2", only_if_absent=True),
        structs.replace(set_text(b"a", b"3"), if_version=2),
        structs.replace(set_text(b"a", b"4"), if_version=2),
        Delete(b"a"),
        Delete(b"a"),
        GetTouch(b"a", 5),
    )
    await bench.release()
    results = [outcome[0] for outcome in outcomes(sent)]
    assert results[:3] == [Written(written=True, version=2), Written(written=False, version=2), Written(True, 3)]
    assert isinstance(results[3], VersionMismatchError)
    assert results[4:] == [True, False, None]


async def test_refusals_wait_for_what_they_rest_on(bench: Bench) -> None:
    """That a key exists must not be told before the crash that could take it away again has become impossible."""
    await bench.held_up()
    sent = await bench.send(set_text(b"a"), set_text(b"a", only_if_absent=True), set_text(b""))
    bench.log.release()
    bench.log.shut()
    await wait_all_tasks_blocked()
    assert outcomes(sent) == [[], [], []]
    await bench.release()
    assert sent[1].outcome == [Written(written=False, version=2)]
    assert sent[2].error is InvalidKeyError


async def test_a_batch_without_events_is_no_frame(bench: Bench) -> None:
    sent = await bench.send(Delete(b"missing"), set_text(b""), SetMany(()))
    assert [each.error or each.outcome for each in sent] == [[False], InvalidKeyError, [True]]
    assert bench.log.attempts == 0


async def test_a_batch_is_decided_at_one_time(bench: Bench) -> None:
    await bench.held_up()
    await bench.send(set_text(b"a", b"", 10), set_text(b"b", b"", 10))
    bench.now_ms += 100
    await bench.release()
    (*_, frame) = bench.log.read(1)
    assert frame.wall_ms == NOW + 100
    assert [item[3] for item in bench.keyspace.tree.items()] == [NOW + 110, NOW + 110, None]


async def test_the_events_of_one_command_share_a_frame(bench: Bench) -> None:
    await bench.held_up()
    pairs = tuple(Pair(b"%d" % number, Kind.TEXT, bytes(BATCH_FULL_BYTES // 100)) for number in range(300))
    await bench.send(set_text(b"x"), SetMany(pairs), DeleteMany(tuple(pair.key for pair in pairs)))
    await bench.release()
    assert [len(batch) for batch in bench.log.batches()] == [1, 301, 300]


async def test_a_full_batch_takes_no_more_bytes(bench: Bench) -> None:
    await bench.held_up()
    quarter = bytes(BATCH_FULL_BYTES // 4)
    await bench.send(*[set_text(b"%d" % number, quarter) for number in range(9)])
    await bench.release()
    assert [len(batch) for batch in bench.log.batches()] == [1, 4, 4, 1]


async def test_what_a_key_held_before_counts_where_it_is_written_once_more(bench: Bench) -> None:
    await bench.send(set_text(b"a", bytes(BATCH_FULL_BYTES // 4)))
    await bench.held_up()
    await bench.send(*[Append(b"a", b"1")] * 6, Rename(b"a", b"b"), Copy(b"b", b"c"))
    await bench.release()
    # A batch takes one more as long as it is not full. Of a rename there are two events.
    assert [len(batch) for batch in bench.log.batches()] == [1, 1, 4, 5]


async def test_a_full_batch_takes_no_more_keys(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer_module, "BATCH_FULL_KEYS", 5)
    await bench.held_up()
    four = SetMany(tuple(Pair(b"%d" % number, Kind.TEXT, b"") for number in range(4)))
    # Keys that are not there take their time, too.
    await bench.send(four, four, four, DeleteMany((b"missing",) * 5), four, PurgeExpired(5), four)
    await bench.release()
    assert [len(batch) for batch in bench.log.batches()] == [1, 8, 4, 4, 4]


async def test_readers_and_cancellation_get_their_turn_between_batches(bench: Bench) -> None:
    """Also while the queue never becomes empty, and where nothing is written."""
    bench.log.shut()

    async def write_for_ever(command: Write[object]) -> None:
        with contextlib.suppress(NotReadyError):
            while True:
                await bench.committer.submit(command)

    async with trio.open_nursery() as writers:
        for number in range(4):
            writers.start_soon(write_for_ever, set_text(b"%d" % number))
            writers.start_soon(write_for_ever, Delete(b"missing"))
        await wait_all_tasks_blocked()
        bench.log.release()
        with trio.fail_after(5):
            for _ in range(50):
                await trio.lowlevel.checkpoint()
            bench.scope.cancel()
    assert bench.scope.cancelled_caught


# --- cancelled waiters -----------------------------------------------------------------------------------


async def test_who_stops_waiting_neither_aborts_nor_reorders(bench: Bench) -> None:
    first = await bench.held_up()
    sent = await bench.send(*[set_text(b"a", b"%d" % number) for number in range(5)])
    for each in (first, sent[1], sent[4]):
        each.scope.cancel()
    await wait_all_tasks_blocked()
    assert bench.committer.waiting == 5
    await bench.release()
    (_, batch) = bench.log.batches()
    assert batch == [EntrySet(b"a", Kind.TEXT, b"%d" % number, None) for number in range(5)]
    assert [bool(each.outcome) for each in (first, *sent)] == [False, True, False, True, True, False]
    assert bench.view() == {b"first": b"v", b"a": b"4"}


async def test_a_cancelled_commit_is_seen_through(bench: Bench) -> None:
    """Its outcome decides what the state is; but the next one is not begun."""
    first = await bench.held_up()
    (second,) = await bench.send(set_text(b"second"))
    bench.scope.cancel()
    await wait_all_tasks_blocked()
    assert first.outcome == []
    await bench.release()
    assert bench.scope.cancelled_caught
    assert first.outcome == [Written(written=True, version=1)]
    assert second.error is NotReadyError
    assert (bench.view(), bench.keyspace.seq, bench.log.last_seq) == ({b"first": b"v"}, 1, 1)


async def test_who_is_cancelled_together_with_the_committer_hears_of_nothing_else(nursery: trio.Nursery) -> None:
    async def write_for_ever(bench: Bench, number: int) -> None:
        while True:
            await bench.committer.submit(set_text(b"%d" % number))

    for _ in range(20):  # trio decides who runs first
        bench = Bench(nursery)
        async with trio.open_nursery() as tasks:
            tasks.start_soon(bench.run)
            for number in range(10):
                tasks.start_soon(write_for_ever, bench, number)
            for _ in range(20):
                await trio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()


# --- the queue is bounded --------------------------------------------------------------------------------


async def test_so_many_may_wait(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer_module, "QUEUE_MAX_COMMANDS", 3)
    await bench.held_up()
    sent = await bench.send(*[Delete(b"%d" % number) for number in range(5)])
    assert [each.error for each in sent] == [None, None, None, OverloadedError, OverloadedError]
    await bench.release()
    assert outcomes(sent)[:3] == [[False]] * 3
    assert (await bench.send(Delete(b"first")))[0].outcome == [True]


async def test_so_many_bytes_may_wait(bench: Bench) -> None:
    await bench.held_up()
    value = bytes(8 * 1024 * 1024)
    sent = await bench.send(*[set_text(b"a", value) for _ in range(17)], Delete(b"a"))
    # Fifteen fit beside their keys, and then only what is small.
    assert [each.error for each in sent] == [*[None] * 15, OverloadedError, OverloadedError, None]
    await bench.release()
    assert sent[-1].outcome == [True]
    # Who was answered waits no more.
    (again,) = await bench.send(set_text(b"a", value))
    assert again.error is None


@pytest.mark.parametrize(
    "command",
    [Delete(b"k" * 60_000), DeleteMany((b"k" * 30_000,) * 2), DeletePrefix(b"k" * 60_000), Expire(b"k" * 60_000, 1)],
)
async def test_keys_count_as_much_as_values(
    bench: Bench, command: Write[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer_module, "QUEUE_MAX_BYTES", 200_000)
    await bench.held_up()
    sent = await bench.send(*[command] * 5)
    assert [each.error for each in sent] == [None, None, None, OverloadedError, OverloadedError]


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        (set_text(b"due", b"value"), 1),
        (SetMany((Pair(b"due", Kind.TEXT, b"1", 5), Pair(b"b", Kind.BYTES, bytes(300)))), 2),
        (SetMany(()), 0),
        (Increment(b"due", 2**63 - 1), 1),
        (Increment(b"new", -(2**63)), 1),
        (Append(b"due", b"value"), 1),
        (SetRange(b"due", 0, b"value"), 1),
        (Rename(b"a", b"due"), 2),
        (Copy(b"a", b"due"), 2),
        (GetDelete(b"a"), 1),
        (GetTouch(b"a", 5), 1),
        (Delete(b"a"), 1),
        (DeleteMany((b"a", b"b", b"a")), 3),
        (DeletePrefix(b"a"), 1),
        (Flush(), 1),
        (Expire(b"a", 0), 1),
        (Expire(b"a", 5), 1),
        (Persist(b"b"), 1),
        (PurgeExpired(7), 7),
        (Evict(7), 7),
    ],
)
def test_the_extent_of_a_command_is_no_less_than_its_events(command: Write[object], keys: int) -> None:
    keyspace = Keyspace(new_tree())
    for seq, (key, deadline_ms) in enumerate([(b"due", NOW), (b"a", None), (b"b", NOW + 2**40)], 1):
        keyspace.apply(seq, EntrySet(key, 0, b"", deadline_ms))
    overlay = Overlay(keyspace, NOW)
    Room(Memory(keyspace), overlay).decide(command, Limits(flush_allowed=True))
    key_count, size_bytes = _extent(command)
    assert key_count == keys
    if not isinstance(command, PurgeExpired):
        # All values that are there already are empty.
        assert len(encode_events(overlay.events)) <= size_bytes + 1


def test_the_largest_batch_fits_a_frame() -> None:
    assert BATCH_FULL_BYTES + committer_module.BATCH_FULL_KEYS * 64 + COMMAND_MAX_BYTES < MAX_RAW_BYTES
    assert COMMAND_MAX_BYTES < QUEUE_MAX_BYTES


async def test_a_command_that_no_frame_could_hold(bench: Bench) -> None:
    half = bytes(COMMAND_MAX_BYTES // 2)
    sent = await bench.send(SetMany((Pair(b"a", Kind.BYTES, half), Pair(b"b", Kind.BYTES, half))))
    assert sent[0].error is TooLargeError
    assert bench.log.attempts == 0


# --- the end ---------------------------------------------------------------------------------------------


async def test_draining_answers_who_waits_and_refuses_who_comes(bench: Bench, nursery: trio.Nursery) -> None:
    await bench.held_up()
    waiting = await bench.send(set_text(b"a"), Delete(b"a"))
    drained: list[int] = []

    async def drain(number: int) -> None:
        await bench.committer.drain()
        drained.append(number)

    nursery.start_soon(drain, 1)
    nursery.start_soon(drain, 2)
    await wait_all_tasks_blocked()
    late = await bench.send(set_text(b"late"))
    assert late[0].error is NotReadyError
    assert (outcomes(waiting), drained) == ([[], []], [])
    await bench.release()
    assert outcomes(waiting) == [[Written(written=True, version=2)], [True]]
    assert sorted(drained) == [1, 2]
    assert bench.log.batches()[1] == [EntrySet(b"a", Kind.TEXT, b"v", None), EntryDeleted(b"a")]


async def test_draining_over_several_batches(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer_module, "BATCH_FULL_KEYS", 2)
    await bench.held_up()
    waiting = await bench.send(*[set_text(b"%d" % number) for number in range(7)])
    bench.log.release()
    await bench.committer.drain()
    await wait_all_tasks_blocked()
    assert [type(outcome[0]) for outcome in outcomes(waiting)] == [Written] * 7
    assert len(bench.log.batches()) == 5


async def test_draining_what_is_idle(bench: Bench) -> None:
    await wait_all_tasks_blocked()
    await bench.committer.drain()
    await bench.committer.drain()


@pytest.mark.parametrize("failing", [True, False], ids=["the log fails", "the committer is cancelled"])
async def test_draining_does_not_wait_for_what_will_never_come(
    bench: Bench, nursery: trio.Nursery, failing: bool
) -> None:
    await bench.held_up()
    waiting = await bench.send(set_text(b"a"))
    drained = trio.Event()

    async def drain() -> None:
        await bench.committer.drain()
        drained.set()

    nursery.start_soon(drain)
    await wait_all_tasks_blocked()
    if failing:
        bench.log.failures = [LOG_FAILED]
    else:
        bench.scope.cancel()
    await bench.release()
    assert drained.is_set()
    assert waiting[0].error is NotReadyError


def test_a_command_without_a_rule_is_nobodys_but_the_callers() -> None:
    class Unknown(Write[None], frozen=True):
        pass

    with pytest.raises(AssertionError):
        _extent(Unknown())


def test_it_begins_where_the_log_ends() -> None:
    keyspace = Keyspace(new_tree())
    keyspace.apply(1, EntryDeleted(b"x"))
    with pytest.raises(AssertionError):
        Committer(keyspace, GateLog(), lambda: NOW, Limits())
