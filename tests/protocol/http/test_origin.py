"""A web page of another origin may read nothing (browsers see to that) and write nothing (this does)."""

import json

import pytest

from synap.errors import CrossOriginError
from synap.protocol.http.origin import check_origin
from tests.protocol.http.support import refusal, request, resolve

HOST = (b"host", b"localhost:15500")


@pytest.mark.parametrize(
    ("method", "target"),
    [("POST", "/kv/incr/a"), ("POST", "/snapshot"), ("POST", "/kv/getdel/a"), ("DELETE", "/kv/del/a")],
)
@pytest.mark.parametrize(
    "origin",
    [b"https://evil.example", b"http://localhost", b"http://localhost:15501", b"null", b"", b"localhost:15500"],
)
def test_a_foreign_page_may_not_write(method: str, target: str, origin: bytes) -> None:
    response = refusal(request(method, target, b"", HOST, (b"origin", origin)))
    told = json.loads(response.body)
    assert (response.status, told["type"], told["field"]) == (403, "cross_origin", "origin")


def test_a_page_without_a_host_to_compare_with_may_not_either() -> None:
    with pytest.raises(CrossOriginError):
        check_origin(request("POST", "/kv/incr/a", b"", (b"origin", b"http://localhost:15500")), frozenset())


@pytest.mark.parametrize("origin", [b"http://localhost:15500", b"https://localhost:15500"])
def test_the_server_s_own_pages_may(origin: bytes) -> None:
    resolve(request("POST", "/kv/incr/a", b"", HOST, (b"origin", origin)))


def test_pages_that_are_configured_may() -> None:
    app = b"https://app.example.com"
    check_origin(request("POST", "/kv/incr/a", b"", HOST, (b"origin", app)), frozenset({app}))
    for other in (b"http://app.example.com", b"https://app.example.com:8443", b"https://example.com", b"null"):
        with pytest.raises(CrossOriginError):
            check_origin(request("POST", "/kv/incr/a", b"", HOST, (b"origin", other)), frozenset({app}))


def test_programs_that_are_no_browsers_may() -> None:
    resolve(request("POST", "/kv/incr/a", b"", HOST))


@pytest.mark.parametrize(
    ("method", "target"), [("GET", "/kv/get/a?touch=60"), ("GET", "/admin/backup"), ("POST", "/kv/incr/a")]
)
@pytest.mark.parametrize("site", [b"cross-site", b"same-site"])
def test_what_a_page_embeds_may_not_write_either(method: str, target: str, site: bytes) -> None:
    response = refusal(request(method, target, b"", HOST, (b"sec-fetch-site", site)))
    assert response.status == 403


@pytest.mark.parametrize("site", [b"same-origin", b"none"])
def test_what_a_person_types_may(site: bytes) -> None:
    resolve(request("GET", "/kv/get/a?touch=60", b"", HOST, (b"sec-fetch-site", site)))


def test_reading_is_left_to_the_browser() -> None:
    resolve(request("GET", "/kv/get/a", b"", HOST, (b"origin", b"https://evil.example")))
