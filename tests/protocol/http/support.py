"""Requests as tests write them, and what comes of them without any server."""

import json

from synap.errors import SynapError
from synap.protocol.http import Call, Request, Response, find, respond_to_error

JSON = (b"content-type", b"application/json")


def request(method: str, target: str | bytes, body: object = b"", *headers: tuple[bytes, bytes]) -> Request:
    """A request for a raw target; a body that is not bytes is sent as JSON."""
    raw = target.encode() if isinstance(target, str) else target
    path, _, query = raw.partition(b"?")
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return Request(method, path, query, headers or (JSON,), body)


def resolve(asked: Request) -> Call:
    return find(asked.method, asked.path).call(asked)


def wish(method: str, target: str | bytes, body: object = b"") -> object:
    return resolve(request(method, target, body)).wish


def refusal(asked: Request) -> Response:
    """The response to a request that means no command."""
    try:
        resolve(asked)
    except SynapError as error:
        return respond_to_error(error)
    raise AssertionError(f"{asked} was accepted")


def refused(method: str, target: str | bytes, body: object = b"") -> tuple[int, object, str]:
    """Status, field and sentence of the response to a request that means no command."""
    response = refusal(request(method, target, body))
    told = json.loads(response.body)
    assert told["code"] == response.status
    return response.status, told.get("field"), told["error"]


def answered(method: str, target: str, result: object, body: object = b"") -> object:
    """The JSON that a result is rendered as."""
    response = resolve(request(method, target, body)).respond(result)
    assert response.status == 200
    return json.loads(response.body)
