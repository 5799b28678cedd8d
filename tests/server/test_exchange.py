"""What both doors share: who is let in before any body is read, what is answered, what is counted."""

import base64
import json

import bcrypt
import pytest
import structlog

from synap.accounts import ApiKeySettings, AuthenticationSettings, UserSettings
from synap.clock import ManualClock
from synap.protocol.http import Headers, Request, Response
from synap.protocol.http.message import header
from synap.protocol.http.permission import ANYBODY, NOBODY
from synap.server.authentication import Authentication
from synap.server.exchange import HEADERS_MAX_BYTES, Admitted, Answered, Exchange, Head
from synap.telemetry import Metrics
from tests.server.test_asgi import DictService

HERE = "192.0.2.1"
APP = b"https://app.example.com"
KEY = (b"x-api-key", b"reader-key")
LOGIN = (b"authorization", b"Basic " + base64.b64encode(b"alice:secret"))
WRONG = (b"x-api-key", b"wrong")
SETTINGS = AuthenticationSettings(
    enabled=True,
    users=(UserSettings("alice", bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode(), "admin"),),
    api_keys=(ApiKeySettings("reader", "reader", key="reader-key"),),
)


@pytest.fixture
def service() -> DictService:
    return DictService()


@pytest.fixture
def guarded(service: DictService) -> Exchange:
    return Exchange(service, Authentication(SETTINGS, ManualClock(), Metrics()), frozenset({APP}))


def head(method: str, path: bytes, *headers: tuple[bytes, bytes]) -> Head:
    return Head(method, path, headers, HERE)


def told(entered: Admitted | Answered | None) -> tuple[str, int, object]:
    """Route, status and type of a request that is answered already."""
    assert isinstance(entered, Answered)
    return entered.route, entered.response.status, json.loads(entered.response.body)["type"]


async def whole(exchange: Exchange, method: str, path: bytes, headers: Headers, body: bytes = b"") -> Response:
    entered = await exchange.enter(Head(method, path, headers, HERE))
    assert isinstance(entered, Admitted), entered
    return await exchange.carry_out(entered, Request(method, path, b"", headers, body))


# --- entering --------------------------------------------------------------------------------------------


async def test_without_authentication_everybody_is_let_in(service: DictService) -> None:
    """Also with credentials that mean nothing: nothing is wrong where nothing is checked."""
    exchange = Exchange(service)
    for headers in ((), (WRONG,), (KEY, LOGIN), ((b"authorization", b"?"),)):
        entered = exchange.enter_at_once(head("POST", b"/snapshot", *headers))
        assert isinstance(entered, Admitted)
        assert (entered.route, entered.grant) == ("/snapshot", ANYBODY)


async def test_whoever_is_known_is_let_in_at_once(guarded: Exchange) -> None:
    entered = guarded.enter_at_once(head("GET", b"/kv/get/a", KEY))
    assert isinstance(entered, Admitted)
    assert (entered.route, entered.match.key, entered.grant.name) == ("/kv/get/{key}", b"a", "reader")


async def test_a_password_has_to_be_waited_for_once(guarded: Exchange) -> None:
    asked = head("GET", b"/kv/get/a", LOGIN)
    assert guarded.enter_at_once(asked) is None
    entered = await guarded.enter(asked)
    assert isinstance(entered, Admitted)
    assert entered.grant.name == "alice"
    assert guarded.enter_at_once(asked) == entered


async def test_a_wrong_password(guarded: Exchange) -> None:
    asked = head("GET", b"/kv/get/a", (b"authorization", b"Basic " + base64.b64encode(b"alice:wrong")))
    assert guarded.enter_at_once(asked) is None
    assert told(await guarded.enter(asked)) == ("/kv/get/{key}", 401, "not_authenticated")


@pytest.mark.parametrize("headers", [(), (WRONG,), (KEY, LOGIN), ((b"authorization", b"?"),)])
async def test_others_are_answered_with_the_route_and_a_challenge(guarded: Exchange, headers: Headers) -> None:
    entered = guarded.enter_at_once(head("POST", b"/kv/set", *headers))
    assert told(entered) == ("/kv/set", 401, "not_authenticated")
    assert isinstance(entered, Answered)
    challenges = [value for name, value in entered.response.headers if name == b"www-authenticate"]
    assert challenges == [b'Bearer realm="synap"', b'Basic realm="synap", charset="UTF-8"']


@pytest.mark.parametrize("headers", [(), (WRONG,), ((b"authorization", b"?"),)])
@pytest.mark.parametrize("path", [b"/health", b"/ready"])
async def test_what_is_public_is_so_whatever_is_sent(guarded: Exchange, path: bytes, headers: Headers) -> None:
    entered = guarded.enter_at_once(head("GET", path, *headers))
    assert isinstance(entered, Admitted)
    assert entered.grant == NOBODY
    assert (await whole(guarded, "HEAD", path, headers)).status == 200


async def test_what_leads_nowhere_needs_no_credentials(guarded: Exchange) -> None:
    assert told(guarded.enter_at_once(head("GET", b"/nowhere"))) == ("unmatched", 404, "unknown_route")
    assert told(guarded.enter_at_once(head("GET", b"/kv/set"))) == ("unmatched", 405, "method_not_allowed")
    large = (b"cookie", b"a" * HEADERS_MAX_BYTES)
    assert told(guarded.enter_at_once(head("GET", b"/health", large))) == ("unmatched", 431, "headers_too_large")


async def test_what_nobody_foresaw_on_the_way_in_is_an_answer_too(service: DictService) -> None:
    said = "sec" + "ret"  # the log shows lines of the source

    def broken(_: bytes, __: bytes) -> bool:
        raise RuntimeError(said)

    exchange = Exchange(service, Authentication(SETTINGS, ManualClock(), Metrics(), broken))
    with structlog.testing.capture_logs() as lines:
        entered = await exchange.enter(head("GET", b"/kv/get/a", LOGIN))
    assert told(entered) == ("/kv/get/{key}", 500, "internal_error")
    assert [line["error"] for line in lines] == ["RuntimeError"]
    assert said not in str(lines)


# --- carrying out ----------------------------------------------------------------------------------------


async def test_a_wish_beyond_the_grant_is_not_carried_out(guarded: Exchange, service: DictService) -> None:
    json_type = (b"content-type", b"application/json")
    refused = await whole(guarded, "POST", b"/kv/set", (KEY, json_type), b'{"key":"a","value":1}')
    assert refused.status == 403
    assert json.loads(refused.body) == {
        "error": "this needs the role writer, which these credentials do not have",
        "code": 403,
        "type": "not_permitted",
        "needs": "writer",
    }
    assert service.values == {}
    written = await whole(guarded, "POST", b"/kv/set", (LOGIN, json_type), b'{"key":"a","value":1}')
    assert written.status == 200
    assert (await whole(guarded, "GET", b"/kv/get/a", (KEY,))).body == b"1"


async def test_pages_of_configured_origins_may_write(guarded: Exchange) -> None:
    host = (b"host", b"synap:15500")
    for origin, status in ((APP, 200), (b"https://evil.example", 403), (b"http://synap:15500", 200)):
        assert (await whole(guarded, "DELETE", b"/kv/del/a", (LOGIN, host, (b"origin", origin)))).status == status


# --- web pages -------------------------------------------------------------------------------------------


async def test_a_preflight_needs_no_credentials(guarded: Exchange) -> None:
    asked = ((b"origin", APP), (b"access-control-request-method", b"POST"))
    entered = guarded.enter_at_once(head("OPTIONS", b"/kv/keys", *asked))
    assert isinstance(entered, Answered)
    response = guarded.expose(asked, entered.response)
    assert (response.status, response.body) == (204, b"")
    assert header(response.headers, b"access-control-allow-methods") == b"DELETE, GET, HEAD"
    assert header(response.headers, b"access-control-allow-origin") == APP


async def test_a_preflight_of_others_is_any_options(guarded: Exchange, service: DictService) -> None:
    asked = ((b"origin", b"https://evil.example"), (b"access-control-request-method", b"POST"))
    assert told(guarded.enter_at_once(head("OPTIONS", b"/kv/keys", *asked)))[1] == 405
    assert told(Exchange(service).enter_at_once(head("OPTIONS", b"/kv/keys", *asked)))[1] == 405
    assert told(guarded.enter_at_once(head("OPTIONS", b"/nowhere", (b"origin", APP))))[1] == 404


# --- counting --------------------------------------------------------------------------------------------


async def test_a_method_that_is_made_up_is_no_label(guarded: Exchange, service: DictService) -> None:
    guarded.observe("BREW", "/kv/set", 405, 0.1)
    guarded.observe("PATCH", "/kv/set", 405, 0.1)
    assert service.observed == [("other", "/kv/set", 405), ("PATCH", "/kv/set", 405)]
