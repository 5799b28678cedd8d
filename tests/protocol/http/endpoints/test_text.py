import pytest

from synap.commands import Append, GetDelete, GetRange, Kind, Length, Set, SetRange
from synap.protocol.http.endpoints.text import POSITION_MAX
from synap.protocol.http.message import header
from synap.results import Found, Written
from tests.protocol.http.support import answered, refused, request, resolve, wish

TEXT = Found(Kind.TEXT, b"old", None, 3)
OCTETS = Found(Kind.BYTES, b"\xff", None, 3)

BOTH_WAYS = ["/kv/{}/a", "/kv/a/{}"]


@pytest.mark.parametrize("pattern", BOTH_WAYS)
def test_append(pattern: str) -> None:
    target = pattern.format("append")
    assert wish("POST", target, {"value": 'ü"'}) == Append(b"a", 'ü"'.encode()), "no quotes are added"
    assert answered("POST", target, 5, {"value": ""}) == {"length": 5}


@pytest.mark.parametrize("pattern", BOTH_WAYS)
def test_setrange(pattern: str) -> None:
    target = pattern.format("setrange")
    assert wish("POST", target, {"offset": 3, "value": "ü"}) == SetRange(b"a", 3, "ü".encode())
    assert wish("POST", target, {"offset": 10**30, "value": ""}) == SetRange(b"a", 10**30, b"")
    assert answered("POST", target, 5, {"offset": 0, "value": ""}) == {"length": 5}
    assert refused("POST", target, {"offset": -1, "value": ""})[:2] == (422, "offset")
    assert refused("POST", target, {"offset": 1.5, "value": ""})[:2] == (422, "offset")
    assert refused("POST", target, {"value": ""})[:2] == (422, "offset")
    assert refused("POST", target, {"offset": 1})[:2] == (422, "value")


@pytest.mark.parametrize("value", [1, None, ["a"], {"a": 1}, True])
def test_only_text_is_written_into_text(value: object) -> None:
    assert refused("POST", "/kv/append/a", {"value": value})[:2] == (422, "value")
    assert refused("POST", "/kv/setrange/a", {"offset": 0, "value": value})[:2] == (422, "value")


@pytest.mark.parametrize("pattern", BOTH_WAYS)
def test_strlen(pattern: str) -> None:
    target = pattern.format("strlen")
    assert wish("GET", target) == Length(b"a")
    assert answered("GET", target, 5) == {"length": 5}


@pytest.mark.parametrize("pattern", BOTH_WAYS)
@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        ("", 0, -1),
        ("?start=2", 2, -1),
        ("?end=2", 0, 2),
        ("?start=-3&end=-1", -3, -1),
        (f"?start=-{POSITION_MAX}&end={POSITION_MAX}", -POSITION_MAX, POSITION_MAX),
    ],
)
def test_getrange(pattern: str, query: str, start: int, end: int) -> None:
    target = pattern.format("getrange") + query
    assert wish("GET", target) == GetRange(b"a", start, end)
    assert answered("GET", target, TEXT) == "old"
    assert answered("GET", target, None) == ""


def test_getrange_answers_as_any_read_does() -> None:
    call = resolve(request("GET", "/kv/getrange/a"))
    assert header(call.respond(TEXT).headers, b"etag") == b'"3"'
    assert header(call.respond(OCTETS).headers, b"content-type") == b"application/octet-stream"
    assert header(call.respond(None).headers, b"etag") is None


@pytest.mark.parametrize("given", ["", "x", "1.0", str(POSITION_MAX + 1), "+1", "--1"])
@pytest.mark.parametrize("name", ["start", "end"])
def test_a_position_is_an_integer(name: str, given: str) -> None:
    assert refused("GET", f"/kv/getrange/a?{name}={given}")[:2] == (400, name)


@pytest.mark.parametrize("pattern", BOTH_WAYS)
def test_getset(pattern: str) -> None:
    target = pattern.format("getset")
    assert wish("POST", target, {"value": "b"}) == Set(key=b"a", kind=Kind.TEXT, value=b"b", return_old=True)
    assert wish("POST", target, {"value": [1]}) == Set(key=b"a", kind=Kind.JSON, value=b"[1]", return_old=True)
    assert answered("POST", target, Written(True, 5, TEXT), {"value": 1}) == "old"
    assert answered("POST", target, Written(True, 5), {"value": 1}) is None
    assert refused("POST", target, {})[:2] == (422, "value")


@pytest.mark.parametrize("pattern", BOTH_WAYS)
def test_getdel(pattern: str) -> None:
    target = pattern.format("getdel")
    assert wish("POST", target) == GetDelete(b"a")
    assert answered("POST", target, TEXT) == "old"
    assert answered("POST", target, None) is None


@pytest.mark.parametrize(
    ("target", "body", "result"),
    [("/kv/getset/a", {"value": 1}, Written(True, 5, OCTETS)), ("/kv/getdel/a", b"", OCTETS)],
)
def test_what_was_there_before_has_no_version_any_more(target: str, body: object, result: object) -> None:
    response = resolve(request("POST", target, body)).respond(result)
    assert header(response.headers, b"content-type") == b"application/octet-stream"
    assert header(response.headers, b"etag") is None
    assert response.body == b"\xff"


@pytest.mark.parametrize("operation", ["append", "getdel"])
def test_where_both_ways_fit_the_operation_comes_first(operation: str) -> None:
    body = {"value": "x"}
    assert getattr(wish("POST", f"/kv/{operation}/getset", body), "key", None) == b"getset"
    assert getattr(wish("POST", f"/kv/{operation}/{operation}", body), "key", None) == operation.encode()
