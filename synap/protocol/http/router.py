"""Patterns, and how a method and a path find theirs.

A pattern is a path of static segments, one of which may be ``{key}``. The table of patterns becomes a tree by
segments, which is walked with these rules:

* a segment is compared after it was decoded; a key may be any segment, also "." and "..", or an empty one,
  which is then refused as a key, not as a path;
* where both fit, the static segment is tried first, so ``/kv/get/append`` is the key "append" of
  ``/kv/get/{key}`` and not the key "get" of ``/kv/{key}/append``;
* the path decides, then the method: a path that exists for other methods is 405, not another pattern.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar, cast

import msgspec

from synap.commands import Query
from synap.errors import MethodNotAllowedError, UnknownRouteError
from synap.protocol.http.message import Request, Response
from synap.protocol.http.origin import check_origin
from synap.protocol.http.percent import path_segments
from synap.protocol.http.service import Question, Wish

R = TypeVar("R")

_KEY = "{key}"


class Call(msgspec.Struct, frozen=True):
    """What a request comes down to: a wish, and how to render what comes of it. Made by ``call``."""

    wish: Wish[object]
    respond: Callable[[object], Response]


def call(wish: Wish[R], respond: Callable[[R], Response]) -> Call:
    """Pair a wish with a rendering of its result.

    That they fit is checked here, by the types; a ``Call`` itself forgets the result's type, because one
    table holds the calls of all routes.
    """
    return Call(wish, cast("Callable[[object], Response]", respond))


Endpoint = Callable[[Request, bytes], Call]
"""What a route does with a request and the key of its path (empty where the pattern has none)."""


class Route(msgspec.Struct, frozen=True):
    """A row of the table."""

    method: str
    pattern: str
    endpoint: Endpoint


class Match(msgspec.Struct, frozen=True):
    """The route of a request and the key in its path."""

    route: Route
    key: bytes

    def call(self, request: Request) -> Call:
        """What the request comes down to. Raises ``ClientError``."""
        found = self.route.endpoint(request, self.key)
        if not isinstance(found.wish, Query | Question):
            check_origin(request)
        return found


class _Node:
    """A place in the tree: what is here, and where each next segment leads."""

    __slots__ = ("by_key", "by_name", "routes")

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.by_name: dict[bytes, _Node] = {}
        self.by_key: _Node | None = None

    def below(self, segment: str) -> "_Node":
        """The node under a segment of a pattern, made where there is none."""
        if segment != _KEY:
            return self.by_name.setdefault(segment.encode(), _Node())
        self.by_key = self.by_key or _Node()
        return self.by_key


class Router:
    """A table of routes, ready to be searched."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.pattern[1:].split("/"):
            node = node.below(segment)
        assert route.method not in node.routes, f"two routes for {route.method} {route.pattern}"
        node.routes[route.method] = route
        if route.method == "GET":
            node.routes["HEAD"] = route

    def find(self, method: str, path: bytes) -> Match:
        """The route for a method and a raw path. Raises ``UnknownRouteError`` or ``MethodNotAllowedError``."""
        found = _walk(self._root, path_segments(path), 0, b"")
        if found is None:
            raise UnknownRouteError("there is nothing at this path; a slash inside a key is written %2F", field="path")
        node, key = found
        route = node.routes.get(method)
        if route is None:
            raise MethodNotAllowedError(method, tuple(sorted(node.routes)))
        return Match(route, key)


def _walk(node: _Node, segments: list[bytes], depth: int, key: bytes) -> tuple[_Node, bytes] | None:
    """The node where all segments from ``depth`` on lead, and the key among them. As deep as the tree, not the path."""
    if depth == len(segments):
        return (node, key) if node.routes else None
    named = node.by_name.get(segments[depth])
    found = None if named is None else _walk(named, segments, depth + 1, key)
    if found is None and node.by_key is not None:
        found = _walk(node.by_key, segments, depth + 1, segments[depth])
    return found
