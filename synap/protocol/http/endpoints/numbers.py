"""Counting: an integer under one key."""

from synap import commands
from synap.protocol.http import answers, bodies, precondition, tags
from synap.protocol.http.decoding import decode
from synap.protocol.http.description import json_answer, json_body
from synap.protocol.http.message import Request
from synap.protocol.http.precondition import expected_version
from synap.protocol.http.render import json_response
from synap.protocol.http.router import Call, call, endpoint

_COUNTED = json_answer(answers.IntegerResult, {"value": 43})
_AMOUNT = json_body(bodies.AmountBody, {"amount": 5})


@endpoint(tags.COUNTERS, _COUNTED, fields=precondition.ON_A_WRITE, writes=True)
def incr(request: Request, key: bytes) -> Call:
    """Add one.

    A missing key counts as 0. Where the value is no integer, or would leave 64 bits, it stays as it is, and the answer
    is 400.
    """
    return _increment(request, key, 1)


@endpoint(tags.COUNTERS, _COUNTED, fields=precondition.ON_A_WRITE, writes=True)
def decr(request: Request, key: bytes) -> Call:
    """Subtract one.

    A missing key counts as 0, as for `incr`.
    """
    return _increment(request, key, -1)


@endpoint(tags.COUNTERS, _COUNTED, body=_AMOUNT, fields=precondition.ON_A_WRITE, writes=True)
def incrby(request: Request, key: bytes) -> Call:
    """Add an amount.

    A missing key counts as 0, as for `incr`.
    """
    return _increment(request, key, decode(request, bodies.AmountBody).amount)


@endpoint(tags.COUNTERS, _COUNTED, body=_AMOUNT, fields=precondition.ON_A_WRITE, writes=True)
def decrby(request: Request, key: bytes) -> Call:
    """Subtract an amount.

    A missing key counts as 0, as for `incr`.
    """
    return _increment(request, key, -decode(request, bodies.AmountBody).amount)


def _increment(request: Request, key: bytes, amount: int) -> Call:
    command = commands.Increment(key, amount, expected_version(request))
    return call(command, lambda value: json_response(answers.IntegerResult(value)))
