"""What a store must do, as simply as it can be said: a dict, and a rule for each write."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import structs

from synap.commands import (
    Delete,
    DeleteMany,
    DeletePrefix,
    Expire,
    GetTouch,
    Pair,
    Persist,
    Set,
    SetMany,
    Write,
)
from synap.errors import CommandError, InvalidTtlError, VersionMismatchError
from synap.results import Found, Written


class Value(NamedTuple):
    """What a key holds; ``version`` is whatever the store said it was."""

    kind: int
    content: bytes
    deadline_ms: int | None
    version: int


class Model:
    """The entries of a store. Due ones stay until they are overwritten: being due is a matter of when one looks."""

    def __init__(self, entries: dict[bytes, Value] | None = None) -> None:
        self.entries = dict(entries or {})

    def view(self, now_ms: int) -> dict[bytes, Value]:
        """What a reader sees."""
        return {key: value for key, value in self.entries.items() if not _is_due(value, now_ms)}

    def after(self, command: Write[object], result: object, now_ms: int) -> "Model":
        """The state after the command; asserts that ``result`` (or the error) is what it had to be."""
        changed = Model(self.entries)
        expected = changed.carry_out(command, now_ms, lambda: result.version if isinstance(result, Written) else -1)
        if isinstance(expected, type):
            assert isinstance(result, expected), f"{command}: {result!r} where {expected.__name__} was due"
        else:
            assert _without_unknown(result, expected) == expected, f"{command}: {result!r} instead of {expected!r}"
        return changed

    def carry_out(  # noqa: C901  # one case for each write
        self, command: Write[object], now_ms: int, version: Callable[[], int]
    ) -> object:
        """Change the state as the command says and return the result it must have, or the class of the error."""
        live = self.view(now_ms)
        match command:
            case Set():
                return self._set(command, live.get(command.key), now_ms, version)
            case SetMany(pairs):
                for pair in pairs:
                    self._put(pair, None if pair.ttl_ms is None else now_ms + pair.ttl_ms)
                return None
            case GetTouch(key, ttl_ms):
                return self._move(key, live.get(key), now_ms + ttl_ms)
            case Expire(key, 0):
                return self._remove([key], live) == 1
            case Expire(key, ttl_ms):
                return self._move(key, live.get(key), now_ms + ttl_ms) is not None
            case Persist(key):
                return self._move(key, live.get(key), None) is not None
            case Delete(key):
                return self._remove([key], live) == 1
            case DeleteMany(keys):
                return self._remove(list(keys), live)
            case DeletePrefix(prefix):
                return self._remove([key for key in live if key.startswith(prefix)], live)
        raise AssertionError(f"no rule for {command}")

    def _set(
        self, command: Set, current: Value | None, now_ms: int, version: Callable[[], int]
    ) -> Written | type[CommandError]:
        current_version = 0 if current is None else current.version
        if command.if_version is not None and command.if_version != current_version:
            return VersionMismatchError
        deadline_ms = command.deadline_ms
        if command.keep_ttl:
            deadline_ms = None if current is None else current.deadline_ms
        elif deadline_ms is not None and deadline_ms <= now_ms:
            return InvalidTtlError
        elif command.ttl_ms is not None:
            deadline_ms = now_ms + command.ttl_ms
        old = Found(*current) if command.return_old and current is not None else None
        if (command.only_if_absent and current is not None) or (command.only_if_present and current is None):
            return Written(written=False, version=current_version, old=old)
        written = Value(command.kind, command.value, deadline_ms, version())
        self.entries[command.key] = written
        return Written(written=True, version=written.version, old=old)

    def _put(self, pair: Pair, deadline_ms: int | None) -> None:
        # A SetMany tells no versions; -1 stands for one that nobody knows.
        self.entries[pair.key] = Value(pair.kind, pair.value, deadline_ms, -1)

    def _move(self, key: bytes, current: Value | None, deadline_ms: int | None) -> Found | None:
        if current is None:
            return None
        self.entries[key] = current._replace(deadline_ms=deadline_ms)
        return Found(*self.entries[key])

    def _remove(self, keys: list[bytes], live: dict[bytes, Value]) -> int:
        found = set(keys) & set(live)
        for key in found:
            del self.entries[key]
        return len(found)


def _without_unknown(result: object, expected: object) -> object:
    """The result, with -1 for each version that the model does not know."""
    if isinstance(result, Found) and isinstance(expected, Found) and expected.version == -1:
        return structs.replace(result, version=-1)
    if isinstance(result, Written) and isinstance(expected, Written):
        version = -1 if expected.version == -1 else result.version
        return structs.replace(result, version=version, old=_without_unknown(result.old, expected.old))
    return result


def _is_due(value: Value, now_ms: int) -> bool:
    return value.deadline_ms is not None and value.deadline_ms <= now_ms
