"""Watching: what happens to the keys under a prefix, as server-sent events or, for who asks again and again, as JSON.

Server-sent events are defined in WHATWG HTML, section 9.2. Each change is an event whose id is its sequence number, so
whoever comes back with the last one (``after``, or ``Last-Event-ID``, as browsers do by themselves) goes on there.
"""

from collections.abc import AsyncGenerator

import msgspec
from msgspec import UNSET, UnsetType

from synap.errors import InvalidParameterError, TrimmedError
from synap.protocol.http import bodies, query
from synap.protocol.http.message import Request, Response, Stream, header
from synap.protocol.http.render import json_response, stream_response
from synap.protocol.http.router import Call, call
from synap.protocol.http.service import Errand, Follower, Question
from synap.protocol.http.values import to_json
from synap.results import Change, Found

HEARTBEAT_S = 15.0
"""So often something is sent at least: proxies take a silent connection for dead, mostly after 30 or 60 seconds."""

WAIT_MAX_S = 60
"""How long a request may wait for something to happen; a client that wants to wait longer asks again."""

SEQ_MAX = 2**53
"""The largest number that every JSON parser reads exactly."""

_encode = msgspec.json.Encoder().encode


def events(request: Request, _: bytes) -> Call:
    """GET /events."""
    parameters = query.parse(request.query)
    prefix = parameters.get("prefix", "").encode()
    after = _after(request, parameters)
    with_values = _flag(parameters, "values")
    if "wait" not in parameters:

        def stream(follower: Follower) -> Response:
            return stream_response(Stream(_event_stream(follower, with_values=with_values)), b"text/event-stream")

        return call(Question(lambda service: service.follow(prefix, after)), stream)
    wait_s = query.integer(parameters, "wait", default=0, low=0, high=WAIT_MAX_S)

    async def wait(follower: Follower) -> bodies.EventsResult:
        changes = await follower.next(wait_s)
        return bodies.EventsResult([_body(change, with_values=with_values) for change in changes], follower.seq)

    return call(Errand(lambda service: wait(service.follow(prefix, after))), json_response)


def _after(request: Request, parameters: query.Parameters) -> int | None:
    """The event after which to begin: what a client that comes back says, or what it asked for at first."""
    last = header(request.headers, b"last-event-id")
    if last is not None:
        parameters = {**parameters, "after": last.decode("latin-1")}
    if "after" not in parameters:
        return None
    return query.integer(parameters, "after", default=0, low=0, high=SEQ_MAX)


def _flag(parameters: query.Parameters, name: str) -> bool:
    given = parameters.get(name, "false")
    if given not in {"true", "false"}:
        raise InvalidParameterError(f"{name}: expected true or false", field=name)
    return given == "true"


async def _event_stream(follower: Follower, *, with_values: bool) -> AsyncGenerator[bytes, None]:
    """The changes, and a sign of life where there are none, which says as well how far everything was looked at."""
    yield _sign_of_life(follower.seq)
    while not follower.ended:
        try:
            changes = await follower.next(HEARTBEAT_S)
        except TrimmedError:
            # The client comes back with the last number it has, and is told then, by a status.
            return
        if changes:
            yield b"".join([_event(change, with_values=with_values) for change in changes])
        else:
            yield _sign_of_life(follower.seq)


def _sign_of_life(seq: int) -> bytes:
    return b": nothing new\nid: %d\n\n" % seq


def _event(change: Change, *, with_values: bool) -> bytes:
    return b"id: %d\ndata: %b\n\n" % (change.seq, _encode(_body(change, with_values=with_values)))


def _body(change: Change, *, with_values: bool) -> bodies.EventBody:
    value: msgspec.Raw | UnsetType = UNSET
    if with_values and change.value is not None and change.kind is not None and change.version is not None:
        value = to_json(Found(change.kind, change.value, change.deadline_ms, change.version))
    return bodies.EventBody(
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
