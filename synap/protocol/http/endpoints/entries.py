"""Whole values under one key."""

from msgspec import UNSET, UnsetType

from synap import commands
from synap.errors import InvalidParameterError, WrongShapeError
from synap.protocol.http import bodies, query, ttl
from synap.protocol.http.decoding import decode
from synap.protocol.http.message import Request, Response
from synap.protocol.http.precondition import expected_version
from synap.protocol.http.render import json_response, value_response
from synap.protocol.http.router import Call, call
from synap.protocol.http.values import from_json, to_json
from synap.results import Written


def set_value(request: Request, _: bytes) -> Call:
    """POST /kv/set."""
    body = decode(request, bodies.SetBody)
    _check_exclusive(body)
    kind, value = from_json(body.value)
    lifetime = _lifetime(body)
    command = commands.Set(
        key=body.key.encode(),
        kind=kind,
        value=value,
        ttl_ms=lifetime.ttl_ms,
        deadline_ms=lifetime.deadline_ms,
        keep_ttl=body.keepttl,
        only_if_absent=body.nx,
        only_if_present=body.xx,
        return_old=body.get,
        if_version=_if_version(request, body.if_version),
    )

    def respond(written: Written) -> Response:
        old_value = UNSET if written.old is None else to_json(written.old)
        result = bodies.SetResult(
            success=True, key=body.key, written=written.written, version=written.version, old_value=old_value
        )
        return json_response(result)

    return call(command, respond)


def _lifetime(body: bodies.SetBody) -> ttl.Lifetime:
    """What ``expiry`` says, else what ``ttl`` says, else forever."""
    if not isinstance(body.expiry, UnsetType):
        return ttl.of_expiry(body.expiry.type, body.expiry.value)
    return ttl.Lifetime(ttl_ms=ttl.of_field(body.ttl, "ttl"))


def _if_version(request: Request, given: int | UnsetType) -> int | None:
    """What the body says, or the headers."""
    expected = expected_version(request)
    if isinstance(given, UnsetType):
        return expected
    if expected is not None:
        raise InvalidParameterError("if_version: not together with If-Match or If-None-Match", field="if_version")
    if given < 0:
        raise WrongShapeError("if_version", "a non-negative integer", "got a negative one")
    return given


def _check_exclusive(body: bodies.SetBody) -> None:
    """Refuse what cannot be meant together."""
    if body.keepttl and not (body.ttl is UNSET and body.expiry is UNSET):
        raise InvalidParameterError("keepttl: not together with ttl or expiry", field="keepttl")
    if body.nx and body.xx:
        raise InvalidParameterError("nx: not together with xx", field="nx")


def get(request: Request, key: bytes) -> Call:
    """GET /kv/get/{key}."""
    touch = query.parse(request.query).get("touch")
    if touch is None:
        return call(commands.Get(key), value_response)
    return call(commands.GetTouch(key, ttl.of_text(touch, "touch")), value_response)


def delete(request: Request, key: bytes) -> Call:
    """DELETE /kv/del/{key}."""
    command = commands.Delete(key, expected_version(request))
    return call(command, lambda deleted: json_response(bodies.DeleteResult(deleted, key.decode())))


def exists(_: Request, key: bytes) -> Call:
    """GET /kv/exists/{key}."""
    return call(commands.Exists(key), lambda there: json_response(bodies.ExistsResult(there)))
