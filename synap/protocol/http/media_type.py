"""What a body is declared to be: Content-Type and Content-Encoding."""

import msgspec

from synap.errors import UnsupportedMediaTypeError
from synap.protocol.http.message import Request, header

JSON = b"application/json"

_UTF_8 = frozenset({b"utf-8", b"utf8", b"us-ascii"})
"""The charsets whose bytes are those of UTF-8."""


class MediaType(msgspec.Struct, frozen=True):
    """``essence`` is type and subtype in lower case, empty where nothing was declared; ``is_utf_8`` the charset's."""

    essence: bytes
    is_utf_8: bool


def declared(request: Request) -> MediaType:
    """What the Content-Type of a request says. Where it names no charset, it is UTF-8."""
    field = header(request.headers, b"content-type")
    if field is None or field == JSON:
        return MediaType(field or b"", is_utf_8=True)
    essence, *parameters = field.lower().split(b";")
    charsets = [value for name, _, value in (each.strip().partition(b"=") for each in parameters) if name == b"charset"]
    return MediaType(essence.strip(), is_utf_8=all(charset.strip(b'"') in _UTF_8 for charset in charsets))


def check_json(request: Request) -> None:
    """Raises ``UnsupportedMediaTypeError`` where the body is not declared as plain JSON in UTF-8."""
    check_plain(request)
    media_type = declared(request)
    if media_type.essence != JSON or not media_type.is_utf_8:
        raise UnsupportedMediaTypeError("the body must be application/json in UTF-8", field="content-type")


def check_plain(request: Request) -> None:
    """Raises ``UnsupportedMediaTypeError`` where the body is compressed. Nothing is ever decompressed: no bombs."""
    encoding = header(request.headers, b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in {b"", b"identity"}:
        raise UnsupportedMediaTypeError("the body must not be compressed", field="content-encoding")
