"""What is around a payload: envelopes that are none, and where which error belongs."""

from pathlib import Path

import pytest

from synap import errors
from synap.commands import Get
from synap.errors import SynapError
from synap.protocol.http import Request, find
from synap.protocol.http.command.envelope import open_envelope
from tests.protocol.http.command.support import command, failed
from tests.protocol.http.support import request, resolve

GET = command("kv.get", key="a")


def sent(body: object) -> Request:
    return request("POST", "/api/v1/command", body)


@pytest.mark.parametrize("request_id", ["1", "", 7, None])
def test_the_id_comes_back(request_id: object) -> None:
    body = {"command": "kv.get", "request_id": request_id, "payload": {"key": "a"}}
    for each in (body, {key: value for key, value in body.items() if value is not None}):
        status, told = failed(sent(each), errors.MissingKeyError("a"))
        assert (status, told["request_id"]) == (200, request_id)


def test_a_payload_may_be_left_out() -> None:
    assert bytes(open_envelope(sent({"command": "kv.stats"})).payload) == b"{}"
    assert bytes(open_envelope(sent({"command": "kv.stats", "payload": None})).payload) == b"{}"
    assert resolve(sent({"command": "kv.get", "payload": {"key": "a"}, "more": 1})).wish == Get(b"a")


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 400, "a JSON body is needed"),
        (b"{", 400, "the body is not JSON: it ends too early, or holds half of a surrogate pair"),
        (b"\xff", 400, "the body is not UTF-8 at byte 0"),
        (b"[]", 422, "body: expected an object, got an array"),
        (b"{}", 422, "command: expected a string, the field is missing"),
        (b'{"command": 5}', 422, "command: expected a string, got an integer"),
        (
            b'{"command": "kv.get", "request_id": {}}',
            422,
            "request_id: expected an integer or a string or null, got an object",
        ),
        (
            b'{"command": "kv.get", "request_id": 100000000000000000000}',
            422,
            "request_id: expected an integer <= 9223372036854775807, got something else",
        ),
    ],
)
def test_a_broken_envelope_is_a_status(body: bytes, status: int, sentence: str) -> None:
    asked = sent(body)
    with pytest.raises(SynapError) as caught:
        resolve(asked)
    found, told = failed(asked, caught.value)
    assert (found, told["code"], told["error"]) == (status, status, sentence)


def test_a_payload_that_is_no_object() -> None:
    asked = sent({"command": "kv.get", "payload": []})
    with pytest.raises(errors.WrongShapeError) as caught:
        resolve(asked)
    status, told = failed(asked, caught.value)
    assert (status, told["error"]) == (200, "Invalid request: payload: expected an object, got an array")


def test_another_media_type_is_a_status() -> None:
    plain = Request("POST", b"/api/v1/command", b"", ((b"content-type", b"text/plain"),), GET.body)
    with pytest.raises(errors.UnsupportedMediaTypeError) as caught:
        resolve(plain)
    assert failed(plain, caught.value)[0] == 415


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (errors.InvalidKeyError("key must not be empty"), "key must not be empty"),
        (errors.InvalidValueError("the value of this key is no integer"), "the value of this key is no integer"),
        (errors.TooLargeError("value", 9, 8), "value is too large: 9 bytes, the limit is 8"),
        (errors.MissingKeyError(), "there is no such key"),
        (errors.MissingKeyError("a"), "Key not found: a"),
        (errors.KeyExistsError(), "there is such a key already, and it was not overwritten"),
        (errors.VersionMismatchError(1, 2), "version does not match: expected version 1, it is at version 2"),
        (
            errors.FlushOffError(),
            "removing all keys is off; the operator allows it with kv_store.allow_flush_commands",
        ),
    ],
)
def test_what_a_command_is_refused_with_is_in_the_envelope(error: Exception, sentence: str) -> None:
    assert failed(GET, error) == (200, {"success": False, "request_id": "1", "payload": None, "error": sentence})


DISK = OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NotAuthenticatedError("wrong", "no such key"), 401),
        (errors.NotPermittedError("writer", "this needs the role writer"), 403),
        (errors.CrossOriginError("another page"), 403),
        (errors.TooManyFailuresError(60), 429),
        (errors.NotReadyError("loading"), 503),
        (errors.OverloadedError("too many"), 503),
        (errors.DiskFullError("full"), 507),
        (errors.LogFailedError("fsync", Path("x"), DISK), 500),
        (ValueError("secret"), 500),
    ],
)
def test_what_is_not_about_the_command_is_a_status(error: Exception, status: int) -> None:
    found, told = failed(GET, error)
    assert (found, told["code"]) == (status, status)
    assert isinstance(told["error"], str)
    assert ("outcome" in told) == (status >= 500)
    assert "payload" not in told
    usual = find("GET", b"/health").refuse(GET, error, may_have_written=True)
    ours = find("POST", b"/api/v1/command").refuse(GET, error, may_have_written=True)
    assert ours.headers == usual.headers, "Retry-After as everywhere"


def test_a_request_that_was_not_read() -> None:
    response = find("POST", b"/api/v1/command").refuse(None, errors.TooLargeError("body", 9, 8), may_have_written=False)
    assert response.status == 413
    assert response.body.startswith(b'{"success":false,"error":"body is too large')
