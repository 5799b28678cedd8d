import pytest

from synap.errors import UnsupportedMediaTypeError
from synap.protocol.http import Request
from synap.protocol.http.media_type import MediaType, check_json, check_plain, declared


def declared_as(*headers: tuple[bytes, bytes]) -> Request:
    return Request("POST", b"/kv/set", b"", headers, b"")


@pytest.mark.parametrize(
    ("content_type", "essence", "is_utf_8"),
    [
        (None, b"", True),
        (b"", b"", True),
        (b"application/json", b"application/json", True),
        (b"Text/Plain ; Charset=UTF-8", b"text/plain", True),
        (b"text/plain; charset=us-ascii", b"text/plain", True),
        (b"text/plain; charset=iso-8859-1", b"text/plain", False),
        (b"text/plain; charset=utf-8; charset=latin1", b"text/plain", False),
        (b"image/png", b"image/png", True),
    ],
)
def test_what_is_declared(content_type: bytes | None, essence: bytes, is_utf_8: bool) -> None:
    headers = () if content_type is None else ((b"content-type", content_type),)
    assert declared(declared_as(*headers)) == MediaType(essence, is_utf_8)


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"identity, gzip"])
def test_nothing_is_unpacked(encoding: bytes) -> None:
    check_plain(declared_as((b"content-encoding", b"")))
    with pytest.raises(UnsupportedMediaTypeError, match="must not be compressed"):
        check_plain(declared_as((b"content-type", b"image/png"), (b"content-encoding", encoding)))


@pytest.mark.parametrize(
    "media_type",
    [
        b"application/json",
        b"Application/JSON",
        b"application/json; charset=utf-8",
        b'application/json;charset="UTF-8"; v=1',
        b"application/json;charset=utf8",
        b"application/json;",
    ],
)
def test_accepted_media_types(media_type: bytes) -> None:
    check_json(declared_as((b"content-type", media_type)))


@pytest.mark.parametrize(
    "headers",
    [
        ((b"host", b"a"),),
        ((b"content-type", b""),),
        ((b"content-type", b"text/plain"),),
        ((b"content-type", b"application/x-www-form-urlencoded"),),
        ((b"content-type", b"text/plain; application/json"),),
        ((b"content-type", b"application/vnd.api+json"),),
        ((b"content-type", b"application/json; charset=utf-16"),),
        ((b"content-type", b"application/json; charset=latin1"),),
        ((b"content-type", b"application/json\xff"),),
    ],
)
def test_refused_media_types(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="application/json") as caught:
        check_json(declared_as(*headers))
    assert caught.value.field == "content-type"


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"zstd", b"gzip, identity"])
def test_a_compressed_body_is_refused(encoding: bytes) -> None:
    headers = ((b"content-type", b"application/json"), (b"content-encoding", encoding))
    with pytest.raises(UnsupportedMediaTypeError, match="must not be compressed") as caught:
        check_json(declared_as(*headers))
    assert caught.value.field == "content-encoding"


def test_identity_is_no_encoding() -> None:
    headers = ((b"content-type", b"application/json"), (b"content-encoding", b"Identity"))
    check_json(declared_as(*headers))
