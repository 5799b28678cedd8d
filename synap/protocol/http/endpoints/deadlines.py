"""The deadline of one key."""

from synap import commands
from synap.protocol.http import bodies, ttl
from synap.protocol.http.decoding import decode
from synap.protocol.http.message import Request, Response
from synap.protocol.http.precondition import expected_version
from synap.protocol.http.render import json_response
from synap.protocol.http.router import Call, call
from synap.results import TimeLeft

_NO_KEY = -2


def expire(request: Request, key: bytes) -> Call:
    """POST /kv/expire/{key}. A ttl of 0 ends the key at once."""
    body = decode(request, bodies.TtlBody)
    command = commands.Expire(key, ttl.of_json(body.ttl, "ttl"), expected_version(request))
    return call(command, _deadline_changed)


def persist(request: Request, key: bytes) -> Call:
    """POST /kv/persist/{key}."""
    return call(commands.Persist(key, expected_version(request)), _deadline_changed)


def _deadline_changed(was_there: bool) -> Response:
    return json_response(bodies.DeadlineResult(was_there, was_there))


def time_to_live(_: Request, key: bytes) -> Call:
    """GET /kv/ttl/{key}."""

    def respond(left: TimeLeft) -> Response:
        if not left.exists:
            return json_response(bodies.TtlResult(_NO_KEY, _NO_KEY))
        return json_response(
            bodies.TtlResult(ttl.whole_seconds(left.ms), ttl.NO_DEADLINE if left.ms is None else left.ms)
        )

    return call(commands.TimeToLive(key), respond)
