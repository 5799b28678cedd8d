"""The watch over connections, on a clock that only goes when everybody waits."""

from math import inf

import trio
from trio.testing import MockClock

from synap.server.lane.patience import LOOK_EVERY_S, Patience


class Waiting:
    """A connection that notes when its time was over."""

    def __init__(self, lasts_until: float) -> None:
        self.lasts_until = lasts_until
        self.over_at_s: list[float] = []

    def run_out_of_patience(self) -> None:
        self.over_at_s.append(trio.current_time())


async def test_who_takes_too_long_hears_of_it_once(autojump_clock: MockClock) -> None:
    patience = Patience()
    begin_s = trio.current_time()
    first, second, never = Waiting(begin_s + 2.5), Waiting(begin_s + 60.0), Waiting(inf)
    for each in (first, second, never):
        patience.add(each)
    with trio.move_on_after(1000):
        await patience.run()
    assert [begin_s + 2.5 < at <= begin_s + 2.5 + 2 * LOOK_EVERY_S for at in first.over_at_s] == [True]
    assert [begin_s + 60.0 < at <= begin_s + 60.0 + 2 * LOOK_EVERY_S for at in second.over_at_s] == [True]
    assert never.over_at_s == []


async def test_who_ended_hears_nothing(autojump_clock: MockClock) -> None:
    patience = Patience()
    ended = Waiting(trio.current_time() + 1.0)
    patience.add(ended)
    patience.discard(ended)
    patience.discard(ended)
    with trio.move_on_after(10):
        await patience.run()
    assert (ended.over_at_s, list(patience)) == ([], [])


async def test_others_may_end_while_it_looks(autojump_clock: MockClock) -> None:
    """One connection's end is another one's, in a way that nobody thought of."""
    patience = Patience()
    one, two = Waiting(trio.current_time()), Waiting(trio.current_time())

    class Taking(Waiting):
        def run_out_of_patience(self) -> None:
            super().run_out_of_patience()
            patience.discard(one)
            patience.discard(two)

    taking = Taking(trio.current_time())
    for each in (one, taking, two):
        patience.add(each)
    with trio.move_on_after(3):
        await patience.run()
    assert len(taking.over_at_s) == 1
    assert list(patience) == [taking]


async def test_it_knows_the_time_to_the_second(autojump_clock: MockClock) -> None:
    patience = Patience()
    with trio.move_on_after(10.5):
        await patience.run()
    assert trio.current_time() - LOOK_EVERY_S <= patience.now_s <= trio.current_time()
