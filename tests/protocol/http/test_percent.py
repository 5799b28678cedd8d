from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.errors import MalformedRequestError
from synap.protocol.http.percent import decode, path_segments


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        (b"/kv/get/a%2Fb", [b"kv", b"get", b"a/b"]),
        (b"/kv/get/a+b:c", [b"kv", b"get", b"a+b:c"]),
        (b"/kv/get/%252F", [b"kv", b"get", b"%2F"]),
        (b"/kv/get/", [b"kv", b"get", b""]),
        (b"/kv/get/..", [b"kv", b"get", b".."]),
        (b"/kv/get/%2e", [b"kv", b"get", b"."]),
        (b"//kv", [b"", b"kv"]),
        (b"/", [b""]),
        (b"", [b""]),
        (b"*", [b""]),
        (b"http://127.0.0.1:15500/kv/get/a", [b"kv", b"get", b"a"]),
        (b"/kv/get/\xff", [b"kv", b"get", b"\xff"]),
    ],
)
def test_a_path_is_split_first_and_decoded_once(path: bytes, segments: list[bytes]) -> None:
    assert path_segments(path) == segments


@pytest.mark.parametrize("broken", [b"%", b"%2", b"a%zz", b"%%20", b"%\n0", b"100%"])
def test_a_broken_escape_is_refused(broken: bytes) -> None:
    with pytest.raises(MalformedRequestError, match="is not a percent escape") as caught:
        decode(broken, "path")
    assert caught.value.field == "path"


@given(st.text())
def test_what_is_quoted_is_decoded(text: str) -> None:
    assert decode(quote(text, safe="").encode(), "path") == text.encode()
