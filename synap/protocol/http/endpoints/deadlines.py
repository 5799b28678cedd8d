"""The deadline of one key."""

from synap import commands
from synap.protocol.http import answers, bodies, precondition, tags, ttl
from synap.protocol.http.decoding import decode
from synap.protocol.http.description import json_answer, json_body
from synap.protocol.http.message import Request, Response
from synap.protocol.http.precondition import expected_version
from synap.protocol.http.render import json_response
from synap.protocol.http.router import Call, call, endpoint
from synap.results import TimeLeft

_NO_KEY = -2

_CHANGED = json_answer(answers.DeadlineResult, {"success": True, "result": True})


@endpoint(
    tags.DEADLINES,
    _CHANGED,
    body=json_body(bodies.TtlBody, {"ttl": 3600}),
    fields=precondition.ON_A_WRITE,
    writes=True,
)
def expire(request: Request, key: bytes) -> Call:
    """Set the time that a key has to live.

    The value stays as it is, and so does its version.
    """
    body = decode(request, bodies.TtlBody)
    command = commands.Expire(key, ttl.of_json(body.ttl, "ttl"), expected_version(request))
    return call(command, _deadline_changed)


@endpoint(tags.DEADLINES, _CHANGED, fields=precondition.ON_A_WRITE, writes=True)
def persist(request: Request, key: bytes) -> Call:
    """Take the deadline of a key away."""
    return call(commands.Persist(key, expected_version(request)), _deadline_changed)


def _deadline_changed(was_there: bool) -> Response:
    return json_response(answers.DeadlineResult(was_there, was_there))


@endpoint(tags.DEADLINES, json_answer(answers.TtlResult, {"ttl": 3599, "ttl_ms": 3599871}))
def time_to_live(_: Request, key: bytes) -> Call:
    """Say how long a key has still to live."""

    def respond(left: TimeLeft) -> Response:
        if not left.exists:
            return json_response(answers.TtlResult(_NO_KEY, _NO_KEY))
        return json_response(
            answers.TtlResult(ttl.whole_seconds(left.ms), ttl.NO_DEADLINE if left.ms is None else left.ms)
        )

    return call(commands.TimeToLive(key), respond)
