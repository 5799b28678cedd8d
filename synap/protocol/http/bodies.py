"""The JSON bodies of requests and responses: their shapes, and how bytes become them.

Unknown fields are ignored. A field that is there must be of its type, and null is not "not there": what a
client computed wrongly must not silently switch an option off.
"""

import re
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from synap.errors import MalformedRequestError, UnsupportedMediaTypeError, WrongShapeError
from synap.protocol.http.message import Request, header

# --- requests --------------------------------------------------------------------------------------------


class Expiry(msgspec.Struct, frozen=True):
    """The longer way to say when a value ends; ``type`` is one of ``ttl.UNITS``."""

    type: str
    value: Raw


class SetBody(msgspec.Struct, frozen=True):
    """POST /kv/set."""

    key: str
    value: Raw
    ttl: Raw | UnsetType = UNSET
    expiry: Expiry | UnsetType = UNSET
    nx: bool = False
    xx: bool = False
    keepttl: bool = False
    get: bool = False
    if_version: int | UnsetType = UNSET


class PairBody(msgspec.Struct, frozen=True):
    """One of the pairs of a batch write."""

    key: str
    value: Raw
    ttl: Raw | UnsetType = UNSET


class PairsBody(msgspec.Struct, frozen=True):
    """POST /kv/mset. A pair may also be an array of key and value."""

    pairs: list[PairBody | tuple[str, Raw]]


class KeysBody(msgspec.Struct, frozen=True):
    """POST /kv/mget and /kv/mdel."""

    keys: list[str]


class TtlBody(msgspec.Struct, frozen=True):
    """POST /kv/expire/{key}."""

    ttl: Raw


Body = TypeVar("Body", bound=msgspec.Struct)

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
    "key": "a string",
    "keys": "an array of strings",
    "pairs": "an array of pairs",
    "ttl": "a number of seconds",
    "type": "the unit of the value",
    "value": "a value",
}
"""What stands in each of the fields that must be there."""


def decode(request: Request, shape: type[Body]) -> Body:
    """The body of a request, as the shape a route expects.

    Raises ``UnsupportedMediaTypeError``, ``MalformedRequestError`` or ``WrongShapeError``.
    """
    _check_media_type(request)
    if not request.body:
        raise MalformedRequestError("a JSON body is needed", field="body")
    try:
        # Raw parts are checked as JSON but not as UTF-8, so that comes first.
        request.body.decode()
        return msgspec.json.decode(request.body, type=shape)
    except UnicodeDecodeError as cause:
        raise MalformedRequestError(f"the body is not UTF-8 at byte {cause.start}", field="body") from cause
    except msgspec.ValidationError as cause:
        raise _wrong_shape(str(cause)) from cause
    except msgspec.DecodeError as cause:
        raise MalformedRequestError(_why_malformed(str(cause)), field="body") from cause
    except RecursionError as cause:
        raise MalformedRequestError("the body is nested too deeply", field="body") from cause


def _check_media_type(request: Request) -> None:
    """Refuse what is not declared as plain UTF-8 JSON. Nothing is ever decompressed: no bombs."""
    encoding = header(request.headers, b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in {b"", b"identity"}:
        raise UnsupportedMediaTypeError("the body must not be compressed", field="content-encoding")
    media_type = header(request.headers, b"content-type")
    if media_type != b"application/json" and not _is_json(media_type):
        raise UnsupportedMediaTypeError("the body must be application/json in UTF-8", field="content-type")


def _is_json(media_type: bytes | None) -> bool:
    if media_type is None:
        return False
    essence, *parameters = media_type.lower().split(b";")
    charsets = [value for name, _, value in (p.strip().partition(b"=") for p in parameters) if name == b"charset"]
    return essence.strip() == b"application/json" and all(c.strip(b'"') in {b"utf-8", b"utf8"} for c in charsets)


def _why_malformed(said: str) -> str:
    """A sentence for what the parser said of bytes that are not JSON."""
    matched = _MALFORMED.fullmatch(said)
    if matched is None:
        return "the body is not JSON: it ends too early, or holds half of a surrogate pair"
    return f"the body is not JSON: {matched['why']} near byte {matched['byte']}"


def _wrong_shape(said: str) -> WrongShapeError:
    """What the parser said of JSON that does not fit ("Expected `str`, got `int` - at `$.key`"), in parts."""
    what, _, path = said.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    missing = _MISSING.fullmatch(what)
    if missing is not None:
        name = missing["name"]
        return WrongShapeError(f"{field}.{name}".lstrip("."), _FIELDS[name], "the field is missing")
    expected = _EXPECTED.fullmatch(what)
    if expected is None:
        return WrongShapeError(field or "body", "another value", what.lower())
    wanted = _TYPES.sub(lambda quoted: _named(quoted[1]), expected["expected"])
    found = "something else" if expected["got"] is None else _named(expected["got"])
    return WrongShapeError(field or "body", wanted, f"got {found}")


def _named(types: str) -> str:
    return " or ".join(_TYPE_NAMES.get(name, name) for name in types.split(" | "))


# --- responses -------------------------------------------------------------------------------------------


class SetResult(msgspec.Struct, frozen=True):
    """``version`` is what the key is at now; ``old_value`` is there if it was asked for and there was one."""

    success: bool
    key: str
    written: bool
    version: int
    old_value: Raw | UnsetType = UNSET


class DeleteResult(msgspec.Struct, frozen=True):
    """Whether the key was there."""

    deleted: bool
    key: str


class DeletedCount(msgspec.Struct, frozen=True):
    """How many keys were deleted."""

    deleted: int


class ExistsResult(msgspec.Struct, frozen=True):
    """Whether the key is there."""

    exists: bool


class KeysResult(msgspec.Struct, frozen=True):
    """Keys that match; ``truncated`` where there are more than the limit."""

    keys: list[str]
    truncated: bool


class ScanResult(msgspec.Struct, frozen=True):
    """A page of keys; ``cursor`` asks for the next, null at the end."""

    keys: list[str]
    cursor: str | None


class CountResult(msgspec.Struct, frozen=True):
    """How many keys there are."""

    count: int


class ValuesResult(msgspec.Struct, frozen=True):
    """The values of a batch read, null for each key that is missing."""

    values: list[Raw]


class SuccessResult(msgspec.Struct, frozen=True):
    """It was done."""

    success: bool


class DeadlineResult(msgspec.Struct, frozen=True):
    """Whether the key was there, so that its deadline could be changed. Both say the same."""

    success: bool
    result: bool


class TtlResult(msgspec.Struct, frozen=True):
    """The time left in whole seconds, rounded down, and in ms; -1 without a deadline, -2 where missing."""

    ttl: int
    ttl_ms: int
