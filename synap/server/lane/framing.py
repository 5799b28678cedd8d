"""Requests out of bytes, as far as the lane takes them; llhttp (by httptools) reads their heads.

Two parsers that read the same bytes in two ways are how requests are smuggled: past a proxy, or past the other door of
this server. So the lane takes only what leaves no room for that, and hands over the rest:

* HTTP/1.1, a method that the API has, a path (no full address), one Host;
* printable ASCII in lines that end in CR LF, none of which goes on in the next;
* no body, or one whose length a single Content-Length says in plain digits; nothing that asks for another protocol, for
  another framing or for a word in between (Transfer-Encoding, Upgrade, Expect, Connection beyond keep-alive and close);
* heads and bodies of a size that one connection may hold while it waits for the rest.

Clients send the same header fields again and again. So what llhttp found in them is kept (``KnownFields``, which all
connections share), and where a request has the very same bytes behind its first line, only that line is looked at.

``next`` gives a request once all of it has come. It stays in ``unread`` until ``take`` says that it will be answered
here, so whoever looks at a request first and then does not want it can still hand it over whole.
"""

import re
from enum import Enum

import httptools
import msgspec

from synap.protocol.http import Headers
from synap.server.lane.heads import HEAD_END, LINE_END, METHODS, Head, head_of

HEAD_MAX_BYTES = 16 * 1024
"""Larger ones are rare: long cookies that stray here, or keys of many KiB."""

BODY_MAX_BYTES = 64 * 1024
"""A session is far smaller."""

KNOWN_MAX = 4096
"""So many header fields are kept: of a few hundred clients, with all lengths that their bodies have."""

KNOWN_MAX_BYTES = 1024
"""Longer ones are read each time, so that what is kept stays below some 40 MiB, whatever is sent."""

KNOWN_MAX_FIELDS = 32
"""As well. Each field takes some 150 bytes as an object, so that short ones are far larger than they are written."""

_BEGINNINGS = tuple(f"{method} /".encode() for method in METHODS)
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


# Looked up once: at each use, that would take longer in Python 3.11 than what is done with them.
MORE, HAND_OVER = Step


class Fields:
    """What the header fields say: all of them, how long the body is, and whether the client closes behind it.

    ``lasting`` ones are the same object whenever they come again, so that whoever finds something out about them may
    keep it under them.
    """

    __slots__ = ("body_bytes", "closes", "headers", "lasting")

    def __init__(self, headers: Headers, body_bytes: int = 0, *, closes: bool = False, lasting: bool = False) -> None:
        self.headers = headers
        self.body_bytes = body_bytes
        self.closes = closes
        self.lasting = lasting


class Framed(msgspec.Struct, frozen=True, gc=False):
    """A request. ``path`` and ``query`` are as they came."""

    method: str
    path: bytes
    query: bytes
    fields: Fields
    body: bytes


class KnownFields:
    """Header fields that came before, by their bytes. Which connection they came on says nothing of what they mean."""

    def __init__(self) -> None:
        self._by_bytes: dict[bytes, Fields] = {}

    def of(self, buffer: bytes, line_end: int, end: int) -> Fields:
        """The header fields of the head up to ``end``, whose first line is known to be good and ends at ``line_end``.

        Raises ``UnfitError`` where they are not for the lane.
        """
        block = buffer[line_end:end]
        found = self._by_bytes.get(block)
        if found is None:
            lasting = len(block) <= KNOWN_MAX_BYTES and block.count(LINE_END) <= KNOWN_MAX_FIELDS + 2
            found = _read_fields(buffer[:end], lasting=lasting)
            if lasting:
                if len(self._by_bytes) >= KNOWN_MAX:
                    self._by_bytes.clear()
                self._by_bytes[block] = found
        return found

    def forget(self) -> None:
        """Let all of them go."""
        self._by_bytes.clear()


class UnfitError(Exception):
    """The header fields are not such as the lane takes."""


class Framer:
    """The requests of one connection; ``known`` is what the lane keeps of header fields.

    ``unread`` is everything from the beginning of the request that was not taken yet.
    """

    def __init__(self, known: KnownFields, body_max_bytes: int = BODY_MAX_BYTES) -> None:
        self.unread = b""
        self._known = known
        self._body_max_bytes = body_max_bytes
        # Of the request that is next, once its head is whole.
        self._head: Head | None = None
        self._fields = Fields(())
        self._end = 0

    def receive(self, data: bytes) -> None:
        """Take in what came."""
        self.unread = self.unread + data if self.unread else data

    def next(self) -> Framed | Step:
        """The request at the beginning of what is unread, as often as it is asked for."""
        unread, head = self.unread, self._head
        if head is None:
            head = head_of(unread, HEAD_MAX_BYTES)
            if head is None:
                return MORE if _may_become_a_head(unread) else HAND_OVER
            _, _, _, line_end, head_end = head
            try:
                fields = self._known.of(unread, line_end, head_end)
            except UnfitError:
                return HAND_OVER
            if fields.body_bytes > self._body_max_bytes:
                return HAND_OVER
            self._head, self._fields, self._end = head, fields, head_end + fields.body_bytes
        if len(unread) < self._end:
            return MORE
        method, path, query, _, head_end = head
        return Framed(method, path, query, self._fields, unread[head_end : self._end])

    def take(self) -> None:
        """The request is answered here; what is behind it is next."""
        self.unread = self.unread[self._end :]
        self._head = None


class _Collector:
    """What llhttp calls for each header field."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field. Its value comes with the blanks behind it, which are no part of it (RFC 9112, 5)."""
        self.headers.append((name.lower(), value.rstrip(b" \t")))


def _read_fields(head: bytes, *, lasting: bool) -> Fields:
    """The header fields of a head. Raises ``UnfitError`` where they are not for the lane."""
    if not _is_plain(head):
        raise UnfitError
    collector = _Collector()
    try:
        httptools.HttpRequestParser(collector).feed_data(head)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade) as cause:
        raise UnfitError from cause
    headers = tuple(collector.headers)
    names = [name for name, _ in headers]
    if names.count(b"host") != 1 or names.count(b"content-length") > 1 or not _FOR_THE_OTHER_DOOR.isdisjoint(names):
        raise UnfitError
    body_bytes, closes = 0, False
    for name, value in headers:
        if name == b"content-length":
            body_bytes = _body_bytes(value)
        elif name == b"connection":
            closes = _closes(value) or closes
    return Fields(headers, body_bytes, closes=closes, lasting=lasting)


def _body_bytes(content_length: bytes) -> int:
    if _LENGTH.fullmatch(content_length) is None:
        raise UnfitError
    return int(content_length)


def _closes(connection: bytes) -> bool:
    tokens = {token.strip() for token in connection.lower().split(b",")}
    if not tokens - {b"close"} <= _KEEP:
        raise UnfitError
    return b"close" in tokens


def _may_become_a_head(buffer: bytes) -> bool:
    """Whether what came so far may be the beginning of a head for the lane."""
    return (
        HEAD_END not in buffer
        and len(buffer) <= HEAD_MAX_BYTES
        and any(buffer[: len(each)] == each[: len(buffer)] for each in _BEGINNINGS)
        and b"\n\n" not in buffer
        and b"\n\r\n" not in buffer
    )


def _is_plain(head: bytes) -> bool:
    """Whether a head has only printable lines that end in CR LF and do not go on in the next."""
    lines = head.count(LINE_END)
    return (
        not head.translate(None, _PRINTABLE)
        and head.count(b"\n") == lines == head.count(b"\r")
        and b"\n " not in head
        and b"\n\t" not in head
    )
