from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from synap.protocol.http.openapi.fields import Row, about_of, rows_of, shapes_of
from synap.protocol.http.openapi.operation import Input, Reference
from synap.protocol.http.openapi.schemas import Schemas


class Inner(msgspec.Struct):
    n: int


class Outer(msgspec.Struct):
    name: Annotated[str, Meta(description="What it is called.")]
    inner: list[Inner]
    limit: Annotated[int, Meta(description="How many.")] = 7
    flag: bool = False
    more: str | UnsetType = UNSET


SCHEMAS = Schemas()
OUTER = SCHEMAS.of(Outer)
REFERENCE = Reference((), SCHEMAS.named)


def test_the_fields_of_a_struct() -> None:
    assert rows_of(OUTER, REFERENCE) == [
        Row("name", "string", always=True, about="What it is called."),
        Row("inner", "array of [Inner](#inner)", always=True, about=""),
        Row("limit", "integer", always=False, about="How many. By default `7`."),
        Row("flag", "boolean", always=False, about=""),
        Row("more", "string", always=False, about=""),
    ]


def test_what_is_no_struct_has_none() -> None:
    assert rows_of(None, REFERENCE) == []
    assert rows_of({"type": "string"}, REFERENCE) == []


def test_structs_inside_of_others() -> None:
    assert shapes_of(REFERENCE) == ["Inner"]


def test_a_parameter_and_what_it_is_by_default() -> None:
    given = Input("limit", "query", "How many.", {"type": "integer", "default": 5}, required=False)
    assert about_of(given) == "How many. By default `5`."
    assert about_of(msgspec.structs.replace(given, schema={"type": "string", "default": ""})) == "How many."
