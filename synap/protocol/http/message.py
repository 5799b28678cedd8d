"""A request and a response as plain values, whole and in memory, whichever door they pass."""

from collections.abc import Sequence

import msgspec

Headers = Sequence[tuple[bytes, bytes]]
"""Header fields in the order of the wire, names in lower case."""


class Request(msgspec.Struct, frozen=True):
    """What a client sent.

    ``path`` and ``query`` are as they came, still percent-encoded; ``path`` is the target up to the first "?".
    """

    method: str
    path: bytes
    query: bytes
    headers: Headers
    body: bytes


class Response(msgspec.Struct, frozen=True):
    """What a client gets. Content-Length, and what else depends on the request, is added by ``finish``."""

    status: int
    headers: Headers
    body: bytes


def header(headers: Headers, name: bytes) -> bytes | None:
    """The value of the first field of that name (in lower case), or None."""
    for field, value in headers:
        if field == name:
            return value
    return None
