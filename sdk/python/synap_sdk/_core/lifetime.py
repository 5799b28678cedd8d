"""Times to live and deadlines, as callers say them and as the API wants them."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from synap_sdk._core.values import JsonLike
from synap_sdk.errors import InvalidArgument

Ttl: TypeAlias = int | float | timedelta
"""A time to live: seconds, or a ``timedelta``. The server keeps it to the millisecond."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def seconds(ttl: Ttl) -> int | float:
    """A time to live as the number of seconds that is sent. Whether it is a possible one, the server says."""
    if isinstance(ttl, timedelta):
        whole, rest = divmod(ttl, timedelta(seconds=1))
        return ttl.total_seconds() if rest else whole
    if isinstance(ttl, bool) or not isinstance(ttl, int | float):
        raise InvalidArgument(f"ttl: expected seconds or a timedelta, got {type(ttl).__name__}")
    if not math.isfinite(ttl):
        raise InvalidArgument("ttl: expected a finite number of seconds")
    return ttl


def lifetime(ttl: Ttl | None, deadline: datetime | None) -> Mapping[str, JsonLike]:
    """The fields that say how long a value lives; none for ever."""
    if ttl is not None and deadline is not None:
        raise InvalidArgument("deadline: not together with ttl")
    if deadline is not None:
        return {"expiry": {"type": "unix_milliseconds", "value": _milliseconds(deadline)}}
    return {} if ttl is None else {"ttl": seconds(ttl)}


def _milliseconds(deadline: datetime) -> int:
    if deadline.tzinfo is None:
        raise InvalidArgument("deadline: without a time zone it is no moment; use datetime.now(UTC) + ...")
    return (deadline - _EPOCH) // timedelta(milliseconds=1)
