"""Answers made plain, so that they can be compared.

Text is ``str``, and so is a number that is a value; "refused" stands for an error, whatever it says.
"""

from collections.abc import Callable

from tests.differential.resp import Refusal, Reply
from tests.differential.synap import Told

REFUSED = "refused"
CONFLICT = 409


def plain(reply: Reply) -> object:
    """An answer of Redis."""
    if isinstance(reply, Refusal):
        return REFUSED
    if isinstance(reply, list):
        return [plain(each) for each in reply]
    return reply.decode(errors="replace") if isinstance(reply, bytes) else reply


def flag(reply: Reply) -> object:
    """An answer of Redis that is yes or no: 1 or 0, OK or nothing."""
    return REFUSED if isinstance(reply, Refusal) else reply not in {0, None}


def value(said: object) -> object:
    """A value as Synap shows it; Redis knows no numbers."""
    return said if said is None or isinstance(said, str) else str(said)


def field(name: str) -> Callable[[Told], object]:
    """A field of an answer of Synap."""
    return lambda told: REFUSED if told.status >= 400 else told.field(name)


def whole(told: Told) -> object:
    """An answer of Synap that is a value."""
    return REFUSED if told.status >= 400 else value(told.said)


def old_value(told: Told) -> object:
    """The value before, of an answer that has it only if there was one."""
    assert isinstance(told.said, dict)
    return REFUSED if told.status >= 400 else value(told.said.get("old_value"))


def values(told: Told) -> object:
    """The values of an answer to mget."""
    found = told.field("values")
    assert isinstance(found, list)
    return [value(each) for each in found]


def success(told: Told) -> object:
    """Whether it was done, where one of the two says no with an error."""
    if told.status == CONFLICT:
        return False
    return REFUSED if told.status >= 400 else told.field("success")


def copied(told: Told) -> object:
    """Redis makes no difference between a missing source and a destination that is there."""
    return False if told.status == 404 else success(told)


def in_order(reply: Reply) -> object:
    """Redis lists keys as they come."""
    assert isinstance(reply, list)
    return sorted(str(plain(each)) for each in reply)
