"""What is believed of requests by their header fields, so that the most frequent ones need not be asked again.

Clients send the same header fields with every request, and ``framing`` keeps them as one object. What came of them when
a request with them was let in the long way is believed of the next ones from the same address, until the lane looks at
its clock again: a second at most.
"""

import msgspec

from synap.errors import SynapError
from synap.protocol.http import Headers, Request
from synap.protocol.http.cors import Origins
from synap.protocol.http.media_type import check_json
from synap.protocol.http.origin import check_origin
from synap.protocol.http.permission import Grant, may_read_all, may_write_all
from synap.protocol.http.precondition import expected_version
from synap.protocol.http.render import json_response
from synap.server.exchange import Exchange
from synap.server.lane.framing import KNOWN_MAX, Fields
from synap.server.lane.patience import Patience

_SAMPLE = json_response(None)


class Belief(msgspec.Struct, frozen=True, gc=False):
    """What holds for requests with certain header fields from a certain address.

    ``may_read``: whoever asks may read any key. ``may_write``: they may write any key, and a body is plain JSON that is
    written without a condition. ``extra``: what a web page of another origin needs to read the answer.
    """

    grant: Grant
    may_read: bool
    may_write: bool
    extra: bytes


class Beliefs:
    """All that is believed; ``patience`` has the clock that is looked at once a second."""

    def __init__(self, exchange: Exchange, patience: Patience) -> None:
        self._exchange = exchange
        self._patience = patience
        # A grant, until the same is asked again: many clients send fields that never come a second time.
        self._held: dict[tuple[Fields, str], Belief | Grant] = {}
        self._since_s = patience.now_s

    def of(self, fields: Fields, address: str) -> Belief | None:
        """What is believed of a request; None where nothing is."""
        if self._since_s != self._patience.now_s:
            self._begin_anew()
        held = self._held.get((fields, address))
        if isinstance(held, Grant):
            held = self._held[fields, address] = self._belief(fields.headers, held)
        return held

    def note(self, fields: Fields, address: str, grant: Grant) -> None:
        """A request was let in the long way: note what that says of others."""
        # A grant that ends is looked at each time: it ends to the millisecond.
        if not fields.lasting or grant.ends_ms is not None:
            return
        if self._since_s != self._patience.now_s:
            self._begin_anew()
        held = self._held.get((fields, address))
        if (held.grant if isinstance(held, Belief) else held) is not grant:
            if len(self._held) >= KNOWN_MAX:
                self._held.clear()
            self._held[fields, address] = grant

    def forget(self) -> None:
        """Believe nothing any more."""
        self._held.clear()

    def _begin_anew(self) -> None:
        self._held.clear()
        self._since_s = self._patience.now_s

    def _belief(self, headers: Headers, grant: Grant) -> Belief:
        exposed = self._exchange.expose(headers, _SAMPLE).headers
        return Belief(
            grant,
            may_read=may_read_all(grant),
            may_write=may_write_all(grant) and _write_plainly(headers, self._exchange.origins),
            extra=b"".join([b"%b: %b\r\n" % field for field in exposed[len(_SAMPLE.headers) :]]),
        )


def _write_plainly(headers: Headers, origins: Origins) -> bool:
    """Whether a write with these header fields would be let through, and on no condition."""
    request = Request("POST", b"", b"", headers, b"")
    try:
        check_json(request)
        check_origin(request, origins)
        return expected_version(request) is None
    except SynapError:
        return False
