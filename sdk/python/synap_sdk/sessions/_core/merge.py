"""Two requests that changed one session at once.

Each request began with a ``base``. Whoever comes second finds the session changed, and puts its own changes over what
is there, key by key: a key that it set or removed is as it says, every other key is as it is there. So a request that
fills the cart and one that notes the time of the last visit do not undo each other.

Where both changed *the same* key, setting says too little: 3 and 3 after a 2 may be one more count, or two. A change
that builds on the value before it is a function (``Session.change``), and is done once more on what is there.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

from synap_sdk._core.values import Json
from synap_sdk.sessions._core.data import plain, plain_object, same

Change: TypeAlias = Callable[[Any], object]
"""From the value of a key, None where there is none, to its next. What kind of value it is, the caller knows."""

Changes: TypeAlias = Mapping[str, Sequence[Change]]
"""The functions that were applied to each key, in their order."""


class Edits:
    """The functions that one request applied to its session.

    They count as long as nothing else touches their key: once it is set, it is what this request says.
    """

    def __init__(self) -> None:
        self._functions: dict[str, list[Change]] = {}
        self._results: dict[str, Json] = {}

    def apply(self, key: str, change: Change, data: MutableMapping[str, Json], base: Mapping[str, Json]) -> Json:
        """Put the next value in the place of the one that is there, and give it."""
        value = plain(data.get(key), _place(key))
        is_traced = same(value, self._results.get(key, base.get(key)))
        data[key] = result = applied([change], value, key)
        if is_traced:
            self._functions.setdefault(key, []).append(change)
            self._results[key] = result
        else:
            self._functions.pop(key, None)
            self._results.pop(key, None)
        return result

    def standing(self, data: Mapping[str, Json]) -> Changes:
        """The functions whose results are what the session holds."""
        return {
            key: functions
            for key, functions in self._functions.items()
            if key in data and same(plain(data[key]), self._results[key])
        }


def merged(
    base: Mapping[str, Json], mine: Mapping[str, Json], theirs: Mapping[str, Json], changes: Changes
) -> dict[str, Json]:
    """What the session is after both. Raises what a function raises, and ``InvalidArgument``."""
    result = plain_object(theirs)
    for key in {**base, **mine}:
        if key in changes:
            result[key] = applied(changes[key], result.get(key), key)
        elif key not in mine:
            result.pop(key, None)
        elif key not in base or not same(base[key], mine[key]):
            result[key] = mine[key]
    return result


def applied(changes: Sequence[Change], value: Json, key: str) -> Json:
    """What becomes of a value. A function may change what it is given, and give it back."""
    for change in changes:
        value = plain(change(value), _place(key))
    return value


def _place(key: str) -> str:
    return f"session[{key!r}]"
