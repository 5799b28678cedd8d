"""Watching: what happens to the keys under a prefix, as server-sent events or, for who asks again and again, as JSON.

Server-sent events are defined in WHATWG HTML, section 9.2. Each change is an event whose id is its sequence number, so
whoever comes back with the last one (``after``, or ``Last-Event-ID``, as browsers do by themselves) goes on there.
Credentials may expire meanwhile. From then on nothing is told: the stream ends, and a wait is answered with 401. Either
way, whoever has others goes on where this one ended.
"""

from collections.abc import AsyncGenerator, Callable

import msgspec
from msgspec import UNSET, UnsetType

from synap.errors import NotAuthenticatedError, StreamVersionError, TrimmedError
from synap.protocol.http import answers, query, tags
from synap.protocol.http.description import JSON, Answer, Content, Field
from synap.protocol.http.message import Request, Response, Stream, header
from synap.protocol.http.render import json_response, stream_response
from synap.protocol.http.router import Call, call, endpoint
from synap.protocol.http.service import Errand, Follower, Question, Role
from synap.protocol.http.values import to_json
from synap.results import Change, Found

HEARTBEAT_S = 15.0
"""So often something is sent at least: proxies take a silent connection for dead, mostly after 30 or 60 seconds."""

WAIT_MAX_S = 60
"""How long a request may wait for something to happen; a client that wants to wait longer asks again."""

SEQ_MAX = 2**53
"""The largest number that every JSON parser reads exactly."""

PREFIX = query.Text("prefix", "Only what happens to keys that begin with this.", default="", example="session:")
AFTER = query.Integer(
    "after",
    "The number of the event after which to begin; without it, what happens from now on.",
    low=0,
    high=SEQ_MAX,
    default=None,
)
VALUES = query.Flag("values", "Whether to tell the values that are set.")
WAIT = query.Integer(
    "wait",
    "Answer with JSON, as soon as something happened, or after so many seconds with nothing.",
    low=0,
    high=WAIT_MAX_S,
    default=None,
    example=0,
)

_LAST_EVENT_ID = Field(
    "Last-Event-ID",
    "The same as `after`, and comes before it: browsers send it when they come back.",
    {"type": "string", "pattern": "^[0-9]{1,16}$"},
)
_EXAMPLE = {
    "events": [
        {
            "seq": 18,
            "time_ms": 1767225600000,
            "type": "removed",
            "cause": "expired",
            "key": "session:1",
            "version": None,
            "deadline_ms": None,
        }
    ],
    "seq": 18,
}

_encode = msgspec.json.Encoder().encode


@endpoint(
    tags.WATCHING,
    Answer(
        "With `wait`, JSON: what happened, in order; `seq` is what `after` has to say the next time. Without, "
        "server-sent events: the `data` of each is such an event, its `id` the number. A comment every 15 seconds "
        "where nothing happens.",
        (Content(JSON, answers.EventsResult), Content("text/event-stream")),
        _EXAMPLE,
    ),
    query=(PREFIX, AFTER, VALUES, WAIT),
    fields=(_LAST_EVENT_ID,),
    errors=(TrimmedError, StreamVersionError),
)
def events(request: Request, _: bytes) -> Call:
    """Watch what happens to keys.

    Every change is told once and in order, across restarts of the server as well: whoever comes back with the number of
    the last event it has goes on there. Where the log no longer has what came next, the answer is 410 with the
    earliest number.
    """
    parameters = query.parse(request.query)
    prefix = PREFIX.of(parameters).encode()
    after = _after(request, parameters)
    with_values = VALUES.of(parameters)
    wait_s = WAIT.of(parameters)
    if wait_s is None:

        def stream(follower: Follower) -> Response:
            told = _event_stream(follower, request.left_s, with_values=with_values)
            return stream_response(Stream(told), b"text/event-stream")

        return call(Question(lambda service: service.follow(prefix, after), Role.READER, prefix), stream)

    async def wait(follower: Follower) -> answers.EventsResult:
        changes = await follower.next(min(wait_s, max(0.0, request.left_s())))
        if request.left_s() <= 0:
            raise NotAuthenticatedError("expired", "these credentials have expired meanwhile")
        return answers.EventsResult([_body(change, with_values=with_values) for change in changes], follower.seq)

    return call(Errand(lambda service: wait(service.follow(prefix, after)), Role.READER, prefix), json_response)


def _after(request: Request, parameters: query.Parameters) -> int | None:
    """The event after which to begin: what a client that comes back says, or what it asked for at first."""
    after = AFTER.of(parameters)
    last = header(request.headers, b"last-event-id")
    return after if last is None else AFTER.of({AFTER.name: last.decode("latin-1")})


async def _event_stream(
    follower: Follower, left_s: Callable[[], float], *, with_values: bool
) -> AsyncGenerator[bytes, None]:
    """The changes, and a sign of life where there are none, which says as well how far everything was looked at."""
    yield _sign_of_life(follower.seq)
    while not follower.ended:
        try:
            changes = await follower.next(min(HEARTBEAT_S, max(0.0, left_s())))
        except TrimmedError:
            # The client comes back with the last number it has, and is told then, by a status.
            return
        if left_s() <= 0:
            return
        if changes:
            yield b"".join([_event(change, with_values=with_values) for change in changes])
        else:
            yield _sign_of_life(follower.seq)


def _sign_of_life(seq: int) -> bytes:
    return b": nothing new\nid: %d\n\n" % seq


def _event(change: Change, *, with_values: bool) -> bytes:
    return b"id: %d\ndata: %b\n\n" % (change.seq, _encode(_body(change, with_values=with_values)))


def _body(change: Change, *, with_values: bool) -> answers.EventBody:
    value: msgspec.Raw | UnsetType = UNSET
    if with_values and change.value is not None and change.kind is not None and change.version is not None:
        value = to_json(Found(change.kind, change.value, change.deadline_ms, change.version))
    return answers.EventBody(
        seq=change.seq,
        time_ms=change.time_ms,
        type=change.type,
        cause=change.cause,
        key=None if change.key is None else change.key.decode(),
        prefix=UNSET if change.prefix is None else change.prefix.decode(),
        version=change.version,
        deadline_ms=change.deadline_ms,
        value=value,
    )
