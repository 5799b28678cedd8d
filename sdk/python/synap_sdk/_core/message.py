"""A request and a response as plain values, whole and in memory.

A key goes into the path percent-encoded, "." and ".." too: everything between client and server likes to resolve
those. The parameters of a query are encoded the same way, so that no "+" is ever taken for a space.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from synap_sdk._core.line import RequestLine
from synap_sdk.errors import InvalidArgument

JSON = "application/json"
OCTETS = "application/octet-stream"

Pairs = tuple[tuple[str, str], ...]
"""Names and values in their order: parameters of a query, fields of a header."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to a server, wherever that is. ``route`` has ``{key}`` in the place of the ``key``."""

    method: str
    route: str
    key: str | None = field(default=None, repr=False)
    query: Pairs = ()
    headers: Pairs = ()
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """The path below the base URL. Raises ``InvalidArgument`` for a key that cannot stand in one."""
        return self.route if self.key is None else self.route.replace("{key}", _segment(self.key))

    @property
    def target(self) -> str:
        """The path, and the query if there is one."""
        query = "&".join(f"{name}={_encoded(value, name)}" for name, value in self.query)
        return f"{self.path}?{query}" if query else self.path

    @property
    def line(self) -> RequestLine:
        """What errors may show."""
        return RequestLine(self.method, self.route, self.path)


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. ``headers`` has its names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def media_type(self) -> str:
        """The content type without its parameters; empty where there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def _segment(key: str) -> str:
    encoded = _encoded(key, "key")
    return encoded.replace(".", "%2E") if encoded in {".", ".."} else encoded


def _encoded(text: str, name: str) -> str:
    if not isinstance(text, str):
        raise InvalidArgument(f"{name}: expected text, got {type(text).__name__}")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as cause:
        raise InvalidArgument(f"{name}: half of a surrogate pair is no text") from cause
