"""A request and a response as plain values, whole and in memory (but for streams), whichever door they pass."""

import math
from collections.abc import AsyncGenerator, Callable, Sequence

import msgspec

Headers = Sequence[tuple[bytes, bytes]]
"""Header fields in the order of the wire, names in lower case."""


def _for_ever() -> float:
    return math.inf


class Request(msgspec.Struct, frozen=True):
    """What a client sent.

    ``path`` and ``query`` are as they came, still percent-encoded; ``path`` is the target up to the first "?".
    ``left_s`` says for how many seconds from now the credentials are good, which is for what takes a while.
    """

    method: str
    path: bytes
    query: bytes
    headers: Headers
    body: bytes
    left_s: Callable[[], float] = _for_ever


class Stream(msgspec.Struct, frozen=True):
    """A body that comes piece by piece: too large for memory, or without an end.

    ``size_bytes`` is its length, None where nobody knows it. ``close`` must be called, whether or not ``chunks`` was
    read to its end, or at all.
    """

    chunks: AsyncGenerator[bytes, None]
    size_bytes: int | None = None
    close: Callable[[], None] = lambda: None


class Response(msgspec.Struct, frozen=True):
    """What a client gets. Content-Length, and what else depends on the request, is added by ``finish``.

    Where there is a ``stream``, it takes the place of the ``body``.
    """

    status: int
    headers: Headers
    body: bytes
    stream: Stream | None = None


def header(headers: Headers, name: bytes) -> bytes | None:
    """The value of the first field of that name (in lower case), or None."""
    for field, value in headers:
        if field == name:
            return value
    return None
