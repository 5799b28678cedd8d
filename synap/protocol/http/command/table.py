"""The names of all commands. A new one is a row here, and a function beside it."""

from msgspec import Raw

from synap.errors import UnknownCommandError
from synap.protocol.http import bodies
from synap.protocol.http.command import (
    batches,
    deadlines,
    entries,
    listings,
    names,
    numbers,
    payload,
    server,
    text,
)
from synap.protocol.http.command.asked import Asked, Handler, takes

_NAME_MAX_CHARS = 100
"""So much of an unknown name is repeated. The longest that is known has 13."""

COMMANDS: dict[str, Handler] = {
    "kv.set": takes(bodies.SetBody, entries.set_value),
    "kv.get": takes(payload.Key, entries.get),
    "kv.del": takes(payload.KeyOrKeys, entries.delete),
    "kv.exists": takes(payload.Key, entries.exists),
    "kv.incr": takes(payload.Amount, numbers.incr),
    "kv.decr": takes(payload.Amount, numbers.decr),
    "kv.mset": takes(bodies.PairsBody, batches.mset),
    "kv.msetnx": takes(payload.PairsOrPair, batches.msetnx),
    "kv.mget": takes(bodies.KeysBody, batches.mget),
    "kv.mdel": takes(bodies.KeysBody, batches.mdel),
    "kv.scan": takes(payload.Scan, listings.scan),
    "kv.keys": takes(payload.Keys, listings.keys),
    "kv.dbsize": takes(payload.Nothing, entries.dbsize),
    "kv.flushdb": takes(payload.Nothing, entries.flush),
    "kv.flushall": takes(payload.Nothing, entries.flush),
    "kv.expire": takes(payload.Ttl, deadlines.expire),
    "kv.persist": takes(payload.Key, deadlines.persist),
    "kv.ttl": takes(payload.Key, deadlines.time_to_live),
    "kv.stats": takes(payload.Nothing, server.stats),
    "kv.append": takes(payload.Text, text.append),
    "kv.strlen": takes(payload.Key, text.strlen),
    "kv.setrange": takes(payload.SetRange, text.setrange),
    "kv.getrange": takes(payload.GetRange, text.getrange),
    "kv.getset": takes(payload.GetSet, text.getset),
    "key.type": takes(payload.Key, names.key_type),
    "key.exists": takes(payload.Key, names.key_exists),
    "key.randomkey": takes(payload.Nothing, names.random_key),
    "key.rename": takes(payload.Destination, names.rename),
    "key.renamenx": takes(payload.Destination, names.renamenx),
    "key.copy": takes(payload.Destination, names.copy),
    "memory.usage": takes(payload.Key, names.memory_usage),
    "info": takes(payload.Section, server.info),
    "slowlog.get": takes(payload.Count, server.slowlog),
    "slowlog.reset": takes(payload.Nothing, server.clear_slowlog),
}


def ask(command: str, given: Raw) -> Asked:
    """The wish of a command. Raises ``UnknownCommandError``, or what the payload is refused with."""
    handler = COMMANDS.get(command)
    if handler is None:
        raise UnknownCommandError(f"Unknown command: {command[:_NAME_MAX_CHARS]}")
    return handler(given)
