"""Every query, and walks over keys that change meanwhile."""

from collections.abc import Callable, Iterator
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synap.commands import (
    Count,
    Exists,
    Get,
    GetMany,
    GetRange,
    GetTimed,
    Length,
    MemoryUsage,
    Query,
    Scan,
    TimeToLive,
)
from synap.errors import InvalidKeyError, InvalidValueError, TooLargeError
from synap.events import EntryDeleted, EntrySet
from synap.keyspace import Keyspace, answer, live_key_at, match_keys
from synap.keyspace.limits import PATTERN_MAX_BYTES
from synap.radix import Tree, new_tree
from synap.results import Found, Page, Timed, TimeLeft

from .build import LIMITS, NOW, R, keyspace_of, put


def ask(keyspace: Keyspace, query: Query[R]) -> R:
    return answer(query, keyspace, NOW, LIMITS)


@pytest.fixture
def keyspace() -> Keyspace:
    return keyspace_of(
        put(b"plain", b"1"), put(b"timed", b"2", NOW + 1), put(b"due", b"3", NOW), EntrySet(b"raw", 2, b"\xff", None)
    )


PLAIN = Found(0, b"1", None, 1)
TIMED = Found(0, b"2", NOW + 1, 2)


# --- single keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "found", "left"),
    [
        (b"plain", PLAIN, TimeLeft(exists=True, ms=None)),
        (b"timed", TIMED, TimeLeft(exists=True, ms=1)),
        (b"raw", Found(2, b"\xff", None, 4), TimeLeft(exists=True)),
        (b"due", None, TimeLeft(exists=False)),
        (b"missing", None, TimeLeft(exists=False)),
    ],
)
def test_one_key(keyspace: Keyspace, key: bytes, found: Found | None, left: TimeLeft) -> None:
    assert ask(keyspace, Get(key)) == found
    assert ask(keyspace, GetMany((key, key))) == (found, found)
    assert ask(keyspace, Exists(key)) is (found is not None)
    assert ask(keyspace, GetTimed(key)) == (None if found is None else Timed(found, left.ms))
    assert ask(keyspace, GetRange(key, 0, -1)) == found
    assert ask(keyspace, Length(key)) == (0 if found is None else 1)
    assert (ask(keyspace, MemoryUsage(key)) > 0) == (found is not None)
    assert ask(keyspace, TimeToLive(key)) == left


def test_many_keys_come_in_the_order_asked(keyspace: Keyspace) -> None:
    assert ask(keyspace, GetMany(())) == ()
    assert ask(keyspace, GetMany((b"timed", b"due", b"plain", b"timed"))) == (TIMED, None, PLAIN, TIMED)


# Each query that names a key.
OF_A_KEY: list[Callable[[bytes], Query[object]]] = [
    Get,
    GetTimed,
    Exists,
    TimeToLive,
    Length,
    MemoryUsage,
    lambda key: GetRange(key, 0, 0),
    lambda key: GetMany((b"plain", key)),
]


@pytest.mark.parametrize("query", OF_A_KEY)
def test_every_query_checks_its_keys(keyspace: Keyspace, query: Callable[[bytes], Query[object]]) -> None:
    for key, error in ((b"", InvalidKeyError), (b"\xff", InvalidKeyError), (b"k" * 65_537, TooLargeError)):
        with pytest.raises(error):
            ask(keyspace, query(key))


@pytest.mark.parametrize(("prefix", "count"), [(b"", 3), (b"p", 1), (b"t", 1), (b"d", 0), (b"x", 0), (b"\xff", 0)])
def test_count(keyspace: Keyspace, prefix: bytes, count: int) -> None:
    assert ask(keyspace, Count(prefix)) == count


# --- parts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [
        (0, -1, b"hello"),
        (0, 0, b"h"),
        (1, 3, b"ell"),
        (-3, -2, b"ll"),
        (-100, 1, b"he"),
        (3, 100, b"lo"),
        (-100, 100, b"hello"),
        (2, 1, b""),
        (5, 9, b""),
        (0, -6, b""),
        (0, -100, b""),
        (-1, -2, b""),
        (-(2**70), 2**70, b"hello"),
    ],
)
@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_range_includes_both_of_its_ends(start: int, end: int, part: bytes, kind: int) -> None:
    keyspace = keyspace_of(EntrySet(b"a", kind, b"hello", NOW + 5))
    # A part of a JSON value is no JSON; it is text.
    assert ask(keyspace, GetRange(b"a", start, end)) == Found(0 if kind == 1 else kind, part, NOW + 5, 1)


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [
        (0, 0, "�"),
        (0, 1, "ü"),
        (1, 2, "�a"),
        (3, 6, "😀"),
        (3, 5, "�"),
        (4, 6, "���"),
        (2, 3, "a�"),
        (0, 6, "üa😀"),
    ],
)
def test_a_character_that_is_cut_is_replaced(start: int, end: int, part: str) -> None:
    keyspace = keyspace_of(put(b"a", "üa😀".encode()), EntrySet(b"raw", 2, "ü".encode(), None))
    assert ask(keyspace, GetRange(b"a", start, end)) == Found(0, part.encode(), None, 1)
    assert ask(keyspace, GetRange(b"raw", 1, 1)) == Found(2, b"\xbc", None, 2), "octets are not"


def test_a_length_is_in_bytes() -> None:
    keyspace = keyspace_of(put(b"a", "üa😀".encode()), EntrySet(b"b", 1, b"[1, 2]", None), put(b"c", b""))
    assert [ask(keyspace, Length(key)) for key in (b"a", b"b", b"c", b"d")] == [7, 6, 0, 0]


def test_memory_grows_with_the_value() -> None:
    keyspace = keyspace_of(put(b"a", b"1" * 1000), put(b"b", b"1" * 1504))
    small, large = (ask(keyspace, MemoryUsage(key)) for key in (b"a", b"b"))
    assert 1000 < small == large - 504
    assert small + large <= keyspace.tree.memory_bytes


# --- scan ------------------------------------------------------------------------------------------------


def test_a_scan_goes_through_the_living_keys_in_order(keyspace: Keyspace) -> None:
    assert ask(keyspace, Scan(b"", None, 10)) == Page([b"plain", b"raw", b"timed"], None)
    # A page may hold fewer keys than it may, here none: the due key was visited, too.
    first = ask(keyspace, Scan(b"", None, 1))
    assert first == Page([], b"due")
    assert ask(keyspace, Scan(b"", first.next_after, 2)) == Page([b"plain", b"raw"], b"raw")
    assert ask(keyspace, Scan(b"", b"raw", 2)) == Page([b"timed"], None)


@pytest.mark.parametrize("after", [b"timed", b"z", b"\xff\xff"])
def test_a_cursor_behind_the_last_key(keyspace: Keyspace, after: bytes) -> None:
    assert ask(keyspace, Scan(b"", after, 10)) == Page([], None)


@pytest.mark.parametrize(
    ("after", "keys"),
    [
        (None, [b"b", b"b\0", b"b\0\0", b"ba"]),
        (b"b", [b"b\0", b"b\0\0", b"ba"]),
        (b"b\0", [b"b\0\0", b"ba"]),
        (b"a", [b"b", b"b\0", b"b\0\0", b"ba"]),
        (b"b\0a", [b"ba"]),
        (b"c", []),
    ],
)
def test_a_scan_under_a_prefix_goes_on_after_its_cursor(after: bytes | None, keys: list[bytes]) -> None:
    keyspace = keyspace_of(*map(put, [b"a", b"b", b"b\0", b"b\0\0", b"ba", b"c"]))
    assert ask(keyspace, Scan(b"b", after, 10)) == Page(keys, None)


def test_a_page_that_is_just_full_is_the_last_one() -> None:
    keyspace = keyspace_of(put(b"a"), put(b"b"))
    assert ask(keyspace, Scan(b"", None, 2)) == Page([b"a", b"b"], None)


_few = st.integers(0, 30).map(lambda number: b"%02d" % number)


@settings(deadline=None)
@given(
    st.sets(_few, max_size=20),
    st.lists(st.lists(st.tuples(_few, st.sampled_from(["put", "delete", "due"])), max_size=5), max_size=20),
    st.integers(1, 4),
)
def test_a_scan_is_complete_for_what_lives_throughout(
    keys: set[bytes], changes: list[list[tuple[bytes, str]]], limit: int
) -> None:
    keyspace = keyspace_of(*map(put, keys))
    throughout, ever = set(keys), set(keys)
    seen: list[bytes] = []
    after: bytes | None = None
    for round_of_changes in [*changes, *[[]] * 31]:
        page = ask(keyspace, Scan(b"", after, limit))
        assert len(page.keys) <= limit
        seen += page.keys
        after = page.next_after
        if after is None:
            break
        for key, change in round_of_changes:
            if change == "delete":
                keyspace.apply(keyspace.seq + 1, EntryDeleted(key))
                throughout.discard(key)
            else:
                keyspace.apply(keyspace.seq + 1, put(key, b"", NOW if change == "due" else None))
                ever.add(key)
                if change == "due":
                    throughout.discard(key)
    assert after is None
    assert seen == sorted(set(seen))
    assert throughout <= set(seen) <= ever


def test_the_key_at_a_position(keyspace: Keyspace) -> None:
    assert [live_key_at(keyspace, position, NOW) for position in range(4)] == [None, b"plain", b"raw", b"timed"]
    assert live_key_at(keyspace, 0, NOW - 1) == b"due"


# --- patterns --------------------------------------------------------------------------------------------


class CountingTree:
    """A tree that counts the keys it shows in a walk."""

    def __init__(self) -> None:
        self.tree = new_tree()
        self.shown = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.tree, name)

    def keys(self, prefix: bytes, start: bytes) -> Iterator[bytes]:
        for key in self.tree.keys(prefix, start):
            self.shown += 1
            yield key


@pytest.mark.parametrize(
    ("pattern", "matching", "shown"),
    [
        (b"k:3", [b"k:3"], 11),
        (b"k:1?", [b"k:%d" % number for number in range(10, 20)], 11),
        (b"k:1*5", [b"k:15"], 11),
        (b"*:99", [b"k:99"], 100),
        (b"x*", [], 0),
    ],
)
def test_matching_visits_what_begins_as_the_pattern_does(pattern: bytes, matching: list[bytes], shown: int) -> None:
    tree = CountingTree()
    keyspace = Keyspace(cast("Tree", tree))
    for number in range(100):
        keyspace.apply(number + 1, put(b"k:%d" % number))
    assert match_keys(keyspace, pattern, None, 1000, NOW) == Page(matching, None)
    assert tree.shown == shown


def test_matching_stops_after_so_many_visits() -> None:
    tree = CountingTree()
    keyspace = Keyspace(cast("Tree", tree))
    for number in range(100):
        keyspace.apply(number + 1, put(b"%02d" % number, b"", NOW if number % 7 == 0 else None))
    matching: list[bytes] = []
    after: bytes | None = None
    pieces = 0
    while after is not None or not pieces:
        pieces += 1
        tree.shown = 0
        page = match_keys(keyspace, b"*[05]", after, 9, NOW)
        # It looks at one key more, to know whether there is one.
        assert tree.shown <= 10
        matching += page.keys
        after = page.next_after
    assert pieces == 12
    assert matching == [b"%02d" % number for number in range(0, 100, 5) if number % 7]


def test_due_keys_do_not_match(keyspace: Keyspace) -> None:
    assert match_keys(keyspace, b"*", None, 10, NOW).keys == [b"plain", b"raw", b"timed"]
    assert match_keys(keyspace, b"due", None, 10, NOW).keys == []
    assert match_keys(keyspace, b"due", None, 10, NOW - 1).keys == [b"due"]


def test_characters_are_characters_not_bytes() -> None:
    keyspace = keyspace_of(put("ü".encode()), put("üü".encode()))
    assert match_keys(keyspace, b"?", None, 10, NOW).keys == ["ü".encode()]
    assert match_keys(keyspace, "ü[ü]".encode(), None, 10, NOW).keys == ["üü".encode()]


def test_a_pattern_that_is_no_text(keyspace: Keyspace) -> None:
    with pytest.raises(InvalidValueError, match="pattern must be UTF-8; byte 1 is not"):
        match_keys(keyspace, b"a\xff", None, 10, NOW)


def test_a_pattern_has_a_limit(keyspace: Keyspace) -> None:
    assert match_keys(keyspace, b"*" * PATTERN_MAX_BYTES, None, 1000, NOW).keys
    with pytest.raises(TooLargeError) as refusal:
        match_keys(keyspace, b"*" * (PATTERN_MAX_BYTES + 1), None, 1000, NOW)
    assert (refusal.value.what, refusal.value.limit) == ("pattern", PATTERN_MAX_BYTES)
