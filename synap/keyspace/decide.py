"""Writes to events and results. A new write is a decider (``deciders``) and a row in ``_DECIDERS``."""

from collections.abc import Callable
from typing import Any, TypeVar

from synap import commands
from synap.commands import Write
from synap.errors import CommandError
from synap.keyspace.deciders import deadlines, names, numbers, removals, text, values
from synap.keyspace.limits import Limits
from synap.keyspace.overlay import Overlay

R = TypeVar("R")


def decide(command: Write[R], overlay: Overlay, limits: Limits) -> R:
    """Record the events that carry out the command, and return its result.

    Raises ``CommandError`` where the command is refused; the overlay is then as it was before.
    """
    before = len(overlay.events)
    try:
        result: R = _DECIDERS[type(command)](command, overlay, limits)
    except CommandError:
        assert len(overlay.events) == before, "a refused command must leave no event"
        raise
    return result


_DECIDERS: dict[type[Write[object]], Callable[..., Any]] = {
    commands.Set: values.set_value,
    commands.SetMany: values.set_many,
    commands.Append: text.append,
    commands.SetRange: text.set_range,
    commands.Increment: numbers.increment,
    commands.Rename: names.rename,
    commands.Copy: names.copy,
    commands.GetTouch: deadlines.get_touch,
    commands.Expire: deadlines.expire,
    commands.Persist: deadlines.persist,
    commands.Delete: removals.delete,
    commands.GetDelete: removals.get_delete,
    commands.DeleteMany: removals.delete_many,
    commands.DeletePrefix: removals.delete_prefix,
    commands.Flush: removals.flush,
    commands.PurgeExpired: removals.purge_expired,
}
