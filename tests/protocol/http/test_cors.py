"""What is said to web pages of other origins: nothing without configuration, and only to those in it."""

import pytest

from synap.protocol.http.cors import expose, preflight
from synap.protocol.http.message import Headers, Response, header

APP = b"https://app.example.com"
OTHER = b"https://other.example.com"
ASKED = (b"access-control-request-method", b"POST")
ORIGINS = frozenset({APP, b"http://localhost:5173"})
DONE = Response(200, ((b"etag", b'"7"'),), b"{}")


def test_a_page_that_may_is_told_what() -> None:
    told = preflight("OPTIONS", ((b"origin", APP), ASKED), ("GET", "HEAD", "POST"), ORIGINS)
    assert told is not None
    assert (told.status, told.body) == (204, b"")
    assert dict(told.headers) == {
        b"access-control-allow-methods": b"GET, HEAD, POST",
        b"access-control-allow-headers": b"content-type, authorization, x-api-key, if-match, if-none-match",
        b"access-control-max-age": b"600",
        b"cache-control": b"no-store",
    }


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("OPTIONS", ((b"origin", OTHER), ASKED)),
        ("OPTIONS", ((b"origin", b"null"), ASKED)),
        ("OPTIONS", (ASKED,)),
        ("OPTIONS", ((b"origin", APP),)),
        ("POST", ((b"origin", APP), ASKED)),
    ],
)
def test_nobody_else_is(method: str, headers: Headers) -> None:
    assert preflight(method, headers, ("POST",), ORIGINS) is None


def test_without_configuration_nothing_is_said() -> None:
    assert preflight("OPTIONS", ((b"origin", APP), ASKED), ("POST",), frozenset()) is None
    assert expose(((b"origin", APP),), DONE, frozenset()) is DONE


def test_a_response_for_a_page_that_may_read_it() -> None:
    shown = expose(((b"origin", APP),), DONE, ORIGINS)
    assert (shown.status, shown.body, header(shown.headers, b"etag")) == (200, b"{}", b'"7"')
    assert header(shown.headers, b"access-control-allow-origin") == APP
    assert header(shown.headers, b"access-control-expose-headers") == b"ETag, Synap-TTL, Retry-After"
    assert header(shown.headers, b"vary") == b"origin"
    assert header(shown.headers, b"access-control-allow-credentials") is None


@pytest.mark.parametrize("headers", [(), ((b"origin", OTHER),), ((b"origin", b""),)])
def test_a_response_for_others_says_only_that_it_varies(headers: Headers) -> None:
    """A cache in between must not show one page what was meant for another."""
    assert expose(headers, DONE, ORIGINS).headers == (*DONE.headers, (b"vary", b"origin"))
