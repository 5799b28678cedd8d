"""Two requests that changed one session at once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap_sdk import InvalidArgument
from synap_sdk.sessions._core.merge import Edits, merged

OBJECTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3) | st.lists(st.integers(0, 1), max_size=2))


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "result"),
    [
        ({}, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 1, "b": 2}, {"a": 3}, {"a": 3, "b": 2}),
        ({"a": 1, "b": 1}, {"b": 1}, {"a": 1, "b": 2}, {"b": 2}),
        ({"a": 1}, {"a": 2}, {}, {"a": 2}),
        ({"a": 1}, {"a": 1}, {}, {}),
        ({"a": 1}, {}, {"a": 2}, {}),
        ({"a": 1}, {"a": True}, {"a": 1}, {"a": True}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 3]}, {"a": [1, 2]}),
    ],
)
def test_key_by_key(base: Any, mine: Any, theirs: Any, result: Any) -> None:
    assert merged(base, mine, theirs, {}) == result


@given(OBJECTS, OBJECTS, OBJECTS)
def test_who_changed_nothing_changes_nothing(base: Any, mine: Any, theirs: Any) -> None:
    assert merged(base, base, theirs, {}) == theirs
    assert merged(base, mine, base, {}) == mine


@given(OBJECTS, OBJECTS, OBJECTS)
def test_every_key_is_as_somebody_left_it(base: Any, mine: Any, theirs: Any) -> None:
    nothing = object()
    result = merged(base, mine, theirs, {})
    for key in "abcdef":
        was, is_mine, is_theirs = (each.get(key, nothing) for each in (base, mine, theirs))
        assert result.get(key, nothing) == (is_theirs if is_mine == was else is_mine)


def test_a_function_is_done_again() -> None:
    base: Any = {"count": 2, "cart": ["a"]}
    mine: Any = {"count": 2, "cart": ["a"]}
    edits = Edits()
    assert edits.apply("count", lambda n: n + 1, mine, base) == 3
    edits.apply("count", lambda n: n * 10, mine, base)
    edits.apply("cart", lambda cart: [*cart, "b"], mine, base)
    edits.apply("seen", lambda n: (n or 0) + 1, mine, base)
    theirs: Any = {"count": 5, "cart": ["a", "c"], "seen": 7}
    assert merged(base, mine, theirs, edits.standing(mine)) == {"count": 60, "cart": ["a", "c", "b"], "seen": 8}
    assert merged(base, mine, {"count": 2, "cart": []}, edits.standing(mine))["seen"] == 1, "where there is none"


@pytest.mark.parametrize("between", [9, 2, [1]])
def test_a_key_that_is_set_is_as_it_was_set(between: Any) -> None:
    """Whatever functions came before."""
    base: Any = {"count": 1}
    mine: Any = {"count": 1}
    edits = Edits()
    edits.apply("count", lambda n: n + 2, mine, base)
    mine["count"] = between
    assert edits.standing(mine) == {}
    assert merged(base, mine, {"count": 100}, edits.standing(mine)) == {"count": between}


def test_a_function_after_a_key_was_set() -> None:
    base: Any = {"count": 1}
    mine: Any = {"count": 50}
    edits = Edits()
    for _ in range(2):
        edits.apply("count", lambda n: n + 1, mine, base)
    assert mine == {"count": 52}
    assert merged(base, mine, {"count": 2}, edits.standing(mine)) == {"count": 52}
    del mine["count"]
    assert merged(base, mine, {"count": 2}, edits.standing(mine)) == {}


def test_a_function_may_change_what_it_is_given() -> None:
    base: Any = {"cart": []}
    mine: Any = {"cart": []}
    edits = Edits()

    def add(cart: Any) -> Any:
        cart.append(1)
        return cart

    edits.apply("cart", add, mine, base)
    assert (base, mine) == ({"cart": []}, {"cart": [1]})
    assert merged(base, mine, {"cart": [2]}, edits.standing(mine)) == {"cart": [2, 1]}


def test_what_a_function_gives_must_be_json() -> None:
    with pytest.raises(InvalidArgument):
        Edits().apply("a", lambda _: {1}, {}, {})
