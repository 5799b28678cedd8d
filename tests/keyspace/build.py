"""What the tests of the keyspace share: states made of events, commands carried out, and things for hypothesis."""

from typing import TypeVar

import pytest
from hypothesis import strategies as st

from synap.commands import (
    Append,
    Copy,
    Delete,
    DeleteMany,
    DeletePrefix,
    Expire,
    GetDelete,
    GetTouch,
    Increment,
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
from synap.errors import CommandError
from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.keyspace import Keyspace, Limits, Overlay, decide
from synap.radix import Item, new_tree

R = TypeVar("R")

NOW = 1_700_000_000_000
LIMITS = Limits()

PLAIN, TIMED, DUE = b"plain", b"timed", b"due"
"""The keys of the fixture ``keyspace``."""

KEYS = [b"a", b"ab", b"abc", b"abd", b"b", b"ba", b"c:1", "c:ü".encode()]
PREFIXES = [b"a", b"ab", b"abc", b"abcd", b"b", b"c", b"c:", b"z"]
DEADLINES = [None, NOW - 5, NOW, NOW + 1, NOW + 1000]


def keyspace_of(*events: Event) -> Keyspace:
    """The state after these events."""
    keyspace = Keyspace(new_tree())
    for seq, event in enumerate(events, 1):
        keyspace.apply(seq, event)
    return keyspace


def put(key: bytes, value: bytes = b"v", deadline_ms: int | None = None) -> EntrySet:
    return EntrySet(key, Kind.TEXT, value, deadline_ms)


def set_text(key: bytes, value: bytes = b"v", ttl_ms: int | None = None) -> Set:
    return Set(key=key, kind=Kind.TEXT, value=value, ttl_ms=ttl_ms)


def items(keyspace: Keyspace) -> list[Item]:
    return list(keyspace.tree.items())


def carry_out(keyspace: Keyspace, command: Write[R], now_ms: int = NOW) -> tuple[R, list[Event]]:
    """Decide a command alone and apply what it led to; its result and its events."""
    overlay = Overlay(keyspace, now_ms)
    result = decide(command, overlay, LIMITS)
    for seq, event in enumerate(overlay.events, keyspace.seq + 1):
        keyspace.apply(seq, event)
    return result, overlay.events


def refuse(keyspace: Keyspace, command: Write[object], limits: Limits = LIMITS) -> CommandError:
    """Expect a refusal that leaves no trace, also beside what the batch has decided before it."""
    overlay = Overlay(keyspace, NOW)
    overlay.set(b"earlier", Kind.TEXT, b"in the batch", None)
    before = _traces(overlay)
    with pytest.raises(CommandError) as caught:
        decide(command, overlay, limits)
    assert _traces(overlay) == before
    return caught.value


def _traces(overlay: Overlay) -> list[object]:
    keys = [PLAIN, TIMED, DUE, b"missing", b"earlier"]
    return [list(overlay.events), overlay.size_bytes, overlay.count(b""), [overlay.stored(key) for key in keys]]


# --- for hypothesis --------------------------------------------------------------------------------------

_keys = st.sampled_from(KEYS)
_prefixes = st.sampled_from(PREFIXES)
_deadlines = st.sampled_from(DEADLINES)
_values = st.binary(max_size=2) | st.sampled_from([b"7", "ü".encode()])
_ttls = st.sampled_from([1, 1000])

EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(EntrySet, _keys, st.integers(0, 2), _values, _deadlines),
    st.builds(EntryDeleted, _keys),
    st.builds(PrefixDeleted, _prefixes),
    st.builds(DeadlineSet, _keys, _deadlines),
    st.builds(EntryExpired, _keys),
    st.builds(EntryEvicted, _keys),
)

COMMANDS: st.SearchStrategy[Write[object]] = st.one_of(
    st.builds(
        Set,
        key=_keys,
        kind=st.sampled_from(Kind),
        value=_values,
        ttl_ms=st.none() | _ttls,
        deadline_ms=st.sampled_from([None, None, NOW - 1, NOW + 77]),
        keep_ttl=st.booleans(),
        only_if_absent=st.booleans(),
        only_if_present=st.booleans(),
        return_old=st.booleans(),
        if_version=st.none() | st.integers(0, 5),
    ),
    st.builds(
        SetMany,
        st.lists(st.builds(Pair, _keys, st.just(Kind.JSON), _values, st.none() | _ttls), max_size=4).map(tuple),
        st.booleans(),
    ),
    st.builds(Increment, _keys, st.integers(-2, 2), st.none() | st.integers(0, 5)),
    st.builds(Append, _keys, _values),
    st.builds(SetRange, _keys, st.integers(-1, 4), _values),
    st.builds(Rename, _keys, _keys, st.booleans(), st.none() | st.integers(0, 5)),
    st.builds(Copy, _keys, _keys, st.booleans()),
    st.builds(GetDelete, _keys),
    st.builds(GetTouch, _keys, _ttls),
    st.builds(Expire, _keys, st.sampled_from([0, 1, 1000])),
    st.builds(Persist, _keys),
    st.builds(Delete, _keys),
    st.builds(DeleteMany, st.lists(_keys, max_size=4).map(tuple)),
    # Several times, because what they do to each other is the hard part.
    st.builds(DeletePrefix, _prefixes),
    st.builds(DeletePrefix, _prefixes),
    st.just(PurgeExpired(len(KEYS))),
)
