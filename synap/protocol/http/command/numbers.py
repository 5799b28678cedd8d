"""Counting: an integer under one key."""

from synap import commands
from synap.protocol.http import answers
from synap.protocol.http.command import payload
from synap.protocol.http.command.asked import Asked, asked


def incr(given: payload.Amount) -> Asked:
    """kv.incr."""
    return _increment(given.key, given.amount)


def decr(given: payload.Amount) -> Asked:
    """kv.decr."""
    return _increment(given.key, -given.amount)


def _increment(key: str, amount: int) -> Asked:
    return asked(commands.Increment(key.encode(), amount), answers.IntegerResult)
