"""The read of a value (``GET /kv/get/{key}``), which outnumbers all other requests, in one go.

It is answered as any request is: by the same query, of the same store, and counted as such. Left out is what is
believed (``beliefs``), and the steps in between: the answer is written down as it would come out of them, byte for
byte; a test compares them.

Anything special goes the long way: a query, a key that is escaped, an account for certain keys only, the last request
of a connection, and, from the value on, octets and what is long enough for compression.
"""

from time import perf_counter

from synap.commands import Get
from synap.protocol.http import Response
from synap.protocol.http.render import COMPRESS_MIN_BYTES, value_response
from synap.protocol.http.values import BYTES, to_json
from synap.results import Found
from synap.server.exchange import Exchange
from synap.server.lane.beliefs import Belief
from synap.server.lane.framing import Framed
from synap.server.lane.rendering import Renderer

ROUTE = "/kv/get/{key}"

_PATH = ROUTE.removesuffix("{key}").encode()


class Reads:
    """Answers reads."""

    def __init__(self, exchange: Exchange, renderer: Renderer) -> None:
        self._service = exchange.service
        self._renderer = renderer

    def answer(self, framed: Framed, belief: Belief) -> bytes | Response | None:
        """The answer as it goes out, or, where there is more to do to it, the response; None for the long way."""
        path = framed.path
        if not path.startswith(_PATH) or framed.method != "GET" or framed.query or not belief.may_read:
            return None
        key = path[len(_PATH) :]
        if not key or b"%" in key or b"/" in key:
            return None
        started_s = perf_counter()
        try:
            found = self._service.look(Get(key))
        except Exception:  # noqa: BLE001  # the long way meets it again, and knows what to say
            return None
        answer = self._render(found, belief)
        if answer is None:
            return value_response(found)
        self._service.observe("GET", ROUTE, 200, perf_counter() - started_s)
        return answer

    def _render(self, found: Found | None, belief: Belief) -> bytes | None:
        if found is not None and found.kind == BYTES:
            return None
        body = to_json(found)
        if len(body) >= COMPRESS_MIN_BYTES:
            return None
        tag = b"" if found is None else b'etag: "%d"\r\n' % found.version
        return self._renderer.render_json(tag, belief.extra, body)
