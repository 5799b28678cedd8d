"""All keys, those that match a pattern, and those under a prefix."""

from synap import commands
from synap.protocol.http import answers, query, tags
from synap.protocol.http.cursor import from_cursor, to_cursor
from synap.protocol.http.description import json_answer
from synap.protocol.http.message import Request, Response
from synap.protocol.http.precondition import refuse_condition
from synap.protocol.http.render import json_response
from synap.protocol.http.router import Call, call, endpoint
from synap.results import KeyPage, Page

LIST_MAX_KEYS = 10_000
"""So many keys of a usual size are under a megabyte of JSON; whoever wants more scans."""

SCAN_DEFAULT_KEYS = 100

PATTERN = query.Text(
    "pattern",
    r"Which keys: `*` stands for any text, `?` for one byte, `[a-z]` for one of them, `[^a]` for any other, `\` for "
    "the next one itself. At most 1 KiB.",
    default="*",
    example="session:*",
)
PREFIX = query.Text("prefix", "Only keys that begin with this.", default="", example="session:")
ALL_UNDER = query.RequiredText("prefix", "What the keys begin with. It must not be empty.", example="session:")
CURSOR = query.Text(
    "cursor", "Where to go on: the `cursor` of the page before. Empty or not given: at the start.", default=None
)
LIST_LIMIT = query.Integer("limit", "How many keys at most.", low=1, high=LIST_MAX_KEYS, default=LIST_MAX_KEYS)
PAGE_LIMIT = query.Integer("limit", "How many keys at most.", low=1, high=LIST_MAX_KEYS, default=SCAN_DEFAULT_KEYS)


@endpoint(
    tags.MANY,
    json_answer(answers.KeysResult, {"keys": ["session:1", "session:2"], "truncated": False}),
    query=(PATTERN, LIST_LIMIT),
)
def keys(request: Request, _: bytes) -> Call:
    """List keys that match a pattern.

    In order of the keys. What the pattern begins with is looked up, so `session:*` does not walk over other keys.
    """
    parameters = query.parse(request.query)
    pattern = PATTERN.of(parameters).encode()
    limit = LIST_LIMIT.of(parameters)

    def respond(page: KeyPage) -> Response:
        return json_response(answers.KeysResult(texts(page.keys), page.truncated))

    return call(commands.Keys(pattern, limit), respond)


@endpoint(tags.MANY, json_answer(answers.DeletedCount, {"deleted": 2}), query=(ALL_UNDER,), writes=True)
def delete_keys(request: Request, _: bytes) -> Call:
    """Delete all keys under a prefix.

    In one step: with keys such as `session:USER:ID`, this is "log out everywhere". The prefix must be given, so that a
    forgotten parameter never empties the store.
    """
    refuse_condition(request)
    prefix = ALL_UNDER.of(query.parse(request.query)).encode()
    return call(commands.DeletePrefix(prefix), lambda count: json_response(answers.DeletedCount(count)))


@endpoint(
    tags.MANY,
    json_answer(answers.ScanResult, {"keys": ["session:1", "session:2"], "cursor": "c2Vzc2lvbjoy"}),
    query=(PREFIX, CURSOR, PAGE_LIMIT),
)
def scan(request: Request, _: bytes) -> Call:
    """Go through all keys, page by page.

    Every key that is there from the first page to the last is told once, whatever else is written meanwhile.
    """
    parameters = query.parse(request.query)
    prefix = PREFIX.of(parameters).encode()
    after = from_cursor(CURSOR.of(parameters))
    limit = PAGE_LIMIT.of(parameters)

    def respond(page: Page) -> Response:
        return json_response(answers.ScanResult(texts(page.keys), to_cursor(page.next_after)))

    return call(commands.Scan(prefix, after, limit), respond)


@endpoint(tags.MANY, json_answer(answers.CountResult, {"count": 2}), query=(PREFIX,))
def count(request: Request, _: bytes) -> Call:
    """Count keys.

    Without walking over them: this is fast however many there are.
    """
    prefix = PREFIX.of(query.parse(request.query)).encode()
    return call(commands.Count(prefix), lambda n: json_response(answers.CountResult(n)))


def texts(found: list[bytes]) -> list[str]:
    """Keys as JSON strings; the keyspace has none that are not UTF-8."""
    return [key.decode() for key in found]
