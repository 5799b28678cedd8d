"""One request to a server, with headers, and what came of it as text."""

import json
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection

TIMEOUT_S = 20.0


def ask(
    port: int, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """The status and the body; ``body`` is sent as JSON."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)) as connection:
        content = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, path, content, {**kind, **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
