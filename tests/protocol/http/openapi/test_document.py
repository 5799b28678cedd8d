import json
import re

import jsonschema_rs
import pytest
from openapi_spec_validator import validate

from synap.protocol.http.errors import TABLE
from synap.protocol.http.openapi.document import document_of
from synap.protocol.http.openapi.documents import LOCAL
from synap.protocol.http.openapi.operation import Operation, reference_of
from synap.protocol.http.permission import PUBLIC_PATTERNS
from synap.protocol.http.routes import ROUTES

REFERENCE = reference_of(ROUTES, LOCAL)
DOCUMENT = json.loads(json.dumps(document_of(REFERENCE)))

each = pytest.mark.parametrize("operation", REFERENCE.operations, ids=lambda each: f"{each.method} {each.pattern}")


def described(operation: Operation) -> dict[str, object]:
    found = DOCUMENT["paths"][operation.pattern][operation.method.lower()]
    assert isinstance(found, dict)
    return found


def conforms(value: object, schema: object) -> None:
    """Raises where a value is not what a schema of the document says."""
    whole = {"$ref": "#/it", "it": schema, "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(whole).validate(value)


def test_it_is_valid() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["servers"] == [{"url": "/"}]


def test_it_tells_of_every_route_and_of_nothing_else() -> None:
    told = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert told == {(route.method, route.pattern) for route in ROUTES}


def test_names_are_unique_and_stay() -> None:
    names = [operation.name for operation in REFERENCE.operations]
    assert len(set(names)) == len(names)
    assert {"post_kv_set", "get_kv_get_key", "post_kv_append_key", "post_kv_key_append"} <= set(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


def test_headings_are_those_that_are_used() -> None:
    used = {tag for methods in DOCUMENT["paths"].values() for each in methods.values() for tag in each["tags"]}
    assert {tag["name"] for tag in DOCUMENT["tags"]} == used


@each
def test_who_may_ask(operation: Operation) -> None:
    security = described(operation)["security"]
    if operation.pattern in PUBLIC_PATTERNS:
        assert security == []
    else:
        role = [operation.role.name.lower()]
        assert security == [{}, {"bearer": role}, {"apiKey": role}, {"basic": role}]


@each
def test_errors_are_those_of_the_table(operation: Operation) -> None:
    responses = described(operation)["responses"]
    assert isinstance(responses, dict)
    assert {"400", "403", "500", "503"} <= responses.keys()
    assert ("401" in responses) == (operation.pattern not in PUBLIC_PATTERNS)
    statuses = {shown.type: shown.status for shown in TABLE.values()}
    assert all(statuses[failure.type] == failure.status for failure in operation.failures)
    for failure in operation.failures:
        body = {"error": "a sentence", "code": failure.status, "type": failure.type}
        schema = responses[str(failure.status)]["content"]["application/json"]["schema"]
        conforms(body, schema)
        with pytest.raises(jsonschema_rs.ValidationError):
            conforms({**body, "type": "made_up"}, schema)


@each
def test_examples_are_what_the_schemas_say(operation: Operation) -> None:
    told = described(operation)
    places = [told["requestBody"]] if "requestBody" in told else []
    assert isinstance(told["responses"], dict)
    for place in [*places, *told["responses"].values()]:
        for content in place.get("content", {}).values():
            if "example" in content:
                conforms(content["example"], content.get("schema", {}))
    for given in told["parameters"]:  # type: ignore[attr-defined]
        if "example" in given:
            conforms(given["example"], given["schema"])


@pytest.mark.parametrize(
    ("name", "body", "fits"),
    [
        ("SetBody", {"key": "a", "value": None}, True),
        ("SetBody", {"key": "a", "value": 1, "ttl": 0.5, "nx": True, "if_version": 0}, True),
        ("SetBody", {"key": "a", "value": 1, "expiry": {"type": "unix_seconds", "value": 1}}, True),
        ("SetBody", {"key": "a", "value": 1, "colour": "green"}, True),
        ("SetBody", {"key": "a"}, False),
        ("SetBody", {"key": "", "value": 1}, False),
        ("SetBody", {"key": "a", "value": 1, "ttl": "60"}, False),
        ("SetBody", {"key": "a", "value": 1, "ttl": None}, False),
        ("SetBody", {"key": "a", "value": 1, "ttl": 0}, False),
        ("SetBody", {"key": "a", "value": 1, "expiry": {"type": "days", "value": 1}}, False),
        ("SetBody", {"key": "a", "value": 1, "nx": 1}, False),
        ("TtlBody", {"ttl": 0}, True),
        ("TtlBody", {"ttl": -1}, False),
        ("PairsBody", {"pairs": [["a", 1], {"key": "a", "value": 1}]}, True),
        ("PairsBody", {"pairs": [["a", 1, 2]]}, False),
        ("RangeBody", {"offset": -1, "value": "a"}, False),
        ("AmountBody", {"amount": 2**63}, False),
    ],
)
def test_what_the_schemas_of_bodies_allow(name: str, body: object, fits: bool) -> None:
    schema = {"$ref": f"#/components/schemas/{name}"}
    if fits:
        conforms(body, schema)
    else:
        with pytest.raises(jsonschema_rs.ValidationError):
            conforms(body, schema)
