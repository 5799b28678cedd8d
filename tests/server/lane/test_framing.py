"""What the lane takes for a request, and what it leaves to the other door; fed whole and byte by byte."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap.server.lane.framing import BODY_MAX_BYTES, HEAD_MAX_BYTES, Framed, Framer, KnownFields, Step

GET = b"GET /kv/get/a?touch=5 HTTP/1.1\r\nHost: synap\r\nX-Api-Key:  secret \r\n\r\n"
POST = b'POST /kv/set HTTP/1.1\r\nHost: synap\r\nContent-Length: 23\r\n\r\n{"key": "a", "value":1}'


def framed(*pieces: bytes) -> list[Framed | Step]:
    """All that comes out of a connection, up to the first step that is no request."""
    framer = Framer(KnownFields())
    found: list[Framed | Step] = []
    for piece in pieces:
        framer.receive(piece)
        while isinstance(request := framer.next(), Framed):
            found.append(request)
            framer.take()
        if request is Step.HAND_OVER:
            return [*found, request]
    return found


def told(*pieces: bytes) -> list[tuple[object, ...] | Step]:
    """The same, with what the fields say in place of them."""
    return [each if isinstance(each, Step) else meaning(each) for each in framed(*pieces)]


def meaning(request: Framed) -> tuple[object, ...]:
    fields = request.fields
    return (request.method, request.path, request.query, fields.headers, fields.closes, request.body)


def bytes_of(data: bytes) -> list[bytes]:
    return [bytes([each]) for each in data]


def test_a_request_without_a_body() -> None:
    (request,) = told(GET)
    assert request == ("GET", b"/kv/get/a", b"touch=5", ((b"host", b"synap"), (b"x-api-key", b"secret")), False, b"")


def test_a_request_with_a_body() -> None:
    (request,) = framed(POST)
    assert isinstance(request, Framed)
    assert (request.method, request.path, request.body) == ("POST", b"/kv/set", b'{"key": "a", "value":1}')


def test_what_comes_in_one_piece_and_byte_by_byte_is_the_same() -> None:
    sent = GET + POST + POST + GET
    assert len(framed(sent)) == 4
    assert told(*bytes_of(sent)) == told(sent)


@given(st.lists(st.sampled_from([GET, POST, GET.replace(b"secret", b"other")]), max_size=6), st.data())
def test_pieces_make_no_difference(requests: list[bytes], data: st.DataObject) -> None:
    sent = b"".join(requests)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    pieces = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert told(*pieces) == told(sent)
    assert len(framed(sent)) == len(requests)


def test_a_request_stays_until_it_is_taken() -> None:
    framer = Framer(KnownFields())
    framer.receive(POST + GET)
    first = framer.next()
    assert isinstance(first, Framed)
    assert framer.next() == first
    assert framer.unread == POST + GET
    framer.take()
    assert framer.unread == GET


def test_a_client_that_goes_after_this_one() -> None:
    (request,) = framed(GET.replace(b"\r\n\r\n", b"\r\nConnection: Keep-Alive, Close\r\n\r\n"))
    assert isinstance(request, Framed)
    assert request.fields.closes


def with_field(line: bytes) -> bytes:
    return GET.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n")


FOR_THE_OTHER_DOOR = {
    "another version": GET.replace(b"1.1", b"1.0"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00",
    "another method": GET.replace(b"GET", b"PATCH"),
    "a method in small letters": GET.replace(b"GET", b"get"),
    "a full address": GET.replace(b"/kv", b"http://synap/kv"),
    "an asterisk": GET.replace(b"/kv/get/a?touch=5", b"*"),
    "a fragment": GET.replace(b"?", b"#"),
    "two spaces": GET.replace(b"GET ", b"GET  "),
    "an empty line first": b"\r\n" + GET,
    "no host": GET.replace(b"Host: synap\r\n", b""),
    "two hosts": with_field(b"Host: synap"),
    "chunks": with_field(b"Transfer-Encoding: chunked"),
    "chunks and a length": with_field(b"Content-Length: 3\r\nTransfer-Encoding: chunked"),
    "two lengths": with_field(b"Content-Length: 3\r\nContent-Length: 3"),
    "two lengths in one": with_field(b"Content-Length: 3, 3"),
    "a length with a sign": with_field(b"Content-Length: +3"),
    "a length in hexadecimal": with_field(b"Content-Length: 0x3"),
    "no length": with_field(b"Content-Length: "),
    "a long body": with_field(b"Content-Length: %d" % (BODY_MAX_BYTES + 1)),
    "a length of many digits": with_field(b"Content-Length: 00000000003"),
    "a word in between": with_field(b"Expect: 100-continue"),
    "another protocol": with_field(b"Connection: upgrade\r\nUpgrade: websocket"),
    "another protocol, without a word of it": with_field(b"Upgrade: h2c"),
    "another connection": with_field(b"Connection: keep-alive, te"),
    "a field over two lines": with_field(b"X-A: a\r\n b"),
    "a field over two lines with a tab": with_field(b"X-A: a\r\n\tb"),
    "a space before the colon": with_field(b"X-A : a"),
    "no colon": with_field(b"X-A"),
    "no name": with_field(b": a"),
    "a line feed alone": with_field(b"X-A: a\nX-B: b"),
    "a carriage return alone": with_field(b"X-A: a\rX-B: b"),
    "a zero byte": with_field(b"X-A: a\0b"),
    "a letter beyond ASCII": with_field("X-A: é".encode("latin-1")),
    "line feeds only": GET.replace(b"\r\n", b"\n"),
    "a mixed end": b"GET /health HTTP/1.1\r\nHost: synap\n\r\n",
    "a long head": with_field(b"X-A: " + b"a" * HEAD_MAX_BYTES),
    "a long head that does not end": b"GET /" + b"a" * HEAD_MAX_BYTES,
    "words": b"hello",
}


@pytest.mark.parametrize("sent", FOR_THE_OTHER_DOOR.values(), ids=FOR_THE_OTHER_DOOR.keys())
def test_what_is_for_the_other_door(sent: bytes) -> None:
    """Whole, byte by byte, and behind a request that was answered; no byte of it is lost."""
    for before in (b"", GET):
        for pieces in ([before + sent], bytes_of(before + sent)):
            framer = Framer(KnownFields())
            fed, taken = b"", b""
            for piece in pieces:
                framer.receive(piece)
                fed += piece
                while isinstance(step := framer.next(), Framed):
                    taken += GET
                    framer.take()
                if step is Step.HAND_OVER:
                    break
            assert taken == before
            assert framer.next() is Step.HAND_OVER
            assert taken + framer.unread == fed


def test_what_is_not_complete_is_waited_for() -> None:
    for sent in (GET, POST):
        for end in range(1, len(sent)):
            framer = Framer(KnownFields())
            framer.receive(sent[:end])
            assert framer.next() is Step.MORE


@given(
    st.sampled_from([b"GET", b"POST", b"DELETE", b"PUT", b"HEAD", b"OPTIONS", b"G=T"]),
    st.text(st.characters(codec="latin-1"), max_size=20),
    st.lists(
        st.tuples(
            st.sampled_from([b"host", b"content-length", b"connection", b"transfer-encoding", b"x-a", b"x a", b""]),
            st.sampled_from([b"synap", b"0", b"3", b"close", b"chunked", b"", b"\t3", b"3 ", b"a\x7f", b'"']),
        ),
        max_size=5,
    ),
)
def test_what_it_takes_h11_takes_for_the_same(method: bytes, target: str, fields: list[tuple[bytes, bytes]]) -> None:
    """The parser of the other door: whatever the lane takes, means the same there."""
    lines = [b"%b /%b HTTP/1.1" % (method, target.encode("latin-1")), b"host: synap"]
    lines += [b"%b: %b" % field for field in fields]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    framer = Framer(KnownFields())
    framer.receive(head + b"abc")
    request = framer.next()
    if not isinstance(request, Framed):
        return
    other = h11.Connection(h11.SERVER)
    other.receive_data(head + b"abc")
    event = other.next_event()
    assert isinstance(event, h11.Request)
    whole = request.path + (b"?" + request.query if request.query else b"")
    assert event.method == request.method.encode()
    assert event.target in {whole, whole + b"?"}
    assert tuple(event.headers) == request.fields.headers
    body = b""
    while isinstance(event := other.next_event(), h11.Data):
        body += event.data
    assert body == request.body
    assert other.trailing_data[0] == (head + b"abc")[len(head) + len(body) :]
