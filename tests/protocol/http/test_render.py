import gzip
import random

import pytest

from synap.commands import Kind
from synap.protocol.http.message import Headers, Response, header
from synap.protocol.http.render import accepts_gzip, finish, json_response, value_response
from synap.results import Found

GZIP = ((b"accept-encoding", b"gzip, deflate, br"),)


def shown(found: Found | None) -> tuple[bytes, bytes | None, bytes | None]:
    response = value_response(found)
    assert response.status == 200
    assert header(response.headers, b"cache-control") == b"no-store"
    return response.body, header(response.headers, b"content-type"), header(response.headers, b"etag")


def test_values() -> None:
    assert shown(None) == (b"null", b"application/json", None)
    assert shown(Found(Kind.TEXT, b'"', None, 7)) == (b'"\\""', b"application/json", b'"7"')
    assert shown(Found(Kind.JSON, b"1.10", None, 7)) == (b"1.10", b"application/json", b'"7"')
    assert shown(Found(Kind.BYTES, b"\xff\0", None, 7)) == (b"\xff\0", b"application/octet-stream", b'"7"')


def test_a_browser_does_not_guess_what_octets_are() -> None:
    response = value_response(Found(Kind.BYTES, b"<script>", None, 7))
    assert header(response.headers, b"x-content-type-options") == b"nosniff"


def test_a_json_response() -> None:
    response = json_response({"a": 1}, status=503, extra=((b"retry-after", b"1"),))
    assert response.status == 503
    assert response.body == b'{"a":1}'
    assert header(response.headers, b"retry-after") == b"1"
    assert header(response.headers, b"cache-control") == b"no-store"


def sent(method: str, headers: Headers, body: bytes) -> Response:
    return finish(method, headers, Response(200, (), body))


def test_a_small_body_goes_as_it_is() -> None:
    assert sent("GET", GZIP, b"a" * 1023) == Response(200, ((b"content-length", b"1023"),), b"a" * 1023)


def test_a_large_body_is_compressed_where_that_is_accepted() -> None:
    response = sent("GET", GZIP, b"a" * 1024)
    assert gzip.decompress(response.body) == b"a" * 1024
    assert header(response.headers, b"content-encoding") == b"gzip"
    assert header(response.headers, b"content-length") == b"%d" % len(response.body)
    assert header(response.headers, b"vary") == b"accept-encoding"


@pytest.mark.parametrize("headers", [(), ((b"accept-encoding", b"gzip;q=0"),)])
def test_a_large_body_goes_as_it_is_elsewhere(headers: Headers) -> None:
    response = sent("GET", headers, b"a" * 1024)
    assert response == Response(200, ((b"vary", b"accept-encoding"), (b"content-length", b"1024")), b"a" * 1024)


def test_what_compression_makes_larger_goes_as_it_is() -> None:
    noise = random.Random(7).randbytes(1024)
    response = sent("GET", GZIP, noise)
    assert response.body == noise
    assert header(response.headers, b"content-encoding") is None


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_head_has_the_headers_of_get_and_no_body(size: int) -> None:
    assert sent("HEAD", GZIP, b"a" * size) == Response(200, sent("GET", GZIP, b"a" * size).headers, b"")


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        (None, False),
        (b"", False),
        (b"gzip", True),
        (b"GZIP", True),
        (b"br, gzip", True),
        (b"gzip;q=0.5", True),
        (b"gzip; q = 0.001", True),
        (b"gzip;q=0", False),
        (b"gzip;q=0.000, *", False),
        (b"*", True),
        (b"*;q=0", False),
        (b"br, identity", False),
        (b"gzip;q=high", False),
        (b"gzip;q=nan", False),
        (b"gzip;level=1", True),
        (b",,;", False),
    ],
)
def test_accept_encoding(accept_encoding: bytes | None, accepted: bool) -> None:
    assert accepts_gzip(accept_encoding) is accepted
