"""The slow log: which commands took long lately, the last ones of them, in memory only.

Where the disk is slow, every write is, by the thousand a second. They push each other out, and to write them all down
would make the server slower still; so of those that end within a second, only the first ones are kept.

The time is that from a command to its result, whatever it was spent on: deciding, waiting in the queue, the disk. A
value is never kept, only how long it is; a key is, cut where it is long, because it says who waited.
"""

from collections import deque
from collections.abc import Iterator

import msgspec

from synap.commands import Command, Kind, Pair

THRESHOLD_MS = 10
"""An ordinary disk syncs in less; what takes longer is a walk through many keys, or a disk in trouble."""

MAX_ENTRIES = 128
"""A look at the last minutes, not a record; all of it takes some hundred kilobytes at the most."""

SECOND_MAX_ENTRIES = 32
"""Kept of those that end within one second, so that all that is kept reaches back some seconds at the least."""

_ARG_MAX_CHARS = 128
_ARGS_MAX = 16

_NAMES = frozenset({"key", "keys", "destination", "prefix", "pattern", "after"})
"""The fields of commands that say which key is meant. Of all other bytes, only the length is shown."""


class SlowCommand(msgspec.Struct, frozen=True):
    """A command that took ``duration_us``, and ended at ``time_ms`` (log time, ms since the epoch).

    ``id`` counts from 1 and is not used again, also after ``clear``; what is missing between two was slow as well, and
    not kept.
    """

    id: int
    time_ms: int
    duration_us: int
    command: str
    args: tuple[str, ...]


class Slowlog:
    """The last ``max_entries`` commands that took ``threshold_ms`` or longer."""

    def __init__(self, threshold_ms: float = THRESHOLD_MS, max_entries: int = MAX_ENTRIES) -> None:
        # In seconds, because it is compared after every command.
        self.threshold_s = threshold_ms / 1000
        self._entries: deque[SlowCommand] = deque(maxlen=max_entries)
        self._last_id = 0
        self._second = self._in_second = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, command: Command[object], duration_s: float, now_ms: int) -> None:
        """Keep a command that was slow, or count it only, where too many are at once."""
        self._last_id += 1
        second = now_ms // 1000
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        if self._in_second > SECOND_MAX_ENTRIES:
            return
        name = type(command).__name__.lower()
        self._entries.append(SlowCommand(self._last_id, now_ms, int(duration_s * 1_000_000), name, _args(command)))

    def latest(self, count: int) -> list[SlowCommand]:
        """The last ``count`` of them, the newest first."""
        return [entry for _, entry in zip(range(count), reversed(self._entries), strict=False)]

    def clear(self) -> int:
        """Forget all of them, and return how many there were."""
        count = len(self._entries)
        self._entries.clear()
        return count


def _args(command: Command[object]) -> tuple[str, ...]:
    """What the command was about, without what it stores."""
    shown = [text for name in command.__struct_fields__ for text in _shown(name, getattr(command, name))]
    more = len(shown) - _ARGS_MAX
    return tuple(shown) if more <= 0 else (*shown[:_ARGS_MAX], f"... ({more:,} more)")


def _shown(name: str, given: object) -> Iterator[str]:
    match given:
        case bytes():
            yield _cut(given) if name in _NAMES else f"({len(given):,} bytes)"
        case tuple():
            for each in given:
                yield _cut(each.key if isinstance(each, Pair) else each)
        case None | False | Kind():
            return
        case _:
            yield f"{name}={given}"


def _cut(key: bytes) -> str:
    # Not all of it is decoded: a client may have sent megabytes that were then refused.
    text = key[: 4 * _ARG_MAX_CHARS + 4].decode(errors="replace")
    if len(text) <= _ARG_MAX_CHARS:
        return text
    kept = text[:_ARG_MAX_CHARS]
    return f"{kept}... ({len(key) - len(kept.encode()):,} more bytes)"
