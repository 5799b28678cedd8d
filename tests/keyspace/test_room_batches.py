"""Where a limit takes more than one batch: what is waited for, what goes in several ones, and what rests on which."""

import pytest

from synap.commands import DeletePrefix, Kind, Pair, Rename, SetMany
from synap.errors import MemoryLimitError
from synap.events import EntryEvicted, EntryExpired, EntrySet, Event
from synap.keyspace import room as room_module
from synap.keyspace.eviction import Policy

from .build import NOW, keyspace_of, put, set_text
from .rooms import KEPT, VALUE, Batches, evicted, filled, keys, memory_with


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, "EVICTIONS_MAX", 3)


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("policy", ["lru", "volatile-lru"])
def test_many_go_in_several_batches_and_the_write_with_the_last(policy: str) -> None:
    batches = Batches(memory_with(filled(10), policy))
    command = set_text(b"new", bytes(15_000))
    frames = 0
    while batches.decide(command) is None:
        assert batches.room.full
        events = batches.apply()
        assert [type(event) for event in events] == [EntryEvicted] * 3
        frames += 1
    assert frames == 2
    events = batches.apply()
    assert 1 <= len(evicted(events)) <= 3
    assert events[-1] == EntrySet(b"new", Kind.TEXT, bytes(15_000), None)
    assert batches.memory.promised is None


@pytest.mark.usefixtures("few_at_once")
def test_nothing_goes_where_all_batches_together_would_not_do() -> None:
    keyspace = filled(10)
    for number in range(100, 110):
        keyspace.apply(number, put(b"key:%d" % number, VALUE))
    batches = Batches(memory_with(keyspace, "volatile-lru"))
    batches.refuse(set_text(b"new", bytes(25_000)))
    assert batches.apply() == []


@pytest.mark.usefixtures("few_at_once")
def test_what_needs_several_batches_begins_with_one_of_its_own() -> None:
    """What is promised must rest on exact figures: here a key is counted that is about to move away."""
    batches = Batches(memory_with(filled(10), "volatile-lru"))
    batches.decide(Rename(KEPT, b"kepT"))
    command = set_text(KEPT, bytes(15_000))
    assert batches.decide(command) is None
    assert batches.room.full
    assert batches.memory.promised is None
    assert evicted(batches.apply()) == []
    assert batches.decide(command) is None
    assert batches.memory.promised is not None
    assert batches.memory.promised.command is command
    assert len(evicted(batches.apply())) == 3


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("policy", ["none", "lru", "volatile-ttl"])
def test_what_is_due_may_go_in_several_batches(policy: str) -> None:
    batches = Batches(memory_with(filled(10, NOW), policy))
    command = set_text(b"new", bytes(15_000))
    gone: list[Event] = []
    while batches.decide(command) is None:
        gone += batches.apply()
    gone += batches.apply()[:-1]
    assert [type(event) for event in gone] == [EntryExpired] * len(gone)
    assert 7 <= len(gone) <= 8


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("policy", [policy for policy in Policy if policy is not Policy.NOEVICTION])
def test_a_store_over_its_limit_pays_once_for_what_it_is_asked_in_several_batches(policy: Policy) -> None:
    keyspace = filled(12)
    for number in range(20):
        keyspace.apply(100 + number, put(b"permanent:%d" % number, VALUE))
    memory = memory_with(keyspace, policy, -40_000)
    batches = Batches(memory)
    before = memory.used_bytes
    command = set_text(b"new", bytes(15_000))
    gone: list[bytes] = []
    while batches.decide(command) is None:
        gone += evicted(batches.apply())
    gone += evicted(batches.apply())
    assert 7 <= len(gone) <= 9
    assert len(gone) == memory.evicted_keys
    assert before - 3000 <= memory.used_bytes <= before
    assert memory.promised is None


@pytest.mark.usefixtures("few_at_once")
def test_nothing_goes_in_vain_however_near_the_limit() -> None:
    """Nodes count too, and are not among what the keys of a command are known to take."""
    rewritten = [b"%d" % number * 20 for number in range(100)]
    command = SetMany(tuple(Pair(key, Kind.TEXT, bytes(200)) for key in rewritten))
    outcomes = set()
    for spare_bytes in range(-2000, 12_000, 400):
        keyspace = keyspace_of(*(put(key) for key in rewritten), *(put(key, bytes(300)) for key in keys(*range(40))))
        batches = Batches(memory_with(keyspace, "lru", spare_bytes))
        try:
            while batches.decide(command) is None:
                batches.apply()
        except MemoryLimitError:
            assert batches.memory.evicted_keys == 0
            outcomes.add("refused")
        else:
            batches.apply()
            assert batches.memory.excess_bytes == 0
            outcomes.add("written")
    assert outcomes == {"refused", "written"}


def test_large_keys_do_not_all_go_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, "EVICTIONS_MAX_BYTES", 5000)
    keyspace = keyspace_of(*(put(b"%d" % number + bytes(3000)) for number in range(9)))
    batches = Batches(memory_with(keyspace, "lru"))
    batches.decide(set_text(b"new", bytes(14_000)))
    assert batches.room.full
    assert len(evicted(batches.apply())) == 2


@pytest.mark.parametrize("policy", ["none", "volatile-lru"])
def test_a_refusal_rests_on_exact_figures(policy: str) -> None:
    """An estimate errs upwards, so what a batch has already decided must be applied before somebody is refused."""
    memory = memory_with(keyspace_of(put(KEPT, VALUE)), policy, 1200)
    batches = Batches(memory)
    batches.decide(set_text(b"a", bytes(200)))
    assert batches.decide(set_text(b"b", bytes(400))) is None
    assert batches.room.full
    assert batches.apply() == [EntrySet(b"a", Kind.TEXT, bytes(200), None)]
    batches.refuse(set_text(b"b", bytes(800)))
    assert not isinstance(batches.decide(set_text(b"b", bytes(100))), MemoryLimitError)
    assert len(batches.apply()) == 1


@pytest.mark.parametrize("policy", ["none", "lru"])
def test_what_a_deleted_prefix_frees_is_waited_for(policy: str) -> None:
    batches = Batches(memory_with(filled(5), policy))
    assert batches.decide(DeletePrefix(b"nothing")) == 0
    assert batches.decide(DeletePrefix(b"key:")) == 5
    assert batches.decide(set_text(b"new", VALUE)) is None
    assert batches.room.full
    batches.apply()
    batches.decide(set_text(b"new", VALUE))
    assert evicted(batches.apply()) == []
