"""Query parameters: decoded as a form is, and read with their limits.

Here, unlike in a path, "+" is a space, because that is how browsers and HTTP libraries write one. Unknown
parameters are ignored; one that is given twice is refused, because whoever sits in front of the server may
have looked at the other one.

A parameter that an endpoint knows is declared once, as an object: ``of`` reads it, and what OpenAPI says of it
(see ``description.Parameter``) comes from the same fields.
"""

import re
from typing import Generic, TypeVar

import msgspec

from synap.errors import InvalidParameterError, MalformedRequestError
from synap.protocol.http import ttl
from synap.protocol.http.description import Schema
from synap.protocol.http.percent import decode

Parameters = dict[str, str]
"""The parameters of a query, decoded, by name."""

Default = TypeVar("Default")
"""What a parameter is where it is not given; None, if that is something of its own."""

_INTEGER = re.compile(r"-?[0-9]{1,18}")
"""No parameter is larger than this many digits can say, and ``int`` stays fast."""


def parse(query: bytes) -> Parameters:
    """The parameters of a raw query string."""
    parameters: Parameters = {}
    for part in query.split(b"&"):
        if not part:
            continue
        raw_name, _, raw_value = part.partition(b"=")
        name = _text(raw_name, "query")
        if name in parameters:
            raise InvalidParameterError(f"{name}: given more than once", field=name)
        parameters[name] = _text(raw_value, name)
    return parameters


def _text(encoded: bytes, field: str) -> str:
    try:
        return decode(encoded.replace(b"+", b" "), field).decode()
    except UnicodeDecodeError as cause:
        raise MalformedRequestError(f"{field}: not UTF-8 at byte {cause.start}", field=field) from cause


class _Declared(msgspec.Struct, frozen=True):
    """What every parameter is declared with; the rest is by keyword."""

    name: str
    about: str


class Text(_Declared, Generic[Default], frozen=True, kw_only=True):
    """Any text."""

    default: Default
    example: str | None = None
    required: bool = False

    def of(self, parameters: Parameters) -> str | Default:
        """The parameter, or ``default`` where it is not given."""
        return parameters.get(self.name, self.default)

    def schema(self) -> Schema:
        """Text, with what it is by default."""
        return _with_default({"type": "string"}, self.default)


class RequiredText(_Declared, frozen=True, kw_only=True):
    """Text that must be there and not empty."""

    example: str | None = None
    required: bool = True

    def of(self, parameters: Parameters) -> str:
        """The parameter. Raises ``InvalidParameterError`` where it is missing or empty."""
        given = parameters.get(self.name)
        if not given:
            raise InvalidParameterError(f"{self.name}: a query parameter is needed that is not empty", field=self.name)
        return given

    def schema(self) -> Schema:
        """Text of one character at least."""
        return {"type": "string", "minLength": 1}


class Choice(_Declared, Generic[Default], frozen=True, kw_only=True):
    """One of a few words."""

    choices: tuple[str, ...]
    default: Default
    example: str | None = None
    required: bool = False

    def of(self, parameters: Parameters) -> str | Default:
        """The parameter, or ``default`` where it is not given. Raises ``InvalidParameterError`` for any other word."""
        given = parameters.get(self.name)
        if given is None:
            return self.default
        if given not in self.choices:
            raise InvalidParameterError(f"{self.name}: expected one of {', '.join(self.choices)}", field=self.name)
        return given

    def schema(self) -> Schema:
        """The words."""
        return _with_default({"type": "string", "enum": list(self.choices)}, self.default)


class Flag(_Declared, frozen=True, kw_only=True):
    """``true`` or ``false``, which it is by default."""

    example: str | None = None
    required: bool = False

    def of(self, parameters: Parameters) -> bool:
        """Whether it is set. Raises ``InvalidParameterError`` for any other word."""
        given = parameters.get(self.name, "false")
        if given not in {"true", "false"}:
            raise InvalidParameterError(f"{self.name}: expected true or false", field=self.name)
        return given == "true"

    def schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean", "default": False}


class Integer(_Declared, Generic[Default], frozen=True, kw_only=True):
    """An integer from ``low`` to ``high``."""

    low: int
    high: int
    default: Default
    example: int | None = None
    required: bool = False

    def of(self, parameters: Parameters) -> int | Default:
        """The parameter, or ``default`` where it is not given. Raises ``InvalidParameterError``."""
        given = parameters.get(self.name)
        if given is None:
            return self.default
        if _INTEGER.fullmatch(given) is not None and self.low <= int(given) <= self.high:
            return int(given)
        raise InvalidParameterError(
            f"{self.name}: expected an integer from {self.low:,} to {self.high:,}", field=self.name
        )

    def schema(self) -> Schema:
        """An integer with its limits."""
        return _with_default({"type": "integer", "minimum": self.low, "maximum": self.high}, self.default)


class Seconds(_Declared, frozen=True, kw_only=True):
    """A time to live in seconds, with decimals if need be; more than nothing, and at most ten years."""

    example: int | None = None
    required: bool = False

    def of(self, parameters: Parameters) -> int | None:
        """The time in milliseconds, None where it is not given. Raises ``ClientError``."""
        given = parameters.get(self.name)
        return None if given is None else ttl.of_text(given, self.name)

    def schema(self) -> Schema:
        """A number with its limits."""
        return {"type": "number", "minimum": ttl.MIN_S, "maximum": ttl.MAX_S}


def _with_default(schema: dict[str, object], default: object) -> Schema:
    return schema if default is None else {**schema, "default": default}
