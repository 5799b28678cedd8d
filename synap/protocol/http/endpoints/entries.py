"""Whole values under one key."""

from msgspec import UNSET

from synap import commands
from synap.errors import InvalidParameterError, WrongShapeError
from synap.protocol.http import answers, bodies, precondition, query, tags, ttl
from synap.protocol.http.decoding import decode
from synap.protocol.http.description import json_answer, json_body
from synap.protocol.http.message import Request
from synap.protocol.http.precondition import expected_version
from synap.protocol.http.render import json_response, value_response
from synap.protocol.http.router import Call, call, endpoint
from synap.protocol.http.values import from_json, to_json
from synap.results import Written

TOUCH = query.Seconds("touch", "Read and extend in one step: the value has this many seconds to live from now on.")


@endpoint(
    tags.KEYS,
    json_answer(answers.SetResult, {"success": True, "key": "session:1", "written": True, "version": 17}),
    body=json_body(bodies.SetBody, {"key": "session:1", "value": answers.SESSION, "ttl": 3600}),
    fields=precondition.ON_A_WRITE,
    writes=True,
)
def set_value(request: Request, _: bytes) -> Call:
    """Set a value.

    It takes the place of what is under the key, with its deadline: without `ttl` or `expiry`, the value stays until
    it is deleted. `nx` and `xx` exclude each other, and so do `keepttl` and a time. Where `nx` or `xx` kept the value
    from being written, the answer is 200 with `written` false; where `if_version` or `If-Match` did, it is 412.
    """
    body = decode(request, bodies.SetBody)
    command = to_set(body, expected_version(request))
    return call(command, lambda written: json_response(set_result(body.key, written)))


def to_set(body: bodies.SetBody, expected: int | None = None) -> commands.Set:
    """The command that a body means, with the version that the headers ask for. Raises ``ClientError``."""
    _check_exclusive(body)
    kind, value = from_json(body.value)
    # What ``expiry`` says, else what ``ttl`` says, else forever.
    if body.expiry is UNSET:
        ttl_ms, deadline_ms = ttl.of_field(body.ttl, "ttl"), None
    else:
        lifetime = ttl.of_expiry(body.expiry.type, body.expiry.value)
        ttl_ms, deadline_ms = lifetime.ttl_ms, lifetime.deadline_ms
    return commands.Set(
        key=body.key.encode(),
        kind=kind,
        value=value,
        ttl_ms=ttl_ms,
        deadline_ms=deadline_ms,
        keep_ttl=body.keepttl,
        only_if_absent=body.nx,
        only_if_present=body.xx,
        return_old=body.get,
        if_version=expected if body.if_version is UNSET else _if_version(expected, body.if_version),
    )


def to_plain_set(body: bodies.PlainSetBody) -> commands.Set:
    """As ``to_set``, of the same body."""
    kind, value = from_json(body.value)
    ttl_ms = None if body.ttl is UNSET else body.ttl * 1000
    return commands.Set(key=body.key.encode(), kind=kind, value=value, ttl_ms=ttl_ms)


def set_result(key: str, written: Written) -> answers.SetResult:
    """What is told of a write."""
    old_value = UNSET if written.old is None else to_json(written.old)
    return answers.SetResult(
        success=True, key=key, written=written.written, version=written.version, old_value=old_value
    )


def _if_version(expected: int | None, given: int) -> int:
    """What the body says, where the headers say nothing."""
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


@endpoint(tags.KEYS, answers.VALUE, query=(TOUCH,), writes=True)
def get(request: Request, key: bytes) -> Call:
    """Read a value.

    What was set is what is read: text comes back as one JSON string, also where it is itself JSON. A missing or expired
    key is no error but `null`. With `touch`, the deadline moves if that is worth it: by more than a tenth of the
    time, or a minute; and then it needs the role writer.
    """
    touch_ms = TOUCH.of(query.parse(request.query))
    if touch_ms is None:
        return call(commands.Get(key), value_response)
    return call(commands.GetTouch(key, touch_ms), value_response)


@endpoint(
    tags.KEYS,
    json_answer(answers.DeleteResult, {"deleted": True, "key": "session:1"}),
    fields=precondition.ON_A_WRITE,
    writes=True,
)
def delete(request: Request, key: bytes) -> Call:
    """Delete a key.

    Once this is answered, no crash brings the value back. A missing key is no error: `deleted` is false.
    """
    command = commands.Delete(key, expected_version(request))
    return call(command, lambda deleted: json_response(answers.DeleteResult(deleted, key.decode())))


@endpoint(tags.KEYS, json_answer(answers.ExistsResult, {"exists": True}))
def exists(_: Request, key: bytes) -> Call:
    """Say whether a key is there."""
    return call(commands.Exists(key), lambda there: json_response(answers.ExistsResult(there)))
