"""Several keys in one step."""

from msgspec import Raw

from synap import commands
from synap.errors import TooLargeError
from synap.protocol.http import answers, bodies, tags, ttl
from synap.protocol.http.decoding import decode
from synap.protocol.http.description import json_answer, json_body
from synap.protocol.http.message import Request, Response
from synap.protocol.http.precondition import refuse_condition
from synap.protocol.http.render import json_response
from synap.protocol.http.router import Call, call, endpoint
from synap.protocol.http.values import from_json, to_json
from synap.results import Found

BATCH_MAX_KEYS = 1000
"""A batch is decided as one event in one frame; this many of the largest keys still fit one."""

_PAIRS = json_body(bodies.PairsBody, {"pairs": [{"key": "a", "value": 1, "ttl": 60}, {"key": "b", "value": "two"}]})
_KEYS = json_body(bodies.KeysBody, {"keys": ["a", "b"]})


@endpoint(tags.MANY, json_answer(answers.SuccessResult, {"success": True}), body=_PAIRS, writes=True)
def set_many(request: Request, _: bytes) -> Call:
    """Set several values.

    All of them or none, also in a crash. At most 1,000.
    """
    return _set_many(request, only_if_absent=False)


@endpoint(tags.MANY, json_answer(answers.SuccessResult, {"success": True}), body=_PAIRS, writes=True)
def set_many_if_absent(request: Request, _: bytes) -> Call:
    """Set several values if none of the keys is there.

    Where one of them is, nothing is written and `success` is false.
    """
    return _set_many(request, only_if_absent=True)


def _set_many(request: Request, *, only_if_absent: bool) -> Call:
    refuse_condition(request)
    body = decode(request, bodies.PairsBody)
    command = commands.SetMany(pairs_of(body), only_if_absent)
    return call(command, lambda success: json_response(answers.SuccessResult(success)))


def pairs_of(body: bodies.PairsBody) -> tuple[commands.Pair, ...]:
    """The pairs of a body. Raises ``ClientError``."""
    _check_batch(len(body.pairs))
    return tuple(_pair(pair, f"pairs[{n}]") for n, pair in enumerate(body.pairs))


def _pair(given: bodies.PairBody | tuple[str, Raw], field: str) -> commands.Pair:
    if isinstance(given, tuple):
        key, value = given
        return commands.Pair(key.encode(), *from_json(value))
    return commands.Pair(given.key.encode(), *from_json(given.value), ttl.of_field(given.ttl, f"{field}.ttl"))


@endpoint(tags.MANY, json_answer(answers.ValuesResult, {"values": [1, None]}), body=_KEYS)
def get_many(request: Request, _: bytes) -> Call:
    """Read several values.

    In the order of the keys; `null` for each that is missing. At most 1,000.
    """

    def respond(found: tuple[Found | None, ...]) -> Response:
        return json_response(answers.ValuesResult([to_json(entry) for entry in found]))

    return call(commands.GetMany(_keys(request)), respond)


@endpoint(tags.MANY, json_answer(answers.DeletedCount, {"deleted": 2}), body=_KEYS, writes=True)
def delete_many(request: Request, _: bytes) -> Call:
    """Delete several keys.

    All of them or none, also in a crash. At most 1,000.
    """
    refuse_condition(request)
    return call(commands.DeleteMany(_keys(request)), lambda count: json_response(answers.DeletedCount(count)))


def _keys(request: Request) -> tuple[bytes, ...]:
    return keys_of(decode(request, bodies.KeysBody))


def keys_of(body: bodies.KeysBody) -> tuple[bytes, ...]:
    """The keys of a body. Raises ``TooLargeError``."""
    _check_batch(len(body.keys))
    return tuple(key.encode() for key in body.keys)


def _check_batch(size: int) -> None:
    if size > BATCH_MAX_KEYS:
        raise TooLargeError("batch", size, BATCH_MAX_KEYS, "keys")
