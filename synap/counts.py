"""What was asked of a store, counted in keys: the numbers of ``/kv/stats``. A table, since every command passes it."""

from collections.abc import Callable

import msgspec

from synap import commands
from synap.commands import Command
from synap.results import Written


class OperationCounts(msgspec.Struct):
    """Since the store was opened. A command that both reads and writes counts as both."""

    gets: int = 0
    hits: int = 0
    sets: int = 0
    dels: int = 0

    def count(self, command: Command[object], result: object) -> None:
        """Take in a command and what came of it."""
        take_in = _TABLE.get(type(command))
        if take_in is not None:
            take_in(self, command, result)


def _read(counts: OperationCounts, _: Command[object], found: object) -> None:
    counts.gets += 1
    counts.hits += found is not None


def _read_many(counts: OperationCounts, command: commands.GetMany, found: tuple[object, ...]) -> None:
    counts.gets += len(command.keys)
    counts.hits += len(found) - found.count(None)


def _read_and_deleted(counts: OperationCounts, command: commands.GetDelete, found: object) -> None:
    _read(counts, command, found)
    counts.dels += found is not None


def _set(counts: OperationCounts, _: commands.Set, written: Written) -> None:
    counts.sets += written.written


def _set_many(counts: OperationCounts, command: commands.SetMany, success: bool) -> None:
    counts.sets += len(command.pairs) if success else 0


def _changed(counts: OperationCounts, _: Command[object], __: object) -> None:
    counts.sets += 1


def _renamed(counts: OperationCounts, _: Command[object], __: object) -> None:
    counts.sets += 1
    counts.dels += 1


def _copied(counts: OperationCounts, _: commands.Copy, success: bool) -> None:
    counts.sets += success


def _deleted(counts: OperationCounts, _: Command[object], number: int) -> None:
    counts.dels += number


_TABLE: dict[type[Command[object]], Callable[..., None]] = {
    commands.Get: _read,
    commands.GetTimed: _read,
    commands.GetRange: _read,
    commands.GetTouch: _read,
    commands.GetMany: _read_many,
    commands.GetDelete: _read_and_deleted,
    commands.Set: _set,
    commands.SetMany: _set_many,
    commands.Increment: _changed,
    commands.Append: _changed,
    commands.SetRange: _changed,
    commands.Rename: _renamed,
    commands.Copy: _copied,
    commands.Delete: _deleted,
    commands.DeleteMany: _deleted,
    commands.DeletePrefix: _deleted,
    commands.Flush: _deleted,
}
