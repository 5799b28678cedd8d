from synap.protocol.http.openapi.fields import word_of
from synap.protocol.http.openapi.operation import Input, Operation, reference_of
from synap.protocol.http.routes import ROUTES

REFERENCE = reference_of(ROUTES, "http://localhost")
OPERATIONS = {f"{each.method} {each.pattern}": each for each in REFERENCE.operations}


def names(operation: Operation, place: str) -> list[str]:
    return [given.name for given in operation.inputs if given.place == place]


def test_the_order_is_that_of_the_table() -> None:
    assert list(OPERATIONS) == [f"{route.method} {route.pattern}" for route in ROUTES]


def test_parameters() -> None:
    scan = OPERATIONS["GET /kv/scan"]
    assert (names(scan, "path"), names(scan, "query"), names(scan, "header")) == ([], ["prefix", "cursor", "limit"], [])
    append = OPERATIONS["POST /kv/append/{key}"]
    assert (names(append, "path"), names(append, "header")) == (["key"], ["If-Match", "If-None-Match"])
    (prefix,) = OPERATIONS["DELETE /kv/keys"].inputs
    assert prefix == Input(
        "prefix",
        "query",
        "What the keys begin with. It must not be empty.",
        {"type": "string", "minLength": 1},
        required=True,
        example="session:",
    )


def test_two_ways_to_the_same() -> None:
    before, behind = OPERATIONS["POST /kv/append/{key}"], OPERATIONS["POST /kv/{key}/append"]
    assert (before.is_first, before.others) == (True, ("/kv/{key}/append",))
    assert (behind.is_first, behind.others) == (False, ("/kv/append/{key}",))
    assert before.name != behind.name
    assert OPERATIONS["GET /kv/value/{key}"].others == ()


def test_bodies_and_answers() -> None:
    put = OPERATIONS["PUT /kv/value/{key}"]
    assert put.body is not None
    assert [form.media_type for form in put.body.forms] == [
        "text/plain",
        "application/json",
        "application/octet-stream",
    ]
    assert put.body.forms[2].schema is None
    assert [output.status for output in put.outputs] == [200, 201]
    assert OPERATIONS["GET /kv/get/{key}"].body is None


def test_what_a_request_must_have_and_an_answer_has() -> None:
    assert {name: word_of(name, REFERENCE) for name in ("PairBody", "Expiry", "EventBody", "Operations")} == {
        "PairBody": "required",
        "Expiry": "required",
        "EventBody": "always",
        "Operations": "always",
    }


def test_the_schemas_that_are_referred_to_are_there() -> None:
    assert {"SetBody", "Expiry", "SetResult", "ErrorBody", "EventBody"} <= set(REFERENCE.schemas)
