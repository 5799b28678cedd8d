"""JSON Schemas (2020-12) of the structs that serve, and a schema in a few words.

The schemas are msgspec's, which decodes and encodes by the same types. What it cannot know (a ``Raw`` field that must
be a number) stands at the field, as ``Meta``.
"""

from typing import cast

import msgspec

from synap.protocol.http.description import Schema

REFERENCE = "#/components/schemas/"


class Schemas:
    """Makes schemas of types, in which structs are references, and keeps those of the structs by their ``named``."""

    def __init__(self) -> None:
        self.named: dict[str, Schema] = {}

    def of(self, shape: object) -> Schema:
        """The schema of a type."""
        (schema,), named = msgspec.json.schema_components(
            [shape], schema_hook=_schema_of_other, ref_template=REFERENCE + "{name}"
        )
        self.named |= {name: _plain(each) for name, each in named.items()}
        return _plain(schema)


def _schema_of_other(kind: type) -> dict[str, object]:
    """The schema of what msgspec has none for."""
    if kind is object:
        return {"description": "Any JSON."}
    # What msgspec asks a hook for that has no answer; it then says which type has no schema.
    raise NotImplementedError


def _plain(schema: dict[str, object]) -> Schema:
    """A schema whose descriptions are one paragraph each: docstrings are broken into lines as source is."""
    plain: dict[str, object] = {}
    for name, part in schema.items():
        if name == "description" and isinstance(part, str):
            plain[name] = "\n\n".join(" ".join(paragraph.split()) for paragraph in part.split("\n\n")).replace(
                "``", "`"
            )
        elif isinstance(part, dict):
            plain[name] = _plain(part)
        elif isinstance(part, list):
            plain[name] = [_plain(each) if isinstance(each, dict) else each for each in part]
        else:
            plain[name] = part
    return plain


def part_of(schema: Schema, name: str) -> Schema:
    """A schema inside of a schema."""
    return cast("Schema", schema.get(name, {}))


def parts_of(schema: Schema, name: str) -> list[Schema]:
    """Several of them."""
    return cast("list[Schema]", schema.get(name, []))


def in_words(schema: Schema) -> str:
    """What a schema allows, as one says it: "array of string", "integer from 1 to 10". A struct is a Markdown link."""
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(REFERENCE)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(in_words(each) for each in parts_of(schema, "anyOf"))
    if "enum" in schema:
        return " or ".join(_shown(each) for each in cast("list[object]", schema["enum"]))
    if "const" in schema:
        return _shown(schema["const"])
    kind = schema.get("type", "any JSON")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return _array_in_words(schema)
    return f"{kind}{_limits_in_words(schema)}"


def _array_in_words(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(in_words(each) for each in parts_of(schema, 'prefixItems'))}]"
    return f"array of {in_words(part_of(schema, 'items'))}"


def _limits_in_words(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None:
        return "" if high is None else f" up to {_number(high)}"
    return f" from {_number(low)}" + ("" if high is None else f" to {_number(high)}")


def _number(number: object) -> str:
    return f"{number:,}" if isinstance(number, int) else str(number)


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode()
