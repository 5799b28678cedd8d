import pytest

from synap.commands import Kind
from synap.errors import MalformedRequestError, UnsupportedMediaTypeError
from synap.protocol.http import Request
from synap.protocol.http.raw import from_body


def sent(body: bytes, *headers: tuple[bytes, bytes]) -> Request:
    return Request("PUT", b"/kv/value/a", b"", headers, body)


@pytest.mark.parametrize(
    ("content_type", "body", "kind", "value"),
    [
        (None, b"\xff\0", Kind.BYTES, b"\xff\0"),
        (b"application/octet-stream", b"", Kind.BYTES, b""),
        (b"image/png", b"\x89PNG", Kind.BYTES, b"\x89PNG"),
        (b"application/x-www-form-urlencoded", b"a=1", Kind.BYTES, b"a=1"),
        (b"application/vnd.api+json", b"{}", Kind.BYTES, b"{}"),
        (b"multipart/form-data; boundary=x", b"{}", Kind.BYTES, b"{}"),
        (b"text/plain", "ü".encode(), Kind.TEXT, "ü".encode()),
        (b"text/plain; charset=UTF-8", b"", Kind.TEXT, b""),
        (b"TEXT/HTML", b"<b>", Kind.TEXT, b"<b>"),
        (b"text/csv; header=present", b' "a" ', Kind.TEXT, b' "a" '),
        (b"application/json", b'{"n": 1.10}', Kind.JSON, b'{"n": 1.10}'),
        (b"application/json; charset=utf-8", b" [1]\n", Kind.JSON, b"[1]"),
        (b"application/json", b"null", Kind.JSON, b"null"),
        (b"application/json", b'"\\u00fc"', Kind.TEXT, "ü".encode()),
    ],
)
def test_the_kind_of_a_body(content_type: bytes | None, body: bytes, kind: Kind, value: bytes) -> None:
    headers = () if content_type is None else ((b"content-type", content_type),)
    assert from_body(sent(body, *headers)) == (kind, value)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (b"text/plain", b"\xff"),
        (b"application/json", b""),
        (b"application/json", b"{"),
        (b"application/json", b"\xff"),
        (b"application/json", b'"\\ud800"'),
    ],
)
def test_a_body_is_what_it_is_declared_to_be(content_type: bytes, body: bytes) -> None:
    with pytest.raises(MalformedRequestError) as refusal:
        from_body(sent(body, (b"content-type", content_type)))
    assert refusal.value.field == "body"


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        (((b"content-type", b"text/plain; charset=latin1"),), "content-type"),
        (((b"content-type", b"application/json; charset=utf-16"),), "content-type"),
        (((b"content-encoding", b"gzip"),), "content-encoding"),
        (((b"content-type", b"text/plain"), (b"content-encoding", b"br")), "content-encoding"),
    ],
)
def test_what_cannot_be_understood(headers: tuple[tuple[bytes, bytes], ...], field: str) -> None:
    with pytest.raises(UnsupportedMediaTypeError) as refusal:
        from_body(sent(b"1", *headers))
    assert refusal.value.field == field
