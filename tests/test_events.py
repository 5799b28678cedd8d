"""Events are facts for ever: their numbers, their fields, and that nobody changes one."""

import msgspec
import pytest

from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, PrefixDeleted


def test_a_number_or_a_field_is_never_given_another_meaning() -> None:
    """These lines may grow at the end. Whoever changes one of them makes every stored log mean something else."""
    stored = {
        kind.__struct_config__.tag: (kind.__name__, kind.__struct_fields__)
        for kind in (EntrySet, EntryDeleted, PrefixDeleted, DeadlineSet, EntryExpired, EntryEvicted)
    }
    assert stored == {
        1: ("EntrySet", ("key", "kind", "value", "deadline_ms")),
        2: ("EntryDeleted", ("key",)),
        3: ("PrefixDeleted", ("prefix",)),
        4: ("DeadlineSet", ("key", "deadline_ms")),
        5: ("EntryExpired", ("key",)),
        6: ("EntryEvicted", ("key",)),
    }


@pytest.mark.parametrize("event", [EntrySet(b"k", 0, b"v", None), EntryDeleted(b"k"), DeadlineSet(b"k", 5)])
def test_an_event_does_not_change(event: msgspec.Struct) -> None:
    with pytest.raises(AttributeError):
        event.key = b"other"  # type: ignore[attr-defined]


def test_equal_events_are_equal() -> None:
    assert EntrySet(b"k", 0, b"v", 7) == EntrySet(b"k", 0, b"v", 7)
    assert EntryDeleted(b"k") != EntryDeleted(b"l")
