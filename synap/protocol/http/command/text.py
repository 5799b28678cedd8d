"""Parts of a value, and a value exchanged for another one. Positions are bytes."""

from synap import commands
from synap.errors import WrongShapeError
from synap.protocol.http import answers
from synap.protocol.http.command import payload
from synap.protocol.http.command.asked import Asked, asked
from synap.protocol.http.command.values import to_text, to_text_or_base64
from synap.protocol.http.values import from_json


def append(given: payload.Text) -> Asked:
    """kv.append."""
    return asked(commands.Append(given.key.encode(), given.value.encode()), answers.LengthResult)


def setrange(given: payload.SetRange) -> Asked:
    """kv.setrange."""
    if given.offset < 0:
        raise WrongShapeError("offset", "a non-negative integer", "got a negative one")
    return asked(commands.SetRange(given.key.encode(), given.offset, given.value.encode()), answers.LengthResult)


def strlen(given: payload.Key) -> Asked:
    """kv.strlen."""
    return asked(commands.Length(given.key.encode()), answers.LengthResult)


def getrange(given: payload.GetRange) -> Asked:
    """kv.getrange: null where the key is missing."""
    return asked(commands.GetRange(given.key.encode(), given.start, given.end), to_text)


def getset(given: payload.GetSet) -> Asked:
    """kv.getset. The old value is gone, so it is shown whatever it is."""
    kind, value = from_json(given.value)
    command = commands.Set(key=given.key.encode(), kind=kind, value=value, return_old=True)
    return asked(command, lambda written: to_text_or_base64(written.old))
