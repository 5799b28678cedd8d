"""Events and entries as columns."""

import pytest

from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.replay.lines import (
    ENTRY_COLUMNS,
    EVENT_COLUMNS,
    TYPE_STYLES,
    entry_cells,
    event_cells,
    key_cell,
    value_cell,
)
from synap.replay.records import EventType

from .build import T0, T0_MS


@pytest.mark.parametrize(
    ("event", "cells"),
    [
        (EntrySet(b"k", 0, b"vv", T0_MS + 5000), ["set", "text", "2", "5s", "2025-11-24T16:00:05.000Z"]),
        (EntrySet(b"k", 2, b"", None), ["set", "bytes", "0", "", "none"]),
        (DeadlineSet(b"k", T0_MS - 5000), ["deadline_set", "", "", "-5s", "2025-11-24T15:59:55.000Z"]),
        (DeadlineSet(b"k", None), ["deadline_set", "", "", "", "none"]),
        (EntryDeleted(b"k"), ["deleted", "", "", "", ""]),
        (EntryExpired(b"k"), ["expired", "", "", "", ""]),
        (EntryEvicted(b"k"), ["evicted", "", "", "", ""]),
        (PrefixDeleted(b"k"), ["prefix_deleted", "", "", "", ""]),
    ],
)
def test_an_event(event: Event, cells: list[str]) -> None:
    found = event_cells(7, T0_MS, event)
    assert found == ["7", T0, *cells]
    assert len(found) == len(EVENT_COLUMNS)
    assert key_cell(event) == ("k*" if isinstance(event, PrefixDeleted) else "k")
    assert value_cell(event) == ("vv" if isinstance(event, EntrySet) and event.value else "")


def test_every_type_has_its_colour() -> None:
    assert TYPE_STYLES.keys() == set(EventType)


def test_an_entry() -> None:
    found = entry_cells(b"k\x1b", (1, b"{}", T0_MS, 7), T0_MS - 60_000)
    assert found == ["json", "2", "1m", T0, "7", "k\\x1b"]
    assert len(found) == len(ENTRY_COLUMNS)
