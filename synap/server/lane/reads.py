"""The read of a value (``GET /kv/get/{key}``), which outnumbers all other requests, in one go.

It is answered as any request is: by the same query, of the same store, and counted as such. Left out is what can be
known beforehand. A client sends the same header fields with every request, and ``framing`` keeps them as one object; so
what came of them when a request with them was let in is believed until the lane looks at its clock again, a second at
most. The answer is written down as it would come out of the steps in between, byte for byte; a test compares them.

Anything special goes the long way: other methods, a query, a key that is escaped, an account for certain keys only, the
last request of a connection, and, from the value on, octets and what is long enough for compression.
"""

from time import perf_counter

from synap.commands import Get, Kind
from synap.protocol.http import Headers, Response
from synap.protocol.http.permission import may_read_all
from synap.protocol.http.render import COMPRESS_MIN_BYTES, json_response, value_response
from synap.protocol.http.values import to_json
from synap.results import Found
from synap.server.exchange import Admitted, Exchange
from synap.server.lane.framing import Framed
from synap.server.lane.patience import Patience
from synap.server.lane.rendering import Renderer

ROUTE = "/kv/get/{key}"

_PATH = ROUTE.removesuffix("{key}").encode()
_SAMPLE = json_response(None)
_HEAD = b"HTTP/1.1 200 \r\n" + b"".join(b"%b: %b\r\n" % field for field in _SAMPLE.headers)


class Seat:
    """The other end of a connection: its ``address``, and what is believed of who sends these header fields.

    ``extra`` is what a web page of another origin needs to read the answer.
    """

    __slots__ = ("address", "believed_s", "extra", "headers")

    def __init__(self, address: str) -> None:
        self.address = address
        self.headers: Headers | None = None
        self.believed_s = 0.0
        self.extra = b""


class Reads:
    """Answers reads; ``patience`` has the clock that is looked at once a second."""

    def __init__(self, exchange: Exchange, renderer: Renderer, patience: Patience) -> None:
        self._exchange = exchange
        self._renderer = renderer
        self._patience = patience
        self._stopped = False

    def stop(self) -> None:
        """Leave every request to the long way: from now on each may be the last of its connection."""
        self._stopped = True

    def believe(self, seat: Seat, framed: Framed, admitted: Admitted) -> None:
        """A request was let in the long way: note what that says of reads with the same header fields."""
        if seat.headers is framed.headers and seat.believed_s == self._patience.now_s:
            return
        # A key that ends is looked at each time: it ends to the millisecond.
        may_read = may_read_all(admitted.grant) and admitted.grant.ends_ms is None
        seat.headers = framed.headers if may_read else None
        seat.believed_s = self._patience.now_s
        exposed = self._exchange.expose(framed.headers, _SAMPLE).headers
        seat.extra = b"".join([b"%b: %b\r\n" % field for field in exposed[len(_SAMPLE.headers) :]])

    def answer(self, framed: Framed, seat: Seat) -> bytes | Response | None:
        """The answer as it goes out, or, where there is more to do to it, the response; None for the long way."""
        if framed.headers is not seat.headers or seat.believed_s != self._patience.now_s or self._stopped:
            return None
        path = framed.path
        if not path.startswith(_PATH) or framed.method != "GET" or framed.query or framed.closes:
            return None
        key = path[len(_PATH) :]
        if not key or b"%" in key or b"/" in key:
            return None
        started_s = perf_counter()
        try:
            found = self._exchange.look(Get(key))
        except Exception:  # noqa: BLE001  # the long way meets it again, and knows what to say
            return None
        answer = self._render(found, seat)
        if answer is None:
            return value_response(found)
        self._exchange.observe("GET", ROUTE, 200, perf_counter() - started_s)
        return answer

    def _render(self, found: Found | None, seat: Seat) -> bytes | None:
        if found is not None and found.kind == Kind.BYTES:
            return None
        body = to_json(found)
        if len(body) >= COMPRESS_MIN_BYTES:
            return None
        tag = b"" if found is None else b'etag: "%d"\r\n' % found.version
        length = b"content-length: %d\r\n" % len(body)
        return b"".join((_HEAD, tag, seat.extra, length, self._renderer.date_line(), b"\r\n", body))
