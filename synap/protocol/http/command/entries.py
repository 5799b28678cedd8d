"""Whole values under one key, and all keys at once."""

from msgspec import UNSET, UnsetType

from synap import commands
from synap.errors import InvalidParameterError, MissingFieldError
from synap.protocol.http import answers, bodies
from synap.protocol.http.command import payload
from synap.protocol.http.command.asked import Asked, asked
from synap.protocol.http.command.values import to_text
from synap.protocol.http.endpoints.batches import keys_of
from synap.protocol.http.endpoints.entries import to_set


def set_value(given: bodies.SetBody) -> Asked:
    """kv.set. Its ``success`` is false where nx or xx kept the value from being written."""
    return asked(to_set(given), lambda written: answers.SuccessResult(written.written))


def get(given: payload.Key) -> Asked:
    """kv.get."""
    return asked(commands.Get(given.key.encode()), to_text)


def delete(given: payload.KeyOrKeys) -> Asked:
    """kv.del, of one key or of several: whether any was there."""
    if isinstance(given.keys, UnsetType):
        if isinstance(given.key, UnsetType):
            raise MissingFieldError("key", "a string")
        return asked(commands.Delete(given.key.encode()), _deleted)
    if given.key is not UNSET:
        raise InvalidParameterError("key: not together with keys", field="key")
    return asked(commands.DeleteMany(keys_of(bodies.KeysBody(given.keys))), _deleted)


def _deleted(count: int) -> dict[str, bool]:
    return {"deleted": bool(count)}


def exists(given: payload.Key) -> Asked:
    """kv.exists."""
    return asked(commands.Exists(given.key.encode()), answers.ExistsResult)


def dbsize(_: payload.Nothing) -> Asked:
    """kv.dbsize."""
    return asked(commands.Count(b""), lambda count: {"size": count})


def flush(_: payload.Nothing) -> Asked:
    """kv.flushdb and kv.flushall. There is one database, so they are the same."""
    return asked(commands.Flush(), lambda count: {"flushed": count})
