"""The operations, row by row: what is called, what is sent, what is answered, what comes of it.

What is sent and answered is what the server's documentation says.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx

from support import answer, refuse
from synap_sdk import KeyPage, Versioned, Written

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
SET = {"success": True, "key": "k", "written": True, "version": 7}
OCTETS = {"content-type": "application/octet-stream"}


class Case(NamedTuple):
    """A row. ``sent`` is the body: a document of JSON, octets, or None for no body."""

    call: Callable[[Any], Any]
    request: str
    sent: object
    answer: httpx.Response
    result: object
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The operation that is called."""
        return _Name().of(self.call)

    def check(self, request: httpx.Request) -> None:
        """The request is what the row says."""
        assert f"{request.method} {request.url.raw_path.decode()}" == self.request
        if isinstance(self.sent, bytes):
            assert request.content == self.sent
            assert request.headers["content-type"] == "application/octet-stream"
        elif self.sent is None:
            assert request.content == b""
            assert "content-type" not in request.headers
        else:
            assert json.loads(request.content) == self.sent
            assert request.headers["content-type"] == "application/json"
        for name, value in self.headers:
            assert request.headers[name] == value


class _Name:
    """Stands for ``kv``, and finds out which of its methods is called."""

    def of(self, call: Callable[[Any], Any]) -> str:
        call(self)
        return self.found

    def __getattr__(self, name: str) -> Callable[..., None]:
        self.found = name
        return lambda *_, **__: None


def octets(body: bytes, version: int = 7) -> httpx.Response:
    return httpx.Response(200, headers={**OCTETS, "etag": f'"{version}"'}, content=body)


def _set(operate: Callable[[Any], Any], sent: dict[str, object]) -> Case:
    return Case(operate, "POST /kv/set", {"key": "k", "value": "v", **sent}, answer(SET), Written(True, 7))


CASES = [
    # Values of all kinds
    _set(lambda kv: kv.set("k", "v"), {}),
    _set(lambda kv: kv.set("k", ""), {"value": ""}),
    _set(lambda kv: kv.set("k", {"a": [1, 2.5, None, True, "é"]}), {"value": {"a": [1, 2.5, None, True, "é"]}}),
    _set(lambda kv: kv.set("k", None), {"value": None}),
    _set(lambda kv: kv.set("k", (1, 2)), {"value": [1, 2]}),
    # How long they live
    _set(lambda kv: kv.set("k", "v", ttl=3600), {"ttl": 3600}),
    _set(lambda kv: kv.set("k", "v", ttl=0.25), {"ttl": 0.25}),
    _set(lambda kv: kv.set("k", "v", ttl=timedelta(hours=1)), {"ttl": 3600}),
    _set(lambda kv: kv.set("k", "v", ttl=timedelta(milliseconds=1500)), {"ttl": 1.5}),
    _set(
        lambda kv: kv.set("k", "v", deadline=NEW_YEAR),
        {"expiry": {"type": "unix_milliseconds", "value": 1798761600000}},
    ),
    _set(
        lambda kv: kv.set("k", "v", deadline=NEW_YEAR + timedelta(microseconds=2999)),
        {"expiry": {"type": "unix_milliseconds", "value": 1798761600002}},
    ),
    _set(lambda kv: kv.set("k", "v", keepttl=True), {"keepttl": True}),
    # Under which condition they are set
    _set(lambda kv: kv.set("k", "v", nx=True), {"nx": True}),
    _set(lambda kv: kv.set("k", "v", if_version=0), {"if_version": 0}),
    Case(
        lambda kv: kv.set("k", "v", xx=True),
        "POST /kv/set",
        {"key": "k", "value": "v", "xx": True},
        answer({**SET, "written": False, "version": 0}),
        Written(False, 0),
    ),
    Case(
        lambda kv: kv.set("k", "v", get=True),
        "POST /kv/set",
        {"key": "k", "value": "v", "get": True},
        answer({**SET, "old_value": ["old"]}),
        Written(True, 7, ["old"]),
    ),
    Case(
        lambda kv: kv.set("k", "v", get=True),
        "POST /kv/set",
        {"key": "k", "value": "v", "get": True},
        answer({**SET, "old_value": {"base64": "AP8="}}),
        Written(True, 7, b"\x00\xff"),
    ),
    # Octets
    Case(
        lambda kv: kv.set("k", b"\x00\xff"),
        "PUT /kv/value/k",
        b"\x00\xff",
        answer(SET, 201, {"etag": '"7"'}),
        Written(True, 7),
    ),
    Case(
        lambda kv: kv.set("k", bytearray(b"ab"), ttl=60),
        "PUT /kv/value/k?ttl=60",
        b"ab",
        answer(SET),
        Written(True, 7),
    ),
    Case(lambda kv: kv.set("k", memoryview(b"")), "PUT /kv/value/k", b"", answer(SET), Written(True, 7)),
    Case(
        lambda kv: kv.set("k", b"x", if_version=3),
        "PUT /kv/value/k",
        b"x",
        answer(SET),
        Written(True, 7),
        (("if-match", '"3"'),),
    ),
    Case(
        lambda kv: kv.set("k", b"x", nx=True),
        "PUT /kv/value/k",
        b"x",
        answer(SET, 201),
        Written(True, 7),
        (("if-none-match", "*"),),
    ),
    Case(
        lambda kv: kv.set("k", b"x", nx=True),
        "PUT /kv/value/k",
        b"x",
        refuse(412, "version_mismatch", current_version=5),
        Written(False, 5),
    ),
    Case(
        lambda kv: kv.set("k", b"x", if_version=0),
        "PUT /kv/value/k",
        b"x",
        answer(SET, 201),
        Written(True, 7),
        (("if-none-match", "*"),),
    ),
    # Reading
    Case(lambda kv: kv.get("k"), "GET /kv/get/k", None, answer("text", headers={"etag": '"7"'}), "text"),
    Case(lambda kv: kv.get("k"), "GET /kv/get/k", None, answer('{"a": 1}'), '{"a": 1}'),
    Case(lambda kv: kv.get("k"), "GET /kv/get/k", None, answer({"a": 1}), {"a": 1}),
    Case(lambda kv: kv.get("k"), "GET /kv/get/k", None, answer({"base64": "AP8="}), {"base64": "AP8="}),
    Case(lambda kv: kv.get("k"), "GET /kv/get/k", None, octets(b"\x00\xff"), b"\x00\xff"),
    Case(lambda kv: kv.get("k"), "GET /kv/get/k", None, octets(b"null"), b"null"),
    Case(lambda kv: kv.get("k"), "GET /kv/get/k", None, answer(None), None),
    Case(lambda kv: kv.get("k", touch=60), "GET /kv/get/k?touch=60", None, answer("v"), "v"),
    Case(lambda kv: kv.get("a/b c"), "GET /kv/get/a%2Fb%20c", None, answer(None), None),
    Case(
        lambda kv: kv.get_with_version("k"),
        "GET /kv/get/k",
        None,
        answer("v", headers={"etag": '"12"'}),
        Versioned("v", 12),
    ),
    Case(
        lambda kv: kv.get_with_version("k"),
        "GET /kv/get/k",
        None,
        answer(None, headers={"etag": '"12"'}),
        Versioned(None, 12),
    ),
    Case(lambda kv: kv.get_with_version("k"), "GET /kv/get/k", None, answer(None), None),
    Case(
        lambda kv: kv.touch("k", timedelta(minutes=1)),
        "HEAD /kv/get/k?touch=60",
        None,
        httpx.Response(200, headers={"etag": '"7"'}),
        True,
    ),
    Case(lambda kv: kv.touch("k", 60), "HEAD /kv/get/k?touch=60", None, httpx.Response(200), False),
    # One key
    Case(lambda kv: kv.delete("k"), "DELETE /kv/del/k", None, answer({"deleted": True, "key": "k"}), True),
    Case(
        lambda kv: kv.delete("k", if_version=3),
        "DELETE /kv/del/k",
        None,
        answer({"deleted": False, "key": "k"}),
        False,
        (("if-match", '"3"'),),
    ),
    Case(lambda kv: kv.exists("k"), "GET /kv/exists/k", None, answer({"exists": True}), True),
    Case(
        lambda kv: kv.expire("k", 60),
        "POST /kv/expire/k",
        {"ttl": 60},
        answer({"success": True, "result": True}),
        True,
    ),
    Case(lambda kv: kv.ttl("k"), "GET /kv/ttl/k", None, answer({"ttl": -2, "ttl_ms": -2}), -2),
    Case(lambda kv: kv.persist("k"), "POST /kv/persist/k", None, answer({"success": False, "result": False}), False),
    # Numbers and text
    Case(lambda kv: kv.incr("k"), "POST /kv/incrby/k", {"amount": 1}, answer({"value": 1}), 1),
    Case(lambda kv: kv.incr("k", 10), "POST /kv/incrby/k", {"amount": 10}, answer({"value": 11}), 11),
    Case(lambda kv: kv.decr("k"), "POST /kv/decrby/k", {"amount": 1}, answer({"value": -1}), -1),
    Case(lambda kv: kv.decr("k", amount=2), "POST /kv/decrby/k", {"amount": 2}, answer({"value": -3}), -3),
    Case(lambda kv: kv.append("k", "é"), "POST /kv/append/k", {"value": "é"}, answer({"length": 2}), 2),
    Case(lambda kv: kv.getrange("k"), "GET /kv/getrange/k?start=0&end=-1", None, answer("text"), "text"),
    Case(lambda kv: kv.getrange("k", 1, 2), "GET /kv/getrange/k?start=1&end=2", None, answer(""), ""),
    Case(
        lambda kv: kv.setrange("k", 3, "x"),
        "POST /kv/setrange/k",
        {"offset": 3, "value": "x"},
        answer({"length": 4}),
        4,
    ),
    Case(lambda kv: kv.strlen("k"), "GET /kv/strlen/k", None, answer({"length": 0}), 0),
    Case(lambda kv: kv.getset("k", "new"), "POST /kv/getset/k", {"value": "new"}, answer("old"), "old"),
    Case(lambda kv: kv.getdel("k"), "POST /kv/getdel/k", None, octets(b"old"), b"old"),
    # Many keys
    Case(
        lambda kv: kv.mset({"a": "1", "b": [2]}),
        "POST /kv/mset",
        {"pairs": [{"key": "a", "value": "1"}, {"key": "b", "value": [2]}]},
        answer({"success": True}),
        None,
    ),
    Case(
        lambda kv: kv.mset({"a": "1"}, ttl=60),
        "POST /kv/mset",
        {"pairs": [{"key": "a", "value": "1", "ttl": 60}]},
        answer({"success": True}),
        None,
    ),
    Case(
        lambda kv: kv.msetnx({"a": "1"}),
        "POST /kv/msetnx",
        {"pairs": [{"key": "a", "value": "1"}]},
        answer({"success": False}),
        False,
    ),
    Case(
        lambda kv: kv.mget(["a", "b", "c"]),
        "POST /kv/mget",
        {"keys": ["a", "b", "c"]},
        answer({"values": ["1", None, {"base64": "AA=="}]}),
        ["1", None, b"\x00"],
    ),
    Case(
        lambda kv: kv.mdel(key for key in ("a", "b")),
        "POST /kv/mdel",
        {"keys": ["a", "b"]},
        answer({"deleted": 1}),
        1,
    ),
    Case(
        lambda kv: kv.keys(),
        "GET /kv/keys?pattern=%2A&limit=10000",
        None,
        answer({"keys": ["a"], "truncated": False}),
        KeyPage(("a",), False),
    ),
    Case(
        lambda kv: kv.keys("s:?", limit=1),
        "GET /kv/keys?pattern=s%3A%3F&limit=1",
        None,
        answer({"keys": ["s:1"], "truncated": True}),
        KeyPage(("s:1",), True),
    ),
    Case(lambda kv: kv.count(), "GET /kv/count?prefix=", None, answer({"count": 3}), 3),
    Case(lambda kv: kv.count("a+b"), "GET /kv/count?prefix=a%2Bb", None, answer({"count": 0}), 0),
    Case(
        lambda kv: kv.delete_prefix("user:7:"),
        "DELETE /kv/keys?prefix=user%3A7%3A",
        None,
        answer({"deleted": 2}),
        2,
    ),
    Case(lambda kv: kv.stats(), "GET /kv/stats", None, answer({"total_keys": 1}), {"total_keys": 1}),
]
