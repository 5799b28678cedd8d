"""What is told of one route, put together: of its description, of the router's rules, and of the errors' table.

OpenAPI, the page and the Markdown are three renderings of this.
"""

import re

import msgspec

from synap.protocol.http.answers import ErrorBody
from synap.protocol.http.bodies import Key
from synap.protocol.http.description import Answer, Body, Content, Field, Schema, Tag
from synap.protocol.http.openapi.example import curl_of
from synap.protocol.http.openapi.failures import Failure, failures_of
from synap.protocol.http.openapi.role import role_of
from synap.protocol.http.openapi.schemas import Schemas
from synap.protocol.http.router import Route
from synap.protocol.http.service import Role

_KEY = "The key, percent-encoded once: a slash in it is `%2F`."

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


class Input(msgspec.Struct, frozen=True):
    """A parameter, wherever it stands: ``place`` is "path", "query" or "header"."""

    name: str
    place: str
    about: str
    schema: Schema
    required: bool
    example: object = None


class Form(msgspec.Struct, frozen=True):
    """One form of a body; there is no schema of octets or of a stream."""

    media_type: str
    schema: Schema | None


class Output(msgspec.Struct, frozen=True):
    """An answer; ``example`` is in the first of the ``forms``."""

    status: int
    about: str
    forms: tuple[Form, ...]
    example: object
    fields: tuple[Field, ...]


class Carried(msgspec.Struct, frozen=True):
    """The body of a request."""

    about: str
    forms: tuple[Form, ...]
    example: object


class Operation(msgspec.Struct, frozen=True):
    """All that is told of a route. ``others`` are patterns that lead to the same; ``is_first`` where it comes first."""

    name: str
    method: str
    pattern: str
    others: tuple[str, ...]
    is_first: bool
    tag: Tag
    summary: str
    text: str
    role: Role
    inputs: tuple[Input, ...]
    body: Carried | None
    outputs: tuple[Output, ...]
    failures: tuple[Failure, ...]
    curl: str


class Reference(msgspec.Struct, frozen=True):
    """All operations, in the order of the table of routes, and the schemas that they refer to by name."""

    operations: tuple[Operation, ...]
    schemas: dict[str, Schema]


def reference_of(routes: tuple[Route, ...], base: str) -> Reference:
    """What is told of all routes; ``base`` is the address in the examples."""
    schemas = Schemas()
    operations = tuple([_operation(route, _alike(route, routes), base, schemas) for route in routes])
    schemas.of(ErrorBody)
    return Reference(operations, schemas.named)


def _alike(route: Route, routes: tuple[Route, ...]) -> list[str]:
    """The patterns that lead to the same as a route, its own included."""
    return [other.pattern for other in routes if other.endpoint is route.endpoint and other.method == route.method]


def _operation(route: Route, alike: list[str], base: str, schemas: Schemas) -> Operation:
    said = route.endpoint.description
    return Operation(
        name=_NOT_IN_A_NAME.sub("_", f"{route.method}{route.pattern}".lower()).strip("_"),
        method=route.method,
        pattern=route.pattern,
        others=tuple([pattern for pattern in alike if pattern != route.pattern]),
        is_first=route.pattern == alike[0],
        tag=said.tag,
        summary=said.summary,
        text=said.text,
        role=role_of(route),
        inputs=_inputs(route, schemas),
        body=None if said.body is None else _carried(said.body, schemas),
        outputs=tuple([_output(answer, schemas) for answer in said.answers]),
        failures=tuple(failures_of(route)),
        curl=curl_of(route, base),
    )


def _inputs(route: Route, schemas: Schemas) -> tuple[Input, ...]:
    said = route.endpoint.description
    found = [Input(each.name, "query", each.about, each.schema(), each.required, each.example) for each in said.query]
    found += [Input(each.name, "header", each.about, each.schema, False, each.example) for each in said.fields]
    if "{key}" not in route.pattern:
        return tuple(found)
    return (Input("key", "path", _KEY, schemas.of(Key), True, said.tag.key), *found)


def _carried(body: Body, schemas: Schemas) -> Carried:
    return Carried(body.about, _forms(body.contents, schemas), body.example)


def _output(answer: Answer, schemas: Schemas) -> Output:
    return Output(answer.status, answer.about, _forms(answer.contents, schemas), answer.example, answer.fields)


def _forms(contents: tuple[Content, ...], schemas: Schemas) -> tuple[Form, ...]:
    return tuple([Form(each.media_type, None if each.shape is None else schemas.of(each.shape)) for each in contents])
