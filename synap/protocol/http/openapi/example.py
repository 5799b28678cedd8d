"""An example of a request for a route, made of the examples in its description; and as a line for curl."""

import json
import shlex
from urllib.parse import quote

import msgspec

from synap.protocol.http.description import Body
from synap.protocol.http.router import Route

_SAFE = ":-_.~*"
"""What may stand in a path or a query as it is, beside letters and digits."""

_NEVER_ENDING = "text/event-stream"
_FILES = {"application/x-tar": "synap-backup.tar"}


class Example(msgspec.Struct, frozen=True):
    """A request that succeeds: ``target`` is path and query."""

    method: str
    target: str
    content_type: str | None
    body: bytes


def example_of(route: Route) -> Example:
    """The example of a route."""
    said = route.endpoint.description
    path = route.pattern.replace("{key}", quote(said.tag.key, safe=_SAFE))
    given = [(each.name, each.example) for each in said.query if each.example is not None]
    query = "&".join(f"{name}={quote(str(value), safe=_SAFE)}" for name, value in given)
    target = f"{path}?{query}" if query else path
    if said.body is None:
        return Example(route.method, target, None, b"")
    return Example(route.method, target, said.body.contents[0].media_type, _octets(said.body))


def _octets(body: Body) -> bytes:
    if body.contents[0].media_type != "application/json":
        return str(body.example).encode()
    return json.dumps(body.example, ensure_ascii=False).encode()


def curl_of(route: Route, base: str) -> str:
    """The example as a command for curl; ``base`` is the address of the server."""
    example = example_of(route)
    produced = {content.media_type for answer in route.endpoint.description.answers for content in answer.contents}
    words = ["curl"]
    words += ["-X", example.method] if example.method != "GET" else []
    words += ["-N"] if _NEVER_ENDING in produced and "wait=" not in example.target else []
    words += [word for media_type, name in _FILES.items() if media_type in produced for word in ("-o", name)]
    lines = [shlex.join([*words, base + example.target])]
    if example.content_type is not None:
        lines.append("-H " + shlex.quote(f"Content-Type: {example.content_type}"))
        lines.append("-d " + shlex.quote(example.body.decode()))
    return " \\\n  ".join(lines)
