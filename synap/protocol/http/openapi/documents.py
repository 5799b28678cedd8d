"""The routes that tell of all routes, themselves included: the OpenAPI document, and the page for readers.

Both are made when they are first asked for, of the table that serves, and kept. They hold nothing that is stored, so
nobody is asked for credentials.
"""

from functools import cache

import msgspec

from synap.protocol.http import tags
from synap.protocol.http.description import JSON, Answer, Content
from synap.protocol.http.message import Request, Response
from synap.protocol.http.openapi.document import document_of
from synap.protocol.http.openapi.operation import reference_of
from synap.protocol.http.openapi.page import Page, page_of
from synap.protocol.http.render import text_response
from synap.protocol.http.router import Call, Route, call, endpoint
from synap.protocol.http.service import Question, Role

LOCAL = "http://localhost:15500"
"""The address in examples where nobody knows a better one."""


def with_documents(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """The table, and behind it the routes that tell of it."""

    @endpoint(tags.DOCUMENTS, Answer("An OpenAPI 3.1 document.", (Content(JSON, dict[str, object]),)))
    def openapi(_: Request, __: bytes) -> Call:
        """Describe this API to programs."""
        return call(Question(lambda _: document(), Role.PUBLIC), lambda told: text_response(told, JSON))

    @endpoint(tags.DOCUMENTS, Answer("A page without scripts.", (Content("text/html", str),)))
    def docs(request: Request, _: bytes) -> Call:
        """Describe this API to readers."""

        def respond(page: Page) -> Response:
            return page.response(request)

        return call(Question(lambda _: page(), Role.PUBLIC), respond)

    table = (*routes, Route("GET", "/openapi.json", openapi), Route("GET", "/docs", docs))

    @cache
    def document() -> bytes:
        return msgspec.json.encode(document_of(reference_of(table, LOCAL)))

    @cache
    def page() -> Page:
        return page_of(table)

    return table
