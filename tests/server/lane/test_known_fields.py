"""Header fields that came before: the same object for the same bytes, whoever sends them, and not without end."""

import pytest

from synap.server.lane import framing as framing_module
from synap.server.lane.framing import (
    BODY_MAX_BYTES,
    HEAD_MAX_BYTES,
    KNOWN_MAX,
    KNOWN_MAX_BYTES,
    KNOWN_MAX_FIELDS,
    Fields,
    Framed,
    Framer,
    KnownFields,
    Step,
)

HEAD = b"GET /kv/get/a HTTP/1.1\r\nHost: synap\r\nX-Api-Key:  secret \r\n\r\n"
HEADERS = ((b"host", b"synap"), (b"x-api-key", b"secret"))


@pytest.fixture
def known() -> KnownFields:
    return KnownFields()


def step(known: KnownFields, sent: bytes, body_max_bytes: int = BODY_MAX_BYTES) -> Framed | Step:
    """What the first request of another connection is taken for."""
    framer = Framer(known, body_max_bytes)
    framer.receive(sent)
    return framer.next()


def fields_of(known: KnownFields, sent: bytes) -> Fields:
    found = step(known, sent)
    assert isinstance(found, Framed)
    return found.fields


def numbered(number: int) -> bytes:
    return HEAD.replace(b"secret", b"%d" % number)


def padded(block_bytes: int) -> bytes:
    """A request whose fields, with the line end before them, are so long."""
    missing = block_bytes - len(HEAD.removeprefix(b"GET /kv/get/a HTTP/1.1"))
    assert missing >= 0
    return HEAD.replace(b"secret", b"secret" + b"x" * missing)


def many(count: int) -> bytes:
    """A request with so many fields."""
    lines = [b"GET /kv/get/a HTTP/1.1", b"host: synap", *[b"x-%d: y" % number for number in range(count - 1)]]
    return b"\r\n".join([*lines, b"", b""])


# --- the same --------------------------------------------------------------------------------------------


def test_on_one_connection_they_are_one_object() -> None:
    framer, found = Framer(KnownFields()), []
    framer.receive(HEAD + HEAD.replace(b"get/a", b"get/b?touch=5") + numbered(1))
    while isinstance(request := framer.next(), Framed):
        found.append(request)
        framer.take()
    first, second, third = found
    assert second.fields is first.fields
    assert (second.path, second.query) == (b"/kv/get/b", b"touch=5")
    assert third.fields is not first.fields
    assert third.fields.headers == ((b"host", b"synap"), (b"x-api-key", b"1"))


def test_on_other_connections_too(known: KnownFields) -> None:
    first = fields_of(known, HEAD)
    assert fields_of(known, HEAD) is first
    assert (first.headers, first.body_bytes, first.closes, first.lasting) == (HEADERS, 0, False, True)


def test_where_nothing_is_shared_they_are_not_the_same() -> None:
    assert fields_of(KnownFields(), HEAD) is not fields_of(KnownFields(), HEAD)


@pytest.mark.parametrize(
    "other",
    [
        HEAD.replace(b"Host", b"host"),
        HEAD.replace(b":  secret", b": secret"),
        HEAD.replace(b"secret ", b"secret"),
        HEAD.replace(b"secret", b"Secret"),
    ],
    ids=["a name in small letters", "one space fewer", "no space behind", "another value"],
)
def test_a_byte_makes_them_others(known: KnownFields, other: bytes) -> None:
    assert fields_of(known, other) is not fields_of(known, HEAD)


def test_byte_by_byte_they_are_the_same(known: KnownFields) -> None:
    framer = Framer(known)
    for byte in HEAD:
        assert framer.next() is Step.MORE
        framer.receive(bytes([byte]))
    found = framer.next()
    assert isinstance(found, Framed)
    assert found.fields is fields_of(known, HEAD)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
def test_another_method_has_the_same_fields(known: KnownFields, method: str) -> None:
    """Also where it is unusual: how long a body is, does not depend on what is done with it."""
    with_body = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n")
    first = step(known, with_body + b"abc")
    assert isinstance(first, Framed)
    found = step(known, with_body.replace(b"GET", method.encode(), 1) + b"xyz")
    assert isinstance(found, Framed)
    assert (found.method, found.body) == (method, b"xyz")
    assert found.fields is first.fields
    assert found.fields.body_bytes == 3


# --- what they do not say --------------------------------------------------------------------------------

BAD_LINES = {
    "another version": b"GET /kv/get/a HTTP/1.2",
    "an old version": b"GET /kv/get/a HTTP/1.0",
    "another method": b"PATCH /kv/get/a HTTP/1.1",
    "small letters": b"get /kv/get/a HTTP/1.1",
    "a full address": b"GET http://synap/kv/get/a HTTP/1.1",
    "a fragment": b"GET /kv/get/a#b HTTP/1.1",
    "two spaces": b"GET /kv/get/a  HTTP/1.1",
    "a space before": b" GET /kv/get/a HTTP/1.1",
    "a tab": b"GET\t/kv/get/a HTTP/1.1",
    "a zero byte": b"GET /kv/\0get/a HTTP/1.1",
    "a letter beyond ASCII": b"GET /kv/get/\xe9 HTTP/1.1",
    "a line feed": b"GET /kv/get/a HTTP/1.1\nX-A: b",
    "a carriage return": b"GET /kv/get/a HTTP/1.1\rX-A: b",
    "another field": b"GET /kv/get/a HTTP/1.1\r\nTransfer-Encoding: chunked",
    "no version": b"GET /kv/get/a",
    "a long line": b"GET /" + b"a" * HEAD_MAX_BYTES + b" HTTP/1.1",
    "nothing": b"",
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_they_do_not_make_a_line_good(known: KnownFields, line: bytes) -> None:
    """From one connection or from another: each line is looked at."""
    good, _, rest = HEAD.partition(b"\r\n")
    bad = line + b"\r\n" + rest
    assert isinstance(step(known, good + b"\r\n" + rest), Framed)
    assert step(known, bad) is Step.HAND_OVER
    framer = Framer(known)
    framer.receive(HEAD + bad)
    framer.next()
    framer.take()
    assert framer.next() is Step.HAND_OVER
    assert framer.unread == bad


def test_the_room_for_bodies_is_each_framers_own(known: KnownFields) -> None:
    sent = HEAD.replace(b"GET", b"PUT").replace(b"\r\n\r\n", b"\r\nContent-Length: 100\r\n\r\n") + b"x" * 100
    assert step(known, sent, body_max_bytes=99) is Step.HAND_OVER
    for _ in range(2):
        found = step(known, sent, body_max_bytes=100)
        assert isinstance(found, Framed)
        assert found.body == b"x" * 100
        assert step(known, sent, body_max_bytes=99) is Step.HAND_OVER


def test_what_is_not_for_the_lane_stays_so(known: KnownFields) -> None:
    chunked = HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    for sent in (chunked, HEAD, chunked, HEAD.replace(b"Host: synap\r\n", b""), chunked):
        expected = Framed if sent is HEAD else Step
        assert isinstance(step(known, sent), expected)


def test_whether_the_client_closes_is_known_too(known: KnownFields) -> None:
    closing = HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    for _ in range(2):
        assert fields_of(known, closing).closes
        assert not fields_of(known, HEAD).closes


# --- not without end -------------------------------------------------------------------------------------


def test_so_many_are_kept(known: KnownFields) -> None:
    first = fields_of(known, numbered(0))
    for number in range(1, KNOWN_MAX):
        fields_of(known, numbered(number))
    assert fields_of(known, numbered(0)) is first
    assert len(known._by_bytes) == KNOWN_MAX
    fields_of(known, numbered(KNOWN_MAX))
    assert len(known._by_bytes) == 1, "all of them are forgotten"
    again = fields_of(known, numbered(0))
    assert again is not first
    assert (again.headers, again.lasting) == (first.headers, True)


def test_of_what_is_not_for_the_lane_nothing_is_kept(known: KnownFields) -> None:
    for number in range(10):
        assert step(known, numbered(number).replace(b"Host: synap\r\n", b"")) is Step.HAND_OVER
    assert known._by_bytes == {}


@pytest.mark.parametrize("block_bytes", [KNOWN_MAX_BYTES - 1, KNOWN_MAX_BYTES])
def test_short_ones_last(known: KnownFields, block_bytes: int) -> None:
    sent = padded(block_bytes)
    assert fields_of(known, sent).lasting
    assert fields_of(known, sent) is fields_of(known, sent)
    assert [len(block) for block in known._by_bytes] == [block_bytes]


@pytest.mark.parametrize(
    "sent",
    [padded(KNOWN_MAX_BYTES + 1), padded(8000), many(KNOWN_MAX_FIELDS + 1), many(120)],
    ids=["too long", "far too long", "too many", "far too many"],
)
def test_long_ones_are_read_each_time(known: KnownFields, sent: bytes) -> None:
    first, second = fields_of(known, sent), fields_of(known, sent)
    assert first is not second
    assert not first.lasting
    assert first.headers == second.headers
    assert known._by_bytes == {}


def test_as_many_as_a_client_has_last(known: KnownFields) -> None:
    assert fields_of(known, many(KNOWN_MAX_FIELDS)).lasting
    assert fields_of(known, many(KNOWN_MAX_FIELDS)) is fields_of(known, many(KNOWN_MAX_FIELDS))


def test_what_is_known_is_not_read_again(known: KnownFields, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    read_fields = framing_module._read_fields

    def counted(head: bytes, *, lasting: bool) -> Fields:
        read.append(head)
        return read_fields(head, lasting=lasting)

    monkeypatch.setattr(framing_module, "_read_fields", counted)
    for sent in (HEAD, HEAD.replace(b"get/a", b"get/b"), numbered(1), HEAD, numbered(1)):
        fields_of(known, sent)
    assert read == [HEAD, numbered(1)]
