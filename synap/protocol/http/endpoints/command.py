"""The command endpoint: one route for every command; see ``protocol.http.command``."""

from synap.protocol.http import tags
from synap.protocol.http.command.envelope import Envelope, Reply, open_envelope, reply
from synap.protocol.http.command.table import ask
from synap.protocol.http.description import json_answer, json_body
from synap.protocol.http.message import Request
from synap.protocol.http.router import Call, call, endpoint


@endpoint(
    tags.COMMANDS,
    json_answer(Reply, {"success": True, "request_id": "1", "payload": "v", "error": None}),
    body=json_body(Envelope, {"command": "kv.get", "request_id": "1", "payload": {"key": "session:1"}}),
    writes=True,
)
def carry_out(request: Request, _: bytes) -> Call:
    """Carry out a command.

    Where the command is refused or unknown, the answer is 200 with `success` false and the reason in `error`. Any other
    status is about the envelope, the credentials or the server; its body is that of every error, with `success` false.
    Values come as text: of one that is json, its JSON text. In `values` and as an old value, octets that are no text
    are `{"base64": "..."}`; alone they are refused.

    | command | payload | payload of the answer |
    | --- | --- | --- |
    | `kv.set` | `key`, `value`, and what else `POST /kv/set` takes | `{"success"}`, false where `nx` or `xx` refused |
    | `kv.get` | `key` | text or null |
    | `kv.del` | `key`, or `keys` | `{"deleted": bool}` |
    | `kv.exists` | `key` | `{"exists"}` |
    | `kv.incr`, `kv.decr` | `key`, `amount` (1) | `{"value"}` |
    | `kv.mset` | `pairs` | `{"success"}` |
    | `kv.msetnx` | `pairs`, or `key` and `value` | `{"success"}` |
    | `kv.mget` | `keys` | `{"values"}` |
    | `kv.mdel` | `keys` | `{"deleted": n}` |
    | `kv.scan` | `prefix`, `limit` (100), `cursor` | `{"keys", "count", "cursor"}`, the last null at the end |
    | `kv.keys` | `pattern`, or `prefix` | `{"keys", "count"}`, `truncated` where there are over 10,000 |
    | `kv.dbsize` | | `{"size"}` |
    | `kv.flushdb`, `kv.flushall` | | `{"flushed"}`; refused unless `kv_store.allow_flush_commands` |
    | `kv.expire` | `key`, `ttl` | `{"result"}`, false where the key is missing |
    | `kv.persist` | `key` | the same |
    | `kv.ttl` | `key` | `{"ttl"}` in seconds, null without a deadline; refused where the key is missing |
    | `kv.append` | `key`, `value` | `{"length"}` |
    | `kv.strlen` | `key` | the same |
    | `kv.setrange` | `key`, `offset`, `value` | the same |
    | `kv.getrange` | `key`, `start` (0), `end` (-1) | text or null |
    | `kv.getset` | `key`, `value` | the old text or null |
    | `key.type`, `key.exists`, `memory.usage` | `key` | as the routes of these names |
    | `key.randomkey` | | `{"key"}` |
    | `key.rename`, `key.renamenx` | `key`, `destination` | `{"success", "source", "destination"}` |
    | `key.copy` | `key`, `destination`, `replace` | the same, `success` false where something is there already |
    | `kv.stats`, `info` | of `info`: `section` | as `GET /kv/stats`, `GET /info` |
    | `slowlog.get`, `slowlog.reset` | of the first: `count` | as `GET /slowlog`, `POST /slowlog/clear` |
    """
    envelope = open_envelope(request)
    found = ask(envelope.command, envelope.payload)
    return call(found.wish, lambda result: reply(envelope, found.show(result)))
