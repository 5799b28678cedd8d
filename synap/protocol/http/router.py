"""Patterns, and how a method and a path find theirs.

A pattern is a path of static segments, one of which may be ``{key}``. The table of patterns becomes a tree by
segments, which is walked with these rules:

* a segment is compared after it was decoded; a key may be any segment, also "." and "..", or an empty one,
  which is then refused as a key, not as a path;
* where both fit, the static segment is tried first, so ``/kv/get/append`` is the key "append" of
  ``/kv/get/{key}`` and not the key "get" of ``/kv/{key}/append``;
* the path decides, then the method: a path that exists for other methods is 405, not another pattern.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import TypeVar, cast

import msgspec

from synap.commands import Query
from synap.errors import MethodNotAllowedError, SynapError, UnknownRouteError
from synap.protocol.http.cors import Origins
from synap.protocol.http.description import Answer, Body, Description, Field, Parameter, Tag
from synap.protocol.http.errors import respond_to_error
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


Handler = Callable[[Request, bytes], Call]
"""What makes a call of a request and the key of its path (empty where the pattern has none)."""


class Endpoint(msgspec.Struct, frozen=True):
    """What a route does, and what is said of that. Made by ``endpoint``."""

    handle: Handler
    description: Description


def endpoint(
    tag: Tag,
    *answers: Answer,
    query: tuple[Parameter, ...] = (),
    fields: tuple[Field, ...] = (),
    body: Body | None = None,
    writes: bool = False,
    errors: tuple[type[SynapError], ...] = (),
) -> Callable[[Handler], Endpoint]:
    """Make a function an endpoint; its docstring, which is written for clients, becomes part of the description."""

    def describe(handler: Handler) -> Endpoint:
        summary, _, text = inspect.cleandoc(handler.__doc__ or "").partition("\n\n")
        summary = " ".join(summary.split()).removesuffix(".")
        return Endpoint(handler, Description(summary, text, tag, answers, query, fields, body, writes, errors))

    return describe


Refuse = Callable[[Request | None, Exception, bool], Response]
"""What makes a response of an error, of the request (None where it was refused before it was read) and of whether that
may have written."""


def _refuse(_: Request | None, error: Exception, may_have_written: bool) -> Response:
    return respond_to_error(error, may_have_written=may_have_written)


class Route(msgspec.Struct, frozen=True):
    """A row of the table. Nearly all show their errors alike; who does not, has a ``refuse`` of its own."""

    method: str
    pattern: str
    endpoint: Endpoint
    refuse: Refuse = _refuse


class Match(msgspec.Struct, frozen=True):
    """The route of a request and the key in its path."""

    route: Route
    key: bytes

    def call(self, request: Request, origins: Origins = frozenset()) -> Call:
        """What the request comes down to; pages of ``origins`` may write, too. Raises ``ClientError``."""
        found = self.route.endpoint.handle(request, self.key)
        if not isinstance(found.wish, Query | Question):
            check_origin(request, origins)
        return found

    def refuse(self, request: Request | None, error: Exception, *, may_have_written: bool) -> Response:
        """The response to a request that ended in an error; None where it was refused before it was read."""
        return self.route.refuse(request, error, may_have_written)


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
        self._plain: dict[bytes, _Node] = {}
        self._before_key: dict[bytes, _Node] = {}
        for first, above in self._root.by_name.items():
            for second, node in above.by_name.items():
                path = b"/%b/%b" % (first, second)
                if node.routes:
                    self._plain[path] = node
                if node.by_key is not None and node.by_key.routes:
                    self._before_key[path] = node

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
        node, key = self._find_at_once(path) or self._find_by_walk(path)
        route = node.routes.get(method)
        if route is None:
            raise MethodNotAllowedError(method, tuple(sorted(node.routes)))
        return Match(route, key)

    def _find_at_once(self, path: bytes) -> tuple[_Node, bytes] | None:
        """What the walk would find, where the path is as most are: two names, or two names and a plain key."""
        plain = self._plain.get(path)
        if plain is not None:
            return plain, b""
        before, _, key = path.rpartition(b"/")
        node = self._before_key.get(before)
        if node is None or node.by_key is None or b"%" in key or key in node.by_name:
            return None
        return node.by_key, key

    def _find_by_walk(self, path: bytes) -> tuple[_Node, bytes]:
        found = _walk(self._root, path_segments(path), 0, b"")
        if found is None:
            raise UnknownRouteError("there is nothing at this path; a slash inside a key is written %2F", field="path")
        return found


def _walk(node: _Node, segments: list[bytes], depth: int, key: bytes) -> tuple[_Node, bytes] | None:
    """The node where all segments from ``depth`` on lead, and the key among them. As deep as the tree, not the path."""
    if depth == len(segments):
        return (node, key) if node.routes else None
    named = node.by_name.get(segments[depth])
    found = None if named is None else _walk(named, segments, depth + 1, key)
    if found is None and node.by_key is not None:
        found = _walk(node.by_key, segments, depth + 1, segments[depth])
    return found
