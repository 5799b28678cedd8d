"""Requests as bytes, for both doors: plain, strange, broken and hostile ones."""

import gzip
import json
from collections.abc import Iterator
from typing import cast

import pytest

from tests.contract import test_errors
from tests.contract.examples import EXAMPLES

JSON = b"content-type: application/json"
ORIGIN = b"origin: https://app.example.com"
STRANGER = b"origin: https://evil.example"


def request(method: bytes, target: bytes, *fields: bytes, body: bytes | None = None) -> bytes:
    """A plain request; with a body, its length is said."""
    lines = [b"%b %b HTTP/1.1" % (method, target), b"host: synap", *fields]
    if body is not None:
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body or b""])


def get(target: bytes, *fields: bytes) -> bytes:
    return request(b"GET", target, *fields)


def post(target: bytes, body: object, *fields: bytes) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(b"POST", target, JSON, *fields, body=content)


SET = post(b"/kv/set", {"key": "a", "value": 5})
GET = get(b"/kv/get/a")


def _arguments(test: object) -> list[tuple[object, ...]]:
    """What a parametrized test is run with."""
    (mark,) = cast("list[pytest.Mark]", test.pytestmark)  # type: ignore[attr-defined]
    return cast("list[tuple[object, ...]]", mark.args[1])


def examples() -> Iterator[bytes]:
    """Every route of keys and values: as it succeeds, without a key, with conditions, with a wrong body, with HEAD."""
    for example in EXAMPLES:
        method, target = example.method.encode(), example.target().encode()
        body = None if example.body is None else json.dumps(example.body).encode()
        fields = () if body is None else (JSON,)
        yield request(b"DELETE", b"/kv/del/b")
        yield SET
        yield request(method, target, *fields, body=body)
        yield request(method, example.target("").encode(), *fields, body=body)
        yield request(method, example.target("%FF").encode(), *fields, body=body)
        for condition in (b'if-match: "1"', b"if-match: *", b"if-none-match: *", b'if-none-match: "1"'):
            yield request(method, target, *fields, condition, body=body)
        for other in (b"", b"[]", b"\xff", b"{}"):
            yield request(method, target, JSON, body=other)
        yield request(method, target, body=b"{}")
        for other_method in (b"HEAD", b"PATCH", b"OPTIONS", b"PUT", b"DELETE"):
            yield request(other_method, target)
        yield request(method, target, STRANGER, *fields, body=body)
        yield request(method, target, ORIGIN, *fields, body=body)


def errors() -> Iterator[bytes]:
    """What ``tests/contract/test_errors.py`` has refused."""
    for route, body, *_ in test_errors.SHAPES:
        yield post((route if route.startswith("/") else f"/kv/{route}").encode(), body)
    for route, body, *_ in _arguments(test_errors.test_values_that_cannot_be):  # type: ignore[assignment]
        yield post(f"/kv/{route}".encode(), body)
    for target, *_ in _arguments(test_errors.test_parameters_that_cannot_be):
        yield get(str(target).encode())
    for fields, _ in _arguments(test_errors.test_bodies_that_are_not_declared_as_json):
        lines = [f"{name}: {value}".encode() for name, value in cast("dict[str, str]", fields).items()]
        yield request(b"POST", b"/kv/set", *lines, body=b'{"key":"a","value":1}')
    for target in _arguments(test_errors.test_where_nothing_is):
        yield get(str(target).encode())
    for method, target, _ in _arguments(test_errors.test_where_something_is_for_other_methods):
        yield request(str(method).encode(), str(target).encode())
    yield get(b"/health", b"cookie: " + b"c" * 65_536)


def plain_sets() -> Iterator[bytes]:
    """Writes of a value that are plain, whatever comes of them; the same again are answered in one go."""
    long_key, day_s = "k" * 1000, 86_400
    for body in (
        {"key": "a", "value": 1},
        {"key": "Zoë 🙂", "value": {"user": "Zoë", "n": [1.5, None]}},
        {"key": "a", "value": ""},
        {"key": "a", "value": 'quoted "\\ \0'},
        {"key": long_key, "value": "x" * 5000},
        {"key": "app:a", "value": 1, "ttl": day_s},
        {"key": "app:a", "value": 1, "ttl": 3660 * day_s},
        {"key": "", "value": 1},
    ):
        yield post(b"/kv/set", body)
        yield post(b"/kv/set", body, ORIGIN)
    for field in (
        b"accept-encoding: gzip",
        b"accept-encoding: identity",
        b"content-encoding: identity",
        b"sec-fetch-site: same-origin",
        b"origin: http://synap",
        b"connection: keep-alive",
        b"if-modified-since: Thu, 01 Jan 1970 00:00:00 GMT",
    ):
        yield post(b"/kv/set", {"key": long_key, "value": 1}, field)
    for media_type in (b"application/json; charset=utf-8", b"Application/JSON", b"application/json;charset=us-ascii"):
        yield request(b"POST", b"/kv/set", b"content-type: " + media_type, body=b'{"key":"a","value":1}')


def sets() -> Iterator[bytes]:
    """Those, and others that look like them."""
    yield from plain_sets()
    plain, day_s = {"key": "a", "value": 1}, 86_400
    for more in (
        {"get": True},
        {"get": False},
        {"other": 1},
        {"nx": True},
        {"xx": True},
        {"keepttl": True},
        {"ttl": day_s + 0.5},
        {"ttl": float(day_s)},
        {"ttl": 0},
        {"ttl": -1},
        {"ttl": 10**9},
        {"ttl": None},
        {"ttl": str(day_s)},
        {"expiry": {"type": "milliseconds", "value": 1000 * day_s}},
        {"if_version": 0},
        {"if_version": 2**40},
        {"if_version": -1},
        {"nx": True, "xx": True},
    ):
        yield post(b"/kv/set", {**plain, **more})
    for body in (b"", b"nonsense", b"[]", b"{}", b'{"key":"a"}', b'{"key":"a","value":"\xff"}', b'{"key":1,"value":1}'):
        yield post(b"/kv/set", body)
    for field in (
        b'if-match: "1"',
        b"if-match: *",
        b"if-none-match: *",
        b'if-none-match: "1"',
        b"content-encoding: gzip",
        b"sec-fetch-site: cross-site",
        STRANGER,
        b"origin: null",
    ):
        yield post(b"/kv/set", plain, field)
        yield get(b"/kv/get/a", field)
    for media_type in (b"text/plain", b"application/json; charset=latin-1", b"application/x-www-form-urlencoded"):
        yield request(b"POST", b"/kv/set", b"content-type: " + media_type, body=b'{"key":"a","value":1}')
    yield post(b"/kv/set?a=b", plain)
    yield post(b"/kv/%73et", plain)
    for method in (b"PUT", b"DELETE", b"HEAD"):
        yield SET.replace(b"POST", method)


def answers() -> Iterator[bytes]:
    """What decides on the form of an answer: compression, conditions, media types, web pages of other origins."""
    text = "text " * 1000
    yield post(b"/kv/set", {"key": "long", "value": text})
    for accepted in (b"gzip", b"GZIP;q=0.5", b"gzip;q=0", b"*", b"br", b"", b"gzip;q=x", b"identity, gzip"):
        yield get(b"/kv/get/long", b"accept-encoding: " + accepted)
        yield request(b"HEAD", b"/kv/get/long", b"accept-encoding: " + accepted)
    for size in (40_000, 200_000):
        yield post(b"/kv/set", {"key": "large", "value": "x" * size})
        yield get(b"/kv/get/large")
        yield get(b"/kv/get/large", b"accept-encoding: gzip")
        yield request(b"HEAD", b"/kv/value/large")
        yield post(b"/kv/getset/large", {"value": "y"})
    yield request(b"PUT", b"/kv/value/raw", b"content-type: image/png", body=b"\xff\0\r\n")
    for method in (b"GET", b"HEAD"):
        yield request(method, b"/kv/value/raw")
        yield request(method, b"/kv/value/missing")
        yield request(method, b"/kv/value/raw", b"if-none-match: *")
        for version in range(80):
            yield request(method, b"/kv/value/raw", b'if-none-match: W/"0", "%d"' % version)
    for origin in (ORIGIN, STRANGER, b"origin: null"):
        for method in (b"GET", b"POST", b"DELETE"):
            yield request(
                b"OPTIONS", b"/kv/set", origin, b"access-control-request-method: " + method, b"content-length: 0"
            )
        yield get(b"/kv/get/a", origin)
        yield get(b"/nowhere", origin)
        yield post(b"/kv/set", {"key": "a", "value": 1}, origin)
    yield get(b"/openapi.json")
    yield get(b"/docs")
    yield get(b"/ready")
    yield get(b"/events", b"last-event-id: x")
    yield get(b"/events?after=99999")
    yield get(b"/slowlog")
    yield request(b"POST", b"/slowlog/clear")
    yield request(b"POST", b"/snapshot", b"content-length: 0")
    yield post(b"/api/v1/command", {"command": "kv.get", "payload": {"key": "a"}, "request_id": "1"})
    yield post(b"/api/v1/command", {"command": "kv.set", "payload": {"key": "a", "value": 1}})
    yield post(b"/api/v1/command", {"command": "kv.flushall", "payload": {}})
    yield post(b"/api/v1/command", b"[")


def strange() -> Iterator[bytes]:
    """Unusual, but allowed."""
    yield get(b"http://synap/kv/get/a")
    yield get(b"HTTP://user@synap:1/kv/get/a?touch=60")
    yield request(b"OPTIONS", b"*")
    for target in (
        b"/kv/get/a?",
        b"/kv/get/a??",
        b"/kv/get/%61",
        b"/kv/get/a%2fb",
        b"/kv/get/a;b",
        b"/kv/get/a//",
        b"//",
    ):
        yield get(target)
    for target in (
        b'/kv/get/"',
        b"/kv/get/<>",
        b"/kv/get/\\",
        b"/kv/get/^`{|}",
        b"/kv/get/..",
        b"/./kv/get/a",
        b"/kv/get/a#b",
    ):
        yield get(target)
    yield get(b"/kv/get/" + b"k" * 20_000)
    yield b"\r\n" + GET
    yield GET.replace(b"host: synap", b"HOST:synap")
    yield GET.replace(b"host: synap", b"host:\t synap \t")
    yield GET.replace(b"host: synap", b"host:")
    yield GET.replace(b"host: synap", b"x-first: 1\r\nhost: synap\r\nx-empty:\r\nx-empty: \t\r\nX-Case: 1")
    yield GET.replace(b"host: synap", b"host: evil.example")
    yield GET.replace(b"host: synap", b"host: [::1]:80")
    for field in (
        b"connection: keep-alive",
        b"connection: Keep-Alive",
        b"connection: ,keep-alive,",
        b"connection:",
        b"connection: x-a",
        b"connection: te",
        b"te: trailers",
        b"keep-alive: timeout=5",
        b"proxy-connection: close",
        b"via: 1.1 proxy",
        b"x-forwarded-for: 192.0.2.1",
        b"range: bytes=0-1",
        b"if-modified-since: Thu, 01 Jan 1970 00:00:00 GMT",
        b"trailer: x-a",
        b"x-a: \x80\xff",
        b"content-encoding: gzip",
        b"authorization: Basic !!!",
        b"!#$%&'*+-.^_`|~: token",
    ):
        yield get(b"/kv/get/a", field)
        yield post(b"/kv/set", {"key": "a", "value": 1}, field)
    yield request(b"GET", b"/kv/get/a", body=b"ignored")
    yield request(b"DELETE", b"/kv/del/none", body=b"ignored")
    yield request(b"HEAD", b"/kv/get/a", body=b"ignored")
    yield request(b"POST", b"/kv/persist/a", body=b"")
    yield request(b"POST", b"/kv/set", JSON)
    yield SET.replace(b"content-length: ", b"content-length: 000")
    yield SET.replace(b"content-length: ", b"Content-LENGTH:\t")
    yield post(b"/kv/set", {"key": "a", "value": "x" * 70_000})
    yield post(b"/kv/set", {"key": "a", "value": "x" * 65_000})
    yield post(b"/kv/set", gzip.compress(b"{}", mtime=0), b"content-encoding: gzip")
    yield request(b"POST", b"/kv/set", JSON, b"transfer-encoding: chunked") + b"4\r\nnull\r\n0\r\n\r\n"
    yield request(b"POST", b"/kv/set", JSON, b"transfer-encoding: chunked") + b"4;a=b\r\nnull\r\n0\r\nx-a: b\r\n\r\n"
    yield get(b"/kv/get/a", *[b"x-%d: y" % number for number in range(300)])
    yield get(b"/kv/get/a", *[b"x-%d: %b" % (number, b"y" * 100) for number in range(300)])


def closing() -> Iterator[bytes]:
    """After these the server closes, and nothing comes behind them."""
    yield get(b"/kv/get/a", b"connection: close")
    yield get(b"/kv/get/a", b"connection: Close, keep-alive")
    yield get(b"/kv/get/a", b"connection: keep-alive", b"connection: close")
    yield get(b"/nowhere", b"connection: close")
    yield post(b"/kv/set", {"key": "a", "value": 1}, b"connection: close")
    yield request(b"HEAD", b"/kv/get/a", b"connection: close")
    yield request(b"POST", b"/kv/set", JSON, b"connection: close", body=b"nonsense")
    yield b"GET /kv/get/a HTTP/1.0\r\n\r\n"
    yield b"GET /kv/get/a HTTP/1.0\r\nhost: a\r\n\r\n"
    for before in (GET, SET, SET + GET * 40, request(b"OPTIONS", b"/kv/set")):
        yield before + get(b"/kv/get/a", b"connection: close")
        yield before + get(b"/events?after=99999", b"connection: close")
        yield before + request(b"OPTIONS", b"/kv/set", b"connection: close")
        yield before + post(b"/kv/set", {"key": "a", "value": 7}, b"connection: close")


def illegal() -> Iterator[bytes]:
    """What is no HTTP, or no longer."""
    yield b"nonsense\r\n\r\n"
    yield b"GET /kv/get/a\r\n\r\n"
    yield b"GET /kv/get/a HTTP/1.1\r\n\r\n"
    yield b"GET /kv/get/a HTTP/2.0\r\nhost: a\r\n\r\n"
    yield b"GET /kv/get/a HTTP/1.2\r\nhost: a\r\n\r\n"
    yield b"GET /kv/get/a http/1.1\r\nhost: a\r\n\r\n"
    yield b"GET  /kv/get/a HTTP/1.1\r\nhost: a\r\n\r\n"
    yield b"GET /kv/get/a  HTTP/1.1\r\nhost: a\r\n\r\n"
    yield b"GET /kv/get/a b HTTP/1.1\r\nhost: a\r\n\r\n"
    yield b"GET\t/kv/get/a HTTP/1.1\r\nhost: a\r\n\r\n"
    yield b" GET /kv/get/a HTTP/1.1\r\nhost: a\r\n\r\n"
    yield b"get /kv/get/a HTTP/1.1\r\nhost: a\r\n\r\n"
    yield b"GET kv/get/a HTTP/1.1\r\nhost: a\r\n\r\n"
    yield b"GET /kv/get/\xff HTTP/1.1\r\nhost: a\r\n\r\n"
    yield b"GET /kv/get/\x00 HTTP/1.1\r\nhost: a\r\n\r\n"
    yield b"GET /kv/get/a HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"
    yield b"GET /kv/get/a HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n"
    yield b"CONNECT synap:443 HTTP/1.1\r\nhost: a\r\n\r\n"
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n"
    for line in (
        b"no colon",
        b": no name",
        b"space before : colon",
        b"x-a : b",
        b"x a: b",
        b"x-a: b\x00c",
        b"x-a: b\x01c",
        b"x-a: b\x7fc",
        b"x-a: b\rc",
        b"x-a: b\n c",
        b"x-a: b\nx-b: c",
        b"x-a: b\r\n folded",
        b"x-a: b\r\n\tfolded",
        b" x-a: b",
        b"x\x00a: b",
        b"x\xffa: b",
        b"\xef\xbb\xbfx-a: b",
    ):
        yield get(b"/kv/get/a", line)
        yield get(b"/kv/get/a", b"x-b: c", line, b"x-d: e")


def smuggled() -> Iterator[bytes]:
    """Whose body has two lengths, or one that may be read in two ways; behind it, a request that is none of its own."""
    inner = request(b"DELETE", b"/kv/del/victim")
    yield post(b"/kv/set", {"key": "victim", "value": 1})
    for lengths in (
        (b"content-length: %d" % (5 + len(inner)), b"transfer-encoding: chunked"),
        (b"transfer-encoding: chunked", b"content-length: 5"),
        (b"content-length: 5", b"content-length: %d" % (5 + len(inner))),
        (b"content-length: 5", b"content-length: 5"),
        (b"content-length: 5, 5",),
        (b"content-length: 5, 6",),
        (b"content-length: +5",),
        (b"content-length: -5",),
        (b"content-length: 5 5",),
        (b"content-length: 0x5",),
        (b"content-length: 5.0",),
        (b"content-length: 5_0",),
        (b"content-length: \xd9\xa5",),
        (b"content-length: 99999999999999999999999999",),
        (b"content-length:",),
        (b"content-length : 5",),
        (b"content-length\t: 5",),
        (b"content-length\x00: 5",),
        (b"content-length: 5\x00",),
        (b"content-length:\r\n 5",),
        (b"x-a: b\ncontent-length: 5",),
        (b"x-a: b\rcontent-length: 5",),
        (b"content_length: 5",),
        (b"transfer-encoding: identity", b"content-length: 5"),
        (b"transfer-encoding: chunked, identity",),
        (b"transfer-encoding: gzip, chunked",),
        (b"transfer-encoding: chunked, chunked",),
        (b"transfer-encoding: chunked", b"transfer-encoding: chunked"),
        (b"transfer-encoding: chunked", b"transfer-encoding: x"),
        (b"transfer-encoding: xchunked", b"content-length: 5"),
        (b"transfer-encoding:\x0bchunked", b"content-length: 5"),
        (b"transfer-encoding : chunked", b"content-length: 5"),
        (b"transfer-encoding\x00: chunked", b"content-length: 5"),
        (b"x: y\ntransfer-encoding: chunked", b"content-length: 5"),
        (b"transfer-encoding:\r\n chunked", b"content-length: 5"),
        (b"Transfer-Encoding: Chunked",),
        (b"transfer_encoding: chunked", b"content-length: 5"),
        (b"connection: content-length", b"content-length: 5"),
        (b"upgrade: h2c", b"content-length: 5"),
    ):
        yield request(b"POST", b"/kv/persist/a", *lengths) + b"0\r\n\r\n" + inner
    chunked = request(b"POST", b"/kv/persist/a", b"transfer-encoding: chunked")
    for chunks in (
        b"0\n\n",
        b"0 \r\n\r\n",
        b"00\r\n\r\n",
        b"-0\r\n\r\n",
        b"0x0\r\n\r\n",
        b"1\r\na0\r\n\r\n",
        b"1\r\na\r\n0\r\n\r\n",
    ):
        yield chunked + chunks + inner
    yield GET.replace(b"\r\n", b"\n") + inner
    yield GET.replace(b"\r\n\r\n", b"\n\r\n") + inner
    yield GET.replace(b"\r\n\r\n", b"\r\n\n") + inner
    yield GET.replace(b"\r\n\r\n", b"\r\r\n\r\r\n") + inner


def pipelines() -> Iterator[bytes]:
    """Several at once, for one door, for the other, and for both."""
    events = get(b"/events?after=99999")
    large = post(b"/kv/set", {"key": "a", "value": "x" * 80_000})
    yield SET + GET + get(b"/kv/exists/a") + get(b"/nowhere") + post(b"/kv/set", b"nonsense") + GET
    yield GET * 100
    yield SET + GET * 100 + SET * 40 + GET * 40
    yield GET + request(b"OPTIONS", b"/kv/set") + GET + SET + GET
    yield SET * 3 + events + GET
    yield GET * 40 + large + GET + request(b"HEAD", b"/kv/get/a") + GET
    yield SET + get(b"/kv/get/a", b"expect: 100-continue") + GET
    yield GET + b"nonsense\r\n\r\n" + GET
    yield SET + b"GET /kv/get/a HTTP/1.1\r\n\r\n" + GET
    yield b"\r\n".join([GET, GET])
    yield get(b"/kv/keys") + get(b"/kv/scan?limit=1") + post(b"/kv/mget", {"keys": ["a", "long"]}) + GET
