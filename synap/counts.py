"""What was asked of a store, counted in keys: the numbers of ``/kv/stats``."""

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
        self._count_reads(command, result)
        self._count_writes(command, result)

    def _count_reads(self, command: Command[object], result: object) -> None:
        match command:
            case (
                commands.Get() | commands.GetTimed() | commands.GetRange() | commands.GetTouch() | commands.GetDelete()
            ):
                self.gets += 1
                self.hits += result is not None
            case commands.GetMany(keys) if isinstance(result, tuple):
                self.gets += len(keys)
                self.hits += sum(found is not None for found in result)

    def _count_writes(self, command: Command[object], result: object) -> None:
        match command:
            case commands.Set() if isinstance(result, Written):
                self.sets += result.written
            case commands.SetMany(pairs) if result:
                self.sets += len(pairs)
            case commands.Increment() | commands.Append() | commands.SetRange():
                self.sets += 1
            case commands.Copy() if isinstance(result, bool):
                self.sets += result
            case commands.Rename():
                self.sets += 1
                self.dels += 1
            case commands.GetDelete():
                self.dels += result is not None
            case commands.Delete() | commands.DeleteMany() | commands.DeletePrefix() if isinstance(result, int):
                self.dels += result
