"""The slow log: what is kept, what is shown of it, and what must not be."""

import pytest
import trio

from synap import commands
from synap.clock import ManualClock
from synap.commands import Command, Kind, Pair
from synap.errors import InvalidTtlError
from synap.slowlog import MAX_ENTRIES, SECOND_MAX_ENTRIES, Slowlog
from synap.store import Limits, open_memory_store
from synap.telemetry import Metrics
from tests.engine import NOW, set_text

SECRET = b"a secret"


@pytest.mark.parametrize(
    ("command", "name", "args"),
    [
        (commands.Get(b"a"), "get", ("a",)),
        (
            commands.Set(key=b"a", kind=Kind.TEXT, value=SECRET, ttl_ms=5, only_if_absent=True),
            "set",
            ("a", "(8 bytes)", "ttl_ms=5", "only_if_absent=True"),
        ),
        (commands.GetMany((b"a", b"b")), "getmany", ("a", "b")),
        (commands.SetMany((Pair(b"a", Kind.TEXT, SECRET), Pair(b"b", Kind.JSON, SECRET))), "setmany", ("a", "b")),
        (commands.SetRange(b"a", 0, SECRET), "setrange", ("a", "offset=0", "(8 bytes)")),
        (commands.Append(b"a", SECRET), "append", ("a", "(8 bytes)")),
        (commands.Rename(b"a", b"b"), "rename", ("a", "b")),
        (commands.Keys(b"user:*", 10), "keys", ("user:*", "limit=10")),
        (commands.Scan(b"user:", b"user:1", 10), "scan", ("user:", "user:1", "limit=10")),
        (commands.Increment(b"a", -3), "increment", ("a", "amount=-3")),
        (commands.DeletePrefix("\u00fc".encode()), "deleteprefix", ("\u00fc",)),
        (commands.Get(b"\xff"), "get", ("\ufffd",)),
        (commands.RandomKey(), "randomkey", ()),
    ],
)
def test_what_is_shown_of_a_command(command: Command[object], name: str, args: tuple[str, ...]) -> None:
    slowlog = Slowlog()
    slowlog.add(command, 0.0123456, NOW)
    (entry,) = slowlog.latest(10)
    assert (entry.command, entry.args) == (name, args)
    assert (entry.id, entry.time_ms, entry.duration_us) == (1, NOW, 12_345)


def test_long_keys_and_many_keys_are_cut() -> None:
    slowlog = Slowlog()
    slowlog.add(commands.Get(b"k" * 65_536), 1, NOW)
    slowlog.add(commands.Get("\u00fc".encode() * 200), 1, NOW)
    slowlog.add(commands.GetMany(tuple(b"%d" % n for n in range(1000))), 1, NOW)
    many, umlauts, long = slowlog.latest(3)
    assert long.args == ("k" * 128 + "... (65,408 more bytes)",)
    assert umlauts.args == ("\u00fc" * 128 + "... (144 more bytes)",)
    assert many.args == (*[str(n) for n in range(16)], "... (984 more)")


def test_the_last_ones_are_kept_the_newest_first() -> None:
    slowlog = Slowlog(max_entries=3)
    for n in range(5):
        slowlog.add(commands.Get(b"%d" % n), 1, NOW)
    assert [(entry.id, entry.args) for entry in slowlog.latest(2)] == [(5, ("4",)), (4, ("3",))]
    assert [entry.id for entry in slowlog.latest(100)] == [5, 4, 3]
    assert (slowlog.clear(), slowlog.clear(), slowlog.latest(100)) == (3, 0, [])
    slowlog.add(commands.Get(b"a"), 1, NOW)
    assert slowlog.latest(1)[0].id == 6, "a number is not given twice"


def test_of_those_that_end_in_one_second_only_the_first_are_kept_and_all_are_counted() -> None:
    slowlog = Slowlog()
    for n in range(SECOND_MAX_ENTRIES + 10):
        slowlog.add(commands.Get(b"%d" % n), 1, NOW)
    assert (len(slowlog), slowlog.latest(1)[0].id) == (SECOND_MAX_ENTRIES, SECOND_MAX_ENTRIES)
    for later_ms in (1000, 1999, 3500):
        slowlog.add(commands.Get(b"later"), 1, NOW // 1000 * 1000 + later_ms)
    last = SECOND_MAX_ENTRIES + 13
    assert [entry.id for entry in slowlog.latest(4)] == [last, last - 1, last - 2, SECOND_MAX_ENTRIES]


def test_none_are_kept_where_there_is_no_room() -> None:
    slowlog = Slowlog(max_entries=0)
    slowlog.add(commands.Get(b"a"), 1, NOW)
    assert (len(slowlog), slowlog.latest(1)) == (0, [])


async def test_a_store_keeps_what_reaches_the_threshold() -> None:
    for threshold_ms, expected in ((0, ["set", "get", "set"]), (3_600_000, [])):
        slowlog = Slowlog(threshold_ms, MAX_ENTRIES)
        store = open_memory_store(ManualClock(NOW), limits=Limits(), metrics=Metrics(), slowlog=slowlog)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.run)
            await store.execute(set_text(b"a", SECRET))
            await store.execute(commands.Get(b"a"))
            with pytest.raises(InvalidTtlError):
                await store.execute(set_text(b"a", SECRET, ttl_ms=0))
            nursery.cancel_scope.cancel()
        assert store.slowlog is slowlog
        entries = slowlog.latest(10)
        assert [entry.command for entry in reversed(entries)] == expected
        assert all(entry.time_ms == NOW for entry in entries)
        assert SECRET.decode() not in str(entries)
