"""What a session may hold: JSON, as it comes back.

What JSON would silently make something else of (a key that is a number, a set, a date) is refused when it is stored,
since it would come back as something else in the next request, far from the line that put it there. Tuples are the
exception: they come back as lists, and frameworks rely on it.
"""

import json
import math
from collections.abc import Mapping

from synap_sdk._core.values import Json
from synap_sdk.errors import InvalidArgument

DEPTH_MAX = 100
"""Levels of lists and objects in one another: more than any session has, and what ends a structure in a circle."""


def plain(value: object, name: str = "session", depth: int = 0) -> Json:
    """A copy of a value as it will come back. Raises ``InvalidArgument``, which names the place and never the value."""
    if depth > DEPTH_MAX:
        raise InvalidArgument(f"{name}: deeper than {DEPTH_MAX} levels")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidArgument(f"{name}: JSON has no {value}")
        return value
    if isinstance(value, list | tuple):
        return [plain(each, f"{name}[{index}]", depth + 1) for index, each in enumerate(value)]
    if isinstance(value, Mapping):
        return plain_object(value, name, depth)
    raise InvalidArgument(f"{name}: JSON has no {type(value).__name__}")


def plain_object(mapping: Mapping[str, object], name: str = "session", depth: int = 0) -> dict[str, Json]:
    """As ``plain``, of a mapping."""
    found: dict[str, Json] = {}
    for key, each in mapping.items():
        check_key(key, name)
        found[key] = plain(each, f"{name}[{key!r}]", depth + 1)
    return found


def check_key(key: object, name: str = "session") -> None:
    """A key of a JSON object is text. Raises ``InvalidArgument``."""
    if not isinstance(key, str):
        raise InvalidArgument(f"{name}: the keys of JSON are str, not {type(key).__name__}")


def same(one: Json, other: Json) -> bool:
    """Whether two values are the same JSON, whatever the order of keys. ``1`` is not ``True``, as it is in Python."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
