"""Responses: bodies to bytes, and what the request decides about them (HEAD, compression)."""

import zlib

import msgspec

from synap.commands import Kind
from synap.protocol.http.media_type import JSON
from synap.protocol.http.message import Headers, Response, Stream, header
from synap.protocol.http.ttl import whole_seconds
from synap.protocol.http.values import to_json
from synap.results import Found, Timed

OCTETS = b"application/octet-stream"
TEXT = b"text/plain; charset=utf-8"

MEDIA_TYPES = {Kind.TEXT: TEXT, Kind.JSON: JSON, Kind.BYTES: OCTETS}
"""What a value is where it is a body of its own."""

COMPRESS_MIN_BYTES = 1024
"""Below that, gzip's own 18 bytes and the time are not worth it: it would fit one packet anyway."""

_GZIP_LEVEL = 1
"""The fastest: sessions are JSON, which even that halves, and the server has other things to do."""

_GZIP_WBITS = 31
"""zlib's way to say: gzip container, largest window."""

_NO_STORE = (b"cache-control", b"no-store")
"""On every response: each shows a state that may have changed by the next request, and sessions are secrets."""

_NO_SNIFF = (b"x-content-type-options", b"nosniff")
"""What a client stored is whatever it likes; a browser must not run it as a page of this origin."""

_NO_CONTENT = 204
_NOT_MODIFIED = 304

json_text = msgspec.json.Encoder().encode
"""What msgspec makes of a body."""


def json_response(body: object, *, status: int = 200, extra: Headers = ()) -> Response:
    """A response with a body that msgspec encodes."""
    return Response(status, ((b"content-type", JSON), _NO_STORE, *extra), json_text(body))


def text_response(body: bytes, content_type: str) -> Response:
    """A response with a body that is already what ``content_type`` says."""
    return Response(200, ((b"content-type", content_type.encode()), _NO_STORE), body)


def stream_response(stream: Stream, content_type: bytes, extra: Headers = ()) -> Response:
    """A response whose body comes piece by piece."""
    return Response(200, ((b"content-type", content_type), _NO_STORE, *extra), b"", stream)


def value_response(found: Found | None) -> Response:
    """The value of one key, with its version as ETag; null without one where the key is missing."""
    return json_response(None) if found is None else _value_response(found, (etag(found.version),))


def old_value_response(found: Found | None) -> Response:
    """The value that a key had before, null where it was missing. No ETag: nothing is at that version any more."""
    return json_response(None) if found is None else _value_response(found)


def _value_response(found: Found, extra: Headers = ()) -> Response:
    if found.kind == Kind.BYTES:
        return Response(200, ((b"content-type", OCTETS), _NO_STORE, _NO_SNIFF, *extra), found.value)
    return Response(200, ((b"content-type", JSON), _NO_STORE, *extra), bytes(to_json(found)))


def raw_response(timed: Timed, *, modified: bool = True) -> Response:
    """The value of one key as a body of its own; where the client has it already, all but the value."""
    found = timed.found
    time_to_live = (b"synap-ttl", b"%d" % whole_seconds(timed.left_ms))
    headers = (_NO_STORE, _NO_SNIFF, etag(found.version), time_to_live)
    if not modified:
        return Response(_NOT_MODIFIED, headers, b"")
    return Response(200, ((b"content-type", MEDIA_TYPES[Kind(found.kind)]), *headers), found.value)


def etag(version: int) -> tuple[bytes, bytes]:
    """The header with the version of a key."""
    return b"etag", b'"%d"' % version


def finish(method: str, headers: Headers, response: Response) -> Response:
    """The response as it goes out to the request with ``method`` and ``headers``.

    Pure, but compressing megabytes takes a while: a shell may want to call it in a thread.
    """
    if response.stream is not None:
        size_bytes = response.stream.size_bytes
        length = () if size_bytes is None else ((b"content-length", b"%d" % size_bytes),)
        return Response(response.status, (*response.headers, *length), b"", response.stream)
    if response.status in {_NO_CONTENT, _NOT_MODIFIED}:
        # A length would be that of the body it stands for, which is not here, or must not stand (RFC 9110, 8.6).
        return response
    body, extra = response.body, []
    if len(body) >= COMPRESS_MIN_BYTES:
        extra.append((b"vary", b"accept-encoding"))
        if accepts_gzip(header(headers, b"accept-encoding")):
            packed = _gzip(body)
            if len(packed) < len(body):
                body = packed
                extra.append((b"content-encoding", b"gzip"))
    extra.append((b"content-length", b"%d" % len(body)))
    return Response(response.status, (*response.headers, *extra), b"" if method == "HEAD" else body)


def accepts_gzip(accept_encoding: bytes | None) -> bool:
    """Whether an Accept-Encoding header allows gzip: by name, or by "*", with a weight over 0."""
    if not accept_encoding:
        return False
    weights = dict(_coding(item) for item in accept_encoding.lower().split(b","))
    return weights.get(b"gzip", weights.get(b"*", 0.0)) > 0


def _coding(item: bytes) -> tuple[bytes, float]:
    """A content coding and its weight; one that cannot be read counts as a refusal."""
    name, _, parameter = item.partition(b";")
    weight_name, _, weight = parameter.strip().partition(b"=")
    try:
        return name.strip(), float(weight) if weight_name.strip() == b"q" else 1.0
    except ValueError:
        return name.strip(), 0.0


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WBITS)
    return packer.compress(body) + packer.flush()
