"""What a store must do, as simply as it can be said: a dict, and a rule for each write."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec import structs

from synap.commands import (
    Append,
    Copy,
    Delete,
    DeleteMany,
    DeletePrefix,
    Expire,
    GetDelete,
    GetTouch,
    Increment,
    Kind,
    Pair,
    Persist,
    Rename,
    Set,
    SetMany,
    SetRange,
    Write,
)
from synap.errors import (
    CommandError,
    InvalidTtlError,
    InvalidValueError,
    KeyExistsError,
    MissingKeyError,
    VersionMismatchError,
)
from synap.results import Found, Written

UNKNOWN = -1
"""The version of what was written by a command that tells none; no other entry is at the same."""


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

    def without(self, keys: Iterable[bytes]) -> "Model":
        """The state without these entries, which were evicted."""
        gone = set(keys)
        return Model({key: value for key, value in self.entries.items() if key not in gone})

    def after(self, command: Write[object], result: object, now_ms: int) -> "Model":
        """The state after the command; asserts that ``result`` (or the error) is what it had to be."""
        changed = Model(self.entries)
        expected = changed.carry_out(
            command, now_ms, lambda: result.version if isinstance(result, Written) else UNKNOWN
        )
        if isinstance(expected, type):
            assert isinstance(result, expected), f"{command}: {result!r} where {expected.__name__} was due"
        else:
            assert _without_unknown(result, expected) == expected, f"{command}: {result!r} instead of {expected!r}"
        return changed

    def carry_out(  # noqa: C901, PLR0912  # one case for each write
        self, command: Write[object], now_ms: int, version: Callable[[], int]
    ) -> object:
        """Change the state as the command says and return the result it must have, or the class of the error."""
        live = self.view(now_ms)
        match command:
            case Set():
                return self._set(command, live.get(command.key), now_ms, version)
            case SetMany(pairs, only_if_absent):
                return self._set_many(pairs, live if only_if_absent else {}, now_ms)
            case Increment(key, amount, if_version):
                return self._increment(key, live.get(key), amount, if_version)
            case Append(key, text):
                return self._write_text(key, live.get(key), None, text)
            case SetRange(key, offset, text):
                return self._write_text(key, live.get(key), offset, text)
            case Rename() | Copy():
                return self._to_destination(command, live)
            case GetTouch(key, ttl_ms):
                return self._move(key, live.get(key), _touched(live.get(key), now_ms + ttl_ms, ttl_ms))
            case GetDelete(key):
                return Found(*live[key]) if self._remove([key], live) else None
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

    def _set_many(self, pairs: tuple[Pair, ...], in_the_way: dict[bytes, Value], now_ms: int) -> bool:
        if any(pair.key in in_the_way for pair in pairs):
            return False
        for pair in pairs:
            deadline_ms = None if pair.ttl_ms is None else now_ms + pair.ttl_ms
            self.entries[pair.key] = Value(pair.kind, pair.value, deadline_ms, UNKNOWN)
        return True

    def _increment(
        self, key: bytes, current: Value | None, amount: int, if_version: int | None
    ) -> int | type[CommandError]:
        if if_version is not None and if_version != (0 if current is None else current.version):
            return VersionMismatchError
        before = Value(Kind.JSON, b"0", None, UNKNOWN) if current is None else current
        number = _number(before)
        if number is None or not -(2**63) <= number + amount < 2**63:
            return InvalidValueError
        self.entries[key] = before._replace(content=b"%d" % (number + amount), version=UNKNOWN)
        return number + amount

    def _write_text(
        self, key: bytes, current: Value | None, offset: int | None, text: bytes
    ) -> int | type[CommandError]:
        before = Value(Kind.TEXT, b"", None, UNKNOWN) if current is None else current
        if not text and (current is not None or offset is not None):
            return len(before.content)
        content = bytearray(before.content)
        start = len(content) if offset is None else offset
        content += bytes(max(0, start - len(content)))
        content[start : start + len(text)] = text
        kind = before.kind if before.kind == Kind.BYTES else Kind.TEXT
        if kind == Kind.TEXT and not _is_text(content):
            return InvalidValueError
        self.entries[key] = Value(kind, bytes(content), before.deadline_ms, UNKNOWN)
        return len(content)

    def _to_destination(self, command: Rename | Copy, live: dict[bytes, Value]) -> bool | type[CommandError] | None:
        source = live.get(command.key)
        if source is None:
            return MissingKeyError
        if command.if_version is not None and command.if_version != source.version:
            return VersionMismatchError
        if isinstance(command, Copy) and command.destination in live and not command.replace:
            return False
        if isinstance(command, Rename) and command.destination in live and command.only_if_absent:
            return KeyExistsError
        if command.destination != command.key:
            self.entries[command.destination] = source._replace(version=UNKNOWN)
            if isinstance(command, Rename):
                del self.entries[command.key]
        return True if isinstance(command, Copy) else None

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
    """The result, with UNKNOWN for each version that the model does not know."""
    if isinstance(result, Found) and isinstance(expected, Found) and expected.version == UNKNOWN:
        return structs.replace(result, version=UNKNOWN)
    if isinstance(result, Written) and isinstance(expected, Written):
        version = UNKNOWN if expected.version == UNKNOWN else result.version
        return structs.replace(result, version=version, old=_without_unknown(result.old, expected.old))
    return result


def _is_due(value: Value, now_ms: int) -> bool:
    return value.deadline_ms is not None and value.deadline_ms <= now_ms


def _touched(current: Value | None, asked_ms: int, ttl_ms: int) -> int:
    """The deadline before, if what is asked for is later, but by no more than a tenth of the time or a minute."""
    before_ms = None if current is None else current.deadline_ms
    if before_ms is None or asked_ms < before_ms or asked_ms > before_ms + min(ttl_ms / 10, 60_000):
        return asked_ms
    return before_ms


def _number(value: Value) -> int | None:
    """The 64 bits that a value says in plain decimals."""
    try:
        number = int(value.content)
    except ValueError:
        return None
    is_plain = b"%d" % number == value.content and value.kind != Kind.BYTES
    return number if is_plain and -(2**63) <= number < 2**63 else None


def _is_text(content: bytes | bytearray) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
