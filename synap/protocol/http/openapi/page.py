"""The page at /docs: all routes, rendered here, without a script and without anything from elsewhere.

The style stands in the page, and the policy that is sent with it allows that one and nothing more. The page is made
once, for a server of unknown address; which one it was asked at is filled in for each request.
"""

import base64
import hashlib
import html
import json
import re
from importlib import resources

import msgspec

from synap import __version__
from synap.protocol.http import tags
from synap.protocol.http.message import Request, Response, header
from synap.protocol.http.openapi.document import ABOUT
from synap.protocol.http.openapi.failures import Failure
from synap.protocol.http.openapi.fields import ALWAYS, REQUIRED, Row, about_of, rows_of, shapes_of, word_of
from synap.protocol.http.openapi.markup import blocks, element, inline, table
from synap.protocol.http.openapi.operation import Form, Operation, Output, Reference, reference_of
from synap.protocol.http.openapi.schemas import REFERENCE, in_words
from synap.protocol.http.render import text_response
from synap.protocol.http.router import Route

_BASE = "http://address.invalid"
"""Stands in the page for the address of the server."""

_DEFAULT_HOST = "localhost:15500"
_HOST = re.compile(rb"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
"""What an address may be for it to be shown: a name or a number, and a port."""


class Page(msgspec.Struct, frozen=True):
    """The page, and the policy it is sent with."""

    body: bytes
    policy: bytes

    def response(self, request: Request) -> Response:
        """The page for who asked."""
        found = text_response(self.body.replace(_BASE.encode(), _address(request)), "text/html; charset=utf-8")
        extra = ((b"content-security-policy", self.policy), (b"x-content-type-options", b"nosniff"))
        return Response(found.status, (*found.headers, *extra), found.body)


def _address(request: Request) -> bytes:
    """The address that the page was asked at, as far as the server can know; proxies say if it was over TLS."""
    host = header(request.headers, b"host") or b""
    scheme = b"https" if header(request.headers, b"x-forwarded-proto") == b"https" else b"http"
    return scheme + b"://" + (host if _HOST.fullmatch(host) else _DEFAULT_HOST.encode())


def page_of(routes: tuple[Route, ...]) -> Page:
    """The page about a table of routes."""
    style = resources.files("synap.protocol.http.openapi").joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    reference = reference_of(routes, _BASE)
    told = [operation for operation in reference.operations if operation.is_first]
    head = element(
        "head",
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        element("title", "Synap REST API"),
        element("style", style),
    )
    body = element("body", _navigation(told), element("main", _introduction(), *_sections(told, reference)))
    return Page(f"<!doctype html>\n{element('html', head, body, lang='en')}\n".encode(), policy.encode())


def _navigation(told: list[Operation]) -> str:
    groups = []
    for tag in tags.ALL:
        links = [
            element("a", _method(each), inline(each.pattern), href=f"#{each.name}", title=each.summary)
            for each in told
            if each.tag == tag
        ]
        if links:
            groups.append(
                element("section", element("a", inline(tag.name), href=f"#{_id(tag.name)}", class_="tag"), *links)
            )
    ends = [element("a", name, href=f"#{name.lower()}", class_="tag") for name in ("Shapes", "Errors")]
    return element("nav", element("a", "Synap", href="#top", class_="name"), *groups, element("section", *ends))


def _introduction() -> str:
    links = element("p", element("a", "openapi.json", href="openapi.json"), f" · version {html.escape(__version__)}")
    credentials = (
        "Where authentication is on, a route needs credentials of the role that stands beside it (reader, writer, "
        "admin), or of one after it; what is public needs none. "
        'With curl: `-H "Authorization: Bearer KEY"`, `-H "X-API-Key: KEY"`, or `--user NAME:PASSWORD`.'
    )
    return element("header", element("h1", "Synap REST API"), blocks(ABOUT), blocks(credentials), links, id="top")


def _sections(told: list[Operation], reference: Reference) -> list[str]:
    sections = []
    for tag in tags.ALL:
        operations = [_operation(each, reference) for each in told if each.tag == tag]
        if operations:
            heading = element("h2", inline(tag.name), id=_id(tag.name))
            sections.append(element("section", heading, blocks(tag.about), *operations))
    return [*sections, _shapes(reference), _errors(reference)]


def _operation(operation: Operation, reference: Reference) -> str:
    paths = [
        element("p", _method(operation), element("code", html.escape(pattern)), class_="path")
        for pattern in (operation.pattern, *operation.others)
    ]
    role = element("span", operation.role.name.lower(), class_="role")
    heading = element("h3", element("a", inline(operation.summary), href=f"#{operation.name}"), role)
    told = [blocks(operation.text), *_inputs(operation, reference)]
    told += [_output(output, reference) for output in operation.outputs]
    told.append(_failures([each for each in operation.failures if not each.everywhere]))
    return element(
        "article",
        element("div", heading, *paths, *told, class_="told"),
        element("div", *_examples(operation), class_="examples"),
        id=operation.name,
    )


def _inputs(operation: Operation, reference: Reference) -> list[str]:
    parts = []
    if operation.inputs:
        rows = [
            _cells(
                each.name, f"{in_words(each.schema)}, {each.place}", REQUIRED if each.required else "", about_of(each)
            )
            for each in operation.inputs
        ]
        parts += [element("h4", "Parameters"), table(("name", "type", ""), rows)]
    if operation.body is not None:
        parts.append(element("h4", "Body ", _media(operation.body.forms)))
        parts.append(blocks(operation.body.about))
        parts.append(_fields(rows_of(operation.body.forms[0].schema, reference), REQUIRED))
    return parts


def _cells(name: str, words: str, always: str, about: str) -> list[str]:
    mark = element("span", always, class_="always") if always else ""
    return [element("code", html.escape(name)), inline(words), inline(about) + (" " if about else "") + mark]


def _output(output: Output, reference: Reference) -> str:
    heading = element("h4", element("span", str(output.status), class_="status"), _media(output.forms))
    fields = [_cells(each.name, "header", "", each.about) for each in output.fields]
    rows = rows_of(output.forms[0].schema, reference) if output.forms else []
    parts = [heading, blocks(output.about), _fields(rows, ALWAYS)]
    return "".join(parts) + (table(("name", "", ""), fields) if fields else "")


def _media(forms: tuple[Form, ...]) -> str:
    return element("small", html.escape(", ".join(form.media_type for form in forms)))


def _fields(rows: list[Row], always: str) -> str:
    cells = [_cells(row.name, row.words, always if row.always else "", row.about) for row in rows]
    return table(("field", "type", ""), cells) if cells else ""


def _failures(failures: list[Failure]) -> str:
    named = [
        element("span", str(each.status), " ", element("code", each.type), title=each.about, class_="failure")
        for each in failures
    ]
    every = element("a", "as everywhere", href="#errors")
    return element("h4", "Errors") + element("p", every, *(f" · {each}" for each in named), class_="failures")


def _examples(operation: Operation) -> list[str]:
    parts = [element("pre", html.escape(operation.curl, quote=False), class_="request")]
    for output in operation.outputs[:1]:
        if output.example is not None:
            json_first = output.forms[0].media_type == "application/json"
            shown = json.dumps(output.example, ensure_ascii=False, indent=2) if json_first else str(output.example)
            parts.append(element("pre", html.escape(shown, quote=False), class_="answer"))
    return parts


def _shapes(reference: Reference) -> str:
    parts = [element("h2", "Shapes", id="shapes")]
    for name in shapes_of(reference):
        parts.append(element("h3", html.escape(name), id=_id(name)))
        parts.append(blocks(str(reference.schemas[name].get("description", ""))))
        parts.append(_fields(rows_of({"$ref": REFERENCE + name}, reference), word_of(name, reference)))
    return element("section", *parts)


def _errors(reference: Reference) -> str:
    found = {failure.type: failure for operation in reference.operations for failure in operation.failures}
    failures = sorted(found.values(), key=lambda failure: (failure.status, failure.type))
    rows = [
        [str(each.status), element("code", each.type), inline(each.about), "every route" if each.everywhere else ""]
        for each in failures
    ]
    about = blocks(str(reference.schemas["ErrorBody"].get("description", "")))
    fields = _fields(rows_of({"$ref": REFERENCE + "ErrorBody"}, reference), ALWAYS)
    heading = element("h2", "Errors", id="errors")
    return element("section", heading, about, fields, table(("status", "type", "", ""), rows))


def _method(operation: Operation) -> str:
    return element("b", operation.method, class_=operation.method.lower())


def _id(heading: str) -> str:
    return heading.lower().replace(" ", "-")
