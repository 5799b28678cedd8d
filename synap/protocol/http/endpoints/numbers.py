"""Counting: an integer under one key."""

from synap import commands
from synap.protocol.http import bodies
from synap.protocol.http.decoding import decode
from synap.protocol.http.message import Request
from synap.protocol.http.precondition import expected_version
from synap.protocol.http.render import json_response
from synap.protocol.http.router import Call, call


def incr(request: Request, key: bytes) -> Call:
    """POST /kv/incr/{key}."""
    return _increment(request, key, 1)


def decr(request: Request, key: bytes) -> Call:
    """POST /kv/decr/{key}."""
    return _increment(request, key, -1)


def incrby(request: Request, key: bytes) -> Call:
    """POST /kv/incrby/{key}."""
    return _increment(request, key, decode(request, bodies.AmountBody).amount)


def decrby(request: Request, key: bytes) -> Call:
    """POST /kv/decrby/{key}."""
    return _increment(request, key, -decode(request, bodies.AmountBody).amount)


def _increment(request: Request, key: bytes, amount: int) -> Call:
    command = commands.Increment(key, amount, expected_version(request))
    return call(command, lambda value: json_response(bodies.IntegerResult(value)))
