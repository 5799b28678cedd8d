import gzip

import pytest
from msgspec import Raw

from synap.errors import MalformedRequestError, WrongShapeError
from synap.protocol.http.bodies import KeysBody, PairsBody, PlainSetBody, SetBody
from synap.protocol.http.decoding import check_text, decode, decode_plain, decode_text

from .support import request

VALID = b'{"key":"a","value":1}'


def set_body(body: bytes, *headers: tuple[bytes, bytes]) -> SetBody:
    return decode(request("POST", "/kv/set", body, *headers), SetBody)


def test_the_fields_of_a_set() -> None:
    body = set_body(b'{"key":"a","value": {"b": 1.10} ,"nx":true,"if_version":7,"unknown":[null]}')
    assert (body.key, bytes(body.value), body.nx, body.xx, body.if_version) == ("a", b'{"b": 1.10}', True, False, 7)


def test_the_last_of_a_repeated_field_wins() -> None:
    body = set_body(b'{"key":"a","value":1,"key":"b","value":"2"}')
    assert (body.key, bytes(body.value)) == ("b", b'"2"')


def test_pairs_as_objects_and_arrays() -> None:
    body = decode(request("POST", "/kv/mset", {"pairs": [{"key": "a", "value": 1}, ["b", 2]]}), PairsBody)
    assert len(body.pairs) == 2


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "a JSON body is needed"),
        (b"key=a", "the body is not JSON: invalid character near byte 0"),
        (b" ", "the body is not JSON: it ends too early"),
        (VALID[:-1], "it ends too early"),
        (VALID + b"x", "trailing characters near byte 22"),
        (b"\xef\xbb\xbf" + VALID, "invalid character near byte 0"),
        (b'{"key":"a","value":NaN}', "invalid character near byte 19"),
        (b'{"key":"a","value":[-Infinity]}', "not JSON"),
        (b'{"key":"a","value":01}', "invalid number"),
        (b'{"key":"a","value":[1,]}', "trailing comma"),
        (b'{"key":"a","value":"\\ud800"}', "half of a surrogate pair"),
        (b'{"key":"a","value":["\\udc00"]}', "surrogate"),
        (b'{"key":"\\ud800","value":1}', "surrogate"),
        (b'{"key":"a","value":"\xff"}', "not UTF-8 at byte 20"),
        (b'{"key":"a","value":["\xed\xa0\x80"]}', "not UTF-8 at byte 21"),
        (b'{"key":"\xff","value":1}', "not UTF-8 at byte 8"),
        (b'{"key":"a","value":1,"other":"\xff"}', "not UTF-8"),
        (b'{"key":"a","value":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"key":"a","value":' + b"[" * 100_000, "nested too deeply"),
        (gzip.compress(VALID, mtime=0), "not UTF-8"),
    ],
)
def test_what_is_not_json(body: bytes, sentence: str) -> None:
    with pytest.raises(MalformedRequestError, match=sentence) as caught:
        set_body(body)
    assert caught.value.field == "body"


@pytest.mark.parametrize(
    ("body", "field", "expected", "found"),
    [
        (b"[]", "body", "an object", "got an array"),
        (b"null", "body", "an object", "got null"),
        (b"{}", "key", "a string", "missing"),
        (b'{"key":"a"}', "value", "a value", "missing"),
        (b'{"key":1,"value":1}', "key", "a string", "got an integer"),
        (b'{"key":null,"value":1}', "key", "a string", "got null"),
        (b'{"key":"a","value":1,"nx":1}', "nx", "a boolean", "got an integer"),
        (b'{"key":"a","value":1,"nx":null}', "nx", "a boolean", "got null"),
        (b'{"key":"a","value":1,"if_version":"1"}', "if_version", "an integer", "got a string"),
        (b'{"key":"a","value":1,"if_version":1.5}', "if_version", "an integer", "got a number"),
        (b'{"key":"a","value":1,"if_version":true}', "if_version", "an integer", "got a boolean"),
        (b'{"key":"a","value":1,"if_version":1e400}', "if_version", "another value", "number out of range"),
        (b'{"key":"a","value":1,"expiry":60}', "expiry", "an object", "got an integer"),
        (b'{"key":"a","value":1,"expiry":{"type":"seconds"}}', "expiry.value", "a value", "missing"),
        (b'{"key":"a","value":1,"expiry":{"type":1,"value":1}}', "expiry.type", "a string", "got an integer"),
    ],
)
def test_json_of_the_wrong_shape(body: bytes, field: str, expected: str, found: str) -> None:
    with pytest.raises(WrongShapeError, match=found) as caught:
        set_body(body)
    assert (caught.value.field, caught.value.expected) == (field, expected)


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        ({"pairs": {}}, "pairs", "an array"),
        ({"pairs": [1]}, "pairs[0]", "an object or an array"),
        ({"pairs": [["a", 1], ["b"]]}, "pairs[1]", "an array of length 2"),
        ({"pairs": [{"key": "a", "value": 1}, {"value": 1}]}, "pairs[1].key", "a string"),
        ({"pairs": [[1, 2]]}, "pairs[0][0]", "a string"),
    ],
)
def test_pairs_of_the_wrong_shape(body: object, field: str, expected: str) -> None:
    with pytest.raises(WrongShapeError) as caught:
        decode(request("POST", "/kv/mset", body), PairsBody)
    assert (caught.value.field, caught.value.expected) == (field, expected)


def test_keys_of_the_wrong_type() -> None:
    with pytest.raises(WrongShapeError, match=r"keys\[1\]: expected a string, got null"):
        decode(request("POST", "/kv/mget", {"keys": ["a", None]}), KeysBody)


@pytest.mark.parametrize(
    ("body", "text"), [(b'\n {"a": 1.10}\t', b'{"a": 1.10}'), (b'"x" ', b'"x"'), (b"null", b"null")]
)
def test_any_json_without_the_blanks_around_it(body: bytes, text: bytes) -> None:
    assert bytes(decode(request("PUT", "/kv/value/a", body), Raw)) == text


@pytest.mark.parametrize("body", [b"", b"1 2", b"{", b"nul", b"\xff", b'"\xff"', b'"\\ud800"', b"[" * 100_000])
def test_what_is_no_json_of_any_shape(body: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        decode(request("PUT", "/kv/value/a", body), Raw)


def test_a_body_that_is_no_json_can_be_text() -> None:
    check_text("ü".encode())
    with pytest.raises(MalformedRequestError, match="not UTF-8 at byte 1"):
        check_text(b"a\xff")


# --- where the declaration was looked at already ---------------------------------------------------------


def test_a_body_that_is_declared_as_json() -> None:
    assert decode_text(VALID, SetBody) == set_body(VALID)
    for body, error in (
        (b"", MalformedRequestError),
        (b'{"key":"\xff"}', MalformedRequestError),
        (b"{}", WrongShapeError),
    ):
        with pytest.raises(error):
            decode_text(body, SetBody)


def test_a_body_that_is_plain() -> None:
    body = decode_plain(b' {"value": {"b": 1.10} ,"key":"Zo\\u00eb","ttl":60} ', PlainSetBody)
    assert body is not None
    assert (body.key, bytes(body.value), body.ttl) == ("Zoë", b'{"b": 1.10}', 60)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"key":"a"}',
        b'{"key":"a","value":1,"nx":false}',
        b'{"key":"a","value":1,"ttl":0}',
        b'{"key":"a","value":1,"ttl":1.5}',
        b'{"key":"a","value":1,"ttl":1000000000}',
        b'{"key":"a","value":"\xff"}',
        b'{"key":"\\ud800","value":1}',
        b'{"key":"a","value":' + b"[" * 100_000,
    ],
    ids=lambda body: ascii(body[:40]),
)
def test_a_body_that_is_not_plain(body: bytes) -> None:
    assert decode_plain(body, PlainSetBody) is None
