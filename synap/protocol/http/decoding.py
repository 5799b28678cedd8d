"""The bodies of requests: how bytes become the shapes of ``bodies``, and what is said where they do not."""

import re
from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar

import msgspec

from synap.errors import MalformedRequestError, MissingFieldError, WrongShapeError
from synap.protocol.http.media_type import check_json
from synap.protocol.http.message import Request

Body = TypeVar("Body", bound=msgspec.Struct | msgspec.Raw)

_MALFORMED = re.compile(r"JSON is malformed: (?P<why>.*) \(byte (?P<byte>\d+)\)")
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`")
_EXPECTED = re.compile(r"Expected (?P<expected>.*?)(?:, got `(?P<got>.*)`)?")
_TYPES = re.compile(r"`([^`]*)`")

_TYPE_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
}
"""What the parser calls a type, in the words of JSON."""

_FIELDS = {
    "amount": "an integer",
    "command": "a string",
    "destination": "a string",
    "key": "a string",
    "keys": "an array of strings",
    "offset": "a non-negative integer",
    "pairs": "an array of pairs",
    "ttl": "a number of seconds",
    "type": "the unit of the value",
    "value": "a value",
}
"""What stands in each of the fields that must be there."""


def decode(request: Request, shape: type[Body]) -> Body:
    """The body of a request, as the shape a route expects; ``Raw`` takes any JSON, without the blanks around it.

    Raises ``UnsupportedMediaTypeError``, ``MalformedRequestError`` or ``WrongShapeError``.
    """
    check_json(request)
    return decode_text(request.body, shape)


def decode_text(body: bytes, shape: type[Body]) -> Body:
    """As ``decode``, of a body that is declared as JSON."""
    if not body:
        raise MalformedRequestError("a JSON body is needed", field="body")
    # Raw parts are checked as JSON but not as UTF-8, so that comes first.
    check_text(body)
    return decode_json(body, shape)


def decode_plain(body: bytes, shape: type[Body]) -> Body | None:
    """As ``decode_text``, where the body is of this shape; None where something is wrong with it, whatever it is."""
    try:
        # Raw parts are checked as JSON but not as UTF-8.
        body.decode()
        decoded: Body = _decoder(shape).decode(body)  # type: ignore[arg-type]  # a type is hashable
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return decoded


def decode_json(text: bytes, shape: type[Body], whole: str = "body") -> Body:
    """JSON that is UTF-8, as the shape that is expected; ``whole`` is what a client calls all of it.

    Raises ``MalformedRequestError`` or ``WrongShapeError``.
    """
    try:
        decoded: Body = _decoder(shape).decode(text)  # type: ignore[arg-type]  # a type is hashable
    except msgspec.ValidationError as cause:
        raise _wrong_shape(str(cause), whole) from cause
    except msgspec.DecodeError as cause:
        raise MalformedRequestError(_why_malformed(str(cause)), field="body") from cause
    except RecursionError as cause:
        raise MalformedRequestError("the body is nested too deeply", field="body") from cause
    return decoded


@cache
def _decoder(shape: Hashable) -> msgspec.json.Decoder[Any]:
    """What decodes a shape. Made once, because that takes longer than to decode."""
    return msgspec.json.Decoder(shape)


def check_text(body: bytes) -> None:
    """Raises ``MalformedRequestError`` where a body is not UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError as cause:
        raise MalformedRequestError(f"the body is not UTF-8 at byte {cause.start}", field="body") from cause


def _why_malformed(said: str) -> str:
    """A sentence for what the parser said of bytes that are not JSON."""
    matched = _MALFORMED.fullmatch(said)
    if matched is None:
        return "the body is not JSON: it ends too early, or holds half of a surrogate pair"
    return f"the body is not JSON: {matched['why']} near byte {matched['byte']}"


def _wrong_shape(said: str, whole: str) -> WrongShapeError:
    """What the parser said of JSON that does not fit ("Expected `str`, got `int` - at `$.key`"), in parts."""
    what, _, path = said.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    missing = _MISSING.fullmatch(what)
    if missing is not None:
        name = missing["name"]
        return MissingFieldError(f"{field}.{name}".lstrip("."), _FIELDS[name])
    expected = _EXPECTED.fullmatch(what)
    if expected is None:
        return WrongShapeError(field or whole, "another value", what.lower())
    wanted = _TYPES.sub(lambda quoted: _named(quoted[1]), expected["expected"])
    found = "something else" if expected["got"] is None else _named(expected["got"])
    return WrongShapeError(field or whole, wanted, f"got {found}")


def _named(types: str) -> str:
    return " or ".join(_TYPE_NAMES.get(name, name) for name in types.split(" | "))
