"""Acting between commits: batch and act wait for each other, and each is told at which state it is."""

from collections.abc import AsyncIterator
from random import Random

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from synap.commands import Delete
from synap.errors import DiskFullError, NotReadyError
from synap.keyspace import Keyspace, state_bytes
from synap.radix import new_tree
from synap.results import Written

from .engine import LOG_FAILED, Bench, Sent, at_work, outcomes, set_text


@pytest.fixture
async def bench(nursery: trio.Nursery) -> AsyncIterator[Bench]:
    async with at_work(nursery) as bench:
        yield bench


class Act:
    """Something that is done between commits, and takes until it is told to end."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._end = trio.Event()
        self.scope = trio.CancelScope()
        self.error: Exception | None = None
        self.begun_at: tuple[bytes, int, int] | None = None
        self.result: str | None = None

    async def run(self) -> None:
        with self.scope:
            try:
                self.result = await self._bench.committer.between_commits(self._act)
            except ActError as error:
                self.error = error

    async def _act(self, state: bytes) -> str:
        self.begun_at = state, self._bench.keyspace.seq, self._bench.log.last_seq
        await self._end.wait()
        return "done"

    async def end(self) -> None:
        self._end.set()
        await wait_all_tasks_blocked()


class ActError(Exception):
    """What goes wrong in an act is not the committer's affair."""


async def begin(bench: Bench, nursery: trio.Nursery) -> Act:
    act = Act(bench)
    nursery.start_soon(act.run)
    await wait_all_tasks_blocked()
    return act


# --- who waits for whom --------------------------------------------------------------------------------------


async def test_what_the_act_returns_is_returned(bench: Bench, nursery: trio.Nursery) -> None:
    act = await begin(bench, nursery)
    assert act.result is None
    await act.end()
    assert act.result == "done"


async def test_the_act_waits_for_the_batch_that_is_on_its_way(bench: Bench, nursery: trio.Nursery) -> None:
    first = await bench.held_up()
    act = await begin(bench, nursery)
    assert (act.begun_at, first.outcome) == (None, [])
    await bench.release()
    assert first.outcome == [Written(written=True, version=1)]
    assert act.begun_at == (state_bytes(bench.keyspace.digest), 1, 1), "state and log are at one number"


async def test_a_batch_waits_for_the_act_and_gathers_meanwhile(bench: Bench, nursery: trio.Nursery) -> None:
    act = await begin(bench, nursery)
    sent = await bench.send(*[set_text(b"%d" % number) for number in range(5)], Delete(b"missing"))
    assert (bench.log.attempts, outcomes(sent), bench.committer.waiting) == (0, [[]] * 6, 6)
    assert bench.committer.writing_since is not None, "whoever asks whether the disk hangs counts it as an append"
    await act.end()
    assert outcomes(sent) == [*[[Written(written=True, version=seq)] for seq in range(1, 6)], [False]]
    assert [len(batch) for batch in bench.log.batches()] == [5]


async def test_a_batch_is_decided_at_the_time_at_which_it_has_its_turn(bench: Bench, nursery: trio.Nursery) -> None:
    act = await begin(bench, nursery)
    await bench.send(set_text(b"a", b"", 10))
    bench.now_ms += 500
    await act.end()
    assert [item[3] for item in bench.keyspace.tree.items()] == [bench.now_ms + 10]


async def test_the_act_has_its_turn_before_what_came_after_it(bench: Bench, nursery: trio.Nursery) -> None:
    """However many writes wait: the next batch is not begun first."""
    await bench.held_up()
    act = await begin(bench, nursery)
    sent = await bench.send(set_text(b"second"))
    await bench.release()
    assert act.begun_at is not None
    assert act.begun_at[1:] == (1, 1)
    assert sent[0].outcome == []
    await act.end()
    assert sent[0].outcome == [Written(written=True, version=2)]


async def test_an_act_has_its_turn_also_while_the_queue_never_becomes_empty(bench: Bench) -> None:
    async def write_for_ever(number: int) -> None:
        while True:
            await bench.committer.submit(set_text(b"%d" % number))

    async def at_once(state: bytes) -> int:
        assert state == state_bytes(bench.keyspace.digest)
        await trio.lowlevel.checkpoint()
        return bench.keyspace.seq

    async with trio.open_nursery() as writers:
        for number in range(5):
            writers.start_soon(write_for_ever, number)
        with trio.fail_after(5):
            seqs = [await bench.committer.between_commits(at_once) for _ in range(50)]
        writers.cancel_scope.cancel()
    assert seqs == sorted(seqs)
    assert seqs[-1] > 50, "and so have the writers"


async def test_two_acts_follow_each_other(bench: Bench, nursery: trio.Nursery) -> None:
    first = await begin(bench, nursery)
    second = await begin(bench, nursery)
    assert (first.begun_at is None, second.begun_at is None) == (False, True)
    await first.end()
    assert second.begun_at is not None
    await second.end()
    assert (first.result, second.result) == ("done", "done")


async def test_readers_go_on_meanwhile(bench: Bench, nursery: trio.Nursery) -> None:
    await bench.send(set_text(b"a"))
    await begin(bench, nursery)
    await bench.send(set_text(b"b"))
    assert bench.view() == {b"a": b"v"}


# --- at which state ------------------------------------------------------------------------------------------


async def test_the_act_is_given_the_digest_of_the_state(bench: Bench, nursery: trio.Nursery) -> None:
    act = await begin(bench, nursery)
    await act.end()
    assert act.begun_at == (bytes(16), 0, 0)
    await bench.send(set_text(b"a"), set_text(b"b"), Delete(b"a"))
    act = await begin(bench, nursery)
    await act.end()
    replayed = Keyspace(new_tree())
    events = [event for batch in bench.log.batches() for event in batch]
    for seq, event in enumerate(events, 1):
        replayed.apply(seq, event)
    assert act.begun_at == (state_bytes(replayed.digest), 3, 3)
    assert replayed.digest != 0


async def test_each_batch_carries_the_digest_of_the_state_that_it_was_decided_at(bench: Bench, seed: int) -> None:
    rng = Random(seed)
    for _ in range(20):
        keys = [b"%d" % rng.randrange(5) for _ in range(rng.randint(1, 4))]
        await bench.send(*[rng.choice((set_text(key), Delete(key))) for key in keys])
    replayed, expected, seq = Keyspace(new_tree()), [], 0
    for batch in bench.log.batches():
        expected.append(state_bytes(replayed.digest))
        for event in batch:
            seq += 1
            replayed.apply(seq, event)
    assert bench.log.states == expected
    assert len(set(expected)) > 5


async def test_a_batch_that_did_not_fit_changes_no_state(bench: Bench) -> None:
    bench.log.failures = [DiskFullError("no room")]
    sent = await bench.send(set_text(b"a"), set_text(b"b"), set_text(b"c"))
    assert [each.error for each in sent] == [DiskFullError, None, None]
    assert bench.log.states[:2] == [bytes(16)] * 2
    assert bench.log.states[2] != bytes(16)


# --- when it goes wrong --------------------------------------------------------------------------------------


async def test_an_error_in_the_act_comes_out_and_commits_go_on(bench: Bench, nursery: trio.Nursery) -> None:
    async def fail(_: bytes) -> None:
        await trio.lowlevel.checkpoint()
        raise ActError

    first = await bench.held_up()
    raised: list[bool] = []

    async def act() -> None:
        with pytest.raises(ActError):
            await bench.committer.between_commits(fail)
        raised.append(True)

    nursery.start_soon(act)
    await wait_all_tasks_blocked()
    waiting = await bench.send(set_text(b"a"))
    await bench.release()
    assert raised == [True]
    assert outcomes([first, *waiting]) == [[Written(written=True, version=seq)] for seq in (1, 2)]
    assert bench.ended is None
    assert await committed(bench)


async def committed(bench: Bench) -> bool:
    (sent,) = await bench.send(set_text(b"another"))
    return isinstance(sent.outcome[0], Written)


async def test_who_gives_up_waiting_for_a_turn_never_had_one(bench: Bench, nursery: trio.Nursery) -> None:
    first = await bench.held_up()
    act = await begin(bench, nursery)
    act.scope.cancel()
    await wait_all_tasks_blocked()
    assert act.scope.cancelled_caught
    await bench.release()
    assert (act.begun_at, first.outcome) == (None, [Written(written=True, version=1)])
    assert await committed(bench)


async def test_an_act_that_is_cancelled_gives_its_turn_back(bench: Bench, nursery: trio.Nursery) -> None:
    act = await begin(bench, nursery)
    (sent,) = await bench.send(set_text(b"a"))
    act.scope.cancel()
    await wait_all_tasks_blocked()
    assert (act.scope.cancelled_caught, act.result) == (True, None)
    assert sent.outcome == [Written(written=True, version=1)]


async def test_a_committer_that_is_cancelled_while_it_waits_for_its_turn_answers_who_waits(
    bench: Bench, nursery: trio.Nursery
) -> None:
    act = await begin(bench, nursery)
    waiting = await bench.send(set_text(b"a"), set_text(b"b"))
    bench.scope.cancel()
    await wait_all_tasks_blocked()
    assert bench.scope.cancelled_caught
    assert [each.error for each in waiting] == [NotReadyError] * 2
    assert (bench.log.attempts, bench.view()) == (0, {})
    await act.end()
    assert act.result == "done"


async def test_a_commit_that_fails_gives_its_turn_back(bench: Bench, nursery: trio.Nursery) -> None:
    """Whether the log goes on after that is for the act to see: it asks the log itself."""
    await bench.held_up()
    act = await begin(bench, nursery)
    bench.log.failures = [LOG_FAILED]
    await bench.release()
    assert bench.ended is LOG_FAILED
    assert act.begun_at == (bytes(16), 0, 0)


async def test_a_failure_that_shows_in_the_act_is_told_to_who_waits(bench: Bench, nursery: trio.Nursery) -> None:
    act = await begin(bench, nursery)
    waiting: list[Sent] = await bench.send(set_text(b"a"))
    bench.committer.fail(LOG_FAILED)
    await act.end()
    assert [each.error for each in waiting] == [NotReadyError]
    assert (bench.log.attempts, bench.view()) == (0, {})


async def test_draining_waits_for_the_act_as_long_as_somebody_waits_behind_it(
    bench: Bench, nursery: trio.Nursery
) -> None:
    act = await begin(bench, nursery)
    (sent,) = await bench.send(set_text(b"a"))
    drained = trio.Event()

    async def drain() -> None:
        await bench.committer.drain()
        drained.set()

    nursery.start_soon(drain)
    await wait_all_tasks_blocked()
    assert not drained.is_set()
    await act.end()
    assert drained.is_set()
    assert sent.outcome == [Written(written=True, version=1)]
