"""The census counts what the whole state would have, with less."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.events import Event
from synap.keyspace import Keyspace
from synap.radix import new_tree
from synap.replay.census import Census
from synap.snapshot.format import Row

from .test_selection import EVENT

ROWS: list[Row] = [(b"a", 0, b"v", None, 1), (b"b", 1, b"{}", 5, 2), (b"c", 2, b"", 9, 3)]


def test_a_snapshot() -> None:
    census = Census()
    census.load(7, ROWS)
    assert (census.seq, census.keys, census.with_deadline) == (7, 3, 2)
    assert [census.live(now_ms) for now_ms in (4, 5, 8, 9)] == [3, 2, 2, 1]


def test_a_snapshot_that_breaks_off() -> None:
    def breaking_off() -> object:
        yield ROWS[0]
        raise RuntimeError

    census = Census()
    with pytest.raises(RuntimeError):
        census.load(7, breaking_off())  # type: ignore[arg-type]
    assert (census.seq, census.keys) == (0, 0)


@given(st.lists(EVENT))
def test_the_same_as_the_state(events: list[Event]) -> None:
    census, keyspace = Census(), Keyspace(new_tree())
    for seq, event in enumerate(events, 1):
        census.apply(seq, event)
        keyspace.apply(seq, event)
    deadlines = [item[3] for item in keyspace.tree.items()]
    assert (census.seq, census.keys) == (keyspace.seq, len(keyspace.tree))
    assert census.with_deadline == sum(deadline is not None for deadline in deadlines)
    for now_ms in (0, 1, 2**52, 2**53):
        assert census.live(now_ms) == keyspace.count(b"", now_ms)
