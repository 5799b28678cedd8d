"""Commands as tests send them, without a server."""

import json

from synap.protocol.http import Call, Request, find
from tests.protocol.http.support import request, resolve


def command(name: object, **payload: object) -> Request:
    return request("POST", "/api/v1/command", {"command": name, "request_id": "1", "payload": payload})


def wish(name: str, **payload: object) -> object:
    return asked(name, **payload).wish


def asked(name: str, **payload: object) -> Call:
    return resolve(command(name, **payload))


def shown(name: str, result: object, **payload: object) -> object:
    """The payload of the answer, where the wish comes to ``result``."""
    response = asked(name, **payload).respond(result)
    told = json.loads(response.body)
    assert response.status == 200
    assert told == {"success": True, "request_id": "1", "payload": told["payload"], "error": None}
    return told["payload"]


def failed(sent: Request, error: Exception) -> tuple[int, dict[str, object]]:
    """Status and body of the answer to a request that ended in an error."""
    response = find(sent.method, sent.path).refuse(sent, error, may_have_written=True)
    told: dict[str, object] = json.loads(response.body)
    assert told["success"] is False
    return response.status, told


def refusal(name: object, **payload: object) -> str:
    """Why a command is refused that means no wish; in the envelope."""
    sent = command(name, **payload)
    try:
        resolve(sent)
    except Exception as error:  # noqa: BLE001  # which one, is what the test asks for
        status, told = failed(sent, error)
        assert (status, told["payload"], told["request_id"]) == (200, None, "1")
        return str(told["error"])
    raise AssertionError(f"{name} was accepted")
