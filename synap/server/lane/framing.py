"""Requests out of bytes, as far as the lane takes them; llhttp (by httptools) reads their heads.

Two parsers that read the same bytes in two ways are how requests are smuggled: past a proxy, or past the other door of
this server. So the lane takes only what leaves no room for that, and hands over the rest:

* HTTP/1.1, a method that the API has, a path (no full address), one Host;
* printable ASCII in lines that end in CR LF, none of which goes on in the next;
* no body, or one whose length a single Content-Length says in plain digits; nothing that asks for another protocol, for
  another framing or for a word in between (Transfer-Encoding, Upgrade, Expect, Connection beyond keep-alive and close);
* heads and bodies of a size that one connection may hold while it waits for the rest.

A client sends the same header fields again and again. So what llhttp found in them is kept, and where the next request
on the connection has the very same bytes behind its first line, only that line is looked at.

``next`` gives a request once all of it has come. It stays in ``unread`` until ``take`` says that it will be answered
here, so whoever looks at a request first and then does not want it can still hand it over whole.
"""

import re
from enum import Enum

import httptools
import msgspec

from synap.protocol.http import Headers

HEAD_MAX_BYTES = 16 * 1024
"""Larger ones are rare: long cookies that stray here, or keys of many KiB."""

BODY_MAX_BYTES = 64 * 1024
"""A session is far smaller."""

_METHODS = {method.encode(): method for method in ("GET", "HEAD", "POST", "PUT", "DELETE")}
_BEGINNINGS = tuple(method + b" /" for method in _METHODS)
_REQUEST_LINE = re.compile(rb'(GET|HEAD|POST|PUT|DELETE) (/[!"$-~]*) HTTP/1\.1')
"""The target is what llhttp takes for one; without a fragment, which no client sends."""

_LINE_END = b"\r\n"
_HEAD_END = b"\r\n\r\n"
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_LENGTH = re.compile(rb"[0-9]{1,10}")
_KEEP = frozenset({b"keep-alive", b""})
_FOR_THE_OTHER_DOOR = frozenset({b"transfer-encoding", b"upgrade", b"expect", b"http2-settings", b"te", b"trailer"})


class Step(Enum):
    """What ``next`` may say instead of a request."""

    MORE = "more"
    """The rest of it has to come first."""

    HAND_OVER = "hand over"
    """This and all that follows is for the other door."""


class Framed(msgspec.Struct, frozen=True, gc=False):
    """A request. ``path`` and ``query`` are as they came; after one that ``closes`` the client expects the end."""

    method: str
    path: bytes
    query: bytes
    headers: Headers
    body: bytes
    closes: bool


class _Fields(msgspec.Struct, frozen=True, gc=False):
    """What the header fields say: all of them, how long the body is, and whether the connection closes."""

    headers: Headers
    body_bytes: int
    closes: bool


class _UnfitError(Exception):
    """The head is not one that the lane takes."""


class Framer:
    """The requests of one connection."""

    def __init__(self, body_max_bytes: int = BODY_MAX_BYTES) -> None:
        self._body_max_bytes = body_max_bytes
        self._buffer = b""
        self._head_end = self._end = 0
        self._method = self._target = b""
        self._fields_bytes = b""
        self._fields = _Fields((), 0, closes=False)
        self._framed: Framed | None = None

    @property
    def unread(self) -> bytes:
        """Everything from the beginning of the request that was not taken yet."""
        return self._buffer

    def receive(self, data: bytes) -> None:
        """Take in what came."""
        self._buffer = self._buffer + data if self._buffer else data

    def next(self) -> Framed | Step:
        """The request at the beginning of what is unread, as often as it is asked for."""
        if self._framed is not None:
            return self._framed
        if not self._head_end:
            if not self._buffer:
                return Step.MORE
            step = self._read_head()
            if step is not None:
                return step
        if len(self._buffer) < self._end:
            return Step.MORE
        path, _, query = self._target.partition(b"?")
        fields = self._fields
        body = self._buffer[self._head_end : self._end]
        self._framed = Framed(_METHODS[self._method], path, query, fields.headers, body, fields.closes)
        return self._framed

    def take(self) -> None:
        """The request is answered here; what is behind it is next."""
        self._buffer = self._buffer[self._end :]
        self._framed = None
        self._head_end = 0

    def _read_head(self) -> Step | None:
        """Look for a whole head; None where there is one, now known by method, target, fields and where it ends."""
        buffer = self._buffer
        line_end = buffer.find(_LINE_END)
        end = buffer.find(_HEAD_END, line_end) if line_end >= 0 else -1
        if end < 0:
            return Step.MORE if _may_become_a_head(buffer) else Step.HAND_OVER
        end += len(_HEAD_END)
        line = _REQUEST_LINE.fullmatch(buffer, 0, line_end)
        if line is None or end > HEAD_MAX_BYTES:
            return Step.HAND_OVER
        fields_bytes = buffer[line_end:end]
        if fields_bytes != self._fields_bytes:
            try:
                self._fields = _read_fields(buffer[:end])
            except (_UnfitError, httptools.HttpParserError, httptools.HttpParserUpgrade):
                return Step.HAND_OVER
            if self._fields.body_bytes > self._body_max_bytes:
                return Step.HAND_OVER
            self._fields_bytes = fields_bytes
        self._method, self._target = line.groups()
        self._head_end = end
        self._end = end + self._fields.body_bytes
        return None


class _Collector:
    """What llhttp calls for each header field."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field. Its value comes with the blanks behind it, which are no part of it (RFC 9112, 5)."""
        self.headers.append((name.lower(), value.rstrip(b" \t")))


def _read_fields(head: bytes) -> _Fields:
    """The header fields of a head. Raises ``_UnfitError`` or what the parser raises where they are not for the lane."""
    if not _is_plain(head):
        raise _UnfitError
    collector = _Collector()
    httptools.HttpRequestParser(collector).feed_data(head)
    headers = tuple(collector.headers)
    names = [name for name, _ in headers]
    if names.count(b"host") != 1 or names.count(b"content-length") > 1 or not _FOR_THE_OTHER_DOOR.isdisjoint(names):
        raise _UnfitError
    body_bytes, closes = 0, False
    for name, value in headers:
        if name == b"content-length":
            body_bytes = _body_bytes(value)
        elif name == b"connection":
            closes = _closes(value) or closes
    return _Fields(headers, body_bytes, closes)


def _body_bytes(content_length: bytes) -> int:
    if _LENGTH.fullmatch(content_length) is None:
        raise _UnfitError
    return int(content_length)


def _closes(connection: bytes) -> bool:
    tokens = {token.strip() for token in connection.lower().split(b",")}
    if not tokens - {b"close"} <= _KEEP:
        raise _UnfitError
    return b"close" in tokens


def _may_become_a_head(buffer: bytes) -> bool:
    """Whether what came so far may be the beginning of a head for the lane."""
    return (
        len(buffer) <= HEAD_MAX_BYTES
        and any(buffer[: len(each)] == each[: len(buffer)] for each in _BEGINNINGS)
        and b"\n\n" not in buffer
        and b"\n\r\n" not in buffer
    )


def _is_plain(head: bytes) -> bool:
    """Whether a head has only printable lines that end in CR LF and do not go on in the next."""
    lines = head.count(_LINE_END)
    return (
        not head.translate(None, _PRINTABLE)
        and head.count(b"\n") == lines == head.count(b"\r")
        and b"\n " not in head
        and b"\n\t" not in head
    )
