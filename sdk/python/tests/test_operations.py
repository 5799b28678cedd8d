"""Every operation with every kind of client: the request that goes out, and the result of the answer that comes in."""

from datetime import datetime

import httpx
import pytest

from cases import CASES, Case
from support import Flavour, Script, answer, refuse
from synap_sdk import InvalidArgument, OutcomeUnknown, SynapError, UnexpectedResponse, VersionMismatch
from synap_sdk._core import operations
from synap_sdk._shells.kv import KV, Operation

OPERATIONS = {name for name, each in vars(KV).items() if isinstance(each, Operation)}


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case.name}" for number, case in enumerate(CASES)])
def test_an_operation(flavour: Flavour, case: Case) -> None:
    server = Script(httpx.Response(case.answer.status_code, headers=case.answer.headers, content=case.answer.content))
    client = flavour.client(handler=server)
    assert flavour.call(client, lambda it: case.call(it.kv)) == case.result
    (request,) = server.seen
    case.check(request)


def test_every_operation_has_a_case() -> None:
    assert {case.name for case in CASES} == OPERATIONS


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_an_operation_explains_itself(flavour: Flavour, name: str) -> None:
    method = getattr(flavour.client().kv, name)
    assert method.__name__ == name
    assert method.__qualname__ == f"kv.{name}"
    assert len(method.__doc__) > 20


def test_the_table_is_read_from_the_class() -> None:
    assert isinstance(KV.get, Operation)
    assert KV.get.__doc__ == operations.get_value.__doc__


# --- what cannot be sent -----------------------------------------------------------------------------------

SURROGATE = "\ud800"
CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    "call",
    [
        lambda kv: kv.get(SURROGATE),
        lambda kv: kv.get(b"key"),
        lambda kv: kv.get(7),
        lambda kv: kv.get("k" * 65536),
        lambda kv: kv.count(None),
        lambda kv: kv.set("k", SURROGATE),
        lambda kv: kv.set("k", float("nan")),
        lambda kv: kv.set("k", {1, 2}),
        lambda kv: kv.set("k", {"nested": b"octets"}),
        lambda kv: kv.set("k", CIRCLE),
        lambda kv: kv.set("k", "v", ttl="60"),
        lambda kv: kv.set("k", "v", ttl=True),
        lambda kv: kv.set("k", "v", ttl=float("inf")),
        lambda kv: kv.set("k", "v", deadline=datetime(2027, 1, 1)),  # noqa: DTZ001  # that is the mistake
        lambda kv: kv.set("k", "v", ttl=60, deadline=datetime.now().astimezone()),
        lambda kv: kv.set("k", b"v", xx=True),
        lambda kv: kv.set("k", b"v", keepttl=True),
        lambda kv: kv.set("k", b"v", get=True),
        lambda kv: kv.set("k", b"v", deadline=datetime.now().astimezone()),
        lambda kv: kv.set("k", b"v", nx=True, if_version=3),
        lambda kv: kv.mset({"k": b"v"}),
        lambda kv: kv.mget("one text"),
        lambda kv: kv.getset("k", b"v"),
    ],
)
def test_what_cannot_be_sent_is_not_sent(flavour: Flavour, call: object) -> None:
    server = Script()
    with pytest.raises(InvalidArgument) as caught:
        flavour.call(flavour.client(handler=server), lambda it: call(it.kv))  # type: ignore[operator]
    assert isinstance(caught.value, ValueError)
    assert server.seen == []


# --- what cannot be read -----------------------------------------------------------------------------------

HTML = httpx.Response(200, headers={"content-type": "text/html"}, content=b"<h1>It works!</h1>")
BROKEN = httpx.Response(200, headers={"content-type": "application/json"}, content=b'{"count":')


@pytest.mark.parametrize(
    ("call", "response"),
    [
        (lambda kv: kv.count(), HTML),
        (lambda kv: kv.count(), BROKEN),
        (lambda kv: kv.count(), answer([1])),
        (lambda kv: kv.count(), answer({})),
        (lambda kv: kv.count(), answer({"count": "1"})),
        (lambda kv: kv.count(), answer({"count": True})),
        (lambda kv: kv.exists("k"), answer({"exists": 1})),
        (lambda kv: kv.mget(["k"]), answer({"values": "v"})),
        (lambda kv: kv.keys(), answer({"keys": "k", "truncated": False})),
        (lambda kv: kv.keys(), answer({"keys": [1], "truncated": False})),
        (lambda kv: kv.get("k"), BROKEN),
        (lambda kv: kv.get("k"), HTML),
        (lambda kv: kv.get_with_version("k"), answer("without an etag")),
        (lambda kv: kv.get("k"), httpx.Response(301, headers={"location": "https://elsewhere.test/"})),
    ],
)
def test_an_answer_that_is_none_of_synap(flavour: Flavour, call: object, response: httpx.Response) -> None:
    server = Script(httpx.Response(response.status_code, headers=response.headers, content=response.content))
    with pytest.raises(UnexpectedResponse) as caught:
        flavour.call(flavour.client(handler=server), lambda it: call(it.kv))  # type: ignore[operator]
    assert caught.value.status == response.status_code
    assert len(server.seen) == 1


def test_a_write_with_such_an_answer_may_have_happened(flavour: Flavour) -> None:
    with pytest.raises(OutcomeUnknown, match="none of Synap's") as caught:
        flavour.call(flavour.client(handler=lambda _: answer({})), lambda it: it.kv.set("k", "v"))
    assert caught.value.outcome == "unknown"


def test_a_condition_that_does_not_hold_is_an_error_unless_it_was_nx(flavour: Flavour) -> None:
    def server(_: httpx.Request) -> httpx.Response:
        return refuse(412, "version_mismatch", current_version=None)

    with pytest.raises(VersionMismatch) as caught:
        flavour.call(flavour.client(handler=server), lambda it: it.kv.set("k", b"v", if_version=3))
    assert caught.value.current_version is None
    assert isinstance(caught.value, SynapError)
