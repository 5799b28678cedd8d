import pytest
from msgspec import UNSET, Raw, UnsetType

from synap import commands
from synap.commands import Kind
from synap.protocol.http.bodies import PlainSetBody, SetBody
from synap.protocol.http.endpoints.entries import to_plain_set, to_set
from synap.results import Found, Written
from tests.protocol.http.support import JSON, answered, refusal, refused, request, wish

BASE = {"key": "a", "value": "b"}
TEXT = Found(Kind.TEXT, b"old", None, 3)


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({}, {}),
        ({"ttl": 60}, {"ttl_ms": 60_000}),
        ({"ttl": 0.5}, {"ttl_ms": 500}),
        ({"expiry": {"type": "milliseconds", "value": 7}}, {"ttl_ms": 7}),
        ({"expiry": {"type": "unix_seconds", "value": 1.5}}, {"deadline_ms": 1500}),
        ({"expiry": {"type": "seconds", "value": 1}, "ttl": "ignored"}, {"ttl_ms": 1000}),
        ({"keepttl": True}, {"keep_ttl": True}),
        ({"nx": True}, {"only_if_absent": True}),
        ({"xx": True}, {"only_if_present": True}),
        ({"get": True}, {"return_old": True}),
        ({"if_version": 0}, {"if_version": 0}),
        ({"value": {"n": 1}}, {"kind": Kind.JSON, "value": b'{"n": 1}'}),
        ({"value": None}, {"kind": Kind.JSON, "value": b"null"}),
        ({"value": ""}, {"value": b""}),
        ({"key": "a/b:c+d 😀\0"}, {"key": "a/b:c+d 😀\0".encode()}),
        ({"key": ""}, {"key": b""}),
        ({"unknown": 1}, {}),
    ],
)
def test_set(options: dict[str, object], fields: dict[str, object]) -> None:
    expected = {"key": b"a", "kind": Kind.TEXT, "value": b"b"} | fields
    assert wish("POST", "/kv/set", BASE | options) == commands.Set(**expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "status", "field"),
    [
        ({"ttl": 0}, 400, "ttl"),
        ({"ttl": 0.0001}, 400, "ttl"),
        ({"ttl": -1}, 422, "ttl"),
        ({"ttl": "60"}, 422, "ttl"),
        ({"ttl": True}, 422, "ttl"),
        ({"ttl": None}, 422, "ttl"),
        ({"expiry": {"type": "minutes", "value": 1}}, 422, "expiry.type"),
        ({"expiry": {"type": "seconds", "value": 0}}, 400, "expiry.value"),
        ({"expiry": {"type": "unix_seconds", "value": -1}}, 422, "expiry.value"),
        ({"keepttl": True, "ttl": 1}, 400, "keepttl"),
        ({"keepttl": True, "expiry": {"type": "seconds", "value": 1}}, 400, "keepttl"),
        ({"nx": True, "xx": True}, 400, "nx"),
        ({"if_version": -1}, 422, "if_version"),
        ({"key": 1}, 422, "key"),
    ],
)
def test_set_refused(options: dict[str, object], status: int, field: str) -> None:
    told = refused("POST", "/kv/set", BASE | options)
    assert told[:2] == (status, field)
    assert told[2].startswith(field)


def test_a_version_is_asked_for_once() -> None:
    response = refusal(request("POST", "/kv/set", BASE | {"if_version": 1}, JSON, (b"if-match", b'"1"')))
    assert (response.status, b"if_version: not together with If-Match" in response.body) == (400, True)


def test_set_without_a_value() -> None:
    assert refused("POST", "/kv/set", {"key": "a"}) == (422, "value", "value: expected a value, the field is missing")


def test_set_answered() -> None:
    plain = {"success": True, "key": "a", "written": True, "version": 5}
    assert answered("POST", "/kv/set", Written(True, 5), BASE) == plain
    assert answered("POST", "/kv/set", Written(True, 5, TEXT), BASE) == plain | {"old_value": "old"}
    assert answered("POST", "/kv/set", Written(False, 4), BASE) == plain | {"written": False, "version": 4}


@pytest.mark.parametrize("ttl", [UNSET, 1, 60, 999_999_999])
@pytest.mark.parametrize("value", [b'"text"', rb'"\u0000\""', b'""', b'{"n": 1.10}', b"null"])
def test_a_plain_body_is_the_same_command(value: bytes, ttl: int | UnsetType) -> None:
    as_json = UNSET if ttl is UNSET else Raw(b"%d" % ttl)
    plain, whole = PlainSetBody("Zoë", Raw(value), ttl), SetBody("Zoë", Raw(value), as_json)
    assert to_plain_set(plain) == to_set(whole)


def test_get() -> None:
    assert wish("GET", "/kv/get/a?unknown=1") == commands.Get(b"a")
    assert wish("GET", "/kv/get/a?touch=1.5") == commands.GetTouch(b"a", 1500)
    for target in ("/kv/get/a", "/kv/get/a?touch=60"):
        assert answered("GET", target, TEXT) == "old"
        assert answered("GET", target, None) is None
    assert refused("GET", "/kv/get/a?touch=-1")[:2] == (400, "touch")
    assert refused("GET", "/kv/get/a?touch=0")[:2] == (400, "touch")


def test_delete() -> None:
    assert wish("DELETE", "/kv/del/a") == commands.Delete(b"a")
    assert answered("DELETE", "/kv/del/a%2Fb", True) == {"deleted": True, "key": "a/b"}


def test_exists() -> None:
    assert wish("GET", "/kv/exists/a") == commands.Exists(b"a")
    assert answered("GET", "/kv/exists/a", False) == {"exists": False}
