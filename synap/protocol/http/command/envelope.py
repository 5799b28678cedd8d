"""What is around a payload, on the way in and on the way out.

Where an error belongs:

* **In the envelope, with status 200**: a command that is refused, and a payload that means nothing. The published
  clients take any other status for a failure of the connection and drop the sentence.
* **In the status**, with the body that every error has: an envelope that is none, credentials and permissions (by then
  it is not known that there is a command at all), and whatever is the server's fault. There the status says what a
  proxy, a dashboard and a retry have to know (503 with Retry-After, 507, 500), and the body whether the write may have
  happened; a 200 would count as a request that went well. So that no client takes it for a success, and theirs
  shows the sentence, such a body has ``"success": false`` as well.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, structs

from synap.errors import (
    CommandError,
    InvalidParameterError,
    MalformedRequestError,
    MissingFieldError,
    SynapError,
    UnknownCommandError,
    WrongShapeError,
)
from synap.protocol.http.decoding import decode
from synap.protocol.http.errors import respond_to_error
from synap.protocol.http.message import Request, Response
from synap.protocol.http.render import json_response

_OF_THE_COMMAND = (CommandError, UnknownCommandError, MalformedRequestError, InvalidParameterError, WrongShapeError)
"""What a command is refused with. Of a request whose envelope is whole, they are about what is inside."""

_NOTHING = Raw(b"{}")
_NULL = b"null"


RequestId = str | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None
"""As integers go that every JSON library can write."""


class Envelope(msgspec.Struct, frozen=True):
    """A command by its name, and what it is about."""

    command: Annotated[str, Meta(description="Which command, such as `kv.get`.", examples=["kv.get"])]
    request_id: Annotated[RequestId, Meta(description="Whatever it is, the answer has the same.")] = None
    payload: Annotated[
        Raw, Meta(description="What the command is about.", extra_json_schema={"type": ["object", "null"]})
    ] = msgspec.field(default_factory=lambda: _NOTHING)  # a schema cannot show a Raw default


class Reply(msgspec.Struct, frozen=True):
    """What came of the command: a `payload`, or an `error` that says why there is none."""

    success: bool
    request_id: RequestId
    payload: Annotated[object, Meta(extra_json_schema={"description": "What the command answers; see the table."})]
    error: str | None


def open_envelope(request: Request) -> Envelope:
    """The envelope of a request; of one without a payload, with an empty one. Raises ``RequestError``."""
    envelope = decode(request, Envelope)
    return structs.replace(envelope, payload=_NOTHING) if bytes(envelope.payload) == _NULL else envelope


def reply(envelope: Envelope, payload: object) -> Response:
    """The answer to a command that was carried out."""
    return json_response(Reply(success=True, request_id=envelope.request_id, payload=payload, error=None))


def refuse(request: Request | None, error: Exception, may_have_written: bool) -> Response:
    """The answer to a command that was not: in the envelope if it is about the command, else as a status."""
    if request is not None and isinstance(error, _OF_THE_COMMAND):
        try:
            envelope = open_envelope(request)
        except SynapError as broken:
            return _refuse_by_status(broken, may_have_written=False)
        return json_response(Reply(success=False, request_id=envelope.request_id, payload=None, error=_sentence(error)))
    return _refuse_by_status(error, may_have_written=may_have_written)


def _sentence(error: SynapError) -> str:
    match error:
        case MissingFieldError():
            return f"Invalid request: Missing '{error.field}' field"
        case WrongShapeError():
            return f"Invalid request: {error}"
    return str(error)


def _refuse_by_status(error: Exception, *, may_have_written: bool) -> Response:
    usual = respond_to_error(error, may_have_written=may_have_written)
    return structs.replace(usual, body=b'{"success":false,' + usual.body.removeprefix(b"{"))
