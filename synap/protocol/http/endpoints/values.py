"""Values as bodies of their own, for plain HTTP: /kv/value/{key} is a resource that is there, or 404.

A PUT that makes the key is 201, one that replaces its value 200, and both say what ``POST /kv/set`` says.
"""

from msgspec import structs

from synap import commands
from synap.errors import InvalidParameterError, MissingKeyError
from synap.protocol.http import answers, precondition, query, tags
from synap.protocol.http.description import JSON, Answer, Body, Content, Field, json_answer
from synap.protocol.http.errors import respond_to_error
from synap.protocol.http.message import Request, Response, header
from synap.protocol.http.precondition import expected_version, is_known
from synap.protocol.http.raw import from_body
from synap.protocol.http.render import etag, json_response, raw_response
from synap.protocol.http.router import Call, call, endpoint
from synap.results import Timed, Written

TTL = query.Seconds("ttl", "Seconds to live; without it, the value stays.", example=3600)

_TTL_FIELD = Field(
    "Synap-TTL", "The seconds it has still to live, rounded down; -1 without a deadline.", {"type": "integer"}, "3599"
)
_FORMS = (Content("text/plain", str), Content(JSON, answers.Value), Content("application/octet-stream"))
_TAG = structs.replace(answers.ETAG, about="The version, where a GET gives the same octets.")
_PUT = structs.replace(
    json_answer(answers.SetResult, {"success": True, "key": "session:1", "written": True, "version": 17}),
    about="It took the place of another value.",
    fields=(_TAG,),
)


@endpoint(
    tags.RAW,
    _PUT,
    structs.replace(_PUT, about="There was none before.", status=201),
    query=(TTL,),
    fields=precondition.ON_A_WRITE,
    body=Body(
        _FORMS,
        "hello",
        "`text/...` in UTF-8 is kept as text, `application/json` as JSON (a JSON string as text), the rest as octets.",
    ),
    writes=True,
)
def put(request: Request, key: bytes) -> Call:
    """Set a value to the octets of the body."""
    if header(request.headers, b"content-range") is not None:
        # To take the part for the whole would throw the rest away (RFC 9110, 14.5).
        raise InvalidParameterError("Content-Range: a value can only be put as a whole", field="content-range")
    kind, value = from_body(request)
    command = commands.Set(
        key=key,
        kind=kind,
        value=value,
        ttl_ms=TTL.of(query.parse(request.query)),
        return_old=True,
        if_version=expected_version(request),
    )

    def respond(written: Written) -> Response:
        result = answers.SetResult(success=True, key=key.decode(), written=True, version=written.version)
        # An ETag would promise that a GET gives what was put, octet for octet (RFC 9110, 9.3.4).
        extra = (etag(written.version),) if value == request.body else ()
        return json_response(result, status=201 if written.old is None else 200, extra=extra)

    return call(command, respond)


@endpoint(
    tags.RAW,
    Answer("The value, as what it was set as.", _FORMS, "hello", (answers.ETAG, _TTL_FIELD)),
    Answer("The client has it already.", fields=(answers.ETAG, _TTL_FIELD), status=304),
    fields=precondition.ON_A_READ,
    errors=(MissingKeyError,),
)
def get(request: Request, key: bytes) -> Call:
    """Read a value as a body of its own."""

    def respond(timed: Timed | None) -> Response:
        if timed is None:
            return respond_to_error(MissingKeyError())
        return raw_response(timed, modified=not is_known(request, timed.found.version))

    return call(commands.GetTimed(key), respond)


@endpoint(
    tags.RAW,
    json_answer(answers.DeleteResult, {"deleted": True, "key": "session:1"}),
    fields=precondition.ON_A_WRITE,
    writes=True,
    errors=(MissingKeyError,),
)
def delete(request: Request, key: bytes) -> Call:
    """Delete a value that is there."""

    def respond(deleted: bool) -> Response:
        if not deleted:
            return respond_to_error(MissingKeyError())
        return json_response(answers.DeleteResult(deleted, key.decode()))

    return call(commands.Delete(key, expected_version(request)), respond)
