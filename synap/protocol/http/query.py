"""Query parameters: decoded as a form is, and read with their limits.

Here, unlike in a path, "+" is a space, because that is how browsers and HTTP libraries write one. Unknown
parameters are ignored; one that is given twice is refused, because whoever sits in front of the server may
have looked at the other one.
"""

import re

from synap.errors import InvalidParameterError, MalformedRequestError
from synap.protocol.http.percent import decode

Parameters = dict[str, str]
"""The parameters of a query, decoded, by name."""

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


def integer(parameters: Parameters, name: str, *, default: int, low: int, high: int) -> int:
    """The parameter as an integer from ``low`` to ``high``, or ``default`` where it is not given."""
    given = parameters.get(name)
    if given is None:
        return default
    if _INTEGER.fullmatch(given) is not None and low <= int(given) <= high:
        return int(given)
    raise InvalidParameterError(f"{name}: expected an integer from {low:,} to {high:,}", field=name)


def required(parameters: Parameters, name: str) -> str:
    """The parameter, which must be there and not empty."""
    given = parameters.get(name)
    if not given:
        raise InvalidParameterError(f"{name}: a query parameter is needed that is not empty", field=name)
    return given
