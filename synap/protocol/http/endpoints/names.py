"""Keys as names: what is there, under which other name it shall be, and what it weighs."""

from synap import commands
from synap.errors import KeyExistsError, MissingKeyError
from synap.protocol.http import answers, bodies, precondition, tags
from synap.protocol.http.decoding import decode
from synap.protocol.http.description import json_answer, json_body
from synap.protocol.http.message import Request, Response
from synap.protocol.http.precondition import expected_version
from synap.protocol.http.render import json_response
from synap.protocol.http.router import Call, call, endpoint

_UNITS = ("B", "KiB", "MiB", "GiB")
_UNIT_BYTES = 1024

_AT_DESTINATION = json_answer(
    answers.DestinationResult, {"success": True, "source": "session:1", "destination": "session:2"}
)
_DESTINATION = json_body(bodies.DestinationBody, {"destination": "session:2"})


@endpoint(tags.NAMES, json_answer(answers.KeyTypeResult, {"key": "session:1", "type": "string"}))
def key_type(_: Request, key: bytes) -> Call:
    """Say what Redis would say a key holds."""

    def respond(there: bool) -> Response:
        return json_response(answers.KeyTypeResult(key.decode(), "string" if there else "none"))

    return call(commands.Exists(key), respond)


@endpoint(tags.NAMES, json_answer(answers.KeyExistsResult, {"key": "session:1", "exists": True}))
def key_exists(_: Request, key: bytes) -> Call:
    """Say whether this key is there."""
    return call(commands.Exists(key), lambda there: json_response(answers.KeyExistsResult(key.decode(), there)))


@endpoint(
    tags.NAMES,
    _AT_DESTINATION,
    body=_DESTINATION,
    fields=precondition.ON_A_WRITE,
    writes=True,
    errors=(MissingKeyError,),
)
def rename(request: Request, key: bytes) -> Call:
    """Give a value another key.

    What is at the destination is written over; the deadline goes with the value.
    """
    return _rename(request, key, only_if_absent=False)


@endpoint(
    tags.NAMES,
    _AT_DESTINATION,
    body=_DESTINATION,
    fields=precondition.ON_A_WRITE,
    writes=True,
    errors=(MissingKeyError, KeyExistsError),
)
def renamenx(request: Request, key: bytes) -> Call:
    """Give a value another key, if that is free."""
    return _rename(request, key, only_if_absent=True)


def _rename(request: Request, key: bytes, *, only_if_absent: bool) -> Call:
    destination = decode(request, bodies.DestinationBody).destination
    command = commands.Rename(key, destination.encode(), only_if_absent, expected_version(request))
    return call(command, lambda _: _at_destination(key, destination, success=True))


@endpoint(
    tags.NAMES,
    _AT_DESTINATION,
    body=_DESTINATION,
    fields=precondition.ON_A_WRITE,
    writes=True,
    errors=(MissingKeyError,),
)
def copy(request: Request, key: bytes) -> Call:
    """Put a value under another key as well, with its deadline.

    Where there is something already, `success` is false, unless `replace` is true.
    """
    body = decode(request, bodies.DestinationBody)
    command = commands.Copy(key, body.destination.encode(), body.replace, expected_version(request))
    return call(command, lambda success: _at_destination(key, body.destination, success=success))


def _at_destination(source: bytes, destination: str, *, success: bool) -> Response:
    return json_response(answers.DestinationResult(success, source.decode(), destination))


@endpoint(tags.NAMES, json_answer(answers.RandomKeyResult, {"key": "session:1"}))
def random_key(_: Request, __: bytes) -> Call:
    """Draw a key.

    Each is as likely as the others.
    """

    def respond(key: bytes | None) -> Response:
        return json_response(answers.RandomKeyResult(None if key is None else key.decode()))

    return call(commands.RandomKey(), respond)


@endpoint(tags.NAMES, json_answer(answers.MemoryResult, {"key": "session:1", "bytes": 310, "human": "310 B"}))
def memory_usage(_: Request, key: bytes) -> Call:
    """Say what a key takes of the memory.

    A missing one takes 0 bytes.
    """

    def respond(size_bytes: int) -> Response:
        return json_response(answers.MemoryResult(key.decode(), size_bytes, human(size_bytes)))

    return call(commands.MemoryUsage(key), respond)


def human(size_bytes: int) -> str:
    """A size as a person reads it: "310 B", "1.5 KiB"."""
    size, unit = float(size_bytes), 0
    while size >= _UNIT_BYTES and unit < len(_UNITS) - 1:
        size, unit = size / _UNIT_BYTES, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{size_bytes} {_UNITS[unit]}"
