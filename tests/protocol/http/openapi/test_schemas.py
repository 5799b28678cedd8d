from typing import Annotated

import msgspec
import pytest
from msgspec import Meta, Raw

from synap.protocol.http.description import Schema
from synap.protocol.http.openapi.schemas import Schemas, in_words


class Inner(msgspec.Struct):
    """An inner
    one, with ``code``.

    And more.
    """

    anything: object
    raw: Annotated[Raw, Meta(description="A number.", extra_json_schema={"type": "number"})]


class Outer(msgspec.Struct):
    inner: list[Inner] = []


def test_structs_are_referred_to_by_name() -> None:
    schemas = Schemas()
    assert schemas.of(Outer) == {"$ref": "#/components/schemas/Outer"}
    assert set(schemas.named) == {"Inner", "Outer"}
    assert schemas.of(str) == {"type": "string"}
    assert set(schemas.named) == {"Inner", "Outer"}


def test_docstrings_become_paragraphs() -> None:
    schemas = Schemas()
    schemas.of(Inner)
    assert schemas.named["Inner"]["description"] == "An inner one, with `code`.\n\nAnd more."
    assert schemas.named["Inner"]["properties"] == {
        "anything": {"description": "Any JSON."},
        "raw": {"description": "A number.", "type": "number"},
    }


def test_what_has_no_schema_is_refused() -> None:
    with pytest.raises(TypeError):
        Schemas().of(Schemas)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, "any JSON"),
        ({"type": "string"}, "string"),
        ({"type": ["object", "null"]}, "object or null"),
        ({"type": "integer", "minimum": 1, "maximum": 10000}, "integer from 1 to 10,000"),
        ({"type": "number", "minimum": 0.5}, "number from 0.5"),
        ({"type": "integer", "maximum": 5}, "integer up to 5"),
        ({"enum": ["a", "b"]}, '"a" or "b"'),
        ({"const": True}, "true"),
        ({"$ref": "#/components/schemas/Inner"}, "[Inner](#inner)"),
        ({"type": "array", "items": {"type": "string"}}, "array of string"),
        ({"type": "array", "prefixItems": [{"type": "string"}, {}], "items": False}, "[string, any JSON]"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer or null"),
    ],
)
def test_in_words(schema: Schema, words: str) -> None:
    assert in_words(schema) == words
