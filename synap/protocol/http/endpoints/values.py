"""Values as bodies of their own, for plain HTTP: /kv/value/{key} is a resource that is there, or 404.

A PUT that makes the key is 201, one that replaces its value 200, and both say what ``POST /kv/set`` says.
"""

from synap import commands
from synap.errors import InvalidParameterError, MissingKeyError
from synap.protocol.http import bodies, query, ttl
from synap.protocol.http.errors import respond_to_error
from synap.protocol.http.message import Request, Response, header
from synap.protocol.http.precondition import expected_version, is_known
from synap.protocol.http.raw import from_body
from synap.protocol.http.render import etag, json_response, raw_response
from synap.protocol.http.router import Call, call
from synap.results import Timed, Written


def put(request: Request, key: bytes) -> Call:
    """PUT /kv/value/{key}."""
    if header(request.headers, b"content-range") is not None:
        # To take the part for the whole would throw the rest away (RFC 9110, 14.5).
        raise InvalidParameterError("Content-Range: a value can only be put as a whole", field="content-range")
    kind, value = from_body(request)
    time_to_live = query.parse(request.query).get("ttl")
    command = commands.Set(
        key=key,
        kind=kind,
        value=value,
        ttl_ms=None if time_to_live is None else ttl.of_text(time_to_live, "ttl"),
        return_old=True,
        if_version=expected_version(request),
    )

    def respond(written: Written) -> Response:
        result = bodies.SetResult(success=True, key=key.decode(), written=True, version=written.version)
        # An ETag would promise that a GET gives what was put, octet for octet (RFC 9110, 9.3.4).
        extra = (etag(written.version),) if value == request.body else ()
        return json_response(result, status=201 if written.old is None else 200, extra=extra)

    return call(command, respond)


def get(request: Request, key: bytes) -> Call:
    """GET /kv/value/{key}."""

    def respond(timed: Timed | None) -> Response:
        if timed is None:
            return respond_to_error(MissingKeyError())
        return raw_response(timed, modified=not is_known(request, timed.found.version))

    return call(commands.GetTimed(key), respond)


def delete(request: Request, key: bytes) -> Call:
    """DELETE /kv/value/{key}."""

    def respond(deleted: bool) -> Response:
        if not deleted:
            return respond_to_error(MissingKeyError())
        return json_response(bodies.DeleteResult(deleted, key.decode()))

    return call(commands.Delete(key, expected_version(request)), respond)
