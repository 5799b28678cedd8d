"""What is said of a route: the words in which an endpoint describes itself, for OpenAPI and for readers.

A description stands at the endpoint it is about, and what can be taken from what serves is taken from there: the
schema of a body is that of its struct, a query parameter is the object that reads it, an error's status is that of
the table in ``errors``. What all routes have in common (credentials, limits, an error inside the server) is not
repeated here; ``openapi`` adds it.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from synap.errors import SynapError

Schema = Mapping[str, object]
"""A JSON Schema (2020-12), as OpenAPI 3.1 uses them."""


class Tag(msgspec.Struct, frozen=True):
    """What a route is about: a heading of the reference. ``key`` stands for any key in its examples."""

    name: str
    about: str
    key: str = "session:1"


class Parameter(Protocol):
    """A parameter of a query, which also reads itself; see ``query``."""

    @property
    def name(self) -> str:
        """As it is written in the query."""
        ...

    @property
    def about(self) -> str:
        """What it is for, in a sentence."""
        ...

    @property
    def required(self) -> bool:
        """Whether a request without it is refused."""
        ...

    @property
    def example(self) -> object:
        """A value that could be given; None where none says more than the schema."""
        ...

    def schema(self) -> Schema:
        """What it can be."""
        ...


class Field(msgspec.Struct, frozen=True):
    """A header field, of a request or of an answer."""

    name: str
    about: str
    schema: Schema
    example: str | None = None


class Content(msgspec.Struct, frozen=True):
    """One form of a body. ``shape`` is a type that msgspec has a schema for; None where there is none."""

    media_type: str
    shape: object = None


class Body(msgspec.Struct, frozen=True):
    """What a request carries, in any of the forms; ``example`` is one in the first of them."""

    contents: tuple[Content, ...]
    example: object
    about: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What comes back when all went well, in one of the forms; ``example`` is one in the first of them.

    Without ``contents`` there is no body.
    """

    about: str
    contents: tuple[Content, ...] = ()
    example: object = None
    fields: tuple[Field, ...] = ()
    status: int = 200


class Description(msgspec.Struct, frozen=True):
    """All that is said of an endpoint.

    ``summary`` and ``text`` are the first line and the rest of its docstring. ``writes``: it may change keys, so the
    disk may be full. ``errors`` are those that not every route has, nor every one with such a body or condition.
    """

    summary: str
    text: str
    tag: Tag
    answers: tuple[Answer, ...]
    query: tuple[Parameter, ...] = ()
    fields: tuple[Field, ...] = ()
    body: Body | None = None
    writes: bool = False
    errors: tuple[type[SynapError], ...] = ()


JSON = "application/json"


def json_body(shape: object, example: object) -> Body:
    """A request body that ``decode`` makes a struct of."""
    return Body((Content(JSON, shape),), example)


def json_answer(shape: type[msgspec.Struct], example: object, *, status: int = 200) -> Answer:
    """An answer that is a struct. What the struct says of itself is what is said of the answer."""
    about = " ".join((shape.__doc__ or "").split()).replace("``", "`")
    return Answer(about, (Content(JSON, shape),), example, status=status)
