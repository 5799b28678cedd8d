"""The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0), as a tree of dicts and lists."""

from collections.abc import Mapping

from synap import __version__
from synap.protocol.http import tags
from synap.protocol.http.description import JSON, Field, Schema
from synap.protocol.http.errors import TABLE
from synap.protocol.http.openapi.failures import Failure
from synap.protocol.http.openapi.operation import Carried, Form, Input, Operation, Output, Reference
from synap.protocol.http.openapi.schemas import REFERENCE
from synap.protocol.http.service import Role

Tree = dict[str, object]

ABOUT = """\
A durable session store: what is acknowledged is on the disk, what is deleted stays deleted.

* JSON in, JSON out, in UTF-8. A body needs `Content-Type: application/json`; fields that are unknown are ignored.
* What you set is what you get: a string is text, any other JSON is that JSON, octets are octets.
* A missing key is no error for a read; an expired one is missing, to the millisecond.
* HEAD works wherever GET does. Answers of 1 KiB and more are compressed for who accepts gzip.
* An error is an object with `error`, `code` and `type`. A 5xx says with `outcome` whether the write may have happened.
* Where authentication is on, credentials are an API key, as bearer token or in `X-API-Key`, or username and password.
"""

SECURITY: Tree = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
    "basic": {"type": "http", "scheme": "basic", "description": "Username and password of a configured user."},
}

_RETRY_AFTER = Field("Retry-After", "Seconds after which to try again.", {"type": "integer", "minimum": 0}, "1")
_CHALLENGE = Field("WWW-Authenticate", "What a client may come with.", {"type": "string"}, 'Bearer realm="synap"')


def document_of(reference: Reference) -> Tree:
    """The whole document."""
    used = {operation.tag.name for operation in reference.operations}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Synap",
            "version": __version__,
            "summary": "A durable session store.",
            "description": ABOUT,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/"}],
        "tags": [{"name": tag.name, "description": tag.about} for tag in tags.ALL if tag.name in used],
        "paths": _paths(reference),
        "components": {"schemas": _schemas(reference), "securitySchemes": SECURITY},
    }


def _schemas(reference: Reference) -> Mapping[str, Schema]:
    """The structs; of errors, the names that there are as well."""
    schemas = {name: reference.schemas[name] for name in sorted(reference.schemas)}
    error = dict(schemas["ErrorBody"])
    properties = dict(error["properties"]) if isinstance(error["properties"], dict) else {}
    properties["type"] = {"type": "string", "enum": sorted({shown.type for shown in TABLE.values()})}
    return {**schemas, "ErrorBody": {**error, "properties": properties}}


def _paths(reference: Reference) -> Tree:
    paths: dict[str, Tree] = {}
    for operation in reference.operations:
        paths.setdefault(operation.pattern, {})[operation.method.lower()] = _operation(operation)
    return dict(paths)


def _operation(operation: Operation) -> Tree:
    body = {} if operation.body is None else {"requestBody": _body(operation.body)}
    return {
        "operationId": operation.name,
        "tags": [operation.tag.name],
        "summary": operation.summary,
        **({"description": operation.text} if operation.text else {}),
        "parameters": [_parameter(each) for each in operation.inputs],
        **body,
        "responses": _responses(operation),
        "security": _security(operation.role),
    }


def _security(role: Role) -> list[Tree]:
    """Any of the credentials, with the role; none where authentication is off."""
    if role == Role.PUBLIC:
        return []
    return [{}, *[Tree({name: [role.name.lower()]}) for name in SECURITY]]


def _parameter(given: Input) -> Tree:
    example = {} if given.example is None else {"example": given.example}
    required = {"required": True} if given.required else {}
    return {
        "name": given.name,
        "in": given.place,
        "description": given.about,
        **required,
        "schema": given.schema,
        **example,
    }


def _body(body: Carried) -> Tree:
    about = {"description": body.about} if body.about else {}
    return {**about, "required": True, "content": _content(body.forms, body.example)}


def _content(forms: tuple[Form, ...], example: object) -> Tree:
    """Each form; the example belongs to the first."""
    content: dict[str, Tree] = {
        form.media_type: {} if form.schema is None else {"schema": form.schema} for form in forms
    }
    if forms and example is not None:
        content[forms[0].media_type]["example"] = example
    return dict(content)


def _responses(operation: Operation) -> Tree:
    responses: Tree = {}
    for output in operation.outputs:
        responses[str(output.status)] = _output(output)
    for status in sorted({failure.status for failure in operation.failures}):
        failures = [failure for failure in operation.failures if failure.status == status]
        # What an endpoint itself answers with such a status takes the same place: either may come.
        responses[str(status)] = _failure(failures, responses.get(str(status)))
    return dict(sorted(responses.items()))


def _output(output: Output) -> Tree:
    response: Tree = {"description": output.about}
    if output.fields:
        response["headers"] = {each.name: _header(each) for each in output.fields}
    if output.forms:
        response["content"] = _content(output.forms, output.example)
    return response


def _header(given: Field) -> Tree:
    example = {} if given.example is None else {"example": given.example}
    return {"description": given.about, "schema": given.schema, **example}


def _failure(failures: list[Failure], beside: object) -> Tree:
    about = "\n".join(f"* `{failure.type}`: {failure.about}" for failure in failures)
    types = {"properties": {"type": {"enum": [failure.type for failure in failures]}}}
    schema: Tree = {"allOf": [{"$ref": REFERENCE + "ErrorBody"}, types]}
    fields = {}
    if isinstance(beside, dict):
        about = f"{beside['description']} Or:\n\n{about}"
        schema = {"anyOf": [beside["content"][JSON]["schema"], schema]}
        fields = beside.get("headers", {})
    if any(failure.retry_after for failure in failures):
        fields = {_RETRY_AFTER.name: _header(_RETRY_AFTER), **fields}
    if failures[0].status == 401:
        fields = {_CHALLENGE.name: _header(_CHALLENGE), **fields}
    headers = {"headers": fields} if fields else {}
    return {"description": about, **headers, "content": {JSON: {"schema": schema}}}
