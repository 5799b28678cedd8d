"""Integers of 64 bits with a sign, as Redis counts: a missing key counts as 0.

A number is text or JSON in canonical decimal form (no spaces, no plus, no leading zeros, no "-0"), and stays what it
was. One that is made here is JSON: nobody has put it in quotes.
"""

import re

from synap.commands import Increment, Kind
from synap.errors import InvalidValueError
from synap.keyspace.deciders.look import deadline_of, entry_at
from synap.keyspace.limits import Limits
from synap.keyspace.overlay import Overlay
from synap.radix import Entry

LOWEST, HIGHEST = -(2**63), 2**63 - 1

_CANONICAL = re.compile(rb"0|-?[1-9][0-9]{0,18}")
"""19 digits say 2 to the 63rd, and ``int`` takes long over a million of them."""


def increment(command: Increment, overlay: Overlay, limits: Limits) -> int:
    """See ``Increment``."""
    current = entry_at(command.key, command.if_version, overlay, limits)
    result = (0 if current is None else _integer_of(current)) + command.amount
    if not LOWEST <= result <= HIGHEST:
        raise InvalidValueError("the result would leave the 64 bits that an integer may have")
    value = b"%d" % result
    limits.check_value(value)
    overlay.set(command.key, Kind.JSON if current is None else current[0], value, deadline_of(current))
    return result


def _integer_of(entry: Entry) -> int:
    """The number that an entry holds. Refuses an entry that holds none, without a word about what it does hold."""
    kind, value, _, _ = entry
    if kind == Kind.BYTES or _CANONICAL.fullmatch(value) is None or not LOWEST <= int(value) <= HIGHEST:
        raise InvalidValueError("the value of this key is no integer of 64 bits")
    return int(value)
