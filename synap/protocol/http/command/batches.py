"""Several keys in one step."""

from msgspec import UnsetType

from synap import commands
from synap.errors import InvalidParameterError, MissingFieldError
from synap.protocol.http import answers, bodies
from synap.protocol.http.command import payload
from synap.protocol.http.command.asked import Asked, asked
from synap.protocol.http.command.values import to_text_or_base64
from synap.protocol.http.endpoints.batches import keys_of, pairs_of


def mset(given: bodies.PairsBody) -> Asked:
    """kv.mset."""
    return asked(commands.SetMany(pairs_of(given)), answers.SuccessResult)


def msetnx(given: payload.PairsOrPair) -> Asked:
    """kv.msetnx, of pairs or of one key and its value."""
    command = commands.SetMany(pairs_of(bodies.PairsBody(_pairs(given))), only_if_absent=True)
    return asked(command, answers.SuccessResult)


def _pairs(given: payload.PairsOrPair) -> list[bodies.PairBody | tuple[str, bodies.Value]]:
    if not isinstance(given.pairs, UnsetType):
        if not isinstance(given.key, UnsetType):
            raise InvalidParameterError("key: not together with pairs", field="key")
        return given.pairs
    if isinstance(given.key, UnsetType):
        raise MissingFieldError("pairs", "an array of pairs")
    if isinstance(given.value, UnsetType):
        raise MissingFieldError("value", "a value")
    return [bodies.PairBody(given.key, given.value)]


def mget(given: bodies.KeysBody) -> Asked:
    """kv.mget."""
    return asked(commands.GetMany(keys_of(given)), lambda found: {"values": [*map(to_text_or_base64, found)]})


def mdel(given: bodies.KeysBody) -> Asked:
    """kv.mdel."""
    return asked(commands.DeleteMany(keys_of(given)), answers.DeletedCount)
