"""The fields of a struct as rows of a table, for readers."""

from typing import cast

import msgspec

from synap.protocol.http.description import Schema
from synap.protocol.http.openapi.operation import Input, Reference
from synap.protocol.http.openapi.schemas import REFERENCE, in_words, part_of, parts_of

REQUIRED = "required"
ALWAYS = "always"


class Row(msgspec.Struct, frozen=True):
    """A field: its name, its type in words, whether it must or will be there, and what it is."""

    name: str
    words: str
    always: bool
    about: str


def rows_of(schema: Schema | None, reference: Reference) -> list[Row]:
    """The fields of the struct that a schema refers to; none where it refers to none."""
    if schema is None or "$ref" not in schema:
        return []
    struct = reference.schemas[str(schema["$ref"]).removeprefix(REFERENCE)]
    required = cast("list[str]", struct.get("required", []))
    fields = cast("dict[str, Schema]", struct.get("properties", {}))
    return [Row(name, in_words(field), name in required, _about(field)) for name, field in fields.items()]


def about_of(given: Input) -> str:
    """What a parameter is, and is by default."""
    return f"{given.about}{_default_of(given.schema)}"


def _about(field: Schema) -> str:
    return f"{field.get('description', '')}{_default_of(field)}".strip()


def _default_of(schema: Schema) -> str:
    """Nothing where it is nothing, empty, or false: that goes without saying."""
    default = schema.get("default")
    return f" By default `{msgspec.json.encode(default).decode()}`." if default else ""


def shapes_of(reference: Reference) -> list[str]:
    """The names of the structs that stand inside of others, so that their fields are not told where they are used."""
    inner = {found for struct in reference.schemas.values() for found in _references(struct)}
    return sorted(name.removeprefix(REFERENCE) for name in inner)


def word_of(name: str, reference: Reference) -> str:
    """What is said of a field of a struct that is not optional: a request must have it, an answer has it."""
    asked = {REFERENCE + name}
    bodies = [form.schema for each in reference.operations if each.body is not None for form in each.body.forms]
    structs = [reference.schemas[each.removeprefix(REFERENCE)] for body in bodies if body for each in _references(body)]
    return REQUIRED if any(asked & {*_references(struct)} for struct in structs) else ALWAYS


def _references(schema: Schema) -> list[str]:
    """All references in a schema, at any depth."""
    found = [str(schema["$ref"])] if "$ref" in schema else []
    for name, part in schema.items():
        if isinstance(part, dict):
            found += _references(part_of(schema, name))
        elif isinstance(part, list):
            found += [
                each for inner in parts_of(schema, name) if isinstance(inner, dict) for each in _references(inner)
            ]
    return found
