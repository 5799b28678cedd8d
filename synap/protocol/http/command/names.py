"""Keys as names: what is there, under which other name it shall be, and what it weighs."""

from synap import commands
from synap.protocol.http import answers
from synap.protocol.http.command import payload
from synap.protocol.http.command.asked import Asked, asked
from synap.protocol.http.endpoints.names import human


def key_type(given: payload.Key) -> Asked:
    """key.type."""

    def show(there: bool) -> answers.KeyTypeResult:
        return answers.KeyTypeResult(given.key, "string" if there else "none")

    return asked(commands.Exists(given.key.encode()), show)


def key_exists(given: payload.Key) -> Asked:
    """key.exists."""
    return asked(commands.Exists(given.key.encode()), lambda there: answers.KeyExistsResult(given.key, there))


def random_key(_: payload.Nothing) -> Asked:
    """key.randomkey."""
    return asked(commands.RandomKey(), lambda key: answers.RandomKeyResult(None if key is None else key.decode()))


def rename(given: payload.Destination) -> Asked:
    """key.rename."""
    return _rename(given, only_if_absent=False)


def renamenx(given: payload.Destination) -> Asked:
    """key.renamenx."""
    return _rename(given, only_if_absent=True)


def _rename(given: payload.Destination, *, only_if_absent: bool) -> Asked:
    command = commands.Rename(given.key.encode(), given.destination.encode(), only_if_absent)
    return asked(command, lambda _: answers.DestinationResult(True, given.key, given.destination))


def copy(given: payload.Destination) -> Asked:
    """key.copy."""
    command = commands.Copy(given.key.encode(), given.destination.encode(), given.replace)
    return asked(command, lambda success: answers.DestinationResult(success, given.key, given.destination))


def memory_usage(given: payload.Key) -> Asked:
    """memory.usage."""

    def show(size_bytes: int) -> answers.MemoryResult:
        return answers.MemoryResult(given.key, size_bytes, human(size_bytes))

    return asked(commands.MemoryUsage(given.key.encode()), show)
