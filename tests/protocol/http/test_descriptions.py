"""What is said of each route is what it does: parameters, bodies, conditions, examples."""

import json
import re
from collections.abc import Hashable

import msgspec
import pytest

from synap.commands import Write
from synap.errors import InvalidParameterError
from synap.protocol.http import Call, Request, decoding, find, query, tags
from synap.protocol.http.openapi.example import example_of
from synap.protocol.http.precondition import IF_MATCH
from synap.protocol.http.router import Route
from synap.protocol.http.routes import ROUTES

each = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")

WRITES_IF_ASKED_TO = {"GET /kv/get/{key}", "POST /api/v1/command"}
"""The examples of these are reads."""


def request_of(route: Route, *headers: tuple[bytes, bytes]) -> Request:
    """The example of a route, as a request."""
    example = example_of(route)
    path, _, query_string = example.target.encode().partition(b"?")
    declared = () if example.content_type is None else ((b"content-type", example.content_type.encode()),)
    return Request(example.method, path, query_string, (*declared, *headers), example.body)


def call_of(request: Request) -> Call:
    return find(request.method, request.path).call(request)


class Watched(dict[str, str]):
    """Parameters that know who was asked for."""

    def __init__(self, given: dict[str, str], asked: set[str]) -> None:
        super().__init__(given)
        self.asked = asked

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
        self.asked.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)


@each
def test_a_route_is_described(route: Route) -> None:
    said = route.endpoint.description
    assert re.fullmatch(r"[A-Z][^.]{4,60}", said.summary), "a short sentence, not the path"
    assert said.tag in tags.ALL
    assert said.answers
    assert all(answer.about for answer in said.answers)
    assert len({answer.status for answer in said.answers}) == len(said.answers)
    assert all(
        about.endswith(".") for about in [*(each.about for each in said.query), *(each.about for each in said.fields)]
    )


@each
def test_the_example_is_accepted(route: Route) -> None:
    request = request_of(route)
    assert find(request.method, request.path).route is route
    call_of(request)


@each
def test_the_parameters_that_are_read_are_those_that_are_described(
    route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    parse = query.parse
    monkeypatch.setattr(query, "parse", lambda given: Watched(parse(given), asked))
    call_of(request_of(route))
    assert asked == {given.name for given in route.endpoint.description.query}


@each
def test_the_shape_of_the_body_is_the_one_that_is_described(route: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[Hashable] = []
    decoder = decoding._decoder

    def watched(shape: Hashable) -> object:
        shapes.append(shape)
        return decoder(shape)

    request = request_of(route)
    monkeypatch.setattr(decoding, "_decoder", watched)
    call_of(request)
    body = route.endpoint.description.body
    if body is None or body.contents[0].media_type != "application/json":
        assert shapes == []
    else:
        assert shapes[0] is body.contents[0].shape


@each
def test_what_writes_says_so(route: Route) -> None:
    is_write = isinstance(call_of(request_of(route)).wish, Write)
    assert route.endpoint.description.writes == (is_write or f"{route.method} {route.pattern}" in WRITES_IF_ASKED_TO)


@each
def test_conditions_are_described_where_they_are_looked_at(route: Route) -> None:
    if IF_MATCH in route.endpoint.description.fields:
        call_of(request_of(route, (b"if-match", b'"17"')))
        with pytest.raises(InvalidParameterError, match="If-Match: expected one version"):
            call_of(request_of(route, (b"if-match", b"17")))
    elif route.endpoint.description.writes and "{key}" not in route.pattern and route.pattern != "/api/v1/command":
        with pytest.raises(InvalidParameterError, match="are for one key"):
            call_of(request_of(route, (b"if-match", b'"17"')))


@each
def test_an_example_of_an_answer_is_one(route: Route) -> None:
    for answer in route.endpoint.description.answers:
        if answer.example is not None and answer.contents[0].media_type == "application/json":
            shape = answer.contents[0].shape
            msgspec.json.decode(json.dumps(answer.example).encode(), type=shape)
