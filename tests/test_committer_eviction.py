"""A committer within a memory limit: evictions stand before their write, in its frame or in those before it."""

from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from synap.commands import Append, Delete, DeletePrefix, Evict, Get
from synap.errors import DiskFullError, MemoryLimitError, NotReadyError
from synap.events import EntryDeleted, EntryEvicted, EntrySet
from synap.keyspace import Keyspace, Memory, MemoryLimit
from synap.keyspace import room as room_module
from synap.keyspace.room import SLACK_BYTES
from synap.radix import new_tree
from synap.results import Found, Written

from .engine import LOG_FAILED, Bench, at_work, outcomes, set_text

VALUE = bytes(2000)
SOME = tuple(b"%d" % number for number in range(6))


def limit_bytes() -> int:
    """What lets some entries be, and leaves 1,000 bytes to whoever comes."""
    keyspace = Keyspace(new_tree())
    for seq, key in enumerate(SOME, 1):
        keyspace.apply(seq, EntrySet(key, 0, VALUE, None))
    return Memory(keyspace, MemoryLimit(10**9, "lru")).used_bytes + SLACK_BYTES + 1000


# Two of them go for 3,000 bytes, and five for 10,000.
LIMIT_BYTES = limit_bytes()


@pytest.fixture
async def bench(nursery: trio.Nursery) -> AsyncIterator[Bench]:
    async with at_work(nursery, MemoryLimit(LIMIT_BYTES, "lru")) as bench:
        for key in SOME:
            await bench.send(set_text(key, VALUE))
        assert set(bench.view()) == set(SOME), "one by one, there is room for all"
        yield bench


async def test_evictions_and_their_write_share_a_frame(bench: Bench) -> None:
    bench.memory.read(Get(b"0"), Found(0, VALUE, None, 1))
    (sent,) = await bench.send(set_text(b"new", bytes(3000)))
    *_, last = bench.log.batches()
    assert last == [EntryEvicted(b"1"), EntryEvicted(b"2"), EntrySet(b"new", 0, bytes(3000), None)]
    assert sent.outcome == [Written(written=True, version=9)]
    assert set(bench.view()) == {*SOME, b"new"} - {b"1", b"2"}
    assert bench.memory.used_bytes < LIMIT_BYTES


async def test_nobody_sees_an_eviction_before_it_is_durable(bench: Bench) -> None:
    bench.log.shut()
    await bench.send(set_text(b"new", bytes(3000)))
    assert set(bench.view()) == set(SOME)
    assert bench.memory.evicted_keys == 0
    await bench.release()
    assert bench.memory.evicted_keys == 2


async def test_a_batch_evicts_for_each_of_its_writes(bench: Bench) -> None:
    await bench.held_up()
    sent = await bench.send(*[set_text(b"new:%d" % number, VALUE) for number in range(3)], Delete(b"5"))
    await bench.release()
    *_, last = bench.log.batches()
    kinds = [type(event) for event in last]
    assert kinds[0] is EntryEvicted
    assert (kinds.count(EntrySet), kinds[-1]) == (3, EntryDeleted)
    assert [each.error for each in sent] == [None] * 4
    assert bench.memory.excess_bytes == 0


async def test_what_one_frame_cannot_evict_the_next_one_does(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, "EVICTIONS_MAX", 2)
    await bench.held_up()
    sent = await bench.send(Append(b"5", b"!"), set_text(b"new", bytes(10_000)), Append(b"5", b"?"), Delete(b"new"))
    await bench.release()
    batches = bench.log.batches()[len(SOME) + 1 :]
    assert [[type(event) for event in batch] for batch in batches] == [
        [EntrySet],
        [EntryEvicted, EntryEvicted],
        [EntryEvicted, EntryEvicted],
        [EntryEvicted, EntrySet, EntrySet, EntryDeleted],
    ]
    # Whoever waited behind it is served behind it.
    assert outcomes(sent)[0] == [len(VALUE) + 1]
    assert outcomes(sent)[2:] == [[len(VALUE) + 2 if b"5" in bench.view() else 1], [True]]
    assert (bench.committer.waiting, bench.committer._queued_bytes) == (0, 0)


async def test_a_full_disk_is_told_to_whom_it_evicts_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the next frame would be tried at once, and the next one, for ever."""
    monkeypatch.setattr(room_module, "EVICTIONS_MAX", 2)
    bench.log.failures = [DiskFullError("no room")]
    (sent,) = await bench.send(set_text(b"new", bytes(10_000)))
    assert sent.error is DiskFullError
    assert (set(bench.view()), bench.committer.waiting) == (set(SOME), 0)
    assert bench.memory.promised is None, "nothing has gone for it"
    (sent,) = await bench.send(set_text(b"new", bytes(10_000)))
    assert sent.error is None


async def test_who_waits_for_the_next_frame_hears_of_the_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, "EVICTIONS_MAX", 2)
    bench.log.shut()
    (sent,) = await bench.send(set_text(b"new", bytes(10_000)))
    bench.committer.fail(LOG_FAILED)
    bench.scope.cancel()
    await bench.release()
    await wait_all_tasks_blocked()
    assert sent.error is NotReadyError


async def test_a_refusal_harms_nobody_else(bench: Bench) -> None:
    await bench.held_up()
    sent = await bench.send(Delete(b"0"), set_text(b"new", bytes(LIMIT_BYTES)), set_text(b"1", b"small"), Evict(10))
    await bench.release()
    assert [each.error for each in sent] == [None, MemoryLimitError, None, None]
    assert "no eviction would make so much room; nothing was written" in str(sent[1].outcome[0])
    assert sent[3].outcome == [0]
    assert bench.memory.evicted_keys == 0


async def test_a_refusal_leaves_the_room_to_who_waits_behind(nursery: trio.Nursery) -> None:
    async with at_work(nursery, MemoryLimit(LIMIT_BYTES, "volatile-lru")) as bench:
        await bench.send(*[set_text(key, VALUE, 60_000 if key in SOME[:2] else None) for key in SOME])
        await bench.held_up()
        sent = await bench.send(set_text(b"large", 5 * VALUE), set_text(b"new", VALUE), set_text(b"newer", VALUE))
        await bench.release()
        assert [each.error for each in sent] == [MemoryLimitError, None, None]
        assert set(bench.view()) == {*SOME[2:], b"first", b"new", b"newer"}


async def test_who_evicts_knows_of_a_prefix_that_goes_in_the_same_batch(bench: Bench) -> None:
    for number in range(10):
        bench.keyspace.apply(bench.keyspace.seq, EntrySet(b"over:%d" % number, 0, VALUE, None))
    assert bench.memory.excess_bytes > 0
    await bench.held_up()
    sent = await bench.send(DeletePrefix(b"over:"), Evict(1000))
    await bench.release()
    assert outcomes(sent) == [[10], [0]]
    assert set(bench.view()) == {*SOME[1:], b"first"}, "the first paid for itself"


async def test_draining_waits_for_all_frames_of_a_write(
    bench: Bench, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_module, "EVICTIONS_MAX", 1)
    bench.log.shut()
    (sent,) = await bench.send(set_text(b"new", bytes(10_000)))
    nursery.start_soon(bench.committer.drain)
    await bench.release()
    assert sent.error is None
    assert b"new" in bench.view()
