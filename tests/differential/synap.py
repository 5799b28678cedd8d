"""Synap without sockets, log and tasks: requests of the REST API in, carried out at once on a state in memory."""

import json
import time
from typing import NamedTuple

from synap.commands import Command, Keys, Query, RandomKey, Write
from synap.errors import SynapError
from synap.keyspace import Keyspace, Limits, Overlay, answer, decide, live_key_at, match_keys
from synap.protocol.http import Call, Request, Response, find, respond_to_error
from synap.radix import new_tree
from synap.results import KeyPage

LIMITS = Limits()


class Told(NamedTuple):
    """A response; ``said`` is its JSON, None where it is no JSON."""

    status: int
    said: object
    body: bytes

    def field(self, name: str) -> object:
        """A field of its JSON."""
        assert isinstance(self.said, dict), self
        return self.said[name]


class Synap:
    """A store."""

    def __init__(self) -> None:
        self.keyspace = Keyspace(new_tree())

    def ask(self, method: str, target: str, body: object = None, content_type: str = "application/json") -> Told:
        """Send a request; a body that is not bytes is sent as JSON."""
        path, _, query = target.encode().partition(b"?")
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = ((b"content-type", content_type.encode()),)
        request = Request(method, path, query, headers, content)
        try:
            response = self._respond(find(method, path).call(request))
        except SynapError as error:
            response = respond_to_error(error)
        is_json = (b"content-type", b"application/json") in response.headers
        return Told(response.status, json.loads(response.body) if is_json else None, response.body)

    def _respond(self, call: Call) -> Response:
        assert isinstance(call.wish, Command)
        return call.respond(self._carry_out(call.wish, time.time_ns() // 1_000_000))

    def _carry_out(self, command: Command[object], now_ms: int) -> object:
        if isinstance(command, Write):
            overlay = Overlay(self.keyspace, now_ms)
            result: object = decide(command, overlay, LIMITS)
            for seq, event in enumerate(overlay.events, self.keyspace.seq + 1):
                self.keyspace.apply(seq, event)
            return result
        if isinstance(command, Keys):
            return KeyPage(match_keys(self.keyspace, command.pattern, None, 10_000, now_ms).keys, truncated=False)
        if isinstance(command, RandomKey):
            return live_key_at(self.keyspace, 0, now_ms) if len(self.keyspace.tree) else None
        assert isinstance(command, Query)
        found: object = answer(command, self.keyspace, now_ms, LIMITS)
        return found
