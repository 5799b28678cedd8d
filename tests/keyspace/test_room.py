"""Deciding within a limit: what fits, what goes for it, what is refused, and that the log has it in the right order."""

from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synap.commands import (
    Append,
    Copy,
    Delete,
    DeleteMany,
    DeletePrefix,
    Evict,
    Expire,
    GetDelete,
    GetTouch,
    Kind,
    Pair,
    Persist,
    PurgeExpired,
    Rename,
    Set,
    SetMany,
    SetRange,
    Write,
)
from synap.errors import CommandError, InvalidKeyError, MemoryLimitError
from synap.events import EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event
from synap.keyspace import Keyspace, Memory, MemoryLimit, Overlay, decide
from synap.keyspace.eviction import Policy
from synap.keyspace.room import NEW_ENTRY_BYTES, SLACK_BYTES
from synap.radix import new_tree

from .build import COMMANDS, EVENTS, LIMITS, NOW, items, keyspace_of, put, set_text
from .rooms import A_DAY, KEPT, VALUE, Batches, evicted, filled, keys, memory_with

# --- nothing is evicted ----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", list(Policy))
def test_what_fits_is_simply_decided(policy: Policy) -> None:
    room = NEW_ENTRY_BYTES + 500 + len(b"new") + len(VALUE)
    batches = Batches(memory_with(filled(5), policy, room))
    batches.decide(set_text(b"new", VALUE))
    assert batches.apply() == [EntrySet(b"new", Kind.TEXT, VALUE, None)]
    assert (batches.memory.reached, batches.memory.excess_bytes) == (False, 0)


GROWING: list[Write[object]] = [
    set_text(b"new"),
    set_text(KEPT, VALUE),
    SetMany((Pair(b"new", Kind.TEXT, b""), Pair(b"newer", Kind.TEXT, b""))),
    Append(KEPT, b"more"),
    SetRange(KEPT, 100, b"more"),
    Copy(KEPT, b"new"),
    Rename(KEPT, b"a longer key"),
]

NOT_GROWING: list[Write[object]] = [
    set_text(KEPT, b"w", 5000),
    set_text(b"key:0", VALUE[1:]),
    Append(KEPT, b""),
    Rename(KEPT, b"kepT"),
    Copy(KEPT, b"key:1", replace=True),
    Set(key=b"new", kind=Kind.TEXT, value=VALUE, only_if_present=True),
    Delete(KEPT),
    DeleteMany((KEPT, b"key:0")),
    DeletePrefix(b"key"),
    GetDelete(KEPT),
    GetTouch(b"key:0", 5000),
    Expire(KEPT, 5000),
    Persist(b"key:0"),
    PurgeExpired(10),
]


@pytest.mark.parametrize("command", GROWING, ids=lambda command: type(command).__name__)
def test_without_a_policy_what_needs_more_is_refused(command: Write[object]) -> None:
    told: list[str] = []
    keyspace = filled(3)
    limit = MemoryLimit(keyspace.tree.memory_bytes + SLACK_BYTES)
    batches = Batches(Memory(keyspace, limit, on_limit=lambda: told.append("reached")))
    refusal = batches.refuse(command)
    assert refusal.limit_bytes == limit.max_bytes
    assert 0 < refusal.needed_bytes < 3000
    assert "nothing is evicted (eviction_policy none); nothing was written" in str(refusal)
    batches.refuse(command)
    assert told == ["reached"], "once"


@pytest.mark.parametrize("command", NOT_GROWING, ids=lambda command: type(command).__name__)
@pytest.mark.parametrize("spare_bytes", [0, -SLACK_BYTES - 3000])
def test_everything_else_goes_on(command: Write[object], spare_bytes: int) -> None:
    keyspace = filled(3)
    expected = Overlay(keyspace, NOW)
    result = decide(command, expected, LIMITS)
    for policy in ("none", "lru"):
        batches = Batches(memory_with(keyspace, policy, spare_bytes))
        assert batches.decide(command) == result
        assert batches.overlay.events == expected.events


def test_a_refusal_of_another_kind_comes_first() -> None:
    batches = Batches(memory_with(filled(3), "lru"))
    with pytest.raises(InvalidKeyError):
        batches.decide(set_text(b""))
    assert not batches.memory.reached


def test_what_the_batch_has_freed_is_there_for_what_comes_behind() -> None:
    batches = Batches(memory_with(filled(3), "none"))
    batches.decide(Delete(b"key:0"))
    batches.decide(set_text(b"new", VALUE[:1000]))
    assert len(batches.apply()) == 2
    assert batches.memory.excess_bytes == 0


# --- what goes -------------------------------------------------------------------------------------------


def test_the_least_recently_used_goes_before_the_write_that_needs_the_room() -> None:
    batches = Batches(memory_with(filled(5), "lru"))
    batches.decide(set_text(b"new", bytes(1000)))
    # KEPT was written before all others.
    assert batches.apply() == [EntryEvicted(KEPT), EntryEvicted(b"key:0"), EntrySet(b"new", 0, bytes(1000), None)]
    assert (batches.memory.evicted_keys, batches.memory.reached, batches.memory.excess_bytes) == (2, True, 0)


def test_in_the_long_run_one_goes_for_one_that_comes() -> None:
    memory = memory_with(filled(20), "lru", 3000)
    batches = Batches(memory)
    gone = 0
    for number in range(100, 200):
        batches.decide(set_text(b"key:%d" % number, VALUE))
        gone += len(evicted(batches.apply()))
        assert memory.excess_bytes == 0
    assert 98 <= gone <= 102


def test_who_is_used_stays() -> None:
    batches = Batches(memory_with(filled(3), "lru"))
    batches.decide(Append(KEPT, bytes(100)))
    assert evicted(batches.overlay.events) == keys(0), "the command's own key is the oldest"
    batches.decide(set_text(b"key:1", VALUE + b"1"))
    batches.decide(set_text(b"new", VALUE))
    assert evicted(batches.apply()) == keys(0, 2), "what the batch has written is in use"


def test_the_source_of_a_copy_stays() -> None:
    batches = Batches(memory_with(filled(3), "lru"))
    batches.decide(Copy(KEPT, b"copy"))
    assert evicted(batches.apply()) == keys(0)
    assert batches.memory.keyspace.tree.get(b"copy") is not None


def test_only_what_has_a_deadline_goes_where_the_policy_says_so() -> None:
    keyspace = filled(4, None)
    keyspace.apply(100, put(b"volatile", VALUE, A_DAY))
    for policy in ("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"):
        batches = Batches(memory_with(keyspace, policy))
        batches.decide(set_text(b"new", bytes(1000)))
        assert evicted(batches.overlay.events) == [b"volatile"]
        batches.begin()
        refusal = batches.refuse(set_text(b"new", bytes(5000)))
        assert f"there is not so much to evict (eviction_policy {policy})" in str(refusal)


def test_what_ends_soonest_goes_first() -> None:
    keyspace = keyspace_of(*(put(key, VALUE, A_DAY - 5000 * number) for number, key in enumerate(keys(*range(5)))))
    batches = Batches(memory_with(keyspace, "volatile-ttl"))
    batches.decide(set_text(b"new", VALUE))
    assert evicted(batches.apply()) == keys(4, 3)


@pytest.mark.parametrize("policy", ["none", "lru"])
def test_what_is_due_goes_first_and_has_expired(policy: str) -> None:
    keyspace = filled(3)
    keyspace.apply(100, put(b"due", VALUE, NOW))
    batches = Batches(memory_with(keyspace, policy))
    batches.decide(set_text(b"new", bytes(500)))
    assert batches.apply() == [EntryExpired(b"due"), EntrySet(b"new", Kind.TEXT, bytes(500), None)]
    assert batches.memory.evicted_keys == 0


@pytest.mark.parametrize("policy", list(Policy))
def test_what_is_due_goes_once_and_counts_once(policy: Policy) -> None:
    keyspace = keyspace_of(
        *(put(key, VALUE, NOW - 1 if key in keys(*range(20)) else A_DAY) for key in keys(*range(80)))
    )
    batches = Batches(memory_with(keyspace, policy))
    value = bytes(15 * len(VALUE))
    batches.decide(set_text(b"new", value))
    events = batches.apply()
    assert {type(event) for event in events[:-1]} == {EntryExpired}, "that is enough"
    assert events[-1] == EntrySet(b"new", Kind.TEXT, value, None)
    gone = [event.key for event in events[:-1] if isinstance(event, EntryExpired)]
    assert len(gone) == len(set(gone))
    assert batches.memory.excess_bytes == 0
    if policy is not Policy.NOEVICTION:
        batches.decide(set_text(b"newer", bytes(20 * len(VALUE))))
        events = batches.apply()
        gone = [event.key for event in events if isinstance(event, EntryExpired | EntryEvicted)]
        assert len(gone) == len(set(gone)) > len(evicted(events)) > 5
        assert batches.memory.excess_bytes == 0


def test_a_batch_command_needs_room_for_all_or_is_refused() -> None:
    batches = Batches(memory_with(filled(3), "lru"))
    pairs = tuple(Pair(b"new:%d" % number, Kind.TEXT, VALUE) for number in range(4))
    assert "no eviction would make so much room" in str(batches.refuse(SetMany(pairs)))
    assert batches.decide(SetMany(pairs[:2])) is True
    events = batches.apply()
    assert [type(event) for event in events] == [EntryEvicted] * (len(events) - 2) + [EntrySet] * 2


@pytest.mark.parametrize("policy", list(Policy))
def test_for_what_alone_is_too_large_nothing_goes(policy: Policy) -> None:
    batches = Batches(memory_with(filled(3), policy))
    batches.decide(Delete(KEPT))
    refusal = batches.refuse(set_text(b"new", bytes(100_000)))
    assert refusal.needed_bytes > 100_000
    assert batches.apply() == [EntryDeleted(KEPT)]


@pytest.mark.parametrize("policy", ["none", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"])
def test_who_is_refused_takes_nothing_from_who_comes_behind(policy: str) -> None:
    keyspace = filled(20, None)
    for number in range(5):
        keyspace.apply(100 + number, put(b"volatile:%d" % number, VALUE, NOW if policy == "none" else A_DAY))
    batches = Batches(memory_with(keyspace, policy))
    for key in (b"volatile:0", b"large", b"key:0"):
        batches.refuse(set_text(key, bytes(20_000)))
    batches.refuse(set_text(b"large", bytes(30_000)))
    # All five go for this one, also those that were needed as they were.
    batches.decide(set_text(b"new", bytes(9500)))
    assert len(batches.apply()) == 5 + 1
    assert batches.memory.excess_bytes == 0


def test_two_may_be_written_behind_who_is_refused() -> None:
    keyspace = filled(20, None)
    for number in range(5):
        keyspace.apply(100 + number, put(b"volatile:%d" % number, VALUE, A_DAY))
    batches = Batches(memory_with(keyspace, "volatile-lru"))
    batches.refuse(set_text(b"large", bytes(20_000)))
    batches.decide(set_text(b"new", VALUE))
    batches.decide(set_text(b"newer", VALUE))
    assert not batches.room.full
    assert len(batches.apply()) == 2 + 3
    assert batches.memory.excess_bytes == 0


def test_what_one_command_needs_as_it_is_may_go_for_the_next_one() -> None:
    batches = Batches(memory_with(filled(8), "lru"))
    batches.decide(Copy(KEPT, b"copy"))
    batches.decide(Copy(b"key:1", b"copy"))
    batches.decide(set_text(b"new", bytes(3000)))
    sets = [number for number, event in enumerate(batches.overlay.events) if isinstance(event, EntrySet)]
    assert len(sets) == 2, "the second found its destination"
    # The oldest, which was copied, is the first to go for what is written next.
    assert evicted(batches.overlay.events[: sets[0]]) == keys(0)
    assert evicted(batches.overlay.events[sets[0] :])[:2] == [KEPT, b"key:1"]


def test_whose_own_keys_the_batch_has_changed_is_not_refused_by_an_estimate() -> None:
    batches = Batches(memory_with(keyspace_of(put(KEPT, VALUE)), "lru", -1000))
    batches.decide(set_text(KEPT, b"v"))
    assert batches.decide(set_text(KEPT, bytes(3 * len(VALUE)))) is None
    assert batches.room.full
    batches.apply()
    assert "no eviction would make so much room" in str(batches.refuse(set_text(KEPT, bytes(3 * len(VALUE)))))


# --- what is over the limit already ----------------------------------------------------------------------


def test_the_evictor_takes_what_is_over_and_a_write_only_what_it_needs() -> None:
    batches = Batches(memory_with(filled(20), "lru", -SLACK_BYTES - 21_000))
    batches.decide(set_text(b"new"))
    assert 1 <= len(evicted(batches.overlay.events)) <= 2
    batches.begin()
    assert batches.decide(Evict(4)) == 4
    assert evicted(batches.apply()) == [KEPT, *keys(0, 1, 2)]
    excess = batches.memory.excess_bytes
    assert 10_000 < excess < 21_000
    count = batches.decide(Evict(1000))
    assert batches.decide(Evict(1000)) == 0, "the batch has done it"
    assert len(evicted(batches.apply())) == count
    assert (batches.memory.excess_bytes, batches.decide(Evict(1000))) == (0, 0)


def test_the_evictor_waits_for_what_a_deleted_prefix_frees() -> None:
    batches = Batches(memory_with(filled(20), "lru", -SLACK_BYTES - 5000))
    batches.decide(DeletePrefix(b"key:"))
    assert batches.decide(Evict(100)) == 0
    batches.apply()
    assert (batches.memory.excess_bytes, batches.decide(Evict(100))) == (0, 0)


def test_where_nothing_can_go_nothing_does() -> None:
    for policy in ("none", "volatile-lru"):
        batches = Batches(memory_with(filled(5, None), policy, -SLACK_BYTES - 5000))
        assert batches.decide(Evict(100)) == 0
        assert batches.overlay.events == []


# --- any commands ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", list(Policy))
@settings(deadline=None, max_examples=60)
@given(
    history=st.lists(EVENTS, max_size=12),
    batches=st.lists(st.lists(COMMANDS, max_size=5), max_size=4),
    spare_bytes=st.integers(-5000, 3000),
)
def test_what_comes_of_commands_but_for_what_goes_for_them(
    policy: Policy, history: list[Event], batches: list[list[Write[object]]], spare_bytes: int
) -> None:
    """A command does what it would do if what was evicted had never been there; and memory stays within its limit."""
    memory = memory_with(keyspace_of(*history), policy, spare_bytes)
    plain = keyspace_of(*history)
    waiting = [list(batch) for batch in batches]
    while waiting:
        left = _one_batch(Batches(memory), plain, waiting.pop(0))
        if left:
            waiting.insert(0, left)


def _one_batch(batch: Batches, plain: Keyspace, commands: list[Write[object]]) -> list[Write[object]]:
    """Decide a batch and the same commands one by one; those that are left to the next one."""
    memory, touched = batch.memory, set[bytes]()
    before = memory.used_bytes
    for number, command in enumerate(commands):
        so_far = len(batch.overlay.events)
        outcome: object
        try:
            outcome = batch.decide(command)
        except (CommandError, MemoryLimitError) as refusal:
            outcome = type(refusal)
        added = batch.overlay.events[so_far:]
        gone = set(evicted(added))
        assert not gone & touched
        if memory.policy.is_volatile:
            assert all(entry is not None and entry[2] is not None for entry in map(plain.tree.get, gone))
        # What is due goes first; a purge alone finds that for itself.
        if not isinstance(command, PurgeExpired):
            for event in takewhile(lambda event: isinstance(event, EntryEvicted | EntryExpired), added):
                plain.apply(plain.seq + 1, event)
        touched |= {event.key for event in added if hasattr(event, "key")}
        if batch.room.full:
            assert batch.overlay.events
            batch.apply()
            return commands[number:]
        if outcome is not MemoryLimitError:
            assert outcome == _alone(command, plain)
    batch.apply()
    assert items(memory.keyspace) == items(plain)
    assert memory.keyspace.digest == plain.digest
    limit = memory.limit.max_bytes
    assert limit is not None
    # Deadlines may move freely, and with each a place in either order may come to be.
    assert memory.used_bytes <= max(limit, before) + 700 * len(commands)
    return []


def _alone(command: Write[object], keyspace: Keyspace) -> object:
    """Decide and apply a command without a limit."""
    overlay = Overlay(keyspace, NOW)
    try:
        result = decide(command, overlay, LIMITS)
    except CommandError as refusal:
        return type(refusal)
    for event in overlay.events:
        keyspace.apply(keyspace.seq + 1, event)
    return result


def test_an_empty_store_with_the_least_limit_takes_something() -> None:
    memory = Memory(Keyspace(new_tree()), MemoryLimit(1024 * 1024, "none"))
    batches = Batches(memory)
    batches.decide(SetMany(tuple(Pair(b"%d" % number, Kind.TEXT, bytes(300)) for number in range(1000))))
    batches.apply()
    assert (len(memory.keyspace.tree), memory.excess_bytes) == (1000, 0)
