"""Heads of requests: what the first line says and where the fields are; the reference, and its twin byte for byte."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TypeAlias, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synap.server.lane.heads import METHODS, Head, head_in_python, head_of

COMPILED = "synap.server.lane._heads_c"
IS_BUILT = find_spec(COMPILED) is not None

HeadOf: TypeAlias = Callable[[bytes, int], Head | None]

EACH: dict[str, HeadOf] = {"reference": head_in_python}
if IS_BUILT:
    EACH["twin"] = cast("HeadOf", import_module(COMPILED).head_of)

each_one = pytest.mark.parametrize("head", EACH.values(), ids=EACH.keys())

FIELDS = b"host: synap\r\n"
MAX_BYTES = 1000


def whole(line: bytes, fields: bytes = FIELDS) -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


@each_one
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("behind", [b"", b"body", b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
def test_what_a_head_says(head: HeadOf, method: str, behind: bytes) -> None:
    sent = whole(method.encode() + b" /kv/get/a?touch=5&x=?y HTTP/1.1")
    found = head(sent + behind, MAX_BYTES)
    assert found == (method, b"/kv/get/a", b"touch=5&x=?y", len(sent) - len(FIELDS) - 4, len(sent))


@each_one
@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", b""),
        (b"/?", b"/", b""),
        (b"/??", b"/", b"?"),
        (b'//a%2Fb~!"$@', b'//a%2Fb~!"$@', b""),
        (b"/a?b/c", b"/a", b"b/c"),
    ],
)
def test_targets(head: HeadOf, target: bytes, path: bytes, query: bytes) -> None:
    found = head(whole(b"GET " + target + b" HTTP/1.1"), MAX_BYTES)
    assert found is not None
    assert found[1:3] == (path, query)


@each_one
def test_a_head_without_fields_ends_with_its_line(head: HeadOf) -> None:
    assert head(b"GET / HTTP/1.1\r\n\r\nrest", MAX_BYTES) == ("GET", b"/", b"", 14, 18)


@each_one
def test_a_head_is_none_until_all_of_it_is_there(head: HeadOf) -> None:
    sent = whole(b"POST /kv/set HTTP/1.1", b"host: a\r\nx: \r\r\n")
    for size in range(len(sent)):
        assert head(sent[:size], MAX_BYTES) is None
    assert head(sent, MAX_BYTES) is not None


@each_one
def test_a_head_may_be_so_long_and_no_longer(head: HeadOf) -> None:
    sent = whole(b"GET / HTTP/1.1")
    assert head(sent + b"x" * 100, len(sent)) is not None
    assert head(sent + b"x" * 100, len(sent) - 1) is None


STRANGE = [
    b"GET / HTTP/1.0",
    b"GET / HTTP/1.10",
    b"GET / HTTP/1.1 ",
    b"GET  / HTTP/1.1",
    b"GET /  HTTP/1.1",
    b"GET /a b HTTP/1.1",
    b"GET /a#b HTTP/1.1",
    b"GET /a?b#c HTTP/1.1",
    b"GET /a\tb HTTP/1.1",
    b"GET /a\0b HTTP/1.1",
    b"GET /\x7f HTTP/1.1",
    b"GET /\xe4 HTTP/1.1",
    b"GET a HTTP/1.1",
    b"GET ?a HTTP/1.1",
    b"GET http://synap/ HTTP/1.1",
    b"GET / HTTP/1.1\n",
    b"GET / HTTP/1.1\r",
    b"GET /\r HTTP/1.1",
    b"GET /\n HTTP/1.1",
    b"get / HTTP/1.1",
    b"GETS / HTTP/1.1",
    b"PATCH / HTTP/1.1",
    b"OPTIONS / HTTP/1.1",
    b"GET\t/ HTTP/1.1",
    b" GET / HTTP/1.1",
    b"\r\nGET / HTTP/1.1",
    b"GET / http/1.1",
    b"GET /",
    b"GET ",
    b"G",
    b"",
    b"\0",
]


@each_one
@pytest.mark.parametrize("line", STRANGE, ids=repr)
def test_what_is_no_head_for_the_lane(head: HeadOf, line: bytes) -> None:
    assert head(whole(line), MAX_BYTES) is None


# --- the twin --------------------------------------------------------------------------------------------

PIECES = [
    *(method.encode() for method in METHODS),
    *(b" ", b"/", b"?", b"#", b"a", b"%", b"\0", b"\t", b"\x7f", b"\x80", b"\xff"),
    *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" HTTP/1.1", b" HTTP/1.1\r\n", b" HTTP/1.", b"host: synap\r\n"),
]


@pytest.mark.skipif(not IS_BUILT, reason="the twin was not built")
@given(
    st.one_of(
        st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join),
        st.tuples(st.sampled_from([b"GET /", b"POST /kv/set"]), st.binary(max_size=20), st.binary(max_size=20)).map(
            lambda parts: parts[0] + parts[1] + b" HTTP/1.1\r\n" + parts[2] + b"\r\n\r\n"
        ),
        st.binary(max_size=40),
    ),
    st.integers(0, 60),
)
@example(b"GET / HTTP/1.1\r\n\r\n", 18)
@example(b"GET / HTTP/1.1\r\n\r\n", 17)
def test_the_twin_says_what_the_reference_says(buffer: bytes, max_bytes: int) -> None:
    assert EACH["twin"](buffer, max_bytes) == head_in_python(buffer, max_bytes)


@pytest.mark.skipif(not IS_BUILT, reason="the twin was not built")
def test_the_twin_serves_where_it_was_built() -> None:
    assert head_of in EACH.values()
    with pytest.raises(TypeError):
        EACH["twin"](cast("bytes", bytearray(b"GET / HTTP/1.1\r\n\r\n")), MAX_BYTES)
