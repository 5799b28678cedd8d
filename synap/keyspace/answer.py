"""Queries to results. A new query is an answer and a row in ``_ANSWERS``.

Answers are computed in one go, without waiting, so each is consistent in itself. A walk over many keys is cut into
pieces (``match_keys``), so that the caller can let others in between.
"""

from collections.abc import Callable
from typing import TypeVar, cast

from synap.commands import (
    Count,
    Exists,
    Get,
    GetMany,
    GetRange,
    GetTimed,
    Kind,
    Length,
    MemoryUsage,
    Query,
    Scan,
    TimeToLive,
)
from synap.errors import InvalidValueError, TooLargeError
from synap.glob import compile_glob, literal_prefix
from synap.keyspace.limits import PATTERN_MAX_BYTES, Limits
from synap.keyspace.state import Keyspace
from synap.results import Found, Page, Timed, TimeLeft

R = TypeVar("R")


def answer(query: Query[R], keyspace: Keyspace, now_ms: int, limits: Limits) -> R:
    """The result of a query against the state as it is. Raises ``CommandError`` where it makes no sense."""
    return cast("R", _ANSWERS[type(query)](query, keyspace, now_ms, limits))


def live_key_at(keyspace: Keyspace, position: int, now_ms: int) -> bytes | None:
    """The key at a position in key order, from 0 to below the number of keys; None where it is due."""
    key = keyspace.tree.key_at(position)
    return None if keyspace.get(key, now_ms) is None else key


def live_keys(keyspace: Keyspace, prefix: bytes, after: bytes | None, visits: int, now_ms: int) -> Page:
    """The live ones of the next ``visits`` keys under the prefix after the key ``after``.

    ``next_after`` of the result continues the walk, None at its end.
    """
    # The least key that is greater than `after` is `after` with a zero byte.
    start = b"" if after is None else after + b"\0"
    keys: list[bytes] = []
    last = start
    for visited, key in enumerate(keyspace.tree.keys(prefix, start)):
        if visited == visits:
            return Page(keys, last)
        last = key
        if keyspace.get(key, now_ms) is not None:
            keys.append(key)
    return Page(keys, None)


def match_keys(keyspace: Keyspace, pattern: bytes, after: bytes | None, visits: int, now_ms: int) -> Page:
    """The keys that match a glob pattern, of those that ``live_keys`` gives.

    Only keys that begin as the pattern does are visited. Raises ``InvalidValueError`` where the pattern is not UTF-8,
    ``TooLargeError`` where it is too long.
    """
    if len(pattern) > PATTERN_MAX_BYTES:
        raise TooLargeError("pattern", len(pattern), PATTERN_MAX_BYTES)
    try:
        text = pattern.decode()
    except UnicodeDecodeError as cause:
        raise InvalidValueError(f"pattern must be UTF-8; byte {cause.start} is not") from cause
    matches = compile_glob(text).fullmatch
    page = live_keys(keyspace, literal_prefix(text).encode(), after, visits, now_ms)
    return Page([key for key in page.keys if matches(key.decode())], page.next_after)


def _get(query: Get, keyspace: Keyspace, now_ms: int, limits: Limits) -> Found | None:
    limits.check_key(query.key)
    return _found(query.key, keyspace, now_ms)


def _get_many(query: GetMany, keyspace: Keyspace, now_ms: int, limits: Limits) -> tuple[Found | None, ...]:
    for key in query.keys:
        limits.check_key(key)
    entries = keyspace.get_many(query.keys, now_ms)
    return tuple(None if entry is None else Found(*entry) for entry in entries)


def _found(key: bytes, keyspace: Keyspace, now_ms: int) -> Found | None:
    entry = keyspace.get(key, now_ms)
    return None if entry is None else Found(*entry)


def _get_timed(query: GetTimed, keyspace: Keyspace, now_ms: int, limits: Limits) -> Timed | None:
    limits.check_key(query.key)
    found = _found(query.key, keyspace, now_ms)
    return None if found is None else Timed(found, _left_ms(found.deadline_ms, now_ms))


def _left_ms(deadline_ms: int | None, now_ms: int) -> int | None:
    return None if deadline_ms is None else deadline_ms - now_ms


def _get_range(query: GetRange, keyspace: Keyspace, now_ms: int, limits: Limits) -> Found | None:
    limits.check_key(query.key)
    entry = keyspace.get(query.key, now_ms)
    if entry is None:
        return None
    kind, value, deadline_ms, version = entry
    part = _range_of(value, query.start, query.end)
    if kind != Kind.BYTES:
        kind, part = Kind.TEXT, part.decode(errors="replace").encode()
    return Found(kind, part, deadline_ms, version)


def _range_of(value: bytes, start: int, end: int) -> bytes:
    """The bytes from ``start`` to ``end``, both included; negative ones count from the end."""
    first, last = (at + len(value) if at < 0 else at for at in (start, end))
    return value[max(first, 0) : max(last + 1, 0)]


def _length(query: Length, keyspace: Keyspace, now_ms: int, limits: Limits) -> int:
    limits.check_key(query.key)
    entry = keyspace.get(query.key, now_ms)
    return 0 if entry is None else len(entry[1])


def _memory_usage(query: MemoryUsage, keyspace: Keyspace, now_ms: int, limits: Limits) -> int:
    limits.check_key(query.key)
    return 0 if keyspace.get(query.key, now_ms) is None else keyspace.tree.entry_bytes(query.key)


def _exists(query: Exists, keyspace: Keyspace, now_ms: int, limits: Limits) -> bool:
    limits.check_key(query.key)
    return keyspace.get(query.key, now_ms) is not None


def _time_to_live(query: TimeToLive, keyspace: Keyspace, now_ms: int, limits: Limits) -> TimeLeft:
    limits.check_key(query.key)
    entry = keyspace.get(query.key, now_ms)
    if entry is None:
        return TimeLeft(exists=False)
    return TimeLeft(exists=True, ms=_left_ms(entry[2], now_ms))


def _scan(query: Scan, keyspace: Keyspace, now_ms: int, _: Limits) -> Page:
    return live_keys(keyspace, query.prefix, query.after, query.limit, now_ms)


def _count(query: Count, keyspace: Keyspace, now_ms: int, _: Limits) -> int:
    return keyspace.count(query.prefix, now_ms)


_ANSWERS: dict[type[Query[object]], Callable[..., object]] = {
    Get: _get,
    GetTimed: _get_timed,
    GetRange: _get_range,
    GetMany: _get_many,
    Length: _length,
    MemoryUsage: _memory_usage,
    Exists: _exists,
    TimeToLive: _time_to_live,
    Scan: _scan,
    Count: _count,
}
