"""Keys as names: what is there, under which other name it shall be, and what it weighs."""

from synap import commands
from synap.protocol.http import bodies
from synap.protocol.http.decoding import decode
from synap.protocol.http.message import Request, Response
from synap.protocol.http.precondition import expected_version
from synap.protocol.http.render import json_response
from synap.protocol.http.router import Call, call

_UNITS = ("B", "KiB", "MiB", "GiB")
_UNIT_BYTES = 1024


def key_type(_: Request, key: bytes) -> Call:
    """GET /key/{key}/type."""

    def respond(there: bool) -> Response:
        return json_response(bodies.KeyTypeResult(key.decode(), "string" if there else "none"))

    return call(commands.Exists(key), respond)


def key_exists(_: Request, key: bytes) -> Call:
    """GET /key/{key}/exists."""
    return call(commands.Exists(key), lambda there: json_response(bodies.KeyExistsResult(key.decode(), there)))


def rename(request: Request, key: bytes) -> Call:
    """POST /key/{key}/rename."""
    return _rename(request, key, only_if_absent=False)


def renamenx(request: Request, key: bytes) -> Call:
    """POST /key/{key}/renamenx."""
    return _rename(request, key, only_if_absent=True)


def _rename(request: Request, key: bytes, *, only_if_absent: bool) -> Call:
    destination = decode(request, bodies.DestinationBody).destination
    command = commands.Rename(key, destination.encode(), only_if_absent, expected_version(request))
    return call(command, lambda _: _at_destination(key, destination, success=True))


def copy(request: Request, key: bytes) -> Call:
    """POST /key/{key}/copy."""
    body = decode(request, bodies.DestinationBody)
    command = commands.Copy(key, body.destination.encode(), body.replace, expected_version(request))
    return call(command, lambda success: _at_destination(key, body.destination, success=success))


def _at_destination(source: bytes, destination: str, *, success: bool) -> Response:
    return json_response(bodies.DestinationResult(success, source.decode(), destination))


def random_key(_: Request, __: bytes) -> Call:
    """GET /key/randomkey."""

    def respond(key: bytes | None) -> Response:
        return json_response(bodies.RandomKeyResult(None if key is None else key.decode()))

    return call(commands.RandomKey(), respond)


def memory_usage(_: Request, key: bytes) -> Call:
    """GET /memory/{key}/usage."""

    def respond(size_bytes: int) -> Response:
        return json_response(bodies.MemoryResult(key.decode(), size_bytes, human(size_bytes)))

    return call(commands.MemoryUsage(key), respond)


def human(size_bytes: int) -> str:
    """A size as a person reads it: "310 B", "1.5 KiB"."""
    size, unit = float(size_bytes), 0
    while size >= _UNIT_BYTES and unit < len(_UNITS) - 1:
        size, unit = size / _UNIT_BYTES, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{size_bytes} {_UNITS[unit]}"
