"""Parts of a value, and a value exchanged for another one or for none. Positions are bytes."""

from synap import commands
from synap.errors import WrongShapeError
from synap.protocol.http import bodies, query
from synap.protocol.http.decoding import decode
from synap.protocol.http.message import Request, Response
from synap.protocol.http.precondition import expected_version
from synap.protocol.http.render import json_response, old_value_response, value_response
from synap.protocol.http.router import Call, call
from synap.protocol.http.values import from_json
from synap.results import Found, Written

POSITION_MAX = 2**53 - 1
"""The largest integer that every client can say in JSON. No value is as long."""


def append(request: Request, key: bytes) -> Call:
    """POST /kv/append/{key}."""
    body = decode(request, bodies.TextBody)
    return call(commands.Append(key, body.value.encode(), expected_version(request)), _length)


def setrange(request: Request, key: bytes) -> Call:
    """POST /kv/setrange/{key}."""
    body = decode(request, bodies.RangeBody)
    if body.offset < 0:
        raise WrongShapeError("offset", "a non-negative integer", "got a negative one")
    return call(commands.SetRange(key, body.offset, body.value.encode(), expected_version(request)), _length)


def strlen(_: Request, key: bytes) -> Call:
    """GET /kv/strlen/{key}."""
    return call(commands.Length(key), _length)


def _length(length: int) -> Response:
    return json_response(bodies.LengthResult(length))


def getrange(request: Request, key: bytes) -> Call:
    """GET /kv/getrange/{key}. Without ``start`` from the first byte on, without ``end`` to the last."""
    parameters = query.parse(request.query)
    start = query.integer(parameters, "start", default=0, low=-POSITION_MAX, high=POSITION_MAX)
    end = query.integer(parameters, "end", default=-1, low=-POSITION_MAX, high=POSITION_MAX)

    def respond(found: Found | None) -> Response:
        return json_response("") if found is None else value_response(found)

    return call(commands.GetRange(key, start, end), respond)


def getset(request: Request, key: bytes) -> Call:
    """POST /kv/getset/{key}."""
    kind, value = from_json(decode(request, bodies.ValueBody).value)
    command = commands.Set(key=key, kind=kind, value=value, return_old=True, if_version=expected_version(request))

    def respond(written: Written) -> Response:
        return old_value_response(written.old)

    return call(command, respond)


def getdel(request: Request, key: bytes) -> Call:
    """POST /kv/getdel/{key}."""
    return call(commands.GetDelete(key, expected_version(request)), old_value_response)
