"""Values as bodies of their own, at /kv/value: which kind the media type of a PUT makes of it, and what a GET says.

======================  ============================  =============  ==================================================
declared on a PUT       what the body must be         kind           on a GET
======================  ============================  =============  ==================================================
``text/…`` in UTF-8     UTF-8                         ``TEXT``       the same octets, ``text/plain; charset=utf-8``
``application/json``    JSON in UTF-8, not a string   ``JSON``       the same JSON, ``application/json``
                        a JSON string                 ``TEXT``       its characters, ``text/plain; charset=utf-8``
anything else, nothing  whatever it likes             ``BYTES``      the same octets, ``application/octet-stream``
======================  ============================  =============  ==================================================

A kind is all that the format has room for, so that is what is left of a media type. It is taken seriously where it is
known: a session that one client puts as text or JSON is, for all the other routes, what ``/kv/set`` would have made of
it, and a body that is not what it is declared to be is refused. For the same reason a JSON string is text here as
everywhere. Everything else, an image or form data, is octets, and ``application/octet-stream`` promises no more.
"""

from msgspec import Raw

from synap.commands import Kind
from synap.errors import UnsupportedMediaTypeError
from synap.protocol.http.decoding import check_text, decode
from synap.protocol.http.media_type import JSON, check_plain, declared
from synap.protocol.http.message import Request
from synap.protocol.http.values import from_json


def from_body(request: Request) -> tuple[Kind, bytes]:
    """The kind and the bytes to store. Raises ``UnsupportedMediaTypeError`` or ``MalformedRequestError``."""
    check_plain(request)
    media_type = declared(request)
    if media_type.essence == JSON:
        return from_json(decode(request, Raw))
    if not media_type.essence.startswith(b"text/"):
        return Kind.BYTES, request.body
    if not media_type.is_utf_8:
        raise UnsupportedMediaTypeError("text must be in UTF-8; other octets have no charset", field="content-type")
    check_text(request.body)
    return Kind.TEXT, request.body
