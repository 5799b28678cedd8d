import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import synap
from synap.protocol.http import Request
from synap.protocol.http.openapi.operation import reference_of
from synap.protocol.http.openapi.page import page_of
from synap.protocol.http.routes import ROUTES

PAGE = page_of(ROUTES)
VOID = {"meta"}


def asked(*headers: tuple[bytes, bytes]) -> str:
    return PAGE.response(Request("GET", b"/docs", b"", headers, b"")).body.decode()


class Reader(HTMLParser):
    """Collects what a page has, and sees to it that every element ends where it should."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_is_well_formed() -> None:
    page = asked()
    assert page.startswith("<!doctype html>\n<html")
    assert Reader(page).open == []


def test_it_needs_nothing_from_elsewhere() -> None:
    reader = Reader(asked())
    assert reader.names.isdisjoint({"script", "link", "img", "iframe", "object", "form", "base"})
    assert {name for name, _ in reader.attributes} <= {
        "href",
        "id",
        "class",
        "title",
        "lang",
        "charset",
        "name",
        "content",
    }
    links = {value for name, value in reader.attributes if name == "href"}
    assert {link for link in links if not link.startswith("#")} == {"openapi.json"}
    assert "url(" not in asked()
    assert "@import" not in asked()


def test_every_link_leads_somewhere() -> None:
    attributes = Reader(asked()).attributes
    places = [value for name, value in attributes if name == "id"]
    assert len(set(places)) == len(places)
    assert {value[1:] for name, value in attributes if name == "href" and value.startswith("#")} <= set(places)


def test_it_shows_every_route() -> None:
    page = asked()
    for operation in reference_of(ROUTES, "http://localhost").operations:
        assert f">{operation.pattern}<" in page
        assert not operation.is_first or f'id="{operation.name}"' in page


def test_only_its_own_style_is_allowed() -> None:
    response = PAGE.response(Request("GET", b"/docs", b"", (), b""))
    style = re.search(rb"<style>(.*?)</style>", response.body, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1]).digest()).decode()
    policy = dict(response.headers)[b"content-security-policy"].decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "unsafe" not in policy
    assert dict(response.headers)[b"content-type"] == b"text/html; charset=utf-8"
    assert dict(response.headers)[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ([(b"host", b"store.example.com:8080")], "http://store.example.com:8080"),
        ([(b"host", b"[::1]:15500")], "http://[::1]:15500"),
        ([(b"host", b"example.com"), (b"x-forwarded-proto", b"https")], "https://example.com"),
        ([], "http://localhost:15500"),
        ([(b"host", b'"><script>alert(1)</script>')], "http://localhost:15500"),
        ([(b"host", b"a.example.com; rm -rf ~")], "http://localhost:15500"),
        ([(b"host", b"example.com"), (b"x-forwarded-proto", b"javascript")], "http://example.com"),
    ],
)
def test_examples_are_for_the_address_it_was_asked_at(headers: list[tuple[bytes, bytes]], base: str) -> None:
    page = asked(*headers)
    assert f"curl {base}/kv/get/session:1<" in page
    assert "address.invalid" not in page
    assert "alert(1)" not in page
    assert "rm -rf" not in page


def test_its_style_is_installed_with_it() -> None:
    root = Path(synap.__file__).parent.parent
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    assert '"protocol/http/openapi/page.css"' in project
