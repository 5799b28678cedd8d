"""Conditional requests (RFC 9110, section 13): the version in an ``If-Match`` or ``If-None-Match`` header.

The ETag of a key is its version in quotes. On a write of one key, ``If-Match: "17"`` means: only if it is still at that
version; ``If-None-Match: *``: only if there is no such key. What cannot be granted so is refused, never ignored: a
client that sent a condition must not be written for without one.
"""

import re

from synap.errors import InvalidParameterError
from synap.protocol.http.description import Field
from synap.protocol.http.message import Request, header

_VERSION = re.compile(rb'"([0-9]{1,19})"')
_NO_KEY = 0

IF_MATCH = Field(
    "If-Match",
    "Only if the key is at this version (its ETag).",
    {"type": "string", "pattern": '^"[0-9]{1,19}"$'},
    example='"17"',
)
IF_NONE_MATCH = Field("If-None-Match", "`*`: only if there is no such key.", {"type": "string", "const": "*"})
ON_A_WRITE = (IF_MATCH, IF_NONE_MATCH)
"""The conditions of every write of one key."""

ON_A_READ = (
    Field(
        "If-None-Match",
        "ETags that the client has already; 304 without the value where one of them is the current one.",
        {"type": "string"},
        example='"17"',
    ),
)


def refuse_condition(request: Request) -> None:
    """Raises ``InvalidParameterError`` where a request for many keys sets a condition: on which of them?"""
    if expected_version(request) is not None:
        raise InvalidParameterError("If-Match and If-None-Match are for one key", field="if-match")


def expected_version(request: Request) -> int | None:
    """The version a key must be at (0: it must be missing), None where the request sets no condition.

    Raises ``InvalidParameterError`` for any condition but the two.
    """
    match = header(request.headers, b"if-match")
    none_match = header(request.headers, b"if-none-match")
    if match is not None and none_match is not None:
        raise InvalidParameterError("If-Match: not together with If-None-Match", field="if-match")
    if none_match is not None:
        if none_match.strip() != b"*":
            raise InvalidParameterError("If-None-Match: on a write, only * is possible", field="if-none-match")
        return _NO_KEY
    if match is None:
        return None
    version = _VERSION.fullmatch(match.strip())
    if version is None:
        raise InvalidParameterError('If-Match: expected one version in quotes, such as "17"', field="if-match")
    return int(version[1])


def is_known(request: Request, version: int) -> bool:
    """Whether whoever reads has this version already, by If-None-Match."""
    known = header(request.headers, b"if-none-match")
    if known is None:
        return False
    versions = {each.strip().removeprefix(b"W/") for each in known.split(b",")}
    return b"*" in versions or b'"%d"' % version in versions
