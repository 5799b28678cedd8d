"""Responses as bytes, to the letter as the other door sends them: no reason phrase, a date, and then Connection.

The date (RFC 9110, 6.6.1) is that of the second, and made once in it.
"""

from collections.abc import Callable
from email.utils import formatdate

from synap.protocol.http import Response
from synap.protocol.http.render import json_response

_STATUS_LINES = {status: b"HTTP/1.1 %d \r\n" % status for status in range(200, 600)}
_LAST = b"Connection: close\r\n"
_JSON_HEAD = _STATUS_LINES[200] + b"".join(b"%b: %b\r\n" % field for field in json_response(None).headers)


class Renderer:
    """Makes bytes of responses; ``now_s`` is the time since the epoch."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._second = -1
        self._date = b""

    def render(self, response: Response, *, closes: bool) -> bytes:
        """A response as it goes out; ``closes`` tells the client that it is the last on its connection."""
        fields = b"".join([b"%b: %b\r\n" % field for field in response.headers])
        last = _LAST if closes else b""
        return b"".join((_STATUS_LINES[response.status], fields, self.date_line(), last, b"\r\n", response.body))

    def render_json(self, tag: bytes, extra: bytes, body: bytes) -> bytes:
        """As ``render``, of a ``json_response`` that is not the last, and too short to be compressed.

        ``tag`` and ``extra`` are lines that it has besides, before and after it was exposed to a page.
        """
        length = b"content-length: %d\r\n" % len(body)
        return b"".join((_JSON_HEAD, tag, extra, length, self.date_line(), b"\r\n", body))

    def date_line(self) -> bytes:
        """The field that says what time it is."""
        second = int(self._now_s())
        if second != self._second:
            self._second = second
            self._date = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
        return self._date
