"""The write of a value (``POST /kv/set``), the most frequent change, in two goes: as it comes, and as it is durable.

As with reads (``reads``), what is believed of its header fields and the steps in between are left out, and nothing
else: the same body becomes the same command for the same store, and the answer is the same, byte for byte.

Anything special goes the long way: a query, an account for certain keys only, the last request of a connection, options
and fractions of a second, and whatever is wrong with the body. A write that is refused is refused as there.
"""

from collections.abc import Callable

from synap.protocol.http import Response, find
from synap.protocol.http.bodies import PlainSetBody
from synap.protocol.http.decoding import decode_plain
from synap.protocol.http.endpoints.entries import set_result, to_plain_set
from synap.protocol.http.render import COMPRESS_MIN_BYTES, json_response, json_text
from synap.protocol.http.service import Begun
from synap.results import Written
from synap.server.exchange import Exchange, refused
from synap.server.lane.beliefs import Belief
from synap.server.lane.framing import Framed
from synap.server.lane.rendering import Renderer

ROUTE = "/kv/set"

_PATH = ROUTE.encode()
_MATCH = find("POST", _PATH)


class Writes:
    """Begins writes, and answers them."""

    def __init__(self, exchange: Exchange, renderer: Renderer) -> None:
        self._service = exchange.service
        self._renderer = renderer
        self._stopped = False

    def stop(self) -> None:
        """Leave the rest of each answer to others: from now on it may be the last of its connection."""
        self._stopped = True

    def body_of(self, framed: Framed, belief: Belief) -> PlainSetBody | None:
        """What a request wants to be written; None for the long way."""
        if framed.path != _PATH or framed.method != "POST" or framed.query or not belief.may_write:
            return None
        return decode_plain(framed.body, PlainSetBody)

    def begin(self, body: PlainSetBody, on_done: Callable[[Begun[Written]], None]) -> Response | None:
        """Begin a write; for ``on_done`` see ``Service.begin``. Returns the response where it is not even taken."""
        try:
            command = to_plain_set(body)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
            return refused(error, _MATCH, may_have_written=False)
        try:
            self._service.begin(command, on_done)
        except Exception as error:  # noqa: BLE001  # as above
            return refused(error, _MATCH, may_have_written=True)
        return None

    def respond(self, key: str, belief: Belief, begun: Begun[Written]) -> Response | bytes:
        """The answer to a write that is done as it goes out, or, where there is more to do to it, the response."""
        try:
            result = set_result(key, self._service.result(begun))
        except Exception as error:  # noqa: BLE001  # as above
            return refused(error, _MATCH, may_have_written=True)
        body = json_text(result)
        if self._stopped or len(body) >= COMPRESS_MIN_BYTES:
            return json_response(result)
        return self._renderer.render_json(b"", belief.extra, body)
