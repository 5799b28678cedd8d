"""The table of operations: each is a function from arguments to a ``Call``, written once for every kind of client.

The docstrings are what ``help(client.kv.set)`` shows, so they speak of results, not of calls. Times to live are seconds
or a ``timedelta``. Every operation raises ``SynapError``, in the kinds of ``synap_sdk.errors``.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from synap_sdk._core import fields
from synap_sdk._core.call import Call
from synap_sdk._core.lifetime import Ttl, lifetime, seconds
from synap_sdk._core.message import JSON, OCTETS, Pairs, Request, Response
from synap_sdk._core.results import KeyPage, ScanPage, Versioned, Written
from synap_sdk._core.values import (
    Json,
    JsonLike,
    MalformedAnswerError,
    Storable,
    Value,
    embedded,
    etag_version,
    is_octets,
    read_value,
    to_json,
)
from synap_sdk.errors import InvalidArgument

_JSON_HEADERS: Pairs = (("content-type", JSON),)
_OCTETS_HEADERS: Pairs = (("content-type", OCTETS),)
_IS_MISSING: Pairs = (("if-none-match", "*"),)
_PRECONDITION_FAILED = 412


def _post(route: str, document: Mapping[str, JsonLike], key: str | None = None) -> Request:
    return Request("POST", route, key, headers=_JSON_HEADERS, body=to_json(document))


# --- one key ---------------------------------------------------------------------------------------------


def set_value(
    key: str,
    value: Storable,
    *,
    ttl: Ttl | None = None,
    deadline: datetime | None = None,
    nx: bool = False,
    xx: bool = False,
    keepttl: bool = False,
    get: bool = False,
    if_version: int | None = None,
) -> Call[Written]:
    """Store a value: text, octets, or anything that JSON can say.

    It lives for ``ttl``, until ``deadline`` (a ``datetime`` with a time zone), as long as the value before it
    (``keepttl``), or else for ever. ``nx`` writes only where there is no such key, ``xx`` only where there is one;
    whether it was written is the truth value of the result. ``get`` asks for the value before it. ``if_version`` writes
    only if the key is at that version (0: missing), and raises ``VersionMismatch`` otherwise.

    Octets know ``ttl``, ``nx`` and ``if_version`` only.
    """
    if is_octets(value):
        if xx or keepttl or get or deadline is not None:
            raise InvalidArgument("octets are set with ttl, nx or if_version, and nothing else")
        return _set_octets(key, bytes(value), ttl, nx=nx, if_version=if_version)
    flags = {"nx": nx, "xx": xx, "keepttl": keepttl, "get": get}
    options: dict[str, JsonLike] = {name: True for name, given in flags.items() if given}
    if if_version is not None:
        options["if_version"] = if_version
    return Call(_post("/kv/set", {"key": key, "value": value, **lifetime(ttl, deadline), **options}), _read_written)


def _read_written(response: Response) -> Written:
    document = fields.body(response)
    written = fields.boolean("written")(response)
    return Written(written, fields.whole_number(document, "version"), embedded(document.get("old_value")))


def _set_octets(key: str, octets: bytes, ttl: Ttl | None, *, nx: bool, if_version: int | None) -> Call[Written]:
    if nx and if_version is not None:
        raise InvalidArgument("nx: not together with if_version")
    query: Pairs = () if ttl is None else (("ttl", str(seconds(ttl))),)
    condition = _IS_MISSING if nx else _if_version(if_version)
    request = Request("PUT", "/kv/value/{key}", key, query, (*_OCTETS_HEADERS, *condition), octets)
    # What nx refuses is an answer here as it is for every other value, though plain HTTP calls it an error.
    return Call(request, _read_put, also=(_PRECONDITION_FAILED,) if nx else ())


def _read_put(response: Response) -> Written:
    document = fields.body(response)
    if response.status == _PRECONDITION_FAILED:
        return Written(written=False, version=fields.whole_number_or_none(document, "current_version") or 0)
    return Written(written=True, version=fields.whole_number(document, "version"))


def _if_version(version: int | None) -> Pairs:
    """The header that lets a write happen at one version only; a missing key is at version 0."""
    if version is None:
        return ()
    return _IS_MISSING if version == 0 else (("if-match", f'"{version}"'),)


def get_value(key: str, *, touch: Ttl | None = None) -> Call[Value]:
    """The value under a key as it was set; None where there is none, or no longer.

    ``touch`` lets it live so long from now on, in the same step.
    """
    # Repeatable also with touch: done twice, the key lives as long as after the second time.
    return Call(Request("GET", "/kv/get/{key}", key, _touch(touch)), read_value, repeatable=True)


def _touch(ttl: Ttl | None) -> Pairs:
    return () if ttl is None else (("touch", str(seconds(ttl))),)


def get_with_version(key: str) -> Call[Versioned | None]:
    """The value under a key and the version it is at, for ``if_version``; None where there is none."""
    return Call(Request("GET", "/kv/get/{key}", key), _read_versioned, repeatable=True)


def _read_versioned(response: Response) -> Versioned | None:
    value, version = read_value(response), etag_version(response)
    if version is not None:
        return Versioned(value, version)
    if value is not None:
        raise MalformedAnswerError("etag: expected a version")
    return None


def touch(key: str, ttl: Ttl) -> Call[bool]:
    """Let a key live so long from now on, as each request of its session does. Tells whether it is there.

    Unlike ``expire``, it never ends a session: a time of 0 is refused.
    """
    request = Request("HEAD", "/kv/get/{key}", key, _touch(ttl))
    return Call(request, lambda response: etag_version(response) is not None, repeatable=True)


def delete(key: str, *, if_version: int | None = None) -> Call[bool]:
    """Remove a key; tells whether it was there. ``if_version`` as in ``set``."""
    request = Request("DELETE", "/kv/del/{key}", key, headers=_if_version(if_version))
    return Call(request, fields.boolean("deleted"))


def exists(key: str) -> Call[bool]:
    """Whether there is a value under a key."""
    return Call(Request("GET", "/kv/exists/{key}", key), fields.boolean("exists"), repeatable=True)


def expire(key: str, ttl: Ttl) -> Call[bool]:
    """Let a key live so long from now on; 0 ends it at once. Tells whether it was there."""
    return Call(_post("/kv/expire/{key}", {"ttl": seconds(ttl)}, key), fields.boolean("result"))


def time_to_live(key: str) -> Call[int]:
    """The whole seconds that a key has to live; -1 without a deadline, -2 where there is no such key."""
    return Call(Request("GET", "/kv/ttl/{key}", key), fields.integer("ttl"), repeatable=True)


def persist(key: str) -> Call[bool]:
    """Take a key's deadline away; tells whether it was there."""
    return Call(Request("POST", "/kv/persist/{key}", key), fields.boolean("result"))


# --- numbers and text ------------------------------------------------------------------------------------


def incr(key: str, amount: int = 1) -> Call[int]:
    """Add to a whole number, 0 where there is none; gives the sum. Raises ``BadRequest`` where it is no number."""
    return Call(_post("/kv/incrby/{key}", {"amount": amount}, key), fields.integer("value"))


def decr(key: str, amount: int = 1) -> Call[int]:
    """Subtract from a whole number, 0 where there is none; gives the difference. Otherwise as ``incr``."""
    return Call(_post("/kv/decrby/{key}", {"amount": amount}, key), fields.integer("value"))


def append(key: str, value: str) -> Call[int]:
    """Write text behind the text that is there; gives the length in bytes."""
    return Call(_post("/kv/append/{key}", {"value": value}, key), fields.integer("length"))


def getrange(key: str, start: int = 0, end: int = -1) -> Call[Value]:
    """The bytes from ``start`` to ``end`` of a text, both included, negative from its end; "" where there is none."""
    query = (("start", str(start)), ("end", str(end)))
    return Call(Request("GET", "/kv/getrange/{key}", key, query), read_value, repeatable=True)


def setrange(key: str, offset: int, value: str) -> Call[int]:
    """Write text over the text that is there, from a byte on; a gap is filled with zeros. Gives the length in bytes."""
    return Call(_post("/kv/setrange/{key}", {"offset": offset, "value": value}, key), fields.integer("length"))


def strlen(key: str) -> Call[int]:
    """The length of a value in bytes; 0 where there is none."""
    return Call(Request("GET", "/kv/strlen/{key}", key), fields.integer("length"), repeatable=True)


def getset(key: str, value: JsonLike) -> Call[Value]:
    """Store a value without a deadline; gives the one before it, None where there was none."""
    return Call(_post("/kv/getset/{key}", {"value": value}, key), read_value)


def getdel(key: str) -> Call[Value]:
    """Remove a key; gives the value it had, None where there was none."""
    return Call(Request("POST", "/kv/getdel/{key}", key), read_value)


# --- many keys -------------------------------------------------------------------------------------------


def mset(values: Mapping[str, JsonLike], *, ttl: Ttl | None = None) -> Call[None]:
    """Store several values in one step, all or none, each for ``ttl``. No octets."""
    return Call(_post("/kv/mset", _pairs(values, ttl)), fields.nothing)


def msetnx(values: Mapping[str, JsonLike], *, ttl: Ttl | None = None) -> Call[bool]:
    """As ``mset``, but only where none of the keys is there; tells whether they were stored."""
    return Call(_post("/kv/msetnx", _pairs(values, ttl)), fields.boolean("success"))


def _pairs(values: Mapping[str, JsonLike], ttl: Ttl | None) -> Mapping[str, JsonLike]:
    life = lifetime(ttl, None)
    return {"pairs": [{"key": key, "value": value, **life} for key, value in values.items()]}


def mget(keys: Iterable[str]) -> Call[list[Value]]:
    """The values under several keys, in the order asked, None for each that is missing."""
    return Call(_post("/kv/mget", _keys(keys)), fields.values, repeatable=True)


def mdel(keys: Iterable[str]) -> Call[int]:
    """Remove several keys in one step; gives how many were there."""
    return Call(_post("/kv/mdel", _keys(keys)), fields.integer("deleted"))


def _keys(keys: Iterable[str]) -> Mapping[str, JsonLike]:
    if isinstance(keys, str):
        # A text is an iterable of texts, too; taken so, it would name keys of one letter each.
        raise InvalidArgument("keys: expected several keys, got one text")
    return {"keys": list(keys)}


def scan_page(prefix: str, cursor: str | None, page_size: int) -> Call[ScanPage]:
    """A page of the keys under a prefix; ``cursor`` is the one of the page before, None for the first."""
    query: Pairs = (("prefix", prefix), ("limit", str(page_size)))
    if cursor is not None:
        query += (("cursor", cursor),)
    return Call(Request("GET", "/kv/scan", query=query), _read_page, repeatable=True)


def _read_page(response: Response) -> ScanPage:
    document = fields.body(response)
    return ScanPage(fields.texts(document, "keys"), fields.text_or_none(document, "cursor"))


def keys(pattern: str = "*", *, limit: int = 10_000) -> Call[KeyPage]:
    r"""The keys that match a pattern (``* ? [a-z] [^x] \``), in their order, at most ``limit`` of them."""
    query = (("pattern", pattern), ("limit", str(limit)))
    return Call(Request("GET", "/kv/keys", query=query), _read_keys, repeatable=True)


def _read_keys(response: Response) -> KeyPage:
    return KeyPage(fields.texts(fields.body(response), "keys"), fields.boolean("truncated")(response))


def count(prefix: str = "") -> Call[int]:
    """How many keys there are under a prefix, without walking them."""
    return Call(Request("GET", "/kv/count", query=(("prefix", prefix),)), fields.integer("count"), repeatable=True)


def delete_prefix(prefix: str) -> Call[int]:
    """Remove every key under a prefix, in one step: log out everywhere. Gives how many there were."""
    return Call(Request("DELETE", "/kv/keys", query=(("prefix", prefix),)), fields.integer("deleted"))


def stats() -> Call[dict[str, Json]]:
    """What the server says of itself in numbers: ``total_keys``, ``memory_bytes``, ``hit_rate``, ``seq`` and others."""
    return Call(Request("GET", "/kv/stats"), fields.body, repeatable=True)
