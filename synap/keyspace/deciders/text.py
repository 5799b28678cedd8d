"""Parts of values: append and setrange. Positions and lengths are bytes, as in Redis.

What comes of it is text, also where JSON was: a part of a JSON value is none. Only octets stay octets. Text is UTF-8 at
all times, so what would cut a character in two is refused.
"""

from synap.commands import Append, Kind, SetRange
from synap.errors import InvalidValueError
from synap.keyspace.deciders.look import deadline_of, entry_at
from synap.keyspace.limits import Limits
from synap.keyspace.overlay import Overlay
from synap.radix import Entry


def append(command: Append, overlay: Overlay, limits: Limits) -> int:
    """See ``Append``. Nothing behind what is there changes nothing; where nothing is, it makes an empty text."""
    current = entry_at(command.key, command.if_version, overlay, limits)
    before = _value_of(current)
    if current is not None and not command.value:
        return len(before)
    limits.check_value_size(len(before) + len(command.value))
    return _rewrite(command.key, current, before + command.value, overlay)


def set_range(command: SetRange, overlay: Overlay, limits: Limits) -> int:
    """See ``SetRange``. Nothing is written over nothing: an empty value changes nothing, wherever it should go."""
    current = entry_at(command.key, command.if_version, overlay, limits)
    before = _value_of(current)
    offset, end = command.offset, command.offset + len(command.value)
    if offset < 0:
        raise InvalidValueError("offset must not be negative", field="offset")
    if not command.value:
        return len(before)
    # Before the padding is made: an offset may be any number.
    limits.check_value_size(max(len(before), end))
    return _rewrite(command.key, current, before[:offset].ljust(offset, b"\0") + command.value + before[end:], overlay)


def _value_of(entry: Entry | None) -> bytes:
    return b"" if entry is None else entry[1]


def _rewrite(key: bytes, current: Entry | None, value: bytes, overlay: Overlay) -> int:
    """Record the new value of a key, which keeps its deadline, and return how long it is."""
    kind = Kind.BYTES if current is not None and current[0] == Kind.BYTES else Kind.TEXT
    if kind is Kind.TEXT:
        _check_text(value)
    overlay.set(key, kind, value, deadline_of(current))
    return len(value)


def _check_text(value: bytes) -> None:
    try:
        value.decode()
    except UnicodeDecodeError as cause:
        raise InvalidValueError(f"the text would not be UTF-8 at byte {cause.start}") from cause
