"""Where a watch stands: the last event that was seen, what to ask for, and when to ask again.

No gap and no repeat, however often the connection breaks: every request says after which event it goes on, and what
was seen already is dropped. Where the caller names no event to begin after, the number of the store's last one is
asked for *before* the feed is opened; a feed that was opened without one, and broke before its first event, could not
be resumed. A block with an ``id`` and no data moves the position, too: under a quiet prefix, the log goes on.

Until the feed was open once, its errors end the watch after the usual deadline: an address that is wrong must not look
like a quiet store. Afterwards only an answer that would stay the same ends it, and the store may be away for any time.
"""

from synap_sdk._core import fields
from synap_sdk._core.call import Call
from synap_sdk._core.changes import Change, read_change
from synap_sdk._core.message import Pairs, Request, Response
from synap_sdk._core.operations import count, stats
from synap_sdk._core.refusal import refusal
from synap_sdk._core.retry import Backoff, Patience
from synap_sdk._core.sse import Parser
from synap_sdk._core.values import MalformedAnswerError
from synap_sdk.errors import SynapError, TransportError, UnexpectedResponse

EVENT_STREAM = "text/event-stream"

SILENCE_MAX_S = 45.0
"""Three heartbeats of the server. A connection that is silent for longer is dead, whatever TCP thinks."""

MAX_WAIT_S = 5.0
"""The longest pause between two tries to connect; a store that was away for an hour is not hammered, and soon found."""

_ROUTE = "/events"


class Feed:
    """One watch. The shells connect, hand in chunks, and wait as they are told."""

    def __init__(self, prefix: str, after: int | None, *, values: bool, patience: Patience) -> None:
        self._prefix = prefix
        self._position = after
        self._values = values
        self._patience = patience
        self._backoff = Backoff(MAX_WAIT_S)
        self._parser = Parser()
        self._connecting_since_s: float | None = None
        self._was_open = False
        self._is_open = False

    # --- where to begin ----------------------------------------------------------------------------------

    @property
    def needs_position(self) -> bool:
        """Whether the number of the store's last event has to be asked for first, with the two calls below."""
        return self._position is None

    def loaded_call(self) -> Call[int]:
        """A read that a server answers only when all is loaded; before that its last number would say 0."""
        return count(self._prefix)

    def position_call(self) -> Call[int]:
        """The number of the store's last event."""
        return Call(stats().request, fields.integer("seq"), repeatable=True)

    def begin_after(self, seq: int) -> None:
        """Begin behind this event."""
        self._position = seq

    # --- connecting --------------------------------------------------------------------------------------

    def connecting(self, now_s: float) -> None:
        """A try to open the feed begins."""
        self._is_open = False
        if self._connecting_since_s is None:
            self._connecting_since_s = now_s

    def request(self) -> Request:
        """What opens the feed from where it stands."""
        query: Pairs = (("prefix", self._prefix),)
        if self._position is not None:
            query += (("after", str(self._position)),)
        if self._values:
            query += (("values", "true"),)
        return Request("GET", _ROUTE, query=query, headers=(("accept", EVENT_STREAM),))

    def opened(self, head: Response) -> None:
        """The server answers with a stream. Raises ``SynapError`` where it does not."""
        if head.status != 200:
            raise refusal(self.request().line, head, repeatable=True)
        if head.media_type != EVENT_STREAM:
            sentence = f"expected {EVENT_STREAM}, got {head.media_type or 'no content type'}"
            raise UnexpectedResponse(sentence, request=self.request().line, status=head.status)
        self._was_open = self._is_open = True
        self._parser = Parser()

    def read_timeout_s(self) -> float:
        """How long the server may be silent now."""
        return SILENCE_MAX_S if self._is_open else self._patience.deadline_s

    def received(self, chunk: bytes) -> list[Change]:
        """The changes that are complete with this chunk and were not seen before. Raises ``UnexpectedResponse``."""
        self._backoff.reset()
        changes = []
        try:
            for block in self._parser.feed(chunk):
                if block.data is None:
                    self._move_to(block.id or "")
                elif self._is_new(change := read_change(block.data)):
                    self._position = change.seq
                    changes.append(change)
        except MalformedAnswerError as cause:
            raise UnexpectedResponse(str(cause), request=self.request().line) from cause
        return changes

    def _is_new(self, change: Change) -> bool:
        return self._position is None or change.seq > self._position

    def _move_to(self, position: str) -> None:
        if position.isascii() and position.isdigit():
            self._position = max(int(position), self._position or 0)

    # --- connecting again --------------------------------------------------------------------------------

    def wait_after(self, error: SynapError, now_s: float, chance: float) -> float | None:
        """How long to wait before connecting again; None where the error ends the watch."""
        if not (error.transient or isinstance(error, TransportError)):
            return None
        wait_s = self._backoff.wait_s(error, chance)
        if self._was_open or self._connecting_since_s is None:
            return wait_s
        is_late = now_s + wait_s > self._connecting_since_s + self._patience.deadline_s
        return None if is_late else wait_s
