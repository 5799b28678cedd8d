"""Parts of a value, and a value exchanged for another one or for none. Positions are bytes."""

from msgspec import structs

from synap import commands
from synap.errors import WrongShapeError
from synap.protocol.http import answers, bodies, precondition, query, tags
from synap.protocol.http.decoding import decode
from synap.protocol.http.description import json_answer, json_body
from synap.protocol.http.message import Request, Response
from synap.protocol.http.precondition import expected_version
from synap.protocol.http.render import json_response, old_value_response, value_response
from synap.protocol.http.router import Call, call, endpoint
from synap.protocol.http.values import from_json
from synap.results import Found, Written

POSITION_MAX = 2**53 - 1
"""The largest integer that every client can say in JSON. No value is as long."""

START = query.Integer(
    "start",
    "The first byte, from 0; negative: counted from the end, -1 being the last.",
    low=-POSITION_MAX,
    high=POSITION_MAX,
    default=0,
)
END = query.Integer(
    "end", "The last byte, which is included; negative as above.", low=-POSITION_MAX, high=POSITION_MAX, default=-1
)

_LENGTH = json_answer(answers.LengthResult, {"length": 11})
_PART = structs.replace(
    answers.VALUE, about='The part, `""` where the key is missing. There is an `ETag` where it is not.', example="world"
)


@endpoint(
    tags.PARTS,
    _LENGTH,
    body=json_body(bodies.TextBody, {"value": " world"}),
    fields=precondition.ON_A_WRITE,
    writes=True,
)
def append(request: Request, key: bytes) -> Call:
    """Write text behind what is there.

    A missing key counts as empty. The deadline stays.
    """
    body = decode(request, bodies.TextBody)
    return call(commands.Append(key, body.value.encode(), expected_version(request)), _length)


@endpoint(
    tags.PARTS,
    _LENGTH,
    body=json_body(bodies.RangeBody, {"offset": 6, "value": "there"}),
    fields=precondition.ON_A_WRITE,
    writes=True,
)
def setrange(request: Request, key: bytes) -> Call:
    """Write text over a part of what is there.

    What would cut a character of more than one byte in two is refused. The deadline stays.
    """
    body = decode(request, bodies.RangeBody)
    if body.offset < 0:
        raise WrongShapeError("offset", "a non-negative integer", "got a negative one")
    return call(commands.SetRange(key, body.offset, body.value.encode(), expected_version(request)), _length)


@endpoint(tags.PARTS, _LENGTH)
def strlen(_: Request, key: bytes) -> Call:
    """Say how long a value is.

    A missing key has the length 0.
    """
    return call(commands.Length(key), _length)


def _length(length: int) -> Response:
    return json_response(answers.LengthResult(length))


@endpoint(tags.PARTS, _PART, query=(START, END))
def getrange(request: Request, key: bytes) -> Call:
    """Read a part of a value.

    A part of JSON is text. Of a character that is cut in two, U+FFFD is shown.
    """
    parameters = query.parse(request.query)
    start, end = START.of(parameters), END.of(parameters)

    def respond(found: Found | None) -> Response:
        return json_response("") if found is None else value_response(found)

    return call(commands.GetRange(key, start, end), respond)


@endpoint(
    tags.PARTS,
    answers.OLD_VALUE,
    body=json_body(bodies.ValueBody, {"value": {"user": 42}}),
    fields=precondition.ON_A_WRITE,
    writes=True,
)
def getset(request: Request, key: bytes) -> Call:
    """Set a value and read the one before.

    The deadline goes with the old value: the new one has none.
    """
    kind, value = from_json(decode(request, bodies.ValueBody).value)
    command = commands.Set(key=key, kind=kind, value=value, return_old=True, if_version=expected_version(request))

    def respond(written: Written) -> Response:
        return old_value_response(written.old)

    return call(command, respond)


@endpoint(tags.PARTS, answers.OLD_VALUE, fields=precondition.ON_A_WRITE, writes=True)
def getdel(request: Request, key: bytes) -> Call:
    """Delete a key and read what it had.

    Of two that ask at the same time, one gets the value: good for tokens that may be used once.
    """
    return call(commands.GetDelete(key, expected_version(request)), old_value_response)
