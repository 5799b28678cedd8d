"""Touch, expire and persist: what moves a deadline, and what is not worth an event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.commands import Expire, GetTouch, Kind, Persist, Write
from synap.errors import InvalidTtlError
from synap.events import DeadlineSet, EntryDeleted, Event
from synap.keyspace import Keyspace
from synap.keyspace.limits import MAX_TTL_MS
from synap.results import Found
from tests.keyspace.build import NOW, PLAIN, TIMED, carry_out, keyspace_of, put, refuse


@pytest.mark.parametrize(("key", "value", "version"), [(PLAIN, b"old", 1), (TIMED, b"soon", 2)])
def test_touch_reads_and_extends(keyspace: Keyspace, key: bytes, value: bytes, version: int) -> None:
    result, events = carry_out(keyspace, GetTouch(key, 7))
    assert result == Found(Kind.TEXT, value, NOW + 7, version)
    assert events == [DeadlineSet(key, NOW + 7)]
    assert keyspace.get(key, NOW) == (Kind.TEXT, value, NOW + 7, version)


def test_a_touch_that_moves_nothing_is_no_event(keyspace: Keyspace) -> None:
    assert carry_out(keyspace, GetTouch(TIMED, 1000)) == (Found(Kind.TEXT, b"soon", NOW + 1000, 2), [])


# What is left of the time, what the touch asks for, and whether the deadline moves.
SLACK = [
    # A tenth of the time that is asked for ...
    (900, 1000, False),
    (899, 1000, True),
    (91, 100, False),
    (89, 100, True),
    (9, 10, False),
    (8, 10, True),
    # ... of which a part of a millisecond is none ...
    (8, 9, True),
    (1000, 1019, False),
    # ... but no more than a minute.
    (3_540_000, 3_600_000, False),
    (3_539_999, 3_600_000, True),
    (MAX_TTL_MS - 60_000, MAX_TTL_MS, False),
    (MAX_TTL_MS - 60_001, MAX_TTL_MS, True),
    # An earlier end is exact, and so is a first one.
    (1001, 1000, True),
    (1000, 999, True),
    (None, 1000, True),
]


@pytest.mark.parametrize(("left_ms", "ttl_ms", "moves"), SLACK)
def test_a_touch_is_worth_an_event_only_if_it_moves_the_deadline_far(
    left_ms: int | None, ttl_ms: int, moves: bool
) -> None:
    before_ms = None if left_ms is None else NOW + left_ms
    keyspace = keyspace_of(put(b"a", b"v", before_ms))
    result, events = carry_out(keyspace, GetTouch(b"a", ttl_ms))
    after_ms = NOW + ttl_ms if moves else before_ms
    assert result == Found(Kind.TEXT, b"v", after_ms, 1), "it tells the truth"
    assert events == ([DeadlineSet(b"a", after_ms)] if moves else [])


@given(st.lists(st.tuples(st.integers(0, 200_000), st.sampled_from([1, 9, 100, 5_000, 3_600_000])), max_size=20))
def test_an_entry_never_outlives_its_last_touch_and_ends_little_earlier(touches: list[tuple[int, int]]) -> None:
    keyspace, now_ms = keyspace_of(put(b"a", b"v")), NOW
    for pause_ms, ttl_ms in touches:
        now_ms += pause_ms
        found, _ = carry_out(keyspace, GetTouch(b"a", ttl_ms), now_ms)
        if found is None:
            break
        assert found.deadline_ms is not None
        early_ms = now_ms + ttl_ms - found.deadline_ms
        assert 0 <= early_ms <= min(ttl_ms / 10, 60_000)


def test_expire_is_exact() -> None:
    keyspace = keyspace_of(put(b"a", b"v", NOW + 999))
    assert carry_out(keyspace, Expire(b"a", 1000)) == (True, [DeadlineSet(b"a", NOW + 1000)])


def test_touching_nothing(keyspace: Keyspace) -> None:
    assert carry_out(keyspace, GetTouch(b"missing", 7)) == (None, [])


@pytest.mark.parametrize("ttl_ms", [0, -1, MAX_TTL_MS + 1])
@pytest.mark.parametrize("key", [PLAIN, b"missing"])
def test_a_touch_that_cannot_be(keyspace: Keyspace, key: bytes, ttl_ms: int) -> None:
    assert isinstance(refuse(keyspace, GetTouch(key, ttl_ms)), InvalidTtlError)


@pytest.mark.parametrize(
    ("command", "result", "events"),
    [
        (Expire(PLAIN, 7), True, [DeadlineSet(PLAIN, NOW + 7)]),
        (Expire(PLAIN, MAX_TTL_MS), True, [DeadlineSet(PLAIN, NOW + MAX_TTL_MS)]),
        (Expire(TIMED, 7), True, [DeadlineSet(TIMED, NOW + 7)]),
        (Expire(TIMED, 1000), True, []),
        (Expire(PLAIN, 0), True, [EntryDeleted(PLAIN)]),
        (Expire(b"missing", 7), False, []),
        (Expire(b"missing", 0), False, []),
        (Persist(TIMED), True, [DeadlineSet(TIMED, None)]),
        (Persist(PLAIN), True, []),
        (Persist(b"missing"), False, []),
    ],
)
def test_expire_and_persist(keyspace: Keyspace, command: Write[bool], result: bool, events: list[Event]) -> None:
    assert carry_out(keyspace, command) == (result, events)


@pytest.mark.parametrize("key", [PLAIN, b"missing"])
@pytest.mark.parametrize("ttl_ms", [-1, MAX_TTL_MS + 1])
def test_an_expire_that_cannot_be(keyspace: Keyspace, key: bytes, ttl_ms: int) -> None:
    assert isinstance(refuse(keyspace, Expire(key, ttl_ms)), InvalidTtlError)
