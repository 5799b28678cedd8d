import gzip
import random

import pytest

from synap.commands import Kind
from synap.protocol.http.message import Headers, Response, header
from synap.protocol.http.render import (
    accepts_gzip,
    finish,
    json_response,
    old_value_response,
    raw_response,
    value_response,
)
from synap.results import Found, Timed

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


@pytest.mark.parametrize("kind", Kind)
def test_a_value_that_was_has_no_etag(kind: Kind) -> None:
    found = Found(kind, b"1", None, 7)
    response = old_value_response(found)
    assert header(response.headers, b"etag") is None
    assert response.body == value_response(found).body
    assert old_value_response(None) == value_response(None)


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        (Kind.TEXT, b"text/plain; charset=utf-8"),
        (Kind.JSON, b"application/json"),
        (Kind.BYTES, b"application/octet-stream"),
    ],
)
def test_a_value_as_a_body_of_its_own(kind: Kind, media_type: bytes) -> None:
    response = raw_response(Timed(Found(kind, b"1", None, 7), 1999))
    assert (response.status, response.body) == (200, b"1")
    assert dict(response.headers) == {
        b"content-type": media_type,
        b"cache-control": b"no-store",
        b"x-content-type-options": b"nosniff",
        b"etag": b'"7"',
        b"synap-ttl": b"1",
    }


def test_what_the_client_has_already_has_neither_body_nor_length() -> None:
    response = raw_response(Timed(Found(Kind.TEXT, b"1" * 2000, None, 7), None), modified=False)
    assert (response.status, response.body) == (304, b"")
    for method in ("GET", "HEAD"):
        assert finish(method, GZIP, response) == response
    assert header(response.headers, b"content-length") is None
    assert header(response.headers, b"synap-ttl") == b"-1"


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
