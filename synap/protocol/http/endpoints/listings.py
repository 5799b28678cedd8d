"""All keys, those that match a pattern, and those under a prefix."""

from synap import commands
from synap.protocol.http import bodies, query
from synap.protocol.http.cursor import from_cursor, to_cursor
from synap.protocol.http.message import Request, Response
from synap.protocol.http.precondition import refuse_condition
from synap.protocol.http.render import json_response
from synap.protocol.http.router import Call, call
from synap.results import KeyPage, Page

LIST_MAX_KEYS = 10_000
"""So many keys of a usual size are under a megabyte of JSON; whoever wants more scans."""

SCAN_DEFAULT_KEYS = 100


def keys(request: Request, _: bytes) -> Call:
    """GET /kv/keys."""
    parameters = query.parse(request.query)
    pattern = parameters.get("pattern", "*").encode()
    limit = query.integer(parameters, "limit", default=LIST_MAX_KEYS, low=1, high=LIST_MAX_KEYS)

    def respond(page: KeyPage) -> Response:
        return json_response(bodies.KeysResult(_texts(page.keys), page.truncated))

    return call(commands.Keys(pattern, limit), respond)


def delete_keys(request: Request, _: bytes) -> Call:
    """DELETE /kv/keys. The prefix must be given, so that a forgotten parameter never empties the store."""
    refuse_condition(request)
    prefix = query.required(query.parse(request.query), "prefix").encode()
    return call(commands.DeletePrefix(prefix), lambda count: json_response(bodies.DeletedCount(count)))


def scan(request: Request, _: bytes) -> Call:
    """GET /kv/scan."""
    parameters = query.parse(request.query)
    prefix = parameters.get("prefix", "").encode()
    after = from_cursor(parameters.get("cursor"))
    limit = query.integer(parameters, "limit", default=SCAN_DEFAULT_KEYS, low=1, high=LIST_MAX_KEYS)

    def respond(page: Page) -> Response:
        return json_response(bodies.ScanResult(_texts(page.keys), to_cursor(page.next_after)))

    return call(commands.Scan(prefix, after, limit), respond)


def count(request: Request, _: bytes) -> Call:
    """GET /kv/count."""
    prefix = query.parse(request.query).get("prefix", "").encode()
    return call(commands.Count(prefix), lambda n: json_response(bodies.CountResult(n)))


def _texts(found: list[bytes]) -> list[str]:
    """Keys as JSON strings; the keyspace has none that are not UTF-8."""
    return [key.decode() for key in found]
