import json

import pytest

from synap.commands import Delete, GetTimed, Kind, Set
from synap.protocol.http import Response
from synap.protocol.http.message import header
from synap.results import Found, Timed, Written
from tests.protocol.http.support import refusal, request, resolve

TARGET = "/kv/value/a"
OCTETS = (b"content-type", b"image/png")
PUT = Set(key=b"a", kind=Kind.BYTES, value=b"\xff", return_old=True)


def put(*headers: tuple[bytes, bytes], query: str = "", body: bytes = b"\xff") -> object:
    return resolve(request("PUT", TARGET + query, body, *(headers or (OCTETS,)))).wish


def test_put() -> None:
    assert put() == PUT
    assert put(query="?ttl=1.5") == Set(key=b"a", kind=Kind.BYTES, value=b"\xff", ttl_ms=1500, return_old=True)
    assert put((b"content-type", b"text/plain"), body=b"x") == Set(
        key=b"a", kind=Kind.TEXT, value=b"x", return_old=True
    )
    assert put((b"if-match", b'"7"')) == Set(key=b"a", kind=Kind.BYTES, value=b"\xff", return_old=True, if_version=7)
    assert put((b"if-none-match", b"*")) == Set(key=b"a", kind=Kind.BYTES, value=b"\xff", return_old=True, if_version=0)


@pytest.mark.parametrize(
    ("query", "headers", "status", "field"),
    [
        ("?ttl=0", (), 400, "ttl"),
        ("?ttl=-1", (), 400, "ttl"),
        ("?ttl=soon", (), 400, "ttl"),
        ("?ttl=", (), 400, "ttl"),
        ("", ((b"content-range", b"bytes 0-1/2"),), 400, "content-range"),
        ("", ((b"content-encoding", b"gzip"),), 415, "content-encoding"),
        ("", ((b"if-none-match", b'"7"'),), 400, "if-none-match"),
    ],
)
def test_what_cannot_be_put(query: str, headers: tuple[tuple[bytes, bytes], ...], status: int, field: str) -> None:
    response = refusal(request("PUT", TARGET + query, b"\xff", OCTETS, *headers))
    assert (response.status, json.loads(response.body)["field"]) == (status, field)


@pytest.mark.parametrize(("old", "status"), [(None, 201), (Found(Kind.TEXT, b"", None, 3), 200)])
def test_put_answered(old: Found | None, status: int) -> None:
    response = resolve(request("PUT", TARGET, b"\xff", OCTETS)).respond(Written(True, 5, old))
    assert response.status == status
    assert json.loads(response.body) == {"success": True, "key": "a", "written": True, "version": 5}
    assert header(response.headers, b"etag") == b'"5"'


@pytest.mark.parametrize(("body", "is_kept"), [(b'{"a":1}', True), (b' {"a":1}', False), (b'"text"', False)])
def test_an_etag_promises_that_what_was_put_was_kept_as_it_is(body: bytes, is_kept: bool) -> None:
    response = resolve(request("PUT", TARGET, body)).respond(Written(True, 5))
    assert (header(response.headers, b"etag") is not None) == is_kept


def got(timed: Timed | None, *headers: tuple[bytes, bytes]) -> Response:
    call = resolve(request("GET", TARGET, b"", *headers))
    assert call.wish == GetTimed(b"a")
    return call.respond(timed)


@pytest.mark.parametrize(("left_ms", "shown"), [(None, b"-1"), (999, b"0"), (1000, b"1"), (59_999, b"59")])
def test_get(left_ms: int | None, shown: bytes) -> None:
    response = got(Timed(Found(Kind.BYTES, b"\xff", None, 7), left_ms))
    assert (response.status, response.body) == (200, b"\xff")
    assert header(response.headers, b"synap-ttl") == shown
    assert header(response.headers, b"etag") == b'"7"'


def test_get_what_the_client_has_already() -> None:
    timed = Timed(Found(Kind.BYTES, b"\xff", None, 7), None)
    response = got(timed, (b"if-none-match", b'"7"'))
    assert (response.status, response.body) == (304, b"")
    assert header(response.headers, b"etag") == b'"7"'
    assert got(timed, (b"if-none-match", b'"6"')).status == 200


def test_what_is_not_there_is_404() -> None:
    for response in (got(None), got(None, (b"if-none-match", b"*")), deleted(False)):
        assert response.status == 404
        assert json.loads(response.body)["type"] == "missing_key"


def deleted(was_there: bool) -> Response:
    call = resolve(request("DELETE", TARGET))
    assert call.wish == Delete(b"a")
    return call.respond(was_there)


def test_delete() -> None:
    response = deleted(True)
    assert (response.status, json.loads(response.body)) == (200, {"deleted": True, "key": "a"})
