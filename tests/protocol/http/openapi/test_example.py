import json

import pytest

from synap.protocol.http.openapi.example import curl_of, example_of
from synap.protocol.http.router import Route
from synap.protocol.http.routes import ROUTES


def route(method: str, pattern: str) -> Route:
    (found,) = (each for each in ROUTES if (each.method, each.pattern) == (method, pattern))
    return found


def test_a_request() -> None:
    example = example_of(route("POST", "/kv/set"))
    assert (example.method, example.target, example.content_type) == ("POST", "/kv/set", "application/json")
    assert json.loads(example.body)["key"] == "session:1"
    assert example_of(route("DELETE", "/kv/keys")).target == "/kv/keys?prefix=session:"


@pytest.mark.parametrize(
    ("method", "pattern", "command"),
    [
        ("GET", "/kv/get/{key}", "curl http://a/kv/get/session:1"),
        ("GET", "/kv/keys", "curl 'http://a/kv/keys?pattern=session:*'"),
        ("DELETE", "/kv/del/{key}", "curl -X DELETE http://a/kv/del/session:1"),
        ("GET", "/admin/backup", "curl -o synap-backup.tar http://a/admin/backup"),
        (
            "PUT",
            "/kv/value/{key}",
            "curl -X PUT 'http://a/kv/value/session:1?ttl=3600' \\\n  -H 'Content-Type: text/plain' \\\n  -d hello",
        ),
    ],
)
def test_commands(method: str, pattern: str, command: str) -> None:
    assert curl_of(route(method, pattern), "http://a") == command
