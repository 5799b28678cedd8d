"""The deadline of one key."""

from synap import commands
from synap.errors import MissingKeyError
from synap.protocol.http import ttl
from synap.protocol.http.command import payload
from synap.protocol.http.command.asked import Asked, asked
from synap.results import TimeLeft


def expire(given: payload.Ttl) -> Asked:
    """kv.expire. A ttl of 0 ends the key at once."""
    return asked(commands.Expire(given.key.encode(), ttl.of_json(given.ttl, "ttl")), _result)


def persist(given: payload.Key) -> Asked:
    """kv.persist."""
    return asked(commands.Persist(given.key.encode()), _result)


def _result(was_there: bool) -> dict[str, bool]:
    return {"result": was_there}


def time_to_live(given: payload.Key) -> Asked:
    """kv.ttl: whole seconds, null where the key has no deadline, and an error where there is no key."""

    def show(left: TimeLeft) -> dict[str, int | None]:
        if not left.exists:
            raise MissingKeyError(given.key)
        return {"ttl": None if left.ms is None else ttl.whole_seconds(left.ms)}

    return asked(commands.TimeToLive(given.key.encode()), show)
