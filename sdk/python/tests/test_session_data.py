"""What a session may hold."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap_sdk import InvalidArgument
from synap_sdk.sessions._core.data import plain, plain_object, same

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_json_stays_what_it_is(value: Any) -> None:
    copy = plain(value)
    assert same(copy, value)
    assert json.dumps(copy) == json.dumps(value)


def test_it_is_a_copy() -> None:
    inner: list[Any] = [1]
    outer = {"a": inner}
    copy = plain_object(outer)
    inner.append(2)
    assert copy == {"a": [1]}


def test_tuples_are_lists() -> None:
    assert plain({"a": ((1, 2), ())}) == {"a": [[1, 2], []]}


def circle() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({1}, "JSON has no set"),
        (b"", "JSON has no bytes"),
        (datetime.now(UTC), "JSON has no datetime"),
        (object(), "JSON has no object"),
        (float("nan"), "JSON has no nan"),
        (float("-inf"), "JSON has no -inf"),
        ({1: 2}, "keys of JSON are str, not int"),
        ({"a": [0, {None: 1}]}, r"session\['a'\]\[1\]: the keys of JSON are str"),
        (circle(), "deeper than 100 levels"),
    ],
)
def test_what_json_cannot_say(value: Any, says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        plain(value)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (1, True, False),
        (0, False, False),
        (1, 1.0, False),
        ([1, 2], [2, 1], False),
        (None, 0, False),
    ],
)
def test_what_is_the_same(one: Any, other: Any, is_same: bool) -> None:
    assert same(one, other) is is_same
