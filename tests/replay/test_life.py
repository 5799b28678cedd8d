"""What each event does to what it finds: the whole table."""

import pytest

from synap.events import DeadlineSet, EntryDeleted, EntryEvicted, EntryExpired, EntrySet, Event, PrefixDeleted
from synap.replay.life import Alive, Effect, Found, Unknown, step

FOREVER = Alive(3, None, 100)
MORTAL = Alive(3, 500, 100)
NEW = EntrySet(b"k", 0, b"v", 900)


@pytest.mark.parametrize(
    ("found", "event", "effect", "left", "lived_ms"),
    [
        (None, NEW, Effect.CREATED, Alive(7, 900, 400), None),
        (MORTAL, NEW, Effect.REPLACED, Alive(7, 900, 400), 300),
        (Alive(3, 500, None), NEW, Effect.REPLACED, Alive(7, 900, 400), None),
        (Unknown(), NEW, Effect.UNKNOWN, Alive(7, 900, 400), None),
        (MORTAL, DeadlineSet(b"k", 600), Effect.EXTENDED, Alive(3, 600, 100), None),
        (MORTAL, DeadlineSet(b"k", 400), Effect.SHORTENED, Alive(3, 400, 100), None),
        (MORTAL, DeadlineSet(b"k", None), Effect.EXTENDED, FOREVER, None),
        (FOREVER, DeadlineSet(b"k", 500), Effect.SHORTENED, MORTAL, None),
        (MORTAL, DeadlineSet(b"k", 500), Effect.NONE, MORTAL, None),
        (FOREVER, DeadlineSet(b"k", None), Effect.NONE, FOREVER, None),
        (Unknown(), DeadlineSet(b"k", 500), Effect.UNKNOWN, Alive(None, 500, None), None),
        (MORTAL, EntryDeleted(b"k"), Effect.ENDED, None, 300),
        (MORTAL, EntryExpired(b"k"), Effect.ENDED, None, 300),
        (MORTAL, EntryEvicted(b"k"), Effect.ENDED, None, 300),
        (MORTAL, PrefixDeleted(b""), Effect.ENDED, None, 300),
        (Unknown(), EntryDeleted(b"k"), Effect.ENDED, None, None),
        (Unknown(), EntryExpired(b"k"), Effect.ENDED, None, None),
        (Unknown(), PrefixDeleted(b""), Effect.UNKNOWN, None, None),
        (None, PrefixDeleted(b""), Effect.NONE, None, None),
    ],
)
def test_a_step(found: Found, event: Event, effect: Effect, left: Found, lived_ms: int | None) -> None:
    done = step(found, 7, 400, event)
    assert (done.found, done.event, done.effect, done.left, done.lived_ms) == (found, event, effect, left, lived_ms)
