"""Several keys in one step."""

from msgspec import Raw

from synap import commands
from synap.errors import TooLargeError
from synap.protocol.http import bodies, ttl
from synap.protocol.http.decoding import decode
from synap.protocol.http.message import Request, Response
from synap.protocol.http.precondition import refuse_condition
from synap.protocol.http.render import json_response
from synap.protocol.http.router import Call, call
from synap.protocol.http.values import from_json, to_json
from synap.results import Found

BATCH_MAX_KEYS = 1000
"""A batch is decided as one event in one frame; this many of the largest keys still fit one."""


def set_many(request: Request, _: bytes) -> Call:
    """POST /kv/mset."""
    return _set_many(request, only_if_absent=False)


def set_many_if_absent(request: Request, _: bytes) -> Call:
    """POST /kv/msetnx."""
    return _set_many(request, only_if_absent=True)


def _set_many(request: Request, *, only_if_absent: bool) -> Call:
    refuse_condition(request)
    body = decode(request, bodies.PairsBody)
    _check_batch(len(body.pairs))
    pairs = tuple(_pair(pair, f"pairs[{n}]") for n, pair in enumerate(body.pairs))
    command = commands.SetMany(pairs, only_if_absent)
    return call(command, lambda success: json_response(bodies.SuccessResult(success)))


def _pair(given: bodies.PairBody | tuple[str, Raw], field: str) -> commands.Pair:
    if isinstance(given, tuple):
        key, value = given
        return commands.Pair(key.encode(), *from_json(value))
    return commands.Pair(given.key.encode(), *from_json(given.value), ttl.of_field(given.ttl, f"{field}.ttl"))


def get_many(request: Request, _: bytes) -> Call:
    """POST /kv/mget."""

    def respond(found: tuple[Found | None, ...]) -> Response:
        return json_response(bodies.ValuesResult([to_json(entry) for entry in found]))

    return call(commands.GetMany(_keys(request)), respond)


def delete_many(request: Request, _: bytes) -> Call:
    """POST /kv/mdel."""
    refuse_condition(request)
    return call(commands.DeleteMany(_keys(request)), lambda count: json_response(bodies.DeletedCount(count)))


def _keys(request: Request) -> tuple[bytes, ...]:
    body = decode(request, bodies.KeysBody)
    _check_batch(len(body.keys))
    return tuple(key.encode() for key in body.keys)


def _check_batch(size: int) -> None:
    if size > BATCH_MAX_KEYS:
        raise TooLargeError("batch", size, BATCH_MAX_KEYS, "keys")
