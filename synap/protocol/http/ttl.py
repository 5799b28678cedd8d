"""Times as clients write them, in exact milliseconds.

Numbers are taken from their JSON text and computed as decimals: in binary floating point 0.0045 s is a little
less than it says. Fractions of a millisecond are rounded, half up; what rounds to nothing is 0. Limits that the
keyspace decides (in the past, over ten years) are not repeated; here a number is only kept within bounds, so
that an exponent of a thousand never becomes an integer of a thousand digits.
"""

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import msgspec
from msgspec import UNSET, Raw, UnsetType

from synap.errors import InvalidParameterError, InvalidTtlError, WrongShapeError

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

_PLAIN_MAX_DIGITS = 9
"""A billion of any unit is within bounds."""

_NUMBER_MAX_CHARS = 64
"""More digits than these do not make a time more exact."""

_MAX_MS = 253_402_300_800_000
"""The end of the year 9999. As a deadline or as a time to live, certainly more than ten years ahead."""

MIN_S = 0.001
MAX_S = 10 * 365 * 24 * 60 * 60
"""What is told of the limits: anything shorter is no time, and the keyspace refuses what is over ten years."""

NO_DEADLINE = -1
"""Where a time is told, this one has no end."""

_JSON_TYPES = {'"': "a string", "{": "an object", "[": "an array", "t": "a boolean", "f": "a boolean", "n": "null"}
"""What a JSON text is, by its first character; anything else is a number."""


class Lifetime(msgspec.Struct, frozen=True):
    """How long a value shall live: at most one of the fields is given, none means forever."""

    ttl_ms: int | None = None
    deadline_ms: int | None = None


class Unit(msgspec.Struct, frozen=True):
    """How the number of an ``expiry`` counts: in steps of ``ms``, from now on or from the epoch."""

    ms: int
    from_epoch: bool


UNITS = {
    "seconds": Unit(1000, from_epoch=False),
    "milliseconds": Unit(1, from_epoch=False),
    "unix_seconds": Unit(1000, from_epoch=True),
    "unix_milliseconds": Unit(1, from_epoch=True),
}
"""The types of an ``expiry``."""


def of_json(number: Raw, field: str, unit_ms: int = 1000) -> int:
    """The milliseconds that a number in a body says, 0 included.

    Null is no number either: it is what JSON.stringify makes of NaN, and taken for "no ttl" it would let a
    session live forever that was meant to end.
    """
    digits = bytes(number)
    # As nearly all are written. It is the same number without a detour over decimals, and within bounds in any unit.
    if len(digits) <= _PLAIN_MAX_DIGITS and digits.isdigit():
        return int(digits) * unit_ms
    text = digits.decode()
    if text[0] in _JSON_TYPES:
        raise WrongShapeError(field, "a non-negative number", f"got {_JSON_TYPES[text[0]]}")
    exact = _decimal(text, field)
    if exact < 0:
        raise WrongShapeError(field, "a non-negative number", "got a negative one")
    return _milliseconds(exact, field, unit_ms)


def of_field(number: Raw | UnsetType, field: str) -> int | None:
    """The milliseconds that a field in seconds says, more than 0; None where the body does not have it."""
    return None if number is UNSET else not_zero(of_json(number, field), field)


def of_text(text: str, field: str) -> int:
    """The milliseconds that a query parameter in seconds says; more than 0."""
    if _JSON_NUMBER.fullmatch(text) is None or text.startswith("-"):
        raise InvalidParameterError(f"{field}: expected a positive number of seconds", field=field)
    return not_zero(_milliseconds(_decimal(text, field), field, 1000), field)


def of_expiry(expiry_type: str, number: Raw) -> Lifetime:
    """The lifetime that an ``expiry`` says, in any of its units."""
    unit = UNITS.get(expiry_type)
    if unit is None:
        raise WrongShapeError("expiry.type", f"one of {', '.join(UNITS)}", f"got {expiry_type!r}")
    if unit.from_epoch:
        return Lifetime(deadline_ms=of_json(number, "expiry.value", unit.ms))
    return Lifetime(ttl_ms=not_zero(of_json(number, "expiry.value", unit.ms), "expiry.value"))


def not_zero(ms: int, field: str) -> int:
    """``ms`` itself, if it is any time at all."""
    if ms == 0:
        raise InvalidTtlError(f"{field}: must be greater than 0", field=field)
    return ms


def whole_seconds(left_ms: int | None) -> int:
    """The time that is left in seconds, rounded down; -1 where there is no end."""
    return NO_DEADLINE if left_ms is None else left_ms // 1000


def _decimal(text: str, field: str) -> Decimal:
    """The exact value of a JSON number of reasonable length."""
    if len(text) > _NUMBER_MAX_CHARS:
        raise InvalidTtlError(f"{field}: a number of over {_NUMBER_MAX_CHARS} characters is no time", field=field)
    try:
        return Decimal(text)
    except InvalidOperation as cause:
        raise InvalidTtlError(f"{field}: the exponent is out of range", field=field) from cause


def _milliseconds(exact: Decimal, field: str, unit_ms: int) -> int:
    """``exact`` units as whole milliseconds. Comparing and quantizing are exact; nothing else is done to it."""
    if exact > _MAX_MS // unit_ms:
        raise InvalidTtlError(f"{field}: must not be more than ten years ahead", field=field)
    return int(exact.quantize(Decimal(1) / unit_ms, rounding=ROUND_HALF_UP) * unit_ms)
